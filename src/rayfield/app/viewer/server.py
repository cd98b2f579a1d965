"""The viewer's server: pages, photos and meshes over HTTP, pictures over a WebSocket, one port.

It runs on a thread of its own, and does nothing there that takes time. Every request passes the
guard first; what is no message of our page ends the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server as SocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from rayfield.app.viewer.engine import Engine
from rayfield.app.viewer.guard import Guard
from rayfield.app.viewer.messages import Matrix, Unspeakable, parse
from rayfield.app.viewer.site import HEADERS, PAGE, Answer, load_site, refused

LINK = "/link"
MOST_WINDOWS = 16
MOST_CONNECTIONS = 96  # of any kind: files that the training needs must still open
LARGEST_MESSAGE = 2**20
PATIENCE = 10.0  # seconds for a request to arrive whole
BACKLOG = 64  # messages waiting for one window; it is given up beyond

Resource = Callable[[str], Answer | None]
_log = logging.getLogger("rayfield.viewer.server")
_log.addHandler(logging.NullHandler())
_log.propagate = False  # whatever strangers send is no news for the terminal


_open: set[ServerConnection] = set()  # of all viewers: files are counted by process


class Connection(ServerConnection):
    """A connection that is dropped at once where there are too many."""

    def connection_made(self, transport: Any) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        _open.add(self)
        if len(_open) > MOST_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        _open.discard(self)
        super().connection_lost(exc)


class Outbox:
    """What waits to be sent to one window; filled from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[bytes | str] = asyncio.Queue(BACKLOG)

    def put(self, message: bytes | str) -> None:
        """Add a message; left out where the window takes none any more."""
        with contextlib.suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: bytes | str) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(message)

    async def empty_into(self, connection: ServerConnection) -> None:
        """Send whatever comes, for ever."""
        while True:
            await connection.send(await self._queue.get())


class Server:
    """Serves an engine's pictures at a socket that listens; a context that ends the server.

    `resource` gives the answer to a path that is not a file of the page; it may take time.
    """

    def __init__(
        self,
        engine: Engine,
        guard: Guard,
        listening: socket.socket,
        *,
        home: Matrix,
        resource: Resource,
    ) -> None:
        self._engine, self._guard, self._listening = engine, guard, listening
        self._home, self._resource, self._files = home, resource, load_site()
        self._loop = asyncio.new_event_loop()
        self._readers = ThreadPoolExecutor(1, "rayfield-viewer-files")
        self._thread = threading.Thread(target=self._run, name="rayfield-viewer", daemon=True)
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self.windows = 0

    def __enter__(self) -> Server:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(5.0)
        self._readers.shutdown(wait=False, cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def _end(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except Exception:
            _log.exception("the viewer has stopped")
        finally:
            self._listening.close()
            self._ready.set()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        server: SocketServer
        async with serve(
            self._attend,
            sock=self._listening,
            process_request=self._answer,
            create_connection=Connection,
            compression=None,
            server_header=None,
            open_timeout=PATIENCE,
            close_timeout=2.0,
            max_size=LARGEST_MESSAGE,
            logger=_log,
        ) as server:
            self._ready.set()
            await self._stop.wait()
            server.close()

    async def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The response to a request; None lets a WebSocket open."""
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.raw_items():
            headers.setdefault(name.lower(), []).append(value)
        path = request.path.partition("?")[0]
        upgrade = path == LINK or "upgrade" in headers
        local = str(connection.local_address[0])
        status = self._guard.refusal(headers, request.path, local=local, upgrade=upgrade)
        if status is not None:
            return self._response(refused(status))
        if path == LINK:
            if "upgrade" not in headers:
                return self._response(refused(HTTPStatus.UPGRADE_REQUIRED))
            full = self.windows >= MOST_WINDOWS
            return self._response(refused(HTTPStatus.SERVICE_UNAVAILABLE)) if full else None
        if path in self._files:
            return self._response(self._files[path], page=path == PAGE)
        found = await self._loop.run_in_executor(self._readers, self._resource, path)
        return self._response(found or refused(HTTPStatus.NOT_FOUND))

    def _response(self, answer: Answer, *, page: bool = False) -> Response:
        headers = Headers(HEADERS)
        headers["Content-Type"] = answer.kind
        headers["Content-Length"] = str(len(answer.body))
        headers["Connection"] = "close"
        headers["Cache-Control"] = "private, max-age=600" if answer.keep else "no-store"
        if page:
            cookie = f"{self._guard.cookie}={self._guard.token}"
            headers["Set-Cookie"] = f"{cookie}; Path=/; HttpOnly; SameSite=Strict"
        return Response(answer.status.value, answer.status.phrase, headers, answer.body)

    async def _attend(self, connection: ServerConnection) -> None:
        """One window, from its opening to its end."""
        outbox = Outbox(self._loop)
        client = self._engine.join(outbox.put)
        self.windows += 1
        sender = asyncio.create_task(outbox.empty_into(connection))
        try:
            async for text in connection:
                self._engine.hear(client, parse(text, self._home))
        except Unspeakable as error:
            await connection.close(1008, str(error))
        except ConnectionClosed:
            pass
        finally:
            self.windows -= 1
            self._engine.leave(client)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sender


def as_json(values: dict[str, Any]) -> Answer:
    """An answer that holds values."""
    body = json.dumps(values, allow_nan=False).encode()
    return Answer(HTTPStatus.OK, "application/json", body)
