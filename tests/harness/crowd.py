"""Hostile clients by the thousand: coroutines over raw sockets in one thread of their own.

A member is a coroutine function that takes a `Crowd` and its number. What it waits for is its pace, never another client: `crowd.pause`
ends early when the crowd is dismissed. A member whose connection the server closes is done with that connection, not with its work.
"""

import asyncio
import socket
import struct
import threading
from collections import Counter

RESET = struct.pack("ii", 1, 0)


class Crowd:
    """`with Crowd(server) as crowd:` runs until the block ends; then every connection that is open is closed, half of them by a reset."""

    def __init__(self, server, receive_bytes=None):
        self.address, self.host = ("127.0.0.1", server.port), f"127.0.0.1:{server.port}"
        self.receive_bytes = receive_bytes
        self.seen, self.lock = Counter(), threading.Lock()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="crowd", daemon=True)
        self.members = []
        self.failures = []

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._dismiss(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
        self.loop.close()
        assert not self.failures, f"{len(self.failures)} of the crowd failed, the first with {self.failures[0]!r}"

    def join(self, count, member):
        """Lets `count` members in."""

        async def enter():
            for number in range(count):
                self.members.append(self.loop.create_task(self._run(member, number)))

        asyncio.run_coroutine_threadsafe(enter(), self.loop).result(60)

    def wait(self, seconds):
        """Waits until every member has ended."""

        async def all_ended():
            await asyncio.wait_for(asyncio.gather(*self.members), seconds)

        asyncio.run_coroutine_threadsafe(all_ended(), self.loop).result(seconds + 30)

    async def _run(self, member, number):
        try:
            await member(self, number)
        except asyncio.CancelledError:
            pass
        except Exception as failure:  # noqa: BLE001: told at the end, to whoever runs the crowd
            self.failures.append(failure)

    async def _dismiss(self):
        for member in self.members:
            member.cancel()
        await asyncio.gather(*self.members, return_exceptions=True)

    # ---- for members --------------------------------------------------------------------------------------------------

    def note(self, what):
        with self.lock:
            self.seen[what] += 1

    async def pause(self, seconds):
        await asyncio.sleep(seconds)

    async def connect(self):
        """A connected socket, or None when the server's backlog is full."""
        made = socket.socket()
        made.setblocking(False)
        if self.receive_bytes:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        try:
            await asyncio.wait_for(self.loop.sock_connect(made, self.address), 30)
        except (OSError, asyncio.TimeoutError):
            made.close()
            self.note("not connected")
            return None
        return made

    async def send(self, connection, data):
        """False when the server has gone."""
        try:
            await self.loop.sock_sendall(connection, data)
            return True
        except OSError:
            return False

    async def receive(self, connection, most=4096):
        """Bytes; empty when the server has closed or reset the connection."""
        try:
            return await self.loop.sock_recv(connection, most)
        except OSError:
            return b""

    def answered(self, connection):
        """Whether the server has answered or closed the connection; does not wait."""
        try:
            answer = connection.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            answer = b""
        self.note(f"answered {answer[9:12].decode()}" if answer else "closed")
        return True


def close(connection, reset):
    """Closes it, with a reset that throws away what is under way, or in good order."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()
