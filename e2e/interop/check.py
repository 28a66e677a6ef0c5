#!/usr/bin/env python3
"""Holds slices.py to a golden file, with nothing but Python: check.py SLICE.hex."""

import sys

import slices


def read(path):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {label: bytes.fromhex(text) for label, text in lines}


def is_lie(*arguments):
    try:
        slices.open_slice(*arguments)
    except slices.Lie:
        return True
    return False


def main():
    golden = read(sys.argv[1])
    piece_hash, encoded = golden["piece_hash"], golden["slice_32900_33000"]
    window = (piece_hash, 33_000, 32_900, 33_000)
    assert slices.slice_bytes(33_000, 32_900, 33_000) == len(encoded) == 296
    assert slices.slice_bytes(33_000, 0, 33_000) == 33_128
    assert slices.open_slice(*window, encoded) == encoded[-100:]
    print("the golden slice: ok")
    for at in range(len(encoded)):
        changed = bytearray(encoded)
        changed[at] ^= 1 << at % 8
        assert is_lie(*window, bytes(changed)), f"byte {at} may be another"
    assert is_lie(*window, encoded + b"\0") and is_lie(*window, encoded[:-1])
    assert is_lie(bytes(32), *window[1:], encoded)
    print("every byte that is another is caught: ok")
    cut = list(slices.windows(1000, 40_000, 16_384))
    assert cut == [(1000, 16_384), (16_384, 32_768), (32_768, 40_000)]
    assert list(slices.windows(7, 7, 16_384)) == []
    print("windows: ok")


if __name__ == "__main__":
    main()
