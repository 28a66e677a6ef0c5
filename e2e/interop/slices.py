"""Slices of pieces, checked as docs/spec/wire.md section 4 says; BLAKE3's compression in plain Python."""

import struct

GROUP_BYTES = 16 * 1024
CHUNK_BYTES = 1024
BLOCK_BYTES = 64
PAIR_BYTES = 64
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS_AND_DIAGONALS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip
MASK = 0xFFFFFFFF


class Lie(Exception):
    """Bytes that are not of the piece."""


def rotate(word, by):
    return (word >> by | word << (32 - by)) & MASK


def mix(v, a, b, c, d, x, y):
    v[a] = (v[a] + v[b] + x) & MASK
    v[d] = rotate(v[d] ^ v[a], 16)
    v[c] = (v[c] + v[d]) & MASK
    v[b] = rotate(v[b] ^ v[c], 12)
    v[a] = (v[a] + v[b] + y) & MASK
    v[d] = rotate(v[d] ^ v[a], 8)
    v[c] = (v[c] + v[d]) & MASK
    v[b] = rotate(v[b] ^ v[c], 7)


def compress(key, block, counter, length, flags):
    """The first eight words of BLAKE3's compression: a chaining value, or the start of the root's output."""
    words = struct.unpack("<16I", block.ljust(BLOCK_BYTES, b"\0"))
    v = [*key, *IV[:4], counter & MASK, counter >> 32, length, flags]
    for _ in range(7):
        for at, places in enumerate(COLUMNS_AND_DIAGONALS):
            mix(v, *places, words[2 * at], words[2 * at + 1])
        words = [words[at] for at in PERMUTATION]
    return tuple(low ^ high for low, high in zip(v[:8], v[8:]))


def as_bytes(words):
    return struct.pack("<8I", *words)


def parent_hash(pair, is_root):
    return as_bytes(compress(IV, pair, 0, BLOCK_BYTES, PARENT | (ROOT if is_root else 0)))


def chunk_hash(chunk, counter, is_root):
    value = IV
    blocks = [chunk[at : at + BLOCK_BYTES] for at in range(0, len(chunk), BLOCK_BYTES)] or [b""]
    for at, block in enumerate(blocks):
        flags = CHUNK_START if at == 0 else 0
        if at == len(blocks) - 1:
            flags |= CHUNK_END | (ROOT if is_root else 0)
        value = compress(value, block, counter, len(block), flags)
    return as_bytes(value)


def left_count(count):
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def subtree_hash(data, first_chunk, is_root):
    """BLAKE3 of a subtree whose first chunk is chunk `first_chunk` of the piece."""
    count = max(1, -(-len(data) // CHUNK_BYTES))
    if count == 1:
        return chunk_hash(data, first_chunk, is_root)
    left = left_count(count)
    cut = left * CHUNK_BYTES
    pair = subtree_hash(data[:cut], first_chunk, False) + subtree_hash(data[cut:], first_chunk + left, False)
    return parent_hash(pair, is_root)


def windows(start, end, window_bytes):
    while start < end:
        behind = min(end, (start // window_bytes + 1) * window_bytes)
        yield start, behind
        start = behind


def nodes(piece_bytes, start, end):
    """The nodes of the slice that covers a window, in pre-order: (first group, count, whether the children count)."""
    covered = range(start // GROUP_BYTES, -(-end // GROUP_BYTES))

    def holds(first, count):
        return first < covered.stop and covered.start < first + count

    def walk(first, count):
        if not holds(first, count):
            return
        if count == 1:
            yield first, 1, False, False
            return
        left = left_count(count)
        yield first, count, holds(first, left), holds(first + left, count - left)
        yield from walk(first, left)
        yield from walk(first + left, count - left)

    return walk(0, max(1, -(-piece_bytes // GROUP_BYTES)))


def group_bytes(piece_bytes, group):
    return min(GROUP_BYTES, piece_bytes - group * GROUP_BYTES)


def slice_bytes(piece_bytes, start, end):
    """How long the slice of a window is."""
    sizes = (PAIR_BYTES if count > 1 else group_bytes(piece_bytes, first)
             for first, count, _, _ in nodes(piece_bytes, start, end))  # fmt: skip
    return sum(sizes)


def open_slice(piece_hash, piece_bytes, start, end, encoded):
    """The bytes start..end of the piece, or Lie."""
    groups = -(-piece_bytes // GROUP_BYTES)
    expected, rest, data = [piece_hash], memoryview(encoded), bytearray()
    for first, count, left, right in nodes(piece_bytes, start, end):
        is_root, wanted = count == max(1, groups), expected.pop()
        size = PAIR_BYTES if count > 1 else group_bytes(piece_bytes, first)
        item, rest = bytes(rest[:size]), rest[size:]
        if count > 1:
            found = parent_hash(item, is_root)
            expected += [item[32:]] * right + [item[:32]] * left
        else:
            found = subtree_hash(item, first * GROUP_BYTES // CHUNK_BYTES, is_root)
            data += item
        if found != wanted:
            raise Lie(f"{count} groups from group {first} are not of piece {piece_hash.hex()}")
    if rest or expected:
        raise Lie(f"the slice of {start}..{end} has another length")
    offset = start // GROUP_BYTES * GROUP_BYTES
    return bytes(data[start - offset : end - offset])
