#!/usr/bin/env python3
"""A peer of the storage network that is not ours: py-libp2p, and docs/spec/wire.md.

Usage: peer.py ADDRESS GENESIS FILE_ID INDEX PIECE_HASH PIECE_BYTES PIECE
       peer.py find ADDRESS GENESIS PEER_ID

ADDRESS is a provider's TCP address with its peer id, PIECE where the fetched piece is written; hashes are hex. Pings the
provider, reads what it says of itself, asks for the piece in all ways that wire.md knows, checks every byte, and puts the piece
back. With `find` it asks a peer's Kademlia table for another peer instead, and prints the addresses that it is told. Prints one
line for each thing that held, and ends with 1 at the first that does not.
"""

import struct
import sys

import blake3
import multiaddr
import trio
import varint
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.exceptions import MultiError
from libp2p.host.exceptions import StreamFailure
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.kad_dht.pb import kademlia_pb2 as kademlia
from libp2p.network.stream.exceptions import StreamEOF
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr

import messages
import slices

DEADLINE_S = 60
UNIT_BYTES = 50_000
WINDOW_BYTES = 65_536


class Provider:
    """The other end."""

    def __init__(self, host, peer_id, genesis):
        self.host, self.peer_id, self.genesis = host, peer_id, genesis

    async def open(self, verb, genesis=None):
        name = messages.protocol(genesis or self.genesis, verb)
        return await self.host.new_stream(self.peer_id, [TProtocol(name)])

    async def ask(self, verb, request, variants):
        """The stream behind the reply, the reply's variant and its fields."""
        stream = await self.open(verb)
        await stream.write(request)
        name, fields = messages.reply(await read_frame(stream), variants)
        return stream, name, fields

    async def get(self, piece_hash, piece_bytes, start, end, window_bytes):
        """A range of a piece, every window checked as it comes; None if the piece is not there."""
        request = messages.get_request(piece_hash, piece_bytes, start, end, window_bytes)
        stream, name, _ = await self.ask("get", request, ("Found", "NotFound", "Refused"))
        if name == "NotFound":
            return None
        data = b""
        for window in slices.windows(start, end, window_bytes):
            encoded = await read_exactly(stream, slices.slice_bytes(piece_bytes, *window))
            data += slices.open_slice(piece_hash, piece_bytes, *window, encoded)
        expect(await read_some(stream, 1) == b"", "nothing comes behind the last window")
        return data

    async def share(self, piece_hash, piece_bytes, addresses):
        """The variant of the answer to a request for all of a piece by one who says that it passes it on."""
        request = messages.share_request(piece_hash, piece_bytes, 0, piece_bytes, WINDOW_BYTES, addresses)
        _, name, _ = await self.ask("share", request, ("Found", "NotFound", "Refused", "Elsewhere"))
        return name

    async def find(self, peer_id):
        """The addresses of a peer, as the table of the one that is asked has them."""
        stream = await self.open("kad")
        question = kademlia.Message(type=kademlia.Message.FIND_NODE, key=peer_id.to_bytes()).SerializeToString()
        await stream.write(varint.encode(len(question)) + question)
        length = 0
        for place in range(4):
            (byte,) = await read_exactly(stream, 1)
            length |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                break
        answer = kademlia.Message.FromString(await read_exactly(stream, length))
        return [multiaddr.Multiaddr(one) for peer in answer.closerPeers if peer.id == peer_id.to_bytes() for one in peer.addrs]

    async def have(self, hashes):
        _, name, fields = await self.ask("have", messages.have_request(hashes), ("Held", "Refused", "Kept"))
        expect(name == "Held", f"a provider that has read nothing has nothing cached: {name}")
        bitmap, behind = messages.take_vec(fields)
        expect(not behind and len(bitmap) == -(-len(hashes) // 8), "a bit for each piece and no more")
        return [bitmap[at // 8] >> at % 8 & 1 == 1 for at in range(len(hashes))]

    async def put(self, open_request, piece):
        stream, _, _ = await self.ask("put", open_request, ("Accepted", "Refused"))
        for at in range(0, len(piece), UNIT_BYTES):
            await stream.write(messages.unit(piece[at : at + UNIT_BYTES]))
        await stream.write(messages.put_end(blake3.blake3(piece).digest(), len(piece)))
        answer = await read_frame(stream)
        return messages.reply(answer, ("Committed", "Restored", "Refused"))[0]


async def read_some(stream, count):
    """At most so many bytes; none at the end."""
    try:
        return await stream.read(count)
    except StreamEOF:
        return b""


async def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        more = await read_some(stream, count - len(data))
        if not more:
            raise EOFError(f"the stream ended after {len(data)} of {count} bytes")
        data += more
    return data


async def read_frame(stream):
    (length,) = struct.unpack(">I", await read_exactly(stream, 4))
    if length > messages.REPLY_BYTES_MAX:
        raise ValueError(f"a reply of {length} bytes")
    return await read_exactly(stream, length)


def expect(holds, what):
    if not holds:
        raise AssertionError(f"not so: {what}")


def held(what):
    print(f"ok: {what}", flush=True)


async def refusal(request):
    """The code with which a request is refused."""
    try:
        await request
    except messages.Refused as refused:
        return refused.args[0]
    raise AssertionError("it was not refused")


async def check_connection(provider):
    rtts = await PingService(provider.host).ping(provider.peer_id, 2)
    expect(len(rtts) == 2, "two pings come back")
    held("ping")
    stream = await provider.host.new_stream(provider.peer_id, [IDENTIFY])
    said = b""
    while more := await read_some(stream, 65_536):
        said += more
    identity = parse_identify_response(said)
    agent, version = identity.agent_version, identity.protocol_version
    expect(version == f"/piecewise/1/{provider.genesis.hex()[:16]}", f"the protocol version is {version}")
    expect(agent.startswith("piecewise/"), f"the agent is {agent}")
    spoken = set(identity.protocols)
    wanted = {messages.protocol(provider.genesis, verb) for verb in ("put", "get", "have", "share")}
    wanted |= {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"}
    expect(wanted <= spoken, f"it speaks {sorted(wanted - spoken)}")
    held(f"identify: {version}, {agent}")
    try:
        await provider.open("get", genesis=bytes(32))
    except (StreamFailure, MultiError):
        held("another chain's protocol is not spoken")
        return
    raise AssertionError("it speaks another chain's protocol")


async def check_get(provider, piece_hash, piece_bytes):
    piece = await provider.get(piece_hash, piece_bytes, 0, piece_bytes, WINDOW_BYTES)
    expect(len(piece) == piece_bytes, "the piece has its length")
    expect(blake3.blake3(piece).digest() == piece_hash, "the piece has its hash")
    held(f"get: {piece_bytes} bytes, every slice checked, and the whole by its hash")
    start, end = piece_bytes // 3, piece_bytes - 1
    part = await provider.get(piece_hash, piece_bytes, start, end, slices.GROUP_BYTES)
    expect(part == piece[start:end], "a part is the same bytes")
    expect(await provider.get(piece_hash, piece_bytes, 7, 7, WINDOW_BYTES) == b"", "an empty range is empty")
    held(f"get: {start}..{end} in windows of one group, and nothing for an empty range")
    expect(await provider.get(bytes(32), piece_bytes, 0, 1, WINDOW_BYTES) is None, "an unknown piece is not found")
    expect(await provider.get(piece_hash, piece_bytes + 1, 0, 1, WINDOW_BYTES) is None, "nor is another length")
    for request in [(0, piece_bytes + 1, WINDOW_BYTES), (2, 1, WINDOW_BYTES), (0, 1, 16_383), (0, 1, 1_048_577)]:
        code = await refusal(provider.get(piece_hash, piece_bytes, *request))
        expect(code == "out of bounds", f"{request} is refused as {code}")
    held("get: not found, and out of bounds")
    return piece


async def check_share(provider, piece_hash, piece_bytes):
    address = multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/1").to_bytes()
    said = await provider.share(piece_hash, piece_bytes, [address])
    expect(said == "Found", f"who asks first is given the piece: {said}")
    said = await provider.share(bytes(32), piece_bytes, [address])
    expect(said == "NotFound", f"an unknown piece is not found: {said}")
    for addresses in ([], [address] * 5, [b"\x05"], [address * 20]):
        code = await refusal(provider.share(piece_hash, piece_bytes, addresses))
        expect(code == "out of bounds", f"{addresses} are refused as {code}")
    held("share: found, not found, and out of bounds")


async def check_have(provider, piece_hash):
    unknown = bytes(32)
    expect(await provider.have([]) == [], "nothing is asked and nothing answered")
    asked = [unknown] * 8 + [piece_hash, unknown]
    expect(await provider.have(asked) == [one == piece_hash for one in asked], "it holds this piece alone")
    most = [unknown] * 1023 + [piece_hash]
    expect((await provider.have(most))[-1], "of 1024 it holds the last")
    held("have: of one, of ten, of 1024")


async def check_put(provider, file_id, index, piece):
    again = messages.put_open_recorded(file_id, 0, index, len(piece))
    answer = await provider.put(again, piece)
    expect(answer == "Restored", f"what is recorded is taken back: {answer}")
    held("put: what the ledger records is taken back")
    other = bytes([piece[0] ^ 1]) + piece[1:]
    code = await refusal(provider.put(again, other))
    expect(code == "mismatch", f"another piece is refused as {code}")
    code = await refusal(provider.put(messages.put_open_recorded(bytes(32), 0, index, 1), b"x"))
    expect(code == "not recorded", f"an unknown file is refused as {code}")
    intent = messages.upload_intent(bytes(32), bytes(32), (1, 2, 4, 65_536), 1)
    code = await refusal(provider.put(messages.put_open_intent(intent, bytes(64), 0, 0, 0, 1), b"x"))
    expect(code == "not permitted", f"another chain's intent is refused as {code}")
    intent = messages.upload_intent(provider.genesis, bytes(32), (1, 2, 4, 65_536), 1)
    code = await refusal(provider.put(messages.put_open_intent(intent, bytes(64), 0, 0, 0, 1), b"x"))
    expect(code == "expired", f"an intent of long ago is refused as {code}")
    held("put: mismatch, not recorded, not permitted, expired")


async def run(address, genesis, file_id, index, piece_hash, piece_bytes, path):
    host = new_host(key_pair=create_new_key_pair(), muxer_preference="YAMUX")
    with trio.fail_after(DEADLINE_S):
        async with host.run(listen_addrs=[]):
            target = info_from_p2p_addr(multiaddr.Multiaddr(address))
            await host.connect(target)
            held(f"connected with {target.peer_id}")
            provider = Provider(host, target.peer_id, genesis)
            await check_connection(provider)
            piece = await check_get(provider, piece_hash, piece_bytes)
            await check_have(provider, piece_hash)
            await check_share(provider, piece_hash, piece_bytes)
            await check_put(provider, file_id, index, piece)
    with open(path, "wb") as file:
        file.write(piece)
    held("all")


async def find(address, genesis, peer_id):
    host = new_host(key_pair=create_new_key_pair(), muxer_preference="YAMUX")
    with trio.fail_after(DEADLINE_S):
        async with host.run(listen_addrs=[]):
            target = info_from_p2p_addr(multiaddr.Multiaddr(address))
            await host.connect(target)
            for found in await Provider(host, target.peer_id, genesis).find(peer_id):
                held(f"found at {found}")


def main():
    if sys.argv[1] == "find":
        _, _, address, genesis, peer_id = sys.argv
        trio.run(find, address, bytes.fromhex(genesis), ID.from_base58(peer_id))
        return
    address, genesis, file_id, index, piece_hash, piece_bytes, path = sys.argv[1:]
    hashes = [bytes.fromhex(text) for text in (genesis, file_id, piece_hash)]
    trio.run(run, address, hashes[0], hashes[1], int(index), hashes[2], int(piece_bytes), path)


if __name__ == "__main__":
    main()
