#!/bin/sh
# Builds the fuzz targets and runs one of them, or all: fuzz/run.sh [TARGET|all] [SECONDS].
#
# This is what `cargo fuzz run` does, without that program: libFuzzer's flags for a nightly compiler, a target triple so
# that build scripts are not instrumented. What is found is left in fuzz/artifacts/TARGET; run it again with
#   fuzz/run.sh TARGET - fuzz/artifacts/TARGET/crash-...
set -eu
cd "$(dirname "$0")"

target=${1:-all}
seconds=${2:-600}
targets="transaction block store promises manifest slice proof answer dsn consensus"
toolchain=${FUZZ_TOOLCHAIN:-nightly}
triple=$(rustc "+$toolchain" -vV | sed -n 's/^host: //p')
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
export CARGO_TARGET_DIR

RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address"
export RUSTFLAGS

build() {
    case $1 in
    consensus) features="--features consensus" ;;
    answer) features="--features answers" ;;
    *) features= ;;
    esac
    # shellcheck disable=SC2086 # no features are no argument
    cargo "+$toolchain" build --release --locked --target "$triple" --bin "$1" $features
}

fuzz() {
    # An answer with a proof is JSON, and long.
    case $1 in answer) len=32768 ;; *) len=8192 ;; esac
    mkdir -p "artifacts/$1" "$CARGO_TARGET_DIR/corpus/$1"
    echo "== $1: $seconds s"
    # New inputs go to the first folder, outside the committed corpus.
    "$CARGO_TARGET_DIR/$triple/release/$1" "$CARGO_TARGET_DIR/corpus/$1" "corpus/$1" \
        -artifact_prefix="artifacts/$1/" -max_total_time="$seconds" -max_len="${FUZZ_LEN:-$len}" -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -verbosity="${FUZZ_VERBOSITY:-0}"
}

case $target in
all)
    for name in $targets; do build "$name"; done
    for name in $targets; do fuzz "$name"; done
    ;;
*)
    build "$target"
    if [ "$seconds" = - ]; then
        shift 2
        exec "$CARGO_TARGET_DIR/$triple/release/$target" "$@"
    fi
    fuzz "$target"
    ;;
esac
