"""A trained field in the browser: the verb `view`, and what a training puts up to be watched."""

from __future__ import annotations

import contextlib
import socket
import time
import webbrowser
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from rayfield.app.contract import DenseMethod, SurfaceMethod
from rayfield.app.learned import cameras as cams
from rayfield.app.learned.camera_path import CameraPath, Keyframe, keep_path
from rayfield.app.learned.field import TrainedField
from rayfield.app.viewer import meshes, messages
from rayfield.app.viewer.address import Door, link, listen, tunnel
from rayfield.app.viewer.engine import Engine, Services
from rayfield.app.viewer.guard import Guard, is_loopback
from rayfield.app.viewer.photos import LARGE, SMALL, Photos
from rayfield.app.viewer.server import Server, as_json
from rayfield.app.viewer.site import Answer
from rayfield.app.viewer.stage import home, stage

TURN = 0.5  # seconds between looks at whether to end
SIDES = {"/thumb/": SMALL, "/photo/": LARGE}


def _ignore(on: bool) -> None:
    """Nothing to hold."""


class Viewer:
    """A field, its photos, mesh and paths behind a server; a context that takes it down.

    `training`: how to hold the training of a field that is still learning, and the socket that
    listens for it. Without it `listen` is called here, and what that raises is raised.
    """

    def __init__(
        self,
        field: TrainedField,
        door: Door,
        note: Callable[[str], None],
        *,
        photos: Photos | None = None,
        training: tuple[Callable[[bool], None], socket.socket] | None = None,
    ) -> None:
        self._field, self._door, self._note, self._live = field, door, note, training is not None
        pause, listening = training or (_ignore, None)
        self._mesh_file = door.mesh or meshes.newest(field.run)
        self._mesh: bytes | None = None
        self._told = False
        if door.mesh is not None:  # asked for by name: what is wrong with it is said at once
            self._mesh = meshes.from_file(door.mesh, field.world_from_scene)
        services = Services(self._keep, pause, self._make_mesh)
        self.engine = Engine(field, services, live=self._live)
        self._photos = photos or Photos(field.run, field.cameras)
        listening = listening or listen(door.host, door.port)
        self._port = int(listening.getsockname()[1])
        self._guard = Guard(door.host, self._port)
        start = home(field).pose
        self._server = Server(
            self.engine, self._guard, listening, home=start, resource=self._resource
        )

    @property
    def url(self) -> str:
        """The link to open, with its token."""
        return link(self._door.host, self._port, self._guard.token)

    @property
    def alive(self) -> bool:
        """Whether the server still serves."""
        return self._server.alive

    def __enter__(self) -> Viewer:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def announce(self) -> None:
        """Say where to look, and what to mind."""
        door = self._door
        if door.port not in (0, self._port):
            self._note(f"port {door.port} is taken; using {self._port}")
        if not is_loopback(door.host):
            self._note(
                f"warning: --host {door.host} lets other machines in; whoever has the link below "
                "sees the run, unencrypted. ssh -L is safer."
            )
        self._note(f"viewer: {self.url}")
        host = door.host if is_loopback(door.host) else "127.0.0.1"
        if is_loopback(door.host) and (command := tunnel(self._port, host)):
            self._note(f"from your own machine, first: {command}")
        if door.browser:
            webbrowser.open(self.url)

    def _resource(self, path: str) -> Answer | None:
        """What is made when it is asked for."""
        if path == "/stage.json":
            return as_json(self._stage())
        if path == "/mesh":
            body = self._read_mesh()
            return None if body is None else Answer(HTTPStatus.OK, "application/octet-stream", body)
        for prefix, side in SIDES.items():
            number = path.removeprefix(prefix)
            if number != path and number.isascii() and number.isdigit() and len(number) < 8:
                return self._photo(int(number), side)
        return None

    def _photo(self, index: int, side: int) -> Answer | None:
        if index >= len(self._field.cameras):
            return None
        body = self._photos.encoded(index, side)
        if body is not None:
            return Answer(HTTPStatus.OK, "image/webp", body, True)
        if self._photos.problem and not self._told:
            self._told = True
            self._note(f"viewer: without photos: {self._photos.problem}")
        return Answer(HTTPStatus.NO_CONTENT, "image/webp", b"")

    def _stage(self) -> dict[str, Any]:
        able = isinstance(self._field.method, DenseMethod | SurfaceMethod) and not self._live
        kind = "file" if self._mesh_file or self._mesh else "field" if able else ""
        return stage(self._field, live=self._live, mesh=kind, photos=self._photos.known())

    def _read_mesh(self) -> bytes | None:
        if self._mesh is None and self._mesh_file is not None:
            file, self._mesh_file = self._mesh_file, None
            try:
                self._mesh = meshes.from_file(file, self._field.world_from_scene)
            except Exception as error:  # a file that came about somehow; the field is still there
                self._note(f"viewer: the mesh is left out: {error}")
        return self._mesh

    def _make_mesh(self, progress: Callable[[float], None]) -> None:
        if self._mesh is None and not self._live:
            self._mesh = meshes.from_field(self._field, progress)

    def _keep(self, path: messages.Path) -> dict[str, Any]:
        """Write a camera path into the run; its file, and what to do with it."""
        matrix = self._field.world_from_scene
        keys: list[Keyframe] = []
        for key in path.keys:
            if keys and key.seconds <= keys[-1].seconds:
                continue
            keys.append(Keyframe(key.seconds, cams.to_world(key.pose, matrix), key.fov))
        try:
            file = keep_path(
                self._field.run.path, CameraPath(tuple(keys), path.width, path.height, path.loop)
            )
        except OSError as error:
            return {"trouble": f"the path could not be written ({error.strerror or error})"}
        return {"file": file.as_posix(), "run": self._field.run.path.as_posix()}


def view(
    field: TrainedField,
    door: Door,
    note: Callable[[str], None],
    *,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Show a field until Ctrl-C, or for so many seconds; where it was shown, and for how long.

    Raises UsageError for an address that cannot be had, DataError for a mesh that is none.
    """
    started = time.monotonic()
    with Viewer(field, door, note) as viewer:
        viewer.announce()
        with contextlib.suppress(KeyboardInterrupt):
            while viewer.alive and (seconds is None or time.monotonic() < started + seconds):
                if not viewer.engine.work(TURN):
                    viewer.engine.wait(TURN)
        url = viewer.url
    return {"run": field.run.path.as_posix(), "url": url, "seconds": time.monotonic() - started}
