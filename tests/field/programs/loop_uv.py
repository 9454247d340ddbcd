# SPDX-License-Identifier: Apache-2.0
"""uvloop with one connection that its peer has closed, and that the program keeps."""

import asyncio

import uvloop


async def hang_up(_, writer):
    writer.close()


class Keeps(asyncio.Protocol):
    def __init__(self, ended):
        self.ended = ended

    def eof_received(self):
        self.ended.set()
        return True  # keeps the transport open


async def checkout(port, ended):
    loop = asyncio.get_running_loop()
    return await loop.create_connection(lambda: Keeps(ended), "127.0.0.1", port)  # connects


async def main():
    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    ended = asyncio.Event()
    kept = await checkout(server.sockets[0].getsockname()[1], ended)
    await ended.wait()
    print("ready", flush=True)
    await asyncio.sleep(3600)
    return kept


uvloop.install()
asyncio.run(main())
