"""Converting from the command line: a whole folder or none, and nothing overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rayfield
from rayfield.app import convert as app_convert
from rayfield.app.command.cli import main
from rayfield.app.convert import How, convert
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.data.detect import read_capture

COUNT = 5


@pytest.fixture
def data(tmp_path) -> Path:
    """A small data set in instant-ngp's form; cameras on an arc that look at the origin."""
    root = tmp_path / "tést ありがとう" / "data"
    (root / "images").mkdir(parents=True)
    frames = []
    for i in range(COUNT):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{i}.png")
        angle = 0.3 * (i - 2)
        c, s = np.cos(angle), np.sin(angle)
        pose = [[c, 0, s, 4 * s], [0, 1, 0, 0], [-s, 0, c, 4 * c], [0, 0, 0, 1]]
        frames.append({"file_path": f"images/{i}.png", "transform_matrix": pose})
    lens = {"fl_x": 15.0, "w": 12, "h": 8, "k1": 0.05}
    (root / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    return root


def left(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_the_verb_says_what_it_did(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["convert", str(data), "-o", str(out), "--to", "colmap", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["from"], said["to"], said["images"]) == ("ngp", "colmap", COUNT)
    assert said["pictures"] == {"copied": COUNT}
    assert said["lost"] == []
    assert left(out) == {"images", "sparse"}
    assert main(["convert", str(out), "-o", str(tmp_path / "llff"), "--to", "llff"]) == 0
    text = capsys.readouterr().out
    assert "5 images (5 resampled)" in text
    assert "changed: 5 of 5 images resampled (PNG), lens distortion undone" in text


def test_nothing_else_is_left_beside_the_new_folder(data, tmp_path):
    before = left(tmp_path)
    convert(data, tmp_path / "out", "nerfstudio")
    assert left(tmp_path) == before | {"out"}


@pytest.mark.parametrize("kind", ["data set", "other files", "file", "link", "no parent"])
def test_what_is_there_is_not_overwritten(kind, data, tmp_path):
    out = tmp_path / "out"
    if kind == "data set":
        convert(data, out, "ngp")
    elif kind == "other files":
        out.mkdir()
        (out / "thesis.txt").write_text("years of work")
    elif kind == "file":
        out.write_text("a file")
    elif kind == "link":
        out.symlink_to(data)
    else:
        out = tmp_path / "none" / "out"
    force = How(force=kind != "data set")
    says = {
        "data set": "replace it with --force",
        "other files": "holds other files",
        "file": "is not a folder",
        "link": "holds the data that is to be converted",
        "no parent": "there is no folder",
    }
    before = left(tmp_path)
    with pytest.raises(UsageError, match=says[kind]):
        convert(data, out, "ngp", how=force)
    assert left(tmp_path) == before
    if kind == "other files":
        assert (out / "thesis.txt").read_text() == "years of work"


def test_a_data_set_is_replaced_only_if_asked(data, tmp_path):
    out = tmp_path / "out"
    convert(data, out, "ngp")
    convert(data, out, "colmap", how=How(force=True))
    assert left(out) == {"images", "sparse"}
    assert left(tmp_path) == {"out", data.parent.name}


def test_an_empty_folder_may_be_filled(data, tmp_path):
    (tmp_path / "out").mkdir()
    convert(data, tmp_path / "out", "colmap")
    assert len(read_capture(tmp_path / "out").frames) == COUNT


@pytest.mark.parametrize("where", ["itself", "above"])
def test_the_data_itself_is_never_replaced(where, data):
    out = data if where == "itself" else data.parent
    with pytest.raises(UsageError, match="holds the data that is to be converted"):
        convert(data, out, "colmap", how=How(force=True))
    assert len(read_capture(data).frames) == COUNT


def test_bad_data_leaves_nothing(data, tmp_path):
    (data / "images" / "3.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"3\.png"):
        convert(data, tmp_path / "out", "llff")
    assert left(tmp_path) == {data.parent.name}


@pytest.mark.parametrize("after", [0, 3, 7])
def test_a_full_disk_leaves_nothing_and_the_old_folder_as_it_was(
    after, data, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    convert(data, out, "ngp")
    old = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    count = iter(range(100))
    real = Path.open

    def write(self, mode="r", *args, **kwargs):
        if "w" in mode and next(count) >= after:
            raise OSError(28, "No space left on device")
        return real(self, mode, *args, **kwargs)

    def copy(source, target):
        with write(target, "wb") as file:
            file.write(source.read_bytes())

    monkeypatch.setattr(Path, "open", write)
    monkeypatch.setattr("shutil.copyfile", copy)
    with pytest.raises(RayfieldError, match=r"cannot be written \(No space left on device\)"):
        convert(data, out, "colmap-text", how=How(force=True))
    monkeypatch.undo()
    assert left(tmp_path) == {"out", data.parent.name}
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == old


def test_an_interrupt_leaves_nothing(data, tmp_path):
    def stop(done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(data, tmp_path / "out", "colmap", progress=stop)
    assert left(tmp_path) == {data.parent.name}


def test_cameras_that_would_not_be_read_back_are_never_handed_over(data, tmp_path, monkeypatch):
    def other(path: Path):
        capture = read_capture(path)
        if path.name.startswith(".out"):
            capture.frames[2].camera.pose[0, 3] += 0.01
        return capture

    monkeypatch.setattr(app_convert, "read_capture", other)
    with pytest.raises(RayfieldError, match="would not be read back as it is"):
        convert(data, tmp_path / "out", "colmap")
    assert left(tmp_path) == {data.parent.name}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(data, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RayfieldError, match="cannot be written"):
        convert(data, tmp_path / "out", "colmap")
    tmp_path.chmod(0o700)


def test_a_named_file_is_converted(data, tmp_path):
    values, _ = convert(data / "transforms.json", tmp_path / "out", "colmap-text")
    assert values["images"] == COUNT


def test_the_library_has_the_same_verb(data, tmp_path):
    found = rayfield.convert(str(data), str(tmp_path / "out"), "colmap", link=True)
    assert found["pictures"] == {"linked": COUNT}
    with pytest.raises(UsageError, match="there is no format 'obj' to write; there are: blender,"):
        rayfield.convert(data, tmp_path / "other", "obj")
    with pytest.raises(UsageError, match="replace it with --force"):
        rayfield.convert(data, tmp_path / "out", "ngp")


def test_an_unknown_format_is_a_usage_error(data, tmp_path, capsys):
    assert main(["convert", str(data), "-o", str(tmp_path / "out"), "--to", "obj"]) == 2
    assert "colmap-text" in capsys.readouterr().err
