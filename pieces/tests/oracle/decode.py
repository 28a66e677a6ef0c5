#!/usr/bin/env python3
"""Rebuild golden segments from any k pieces, knowing only the written description of the code.

Usage: decode.py SEGMENT.hex ...   Each file has lines `label hex`: code, content, piece_hashes, piece_0 .. piece_{n-1}.

The field is GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d). V[r][c] = r^c, with 0^0 = 1, is an n by k matrix; the
generator is V * inverse(V[0..k]), so that its first k rows are the identity. Byte j of all n pieces is one codeword: the
generator times the k data bytes. A segment is cut into stripes of k units; the rest is one stripe of units of
ceil(rest / k) bytes, rounded up to 64, padded with zeros. Piece i is unit i of every stripe, one after another.
"""

import random
import sys

EXP, LOG = [0] * 510, [0] * 256
x = 1
for power in range(255):
    EXP[power] = EXP[power + 255] = x
    LOG[x] = power
    x <<= 1
    if x & 0x100:
        x ^= 0x11D


def mul(a, b):
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def inverse_of(a):
    return EXP[255 - LOG[a]]


def raise_to(a, power):
    result = 1
    for _ in range(power):
        result = mul(result, a)
    return result


def combine(row, vectors):
    """Sum of row[i] * vectors[i]."""
    out = [0] * len(vectors[0])
    for factor, vector in zip(row, vectors):
        if factor:
            out = [o ^ mul(factor, v) for o, v in zip(out, vector)]
    return out


def multiply(left, right):
    return [combine(row, right) for row in left]


def invert(matrix):
    """Gauss and Jordan, on the matrix with the identity beside it."""
    size = len(matrix)
    rows = [list(row) + [int(i == j) for j in range(size)] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(r for r in range(column, size) if rows[r][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = inverse_of(rows[column][column])
        rows[column] = [mul(factor, v) for v in rows[column]]
        for r in range(size):
            factor = rows[r][column]
            if r != column and factor:
                rows[r] = [a ^ mul(factor, b) for a, b in zip(rows[r], rows[column])]
    return [row[size:] for row in rows]


def generator(k, n):
    vandermonde = [[raise_to(r, c) for c in range(k)] for r in range(n)]
    return multiply(vandermonde, invert(vandermonde[:k]))


def stripes_of(length, k, unit):
    """Pairs of (file bytes, unit bytes), one for each stripe."""
    full, rest = divmod(length, k * unit)
    stripes = [(k * unit, unit)] * full
    if rest:
        stripes.append((rest, -(-(-(-rest // k)) // 64) * 64))
    return stripes


def join(data_pieces, length, k, unit):
    content, at = b"", 0
    for used, size in stripes_of(length, k, unit):
        stripe = b"".join(bytes(piece[at : at + size]) for piece in data_pieces)
        assert not any(stripe[used:]), "padding is not zero"
        content += stripe[:used]
        at += size
    assert all(len(piece) == at for piece in data_pieces), "pieces have another length"
    return content


def read(path):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {label: bytes.fromhex(text) for label, text in lines}


def check(path):
    golden = read(path)
    identifier, k, n = golden["code"][:3]
    unit = int.from_bytes(golden["code"][3:7], "little")
    assert identifier == 1, "another code"
    content = golden["content"]
    pieces = [list(golden[f"piece_{i}"]) for i in range(n)]
    matrix = generator(k, n)
    assert multiply(matrix[k:], pieces[:k]) == pieces[k:], "parity differs"
    draw = random.Random(k * 1000 + n)
    choices = [list(range(k)), list(range(n - k, n))] + [draw.sample(range(n), k) for _ in range(6)]
    for chosen in choices:
        decode = invert([matrix[i] for i in chosen])
        data = multiply(decode, [pieces[i] for i in chosen])
        assert join(data, len(content), k, unit) == content, f"pieces {chosen} decode to something else"
    print(f"{k} of {n}: {len(choices)} choices of pieces ok")


for name in sys.argv[1:]:
    check(name)
