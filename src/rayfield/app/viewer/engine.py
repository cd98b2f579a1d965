"""Who looks on, what they want, and whose turn it is: all rendering is done by one thread.

The server's thread hands in wishes and takes pictures away; `work` is called by the thread that
owns the field: of `rayfield view` for as long as there is something to do, in a training between
its steps.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rayfield.app.learned.field import TrainedField
from rayfield.app.viewer.messages import Look, Message, Path, Pause, Seen, Still, WantMesh
from rayfield.app.viewer.pace import COARSEST, Pace, fitted, levels
from rayfield.app.viewer.painting import Frame, Painter
from rayfield.core.check import RayfieldError

UNSEEN = 2  # pictures on their way to a window; more would only make it lag
ERRANDS = 4  # of one window, waiting
# Of a field that is still learning, pictures are small and made in one go, so that all of a picture
# shows one state: as many pixels as these seconds allow, or LIVE_LEAST.
LIVE_SECONDS, LIVE_COARSE, LIVE_LEAST = 0.3, 0.03, 90 * 68
_log = logging.getLogger("rayfield")

Send = Callable[[bytes | str], None]


class Services(NamedTuple):
    """What windows may ask for beside pictures."""

    keep_path: Callable[[Path], dict[str, Any]]
    pause: Callable[[bool], None]
    make_mesh: Callable[[Callable[[float], None]], None]


class Client:
    """One window: where its messages go, and what it still waits for."""

    def __init__(self, send: Send, painter: Painter) -> None:
        self.send, self.painter = send, painter
        self.wish: Look | None = None
        self.look: Look | None = None
        self.frames: Iterator[Frame | None] | None = None
        self.errands: deque[Iterator[bytes | str | None]] = deque()
        self.unseen = 0
        self.fresh = False  # whether the picture wanted now has been shown, if coarsely
        self.shown = -1  # version of the field that the last picture shows
        self.served = 0.0


class Engine:
    """Renders a field for all that look on. `live`: it is still learning, time is scarce."""

    def __init__(self, field: TrainedField, services: Services, *, live: bool = False) -> None:
        self.field, self.services, self.live = field, services, live
        self.pace = Pace()
        self._clients: list[Client] = []
        self._version = 0
        self._greetings: dict[str, str] = {}
        self._changed = threading.Condition()

    @property
    def watched(self) -> bool:
        """Whether anybody looks on."""
        return bool(self._clients)

    def join(self, send: Send) -> Client:
        """A new window; `send` may be called from any thread, and never waits."""
        client = Client(send, Painter(self.field, self.pace))
        with self._changed:
            self._clients.append(client)
            for text in self._greetings.values():
                send(text)
        return client

    def leave(self, client: Client) -> None:
        """The window is gone."""
        with self._changed:
            if client in self._clients:
                self._clients.remove(client)
            if not self._clients:  # nobody is left who could let it go on
                self.services.pause(False)
            self._changed.notify_all()

    def hear(self, client: Client, message: Message) -> None:
        """Take a message in; whatever takes time is left to `work`."""
        with self._changed:
            if isinstance(message, Look):
                client.wish = message
            elif isinstance(message, Seen):
                client.unseen = max(0, client.unseen - 1)
            elif isinstance(message, Pause):
                self.services.pause(message.on)
            elif len(client.errands) < ERRANDS:
                client.errands.append(self._errand(client, message))
            self._changed.notify_all()

    def greet(self, kind: str, text: str) -> None:
        """From now on, send a text to each new window; the last one of its kind."""
        with self._changed:
            self._greetings[kind] = text

    def tell(self, text: str) -> None:
        """Send a text to all windows."""
        for client in list(self._clients):
            client.send(text)

    def field_changed(self) -> None:
        """What has been shown is out of date."""
        self._version += 1

    def wait(self, seconds: float) -> None:
        """Until there may be something to do."""
        with self._changed:
            if self._next() is None:
                self._changed.wait(seconds)

    def work(self, seconds: float) -> bool:
        """Work for about so long, at least for one tile; whether there is more to do."""
        end = time.perf_counter() + seconds
        while True:
            with self._changed:
                client = self._next()
            if client is None:
                return False
            self._serve(client)
            client.served = time.perf_counter()
            if client.served >= end:
                return True

    def _next(self) -> Client | None:
        """Whose turn it is: those without any picture of what they want now come first."""
        waiting = [client for client in self._clients if self._has_work(client)]
        return min(waiting, key=lambda c: (c.wish is None and c.fresh, c.served), default=None)

    def _has_work(self, client: Client) -> bool:
        return bool(client.errands) or self._wants_picture(client)

    def _wants_picture(self, client: Client) -> bool:
        stale = client.look is not None and client.shown != self._version
        wanted = client.wish is not None or client.frames is not None or stale
        return wanted and client.unseen < UNSEEN

    def _serve(self, client: Client) -> None:
        try:
            if client.errands and (client.fresh or not self._wants_picture(client)):
                self._run_errand(client)
            else:
                self._paint(client)
        except Exception as error:  # one window's trouble is nobody else's
            client.frames = client.look = None
            client.errands.clear()
            what = str(error) if isinstance(error, RayfieldError) else type(error).__name__
            _log.warning("viewer: a picture could not be made (%s)", what)
            client.send(json.dumps({"kind": "trouble", "text": what}))

    def _run_errand(self, client: Client) -> None:
        item = next(client.errands[0], _END)
        if item is _END:
            client.errands.popleft()
        elif isinstance(item, bytes | str):
            client.send(item)

    def _paint(self, client: Client) -> None:
        with self._changed:
            wish, client.wish = client.wish, None
        if wish is not None:
            client.look, client.fresh = wish, False
        if wish is not None or (client.frames is None and client.look is not None):
            assert client.look is not None
            sizes = self._sizes(client.look, again=wish is None)
            client.frames = client.painter.paint(client.look, sizes, whole=self.live)
        version = self._version
        frame = _END if client.frames is None else next(client.frames, _END)
        if frame is _END:
            client.frames = None
        elif isinstance(frame, Frame):
            client.unseen += 1
            client.fresh, client.shown = True, version
            client.send(frame.encoded())

    def _sizes(self, look: Look, *, again: bool) -> Iterator[tuple[int, int]]:
        """Of pictures of a new look, or of one whose field has changed."""
        if not self.live:
            coarse, rate = self.pace.coarse(look.mode), self.pace.rate(look.mode)
            yield from levels(look, coarse, rate)[-1 if again else 0 :]
            return
        if not again:
            rate = self.pace.rate(look.mode)
            yield fitted(look, max(min(self.pace.coarse(look.mode), rate * LIVE_COARSE), COARSEST))
        yield fitted(look, max(self.pace.rate(look.mode) * LIVE_SECONDS, LIVE_LEAST))

    def _errand(self, client: Client, message: Message) -> Iterator[bytes | str | None]:
        if isinstance(message, Still):
            yield from client.painter.still(message)
        elif isinstance(message, Path):
            yield json.dumps({"kind": "kept", **self.services.keep_path(message)})
        elif isinstance(message, WantMesh):
            self.services.make_mesh(
                lambda done: self.tell(json.dumps({"kind": "meshing", "fraction": done}))
            )
            self.tell(json.dumps({"kind": "mesh"}))


_END = object()
