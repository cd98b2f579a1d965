"""MP4 files through PyAV, complete or not there at all."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream
from jaxtyping import UInt8

from rayfield.core.check import RayfieldError, UsageError

CODECS = ("libx264", "libopenh264", "mpeg4")
MAX_FPS = 240


def find_codec() -> str:
    """The best encoder there is. Raises RayfieldError if there is none."""
    for name in CODECS:
        try:
            av.codec.Codec(name, "w")
        except (ValueError, av.FFmpegError):
            continue
        return name
    raise RayfieldError("the installed PyAV can write no MP4; pip install --force-reinstall av")


class Video:
    """A context that takes pictures one by one and writes them to an MP4 when it is left.

    Sizes are made even, as the format asks, by repeating the last row or column. Raises
    UsageError for impossible rates, RayfieldError if nothing can be written.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        if not 0 < fps <= MAX_FPS:
            raise UsageError(f"fps is {fps:g}; give more than 0 and at most {MAX_FPS}")
        self._path, self._rate = path, Fraction(fps).limit_denominator(1001)
        self._codec = find_codec()
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Video:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = av.open(str(self._temporary), "w", format="mp4")
        except OSError as error:
            raise self._unwritable(error) from None
        self._stream = cast(VideoStream, self._file.add_stream(self._codec, rate=self._rate))
        self._stream.pix_fmt = "yuv420p"
        if self._codec == "libx264":
            self._stream.options = {"crf": "17", "preset": "medium"}
        else:
            self._stream.bit_rate = 8_000_000
        self._started = False
        return self

    def add(self, picture: UInt8[np.ndarray, "H W 3"]) -> None:
        """Append a picture; all must have one size."""
        height, width = picture.shape[:2]
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if not self._started:
            self._stream.height, self._stream.width = even.shape[:2]
            self._started = True
        try:
            for packet in self._stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
                self._file.mux(packet)
        except OSError as error:
            raise self._unwritable(error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for packet in self._stream.encode():
                    self._file.mux(packet)
            self._file.close()
            if kind is None:
                self._temporary.replace(self._path)
        except OSError as trouble:
            if kind is None:
                raise self._unwritable(trouble) from None
        finally:
            self._temporary.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> RayfieldError:
        return RayfieldError(
            f"{self._path}: could not be written ({error.strerror}); free space or choose "
            "another folder with -o"
        )
