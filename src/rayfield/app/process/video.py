"""A video to pictures, through PyAV: every frame is judged, then the chosen ones are written.

Turned as the video's rotation says, with square pixels. Only containers that hold their own data
are opened: playlists, which name other files, are not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8
from PIL import Image

from rayfield.app.process.frames import Odometer, choose, sharpness
from rayfield.app.process.reports import Report
from rayfield.core.check import DataError
from rayfield.data.imagefile import MAX_PIXELS

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,asf,flv,ogg,ivf"
JUDGED = 960  # pixels: the longer side of the picture that is judged
COMPLETE = 0.95  # of the frames that the file announces
QUALITY = 95


class Survey(NamedTuple):
    """What a video holds: its frames, and the numbers of those to keep."""

    frames: int
    seconds: float
    turned: int
    chosen: list[int]
    notes: tuple[str, ...]


def survey(path: Path, *, most: int, partial: bool, report: Report) -> Survey:
    """Judge every frame and choose at most `most` of them.

    Raises DataError for a file that is no video, holds no frame, or ends before it should, unless
    `partial` takes what there is.
    """
    sharp, places = [], []
    odometer = Odometer()
    notes: tuple[str, ...] = ()
    seconds, turned = 0.0, 0
    with _opened(path) as stream:
        expected = stream.frames or _by_duration(stream)
        try:
            for frame in _decoded(path, stream):
                grey = _grey(frame)
                sharp.append(sharpness(grey))
                places.append(odometer.place(grey))
                seconds, turned = frame.time or 0.0, frame.rotation
                report(min(1.0, len(sharp) / max(expected, len(sharp), 1)))
            complete = len(sharp) >= COMPLETE * stream.frames
        except av.FFmpegError:
            complete = False
        announced = stream.frames
    if not sharp:
        raise DataError(path, "is a video without frames", "record or copy it again")
    if not complete:
        ends = f"ends after frame {len(sharp)}" + f" of {announced}" * (announced > len(sharp))
        if not partial:
            fix = "copy it again, or use what there is with --allow-partial"
            raise DataError(path, ends, fix)
        notes = (f"{path.name} {ends}: what there is is used",)
    chosen = choose(np.array(sharp), np.array(places), most=most)
    return Survey(len(sharp), seconds, turned, chosen, notes)


def write_frames(
    path: Path, chosen: list[int], folder: Path, *, total: int, report: Report
) -> list[str]:
    """Write the chosen frames, upright, as JPEG files into `folder`; their names, in order."""
    wanted, names = set(chosen), []
    digits = max(5, len(str(total)))
    with _opened(path) as stream, contextlib.suppress(av.FFmpegError):
        for number, frame in enumerate(_decoded(path, stream)):
            if number in wanted:
                names.append(f"frame_{number:0{digits}}.jpg")
                picture = Image.fromarray(upright(frame, stream.sample_aspect_ratio))
                picture.save(folder / names[-1], quality=QUALITY, subsampling=0)
                report(len(names) / len(wanted))
            if len(names) == len(wanted):
                break
    return names


def upright(frame: VideoFrame, aspect: Fraction | None) -> UInt8[np.ndarray, "H W 3"]:
    """A frame as it is meant to be seen: turned, and with square pixels, which are stored `aspect`
    times as wide as high (None or 0: square)."""
    width = max(1, round(frame.width * (aspect or 1)))
    rgb = frame.reformat(width=width, format="rgb24", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90)))


def _grey(frame: VideoFrame) -> UInt8[np.ndarray, "h w"]:
    """A frame's luminance, reduced; turned or not does not matter to its judges."""
    factor = min(1.0, JUDGED / max(frame.width, frame.height))
    width, height = (max(1, round(n * factor)) for n in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="gray", interpolation="AREA")
    return small.to_ndarray()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[VideoStream]:
    """The picture stream of a file. Raises DataError if it has none that can be read."""
    fix = "give an MP4, MOV, MKV, WebM or AVI file, or a folder of photos"
    if path.stat().st_size == 0:
        raise DataError(path, "is empty (0 bytes)", "copy it again")
    with path.open("rb") as file, contextlib.ExitStack() as stack:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        try:
            container = stack.enter_context(av.open(file, options=options))
        except (av.FFmpegError, OSError, ValueError):
            what = "cannot be read as a video (cut short, damaged, or another kind of file)"
            raise DataError(path, what, fix) from None
        if not container.streams.video:
            raise DataError(path, "holds no pictures (only sound, or it is cut short)", fix)
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            what = f"claims frames of {stream.width}x{stream.height} pixels"
            raise DataError(path, what, "shrink it")
        stream.thread_type = "AUTO"
        yield stream


def _decoded(path: Path, stream: VideoStream) -> Iterable[VideoFrame]:
    """The frames of a stream that are whole. Raises av.FFmpegError where the file is damaged."""
    return cast(InputContainer, stream.container).decode(stream)


def _by_duration(stream: VideoStream) -> int:
    """About how many frames there are, where the file does not say; 0: unknown."""
    length = cast(InputContainer, stream.container).duration
    rate = stream.average_rate
    return int(length / av.time_base * rate) if length and rate else 0
