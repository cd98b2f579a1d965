"""MP4 files."""

from __future__ import annotations

import av
import numpy as np
import pytest

from rayfield.app.drawing.video import Video, find_codec
from rayfield.core.check import RayfieldError, UsageError


def pictures(count: int, height: int, width: int) -> list[np.ndarray]:
    """A soft gradient that changes its brightness from picture to picture."""
    ramp = np.linspace(40, 200, width)[None, :, None] * np.ones((height, 1, 3))
    return [(ramp * (i + 1) / count).astype(np.uint8) for i in range(count)]


def test_pictures_come_back_from_the_file(tmp_path):
    made = pictures(6, 48, 64)
    with Video(tmp_path / "a.mp4", fps=24.0) as video:
        for picture in made:
            video.add(picture)
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == 24
        assert stream.codec_context.pix_fmt == "yuv420p"
        found = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(found) == 6
    for a, b in zip(made, found, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 4
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_odd_sizes_become_even_by_repeating_the_border(tmp_path):
    with Video(tmp_path / "new" / "a.mp4", fps=29.97) as video:
        video.add(pictures(1, 33, 47)[0])
    with av.open(str(tmp_path / "new" / "a.mp4")) as file:
        frame = next(file.decode(video=0))
    assert (frame.width, frame.height) == (48, 34)


def test_a_failure_leaves_no_file(tmp_path):
    def fail() -> None:
        with Video(tmp_path / "a.mp4", fps=24.0) as video:
            video.add(pictures(1, 32, 32)[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e6, float("nan")])
def test_impossible_rates_are_refused(tmp_path, fps):
    with pytest.raises(UsageError, match="fps"):
        Video(tmp_path / "a.mp4", fps=fps)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RayfieldError, match="could not be written"):
        Video(tmp_path / "file" / "a.mp4", fps=24.0).__enter__()


def test_an_encoder_is_there():
    assert find_codec() in ("libx264", "libopenh264", "mpeg4")
