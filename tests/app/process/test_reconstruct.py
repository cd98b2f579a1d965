"""Photos and videos to data sets: whole or not there at all; and the real thing with pycolmap."""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.app.command.display import Quiet
from rayfield.app.drawing.video import Video
from rayfield.app.process import reconstruct
from rayfield.app.process.job import Job, Settings
from rayfield.app.process.outcome import Failure, Outcome
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.data.load import load_scene, read_capture
from rayfield.geometry.alignment import pose_errors
from rayfield.train.interrupt import Interrupted
from rayfield.train.lock import locked

needs_pycolmap = pytest.mark.skipif(
    importlib.util.find_spec("pycolmap") is None, reason="pycolmap is not installed"
)
PHOTOS = 6


class Notes(Quiet):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def process(
    source: Path, out: Path, *, force: bool = False, display: Notes | None = None, **chosen
):
    """`rayfield process`, in one thread."""
    settings = Settings(**chosen)
    display = display or Notes()
    return reconstruct.process(source, out, settings, threads=1, force=force, display=display)


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of plain pictures."""
    (tmp_path / "photos").mkdir()
    for i in range(PHOTOS):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


class Worker:
    """Stands in for the worker: leaves a data set, unless told to fail. Remembers its job."""

    def __init__(self, registered: int = PHOTOS, error: BaseException | None = None) -> None:
        self.registered, self.error = registered, error
        self.jobs: list[Job] = []

    def __call__(self, job: Job, log: Path, display: object) -> Outcome:
        self.jobs.append(job)
        work = Path(job.work)
        assert sorted(p.name for p in work.iterdir()) == [".lock"]
        (work / "data" / "images").mkdir(parents=True)
        (work / "data" / "images" / "a.png").write_text("new")
        if self.error is not None:
            raise self.error
        lost = [Failure(f"{i}.png", "unmatched", "none") for i in range(PHOTOS - self.registered)]
        return Outcome(self.registered, PHOTOS, tuple(lost), (self.registered,), 9, 0.5, (), ())


@pytest.fixture
def worker(monkeypatch) -> Worker:
    stand_in = Worker()
    monkeypatch.setattr(reconstruct, "supervise", stand_in)
    monkeypatch.setattr(reconstruct, "require_pycolmap", lambda: None)
    return stand_in


def around(photos: Path) -> list[str]:
    """What lies beside the photos."""
    return sorted(path.name for path in photos.parent.iterdir() if path != photos)


def test_the_data_set_appears_whole_with_its_record(photos, worker):
    found = process(photos, photos.parent / "data")
    assert around(photos) == ["data"]
    assert json.loads((photos.parent / "data" / "process.json").read_text())["registered"] == PHOTOS
    assert found["data"].endswith("data")
    assert [name for _, name in worker.jobs[0].photos] == [f"{i}.png" for i in range(PHOTOS)]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    "error", [RayfieldError("crash"), DataError("x", "bad"), MemoryError(), ValueError("bug")]
)
def test_a_failure_leaves_nothing(photos, worker, error):
    worker.error = error
    with pytest.raises(type(error)):
        process(photos, photos.parent / "data")
    assert around(photos) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(photos, worker):
    worker.error = OSError(28, "No space left on device", "x.db")
    with pytest.raises(RayfieldError, match=r"x\.db: cannot be written \(No space left"):
        process(photos, photos.parent / "data")
    assert around(photos) == []


def test_stopping_leaves_nothing_and_says_so(photos, worker):
    worker.error = KeyboardInterrupt()
    with pytest.raises(Interrupted, match=r"stopped; .*data was not written") as caught:
        process(photos, photos.parent / "data")
    assert caught.value.exit_code == 130
    assert around(photos) == []


def test_too_few_poses_stop_it_and_each_failure_is_told(photos, worker):
    worker.registered = 4
    display = Notes()
    with pytest.raises(DataError, match=r"4 of 6 images found a pose \(67 %, fewer than 80 %\)"):
        process(photos, photos.parent / "data", display=display)
    assert display.notes == ["0.png: none", "1.png: none"]
    assert around(photos) == []
    assert process(photos, photos.parent / "data", partial=True)["registered"] == 4
    assert process(photos, photos.parent / "more", least=0.6)["registered"] == 4


def test_what_a_killed_process_left_is_cleaned_away(photos, worker):
    leftover = photos.parent / ".data.processing" / "data"
    leftover.mkdir(parents=True)
    (leftover / "old").write_text("old")
    (leftover.parent / "database.db").write_text("old")
    process(photos, photos.parent / "data")
    assert around(photos) == ["data"]
    assert not (photos.parent / "data" / "old").exists()


def test_the_work_of_another_process_is_left_alone(photos, worker):
    elsewhere = photos.parent / ".data.processing"
    with locked(elsewhere):
        (elsewhere / "database.db").write_text("its")
        with pytest.raises(RayfieldError, match=r"in use by process"):
            process(photos, photos.parent / "data")
        assert (elsewhere / "database.db").read_text() == "its"


def test_an_existing_data_set_is_replaced_only_if_asked_for_and_only_by_success(photos, worker):
    out = photos.parent / "data"
    process(photos, out)
    (out / "mark").write_text("old")
    with pytest.raises(UsageError, match="exists; choose another folder with -o, or use --force"):
        process(photos, out)
    worker.error = RayfieldError("crash")
    with pytest.raises(RayfieldError, match="crash"):
        process(photos, out, force=True)
    assert (out / "mark").exists()
    worker.error = None
    process(photos, out, force=True)
    assert not (out / "mark").exists()
    assert around(photos) == ["data"]


def test_a_folder_of_others_is_never_replaced(photos, worker):
    (photos.parent / "home").mkdir()
    (photos.parent / "home" / "letter").write_text("dear")
    with pytest.raises(UsageError, match="was not made by `rayfield process`"):
        process(photos, photos.parent / "home", force=True)
    with pytest.raises(UsageError, match=r"holds .* itself"):
        process(photos, photos, force=True)
    with pytest.raises(UsageError, match=r"holds .* itself"):
        process(photos, photos.parent, force=True)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"least": 0.0}, "--min-registered 0: give a share"),
        ({"least": float("nan")}, "--min-registered nan"),
        ({"frames": 2}, "--frames 2: give 3 to 2000"),
        ({"seed": -1}, "--seed -1: give 0"),
    ],
)
def test_options_out_of_range(photos, worker, chosen, said):
    with pytest.raises(UsageError, match=said):
        process(photos, photos.parent / "data", **chosen)


def bomb(path: Path) -> None:
    """A PNG that claims 100,000 x 100,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def hostile(folder: Path, case: str) -> Path:
    """An input that cannot be used."""
    (folder / "in").mkdir()
    source = folder / "in"
    if case in ("text", "empty", "bomb"):
        for i in range(4):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(source / f"{i}.jpg")
        bad = source / "bad.png"
        {
            "text": lambda: bad.write_text("no picture"),
            "empty": lambda: bad.touch(),
            "bomb": lambda: bomb(bad),
        }[case]()
    elif case in ("one", "picture"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(source / "1.jpg")
        source = source / "1.jpg" if case == "picture" else source
    elif case == "missing":
        source = source / "nowhere"
    elif case == "pipe":
        os.mkfifo(source / "pipe")
        source = source / "pipe"
    elif case != "none":
        raise ValueError(case)
    return source


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("none", "in: holds no photos; put photos there"),
        ("one", "in: holds 1 photo; at least 3 are needed"),
        ("picture", r"1\.jpg: is one picture; give the folder"),
        ("missing", "nowhere: does not exist; give a folder of photos, or a video file"),
        ("pipe", "pipe: is neither a folder nor a file"),
        ("text", r"bad\.png: is not an image this version can read; .*--allow-partial"),
        ("empty", r"bad\.png: is empty \(0 bytes\)"),
        ("bomb", r"bad\.png: claims more than 128 million pixels"),
    ],
)
def test_photos_that_cannot_be_used_are_one_line(tmp_path, worker, case, said):
    source = hostile(tmp_path, case)
    with pytest.raises(DataError, match=said) as caught:
        process(source, tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert worker.jobs == []


def test_a_file_that_is_no_picture_can_be_left_out(tmp_path, worker):
    process(hostile(tmp_path, "text"), tmp_path / "data", partial=True)
    assert worker.jobs[0].unread == (("bad.png", "is not an image this version can read"),)


def test_without_pycolmap_the_command_that_installs_it_is_given(photos, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RayfieldError, match=r'pip install "pycolmap>=4,<5"'):
        process(photos, photos.parent / "data")
    assert around(photos) == []


def errors(data: Path, true: dict[str, np.ndarray]):
    """How far the poses of a data set are from the true ones, by name."""
    capture = read_capture(data)
    found = {Path(frame.path).name: frame.camera.pose for frame in capture.frames}
    return found, pose_errors(
        np.stack([found[name] for name in sorted(found)]),
        np.stack([true[name] for name in sorted(found)]),
    )


@needs_pycolmap
def test_photos_of_a_room_give_its_true_cameras(tmp_path, room):
    """And a photo of something else is left out, with its reason; the rest can be trained on."""
    true = room.photos(tmp_path / "fötos 1", 8)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "fötos 1" / "other.png")
    display = Notes()
    found = process(tmp_path / "fötos 1", tmp_path / "data", display=display)
    assert (found["registered"], found["total"]) == (8, 9)
    assert any(note.startswith("other.png: none of the 8 images") for note in display.notes)
    poses, off = errors(tmp_path / "data", {f"{i:02}.jpg": true[i] for i in range(8)})
    assert sorted(poses) == [f"{i:02}.jpg" for i in range(8)]
    assert off.distance.max() < 0.01  # the cameras are 4 from the corner
    assert off.angle.max() < 0.1
    scene = load_scene(tmp_path / "data")
    assert len(scene.frames) == 8
    assert not any("no pose" in note for note in scene.notes)  # the odd one is not there any more
    assert 295 < scene.frames[0].camera.fx < 305
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "fötos 1"]


@needs_pycolmap
def test_a_video_that_cannot_be_used_is_one_line(tmp_path):
    (tmp_path / "clip.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"clip\.mp4: cannot be read as a video") as caught:
        process(tmp_path / "clip.mp4", tmp_path / "data")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@needs_pycolmap
def test_a_video_of_a_room_gives_poses_along_its_way(tmp_path, room):
    with Video(tmp_path / "room.mp4", fps=10.0) as video:
        for i in range(10):
            video.add(room.picture(i, 10))
    display = Notes()
    found = process(tmp_path / "room.mp4", tmp_path / "data", display=display, frames=7)
    assert found["registered"] == found["total"] <= 7
    assert display.notes[0].startswith("room.mp4: ")
    true = {f"frame_{i:05}.jpg": pose for i, pose in enumerate(room.poses(10))}
    _, off = errors(tmp_path / "data", true)
    assert off.distance.max() < 0.05
    assert off.angle.max() < 0.5
