"""What peers say, as docs/spec/wire.md sections 1 and 3 to 7 say."""

import struct

REFUSALS = (
    "busy", "full", "not permitted", "unfunded", "expired", "not recorded", "mismatch", "out of bounds", "internal",
    "unrecorded",
)  # fmt: skip
REPLY_BYTES_MAX = 852


class Refused(Exception):
    """A refusal; its arguments are the code's name and the text."""


def protocol(genesis, verb):
    return f"/piecewise/{genesis.hex()}/{verb}/1"


def frame(message):
    return struct.pack(">I", len(message)) + message


def compact(count):
    if count < 1 << 6:
        return struct.pack("<B", count << 2)
    if count < 1 << 14:
        return struct.pack("<H", count << 2 | 1)
    return struct.pack("<I", count << 2 | 2)


def take_vec(message):
    """The items of a `Vec<u8>` at the front, and what is behind it."""
    size = (1, 2, 4)[message[0] & 3]
    count = int.from_bytes(message[:size], "little") >> 2
    items, rest = message[size : size + count], message[size + count :]
    if len(items) != count:
        raise ValueError("the count is larger than the message")
    return items, rest


def get_request(piece_hash, piece_bytes, start, end, window_bytes):
    return frame(piece_hash + struct.pack("<IIII", piece_bytes, start, end, window_bytes))


def share_request(piece_hash, piece_bytes, start, end, window_bytes, addresses):
    get = get_request(piece_hash, piece_bytes, start, end, window_bytes)[4:]
    return frame(get + compact(len(addresses)) + b"".join(compact(len(one)) + one for one in addresses))


def have_request(hashes):
    return frame(compact(len(hashes)) + b"".join(hashes))


def put_open_recorded(file_id, segment, index, piece_bytes_max):
    return frame(b"\1" + file_id + struct.pack("<HBBI", segment, index, 0, piece_bytes_max))


def put_open_intent(intent, signature, segment, index, slot, piece_bytes_max):
    return frame(b"\0" + intent + signature + struct.pack("<HBBI", segment, index, slot, piece_bytes_max))


def upload_intent(genesis, owner, code, store_by_ms):
    """An intent to pay at most 1 for a file of at most 1,000 bytes."""
    identifier, k, n, unit_bytes = code
    fields = struct.pack("<QBBBIIQI", 0, identifier, k, n, unit_bytes, 0, 1000, 1)
    return b"\1" + genesis + owner + fields + (1).to_bytes(16, "little") + struct.pack("<Q", store_by_ms)


def unit(data):
    return struct.pack(">I", len(data)) + data


def put_end(piece_hash, piece_bytes):
    return unit(b"") + frame(piece_hash + struct.pack("<I", piece_bytes))


def reply(message, variants):
    """Which of `variants` a reply is, and the bytes behind the index. The variant called Refused is raised."""
    name, rest = variants[message[0]], message[1:]
    if name == "Refused":
        text, behind = take_vec(rest[1:])
        if behind:
            raise ValueError("bytes are left over")
        raise Refused(REFUSALS[rest[0]], text.decode("ascii"))
    return name, rest
