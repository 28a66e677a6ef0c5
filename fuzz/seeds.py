#!/usr/bin/env python3
"""Writes the committed seeds of the fuzz targets anew, from the golden files: fuzz/seeds.py

A seed is an honest input of its target. Targets that read several types take the first byte for the type.
"""

import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
# Bytes of a signed transaction in front of its call, and of the signature behind it.
SIGNED_HEAD, FREE_HEAD, SIGNATURE = 1 + 1 + 32 + 8 + 16 + 8, 1 + 1 + 32, 64
# Of the testkit's chain.
GENESIS_MS, DEV_CODE = 1_700_000_000_000, bytes([1, 2, 4]) + struct.pack("<I", 64 * 1024)


def golden(path):
    """Label -> bytes."""
    lines = (ROOT / path).read_text().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {pair[0]: bytes.fromhex(pair[1]) for pair in pairs if len(pair) == 2}


def write(target, name, content):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def store_that_lands():
    """`storage.store` of a small file; the target signs it and adds the holders."""
    size = 100_000
    intent = bytes([1]) + bytes(64) + struct.pack("<Q", 1) + DEV_CODE
    intent += struct.pack("<IQI", 0, size, 10) + b"\xff" * 16 + struct.pack("<Q", GENESIS_MS + 3_600_000)
    segment = struct.pack("<Q", size) + bytes([4 << 2]) + b"".join(bytes([i + 1]) * 32 for i in range(4))
    manifest = bytes([1]) + b"\xcc" * 32 + struct.pack("<Q", size) + DEV_CODE + bytes([1 << 2]) + segment
    return bytes([2, 0]) + intent + bytes(64) + manifest + bytes([0, 0]) + bytes([0])


def answers():
    """JSON: the answer of a node, the same inside its response, and one value of its proof alone."""
    text = (ROOT / "e2e/tests/golden/located.json").read_text()
    located = json.loads(text)
    located = located.get("result", located)
    proof = located["proof"]
    entry = proof["entries"][0]
    value = {"key": entry["key"], "value": entry["value"], "height": located["height"]}
    value["proof"] = {**proof, "entries": [entry]}
    value["proof"].pop("transaction", None)
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1001, "message": "there is no file"}}
    seeds = {
        "located": located, "response": {"jsonrpc": "2.0", "id": 1, "result": located}, "value": value, "failed": failed,
    }
    for name, seed in seeds.items():
        write("answer", name, bytes([0]) + json.dumps(seed, separators=(",", ":")).encode())
    write("answer", "twice", bytes([0]) + b'{"proof":{},"a":[1e3,-1,null,true,"\\u00e9"],"proof":{}}')
    write("answer", "unchanged", bytes([1]))
    write("answer", "changed", bytes([1]) + struct.pack("<HB", 700, ord("1")) + struct.pack("<HB", 9000, ord("f")))


def main():
    types = golden("runtime/tests/golden/types.hex")
    for name, content in types.items():
        if name.startswith("signed-transaction"):
            write("transaction", name, content)
            write("store", "call-of-" + name, content[SIGNED_HEAD:-SIGNATURE])
        if name.startswith("free-transaction"):
            write("transaction", name, content + bytes(SIGNATURE))
            write("store", "call-of-" + name, content[FREE_HEAD:])
    write("block", "block", types["block"])
    write("block", "empty-block", types["header"] + bytes([0]))
    write("store", "store-that-lands", store_that_lands())

    promises = ["intent", "signed-intent", "commitment", "precommit", "certificate", "validator-set", "header"]
    for kind, name in enumerate(promises):
        write("promises", name, bytes([kind]) + types[name])

    for name in ("plain", "bundle", "empty"):
        write("manifest", name, bytes([0]) + golden("pieces/tests/golden/manifest.hex")[name])
    write("manifest", "table", bytes([1]) + struct.pack("<Q", 70_100) + golden("pieces/tests/golden/bundle.hex")["table"])
    write("manifest", "media-type", bytes([2]) + b"text/plain; charset=utf-8")

    slices = golden("pieces/tests/golden/slice.hex")
    ends = struct.pack("<QQQ", 33_000, 32_900, 33_000) + slices["piece_hash"]
    write("slice", "golden", bytes([0]) + ends + slices["slice_32900_33000"])
    write("slice", "unchanged", bytes([1]) + struct.pack("<IIIIB", 32_999, 32_900, 99, 7, 0))
    write("slice", "changed", bytes([1]) + struct.pack("<IIIIB", 70_000, 20_000, 9_000, 300, 1))
    write("slice", "changed-proof", bytes([2]) + struct.pack("<IIIB", 70_000, 5, 80, 1))

    proofs = golden("runtime/tests/golden/proofs.hex")
    write("proof", "noise", bytes([0]) + proofs["proof"])
    write("proof", "noise-block-0", bytes([0]) + proofs["proof-of-block-0"])
    write("proof", "unchanged", bytes([1, 0, 0, 0]))
    write("proof", "changed", bytes([1]) + struct.pack("<HB", 700, 1) + struct.pack("<HB", 1500, 0x80))
    for what in range(12):
        write("proof", f"moved-{what}", bytes([2, what, 1, 2]))
    for path in ("path-of-a-value", "path-of-absence"):
        write("proof", path, bytes([3]) + bytes([4 << 2]) + b"\x02key" + bytes([1, 4 << 2]) + b"what" + proofs[path])

    answers()

    said = golden("dsn-messages/tests/golden/messages.txt")
    messages = [
        ("put.open.intent", "put.open.recorded"), ("put.reply.accepted", "put.reply.refused"), ("put.end",),
        ("put.answer.committed", "put.answer.restored", "put.answer.refused"), ("get.request",),
        ("get.reply.found", "get.reply.not_found", "get.reply.refused"), ("have.request",),
        ("have.reply.held", "have.reply.refused", "have.reply.kept"), ("share.request",),
        ("share.reply.found", "share.reply.not_found", "share.reply.refused", "share.reply.elsewhere"),
    ]
    for kind, names in enumerate(messages):
        for name in names:
            # In bites of 32 bytes behind an honest length, and with its length written out and something behind.
            write("dsn", name, bytes([kind, 32]) + said[name])
            framed = struct.pack(">I", len(said[name])) + said[name] + b"more"
            write("dsn", name + ".framed", bytes([kind, 0x81]) + framed)

    formats = golden("consensus/tests/golden/formats.txt")
    messages = [
        ("proposal_part",), ("stream_data", "stream_fin"), ("signed_vote", "signed_vote_nil", "signed_proposal"),
        ("liveness_vote", "liveness_polka", "liveness_skip"), ("validator_proof",), ("sync_status",),
        ("sync_request",), ("sync_response",), ("proposed_value",), ("polka_certificate",),
    ]
    for kind, names in enumerate(messages):
        for name in names:
            write("consensus", name, bytes([kind]) + formats[name])


if __name__ == "__main__":
    main()
