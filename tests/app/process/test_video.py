"""Videos to pictures: many containers, turned frames, files that are not what they say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy import ndimage

from rayfield.app.process import video
from rayfield.core.check import DataError
from rayfield.data.images import image_info, read_image

WIDTH, HEIGHT = 96, 64


def nothing(done: float) -> None:
    """No report."""
    assert 0 <= done <= 1


def pictures(count: int) -> list[np.ndarray]:
    """A textured wall that moves by, its upper left quarter red."""
    rng = np.random.default_rng(0)
    wall = ndimage.gaussian_filter(rng.random((HEIGHT, WIDTH + 10 * count)), 2)
    wall = 255 * (wall - wall.min()) / np.ptp(wall)
    found = []
    for i in range(count):
        picture = np.repeat(wall[:, 6 * i : 6 * i + WIDTH, None], 3, -1).astype(np.uint8)
        picture[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)
        found.append(picture)
    return found


def write(
    path: Path, frames: list[np.ndarray], *, rotation: int = 0, aspect: int = 1, kind: str = "mp4"
) -> Path:
    """A video file of these pictures."""
    with av.open(str(path), "w", format=kind, options={"movflags": "faststart"}) as file:
        stream = file.add_stream("mpeg4", rate=10, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
        stream.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        file.start_encoding()
        for picture in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def look(path: Path, *, most: int = 150, partial: bool = False) -> video.Survey:
    return video.survey(path, most=most, partial=partial, report=nothing)


@pytest.mark.parametrize("kind", ["mp4", "mov", "matroska", "avi", "mpegts"])
def test_every_frame_of_a_moving_camera_is_written(tmp_path, kind):
    path = write(tmp_path / "clip", pictures(12), kind=kind)
    found = look(path)
    assert found.frames == 12
    assert found.chosen == list(range(12))
    assert found.notes == ()
    names = video.write_frames(path, found.chosen, tmp_path, total=12, report=nothing)
    assert names == [f"frame_{i:05}.jpg" for i in range(12)]
    for name, true in zip(names, pictures(12), strict=True):
        seen = read_image(tmp_path / name).astype(float)
        assert np.abs(seen - true).mean() < 12


def test_only_the_chosen_frames_are_written(tmp_path):
    path = write(tmp_path / "clip.mp4", pictures(12))
    names = video.write_frames(path, [2, 7], tmp_path, total=12, report=nothing)
    assert names == ["frame_00002.jpg", "frame_00007.jpg"]
    seen = read_image(tmp_path / names[1]).astype(float)
    assert np.abs(seen - pictures(12)[7]).mean() < 12


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (-90, (0, -1)), (90, (-1, 0))])
def test_frames_are_turned_as_the_file_says(tmp_path, rotation, corner):
    """-90 degrees counter-clockwise, as of a phone held upright, brings the upper left corner to
    the upper right."""
    path = write(tmp_path / "clip.mp4", pictures(3), rotation=rotation)
    assert look(path).turned == rotation
    video.write_frames(path, [0], tmp_path, total=3, report=nothing)
    seen = read_image(tmp_path / "frame_00000.jpg").astype(int)
    assert seen.shape == ((WIDTH, HEIGHT, 3) if rotation else (HEIGHT, WIDTH, 3))
    rows, columns = (slice(0, 20) if c == 0 else slice(-20, None) for c in corner)
    red = seen[rows, columns].mean(axis=(0, 1))
    assert red[0] > 230
    assert red[1] < 40


def test_pixels_become_square(tmp_path):
    path = write(tmp_path / "clip.mp4", pictures(2), aspect=2)
    video.write_frames(path, [0], tmp_path, total=2, report=nothing)
    assert image_info(tmp_path / "frame_00000.jpg")[:2] == (2 * WIDTH, HEIGHT)


def test_a_video_that_was_cut_short_is_told_and_used_only_if_asked_for(tmp_path):
    whole = write(tmp_path / "clip.mp4", pictures(40)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(DataError, match=r"cut\.mp4: ends after frame \d\d of 40; copy it again"):
        look(path)
    found = look(path, partial=True)
    assert 10 < found.frames < 40
    assert "ends after frame" in found.notes[0]
    names = video.write_frames(path, found.chosen, tmp_path, total=40, report=nothing)
    assert len(names) == len(found.chosen)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 44100
        file.mux(stream.encode(silence))
        file.mux(stream.encode())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"some words\n" * 50, "cannot be read as a video"),
        (b"ffconcat version 1.0\nfile good.mp4\n", "cannot be read as a video"),
        (b"#EXTM3U\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n", "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_refused_and_names_in_it_are_not_followed(tmp_path, content, said):
    write(tmp_path / "good.mp4", pictures(3))
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.mp4: {said}"):
        look(path)


def test_a_video_without_pictures_or_without_frames(tmp_path):
    audio_only(tmp_path / "sound.mp4")
    with pytest.raises(DataError, match=r"sound\.mp4: holds no pictures"):
        look(tmp_path / "sound.mp4")
    write(tmp_path / "none.avi", [], kind="avi")
    with pytest.raises(DataError, match=r"none\.avi: is a video without frames"):
        look(tmp_path / "none.avi")


def test_a_video_cut_before_its_index_is_refused(tmp_path):
    whole = write(tmp_path / "clip.mp4", pictures(10)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:300])
    with pytest.raises(DataError, match=r"cut\.mp4: holds no pictures .*cut short"):
        look(tmp_path / "cut.mp4")
