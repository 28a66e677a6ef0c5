# Everything a newcomer and the CI run. `make deps` comes first in each: RocksDB's bindings need libclang.

.PHONY: run testnet test deps fmt lint bench fuzz golden

run: deps
	cargo run --release --bin node -- --chain dev

# Four validators and eight providers on this machine, each a process: one line of JSON for each once all are ready; Ctrl-C
# stops them. `make testnet BASE=folder` keeps what they have.
testnet: deps
	@cargo build --release --locked --quiet --bin node --bin testnet
	@exec $(or $(CARGO_TARGET_DIR),target)/release/testnet $(if $(BASE),--base-path "$(BASE)")

# The layer that plays a power cut is preloaded, not linked, so that cargo does not build it for a test by itself.
test: deps
	cargo build --release --locked --package power-cut
	cargo test --release --locked --workspace --no-fail-fast

fmt:
	cargo fmt --all --check

lint: deps
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

bench: deps
	cargo bench --locked --workspace

# Every decoder of what others send, ten minutes each; `make fuzz TARGET=block SECONDS=3600` for one. Needs a nightly
# compiler (rustup toolchain install nightly), nothing else.
fuzz:
	./fuzz/run.sh "$(or $(TARGET),all)" "$(or $(SECONDS),600)"

# Writes the golden files anew: an explicit approval of other formats, to be committed alone.
golden: deps
	PIECEWISE_GOLDEN=write cargo test --release --locked --workspace golden

deps:
	@./.ci/deps
