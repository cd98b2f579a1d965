"""A picture in the making: coarse at once, finer for as long as nothing else is asked for.

Work comes in tiles of a few hundredths of a second, so that a new wish is never kept waiting.
"""

from __future__ import annotations

import io
import json
import math
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from rayfield.app.learned.field import TrainedField
from rayfield.app.viewer.messages import Look, Mode, Still
from rayfield.app.viewer.pace import Pace
from rayfield.app.viewer.tiles import SEEN, Range, Tile, cut, draw, range_of, render_tile

SHOWN_SECONDS = 0.5  # between looks at a picture that is not done
DEPTHS = 200  # of the longer side of the depth that goes with a picture


@dataclass(frozen=True)
class Frame:
    """A picture for a window; `depth` in scene units, 0 where nothing is seen; `seconds` that it
    took to render."""

    look: Look
    picture: UInt8[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "h w"]
    scale: Range | None
    done: bool
    seconds: float

    def encoded(self) -> bytes:
        """As the page reads it: length and text of a JSON object, a JPEG, depths as half floats."""
        jpeg = _jpeg(self.picture, 92 if self.done else 80)
        height, width = self.depth.shape
        about: dict[str, Any] = {
            "kind": "frame",
            "number": self.look.number,
            "mode": self.look.mode,
            "size": [self.picture.shape[1], self.picture.shape[0]],
            "depth": [width, height],
            "pose": self.look.pose[:3].ravel().tolist(),
            "fov": self.look.fov,
            "aspect": self.look.width / self.look.height,
            "scale": None if self.scale is None else list(self.scale),
            "done": self.done,
            "seconds": self.seconds,
            "jpeg": len(jpeg),
        }
        return packed(about, jpeg + self.depth.astype("<f2").tobytes())


def packed(about: dict[str, Any], body: bytes) -> bytes:
    """A message of bytes: the length of a JSON object (uint32, little endian), it, the rest."""
    head = json.dumps(about, allow_nan=False).encode()
    return struct.pack("<I", len(head)) + head + body


def _jpeg(picture: UInt8[np.ndarray, "H W 3"], quality: int) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "JPEG", quality=quality, subsampling=0)
    return encoded.getvalue()


class Canvas:
    """A picture and its depths, filled tile by tile; starts as the picture `before`, enlarged."""

    def __init__(self, width: int, height: int, before: Canvas | None = None) -> None:
        self.width, self.height = width, height
        self.picture = np.zeros((height, width, 3), np.uint8)
        self.depth = np.zeros((height, width), np.float32)
        if before is not None:
            size = (width, height)
            image = Image.fromarray(before.picture).resize(size, Image.Resampling.BILINEAR)
            self.picture[:] = np.asarray(image)
            self.depth[:] = before.depth[
                np.arange(height)[:, None] * before.height // height,
                np.arange(width)[None] * before.width // width,
            ]

    def put(
        self, tile: Tile, picture: UInt8[np.ndarray, "h w 3"], *, column: int, row: int
    ) -> None:
        """Fill in a tile whose first pixel is there."""
        part = np.s_[row : row + picture.shape[0], column : column + picture.shape[1]]
        self.picture[part] = picture
        self.depth[part] = np.where(tile.opacity >= SEEN, tile.depth, 0.0)

    def depths(self) -> Float[np.ndarray, "h w"]:
        """The depths of some pixels, evenly chosen."""
        scale = min(1.0, DEPTHS / max(self.width, self.height))
        width, height = max(2, int(self.width * scale)), max(2, int(self.height * scale))
        rows = ((np.arange(height) + 0.5) * self.height / height).astype(int)
        columns = ((np.arange(width) + 0.5) * self.width / width).astype(int)
        found: Float[np.ndarray, "h w"] = self.depth[rows[:, None], columns[None]].clip(0, 6e4)
        return found


class Painter:
    """Paints what one window wants; keeps the range of its colours from look to look."""

    def __init__(self, shown: TrainedField, pace: Pace) -> None:
        self._shown, self._pace = shown, pace
        self._scale: Range | None = None
        self._mode: Mode = "color"
        self._spent = 0.0  # seconds of rendering, for the picture at hand

    def paint(
        self, look: Look, sizes: Iterable[tuple[int, int]], *, whole: bool = False
    ) -> Iterator[Frame | None]:
        """The picture at growing sizes; None after work that leaves nothing new to show.

        The first of them is made in one go, all if they are to be `whole`. A size is asked for
        when the one before is done.
        """
        if look.mode != self._mode:
            self._scale, self._mode = None, look.mode
        self._spent, shown = 0.0, time.perf_counter()
        canvas: Canvas | None = None
        coming = iter(sizes)
        size = next(coming, None)
        while size is not None:
            first = canvas is None
            canvas = Canvas(*size, canvas)
            once = first or whole
            tiles = [(0, 0, *size)] if once else outwards(*size, self._pace.tile(look.mode))
            for place in tiles:
                self._tile(canvas, look, place, first=first)
                now = time.perf_counter()
                if place is not tiles[-1]:
                    due = now > shown + SHOWN_SECONDS
                    shown = now if due else shown
                    yield self._frame(canvas, look) if due else None
            size, shown = next(coming, None), time.perf_counter()
            yield self._frame(canvas, look, done=size is None)

    def still(self, wish: Still) -> Iterator[bytes | None]:
        """A picture to keep, as a PNG in a message; None while it is worked on."""
        look = wish.look
        canvas = Canvas(look.width, look.height)
        tiles = outwards(look.width, look.height, self._pace.tile(look.mode))
        for index, place in enumerate(tiles):
            self._tile(canvas, look, place, first=self._mode != look.mode)
            about = {"kind": "progress", "of": "still", "fraction": (index + 1) / len(tiles)}
            yield packed(about, b"") if index % 8 == 7 else None
        encoded = io.BytesIO()
        Image.fromarray(canvas.picture).save(encoded, "PNG")
        about = {"kind": "still", "size": [look.width, look.height], "mode": look.mode}
        yield packed(about, encoded.getvalue())

    def _tile(
        self, canvas: Canvas, look: Look, place: tuple[int, int, int, int], *, first: bool
    ) -> None:
        column, row, width, height = place
        started = time.perf_counter()
        whole = look.camera(canvas.width, canvas.height)
        camera = cut(whole, column=column, row=row, width=width, height=height)
        tile = render_tile(self._shown, camera, look)
        if first:
            self._scale, self._mode = range_of(tile, look, self._scale), look.mode
        canvas.put(tile, draw(tile, look, self._scale), column=column, row=row)
        seconds = time.perf_counter() - started
        self._spent += seconds
        self._pace.note(look.mode, width * height, seconds)

    def _frame(self, canvas: Canvas, look: Look, *, done: bool = False) -> Frame:
        return Frame(look, canvas.picture.copy(), canvas.depths(), self._scale, done, self._spent)


def outwards(width: int, height: int, rays: int) -> list[tuple[int, int, int, int]]:
    """Tiles (column, row, width, height) of about `rays` pixels, those in the middle first."""
    side = max(8, round(math.sqrt(rays)))
    columns, rows = math.ceil(width / side), math.ceil(height / side)
    across = [round(i * width / columns) for i in range(columns + 1)]
    down = [round(i * height / rows) for i in range(rows + 1)]
    found = [
        (left, top, right - left, bottom - top)
        for left, right in pairwise(across)
        for top, bottom in pairwise(down)
    ]
    return sorted(
        found,
        key=lambda t: math.hypot(t[0] + t[2] / 2 - width / 2, t[1] + t[3] / 2 - height / 2),
    )
