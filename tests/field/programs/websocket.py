# SPDX-License-Identifier: Apache-2.0
"""python3 websocket.py PORT: an echo server for websockets. Ends with 0 at SIGTERM."""

import asyncio
import signal
import sys

import websockets


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main(port):
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with websockets.serve(echo, ["127.0.0.1", "::1"], port):
        await over.wait()


asyncio.run(main(int(sys.argv[1])))
