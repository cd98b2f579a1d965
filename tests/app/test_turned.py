"""Photos that EXIF asks to turn, where no size tells whether their poses want it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import rayfield
from rayfield.app.command import cli
from rayfield.app.sources.photos import scene_of
from rayfield.core.check import UsageError
from rayfield.data.load import load_scene
from rayfield.data.photo import decode
from rayfield.data.synthetic import toy, write_scene

TINY = ("levels=2", "entries=2**10", "samples=256", "occupancy=16")
TURNS = {  # EXIF's orientation: how a picture lies in the file so that it is right when turned
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    6: lambda x: x.swapaxes(0, 1)[::-1],  # to be turned clockwise
}


@pytest.fixture(params=TURNS)
def lying(request, tmp_path):
    """Square photos that lie in their files as EXIF tells, and how they should look, by name."""
    root, looks = tmp_path / "data", {}
    write_scene(root, toy(0), views={"train": 5, "test": 2}, size=24)
    exif = Image.Exif()
    exif[0x0112] = request.param
    for file in sorted(root.glob("*/*.png")):
        with Image.open(file) as stored:
            looks[file.relative_to(root).as_posix()] = upright = np.array(stored)
        lying = np.ascontiguousarray(TURNS[request.param](upright))
        Image.fromarray(lying).save(file, exif=exif)
    return root, looks


def right(frames, looks) -> bool:
    """Whether all photos are decoded as they should look."""
    shown = [np.array_equal(decode(f), looks[f.path.relative_to(f.path.parents[1]).as_posix()])
             for f in frames]  # fmt: skip
    assert len(set(shown)) == 1
    return shown[0]


def test_photos_are_turned_only_if_asked_and_it_is_said(lying):
    root, looks = lying
    stored, turned = load_scene(root), load_scene(root, exif="apply")
    assert not right(stored.frames, looks)
    assert right(turned.frames, looks)
    asked = "7 images have an EXIF orientation that sizes do not tell: "
    assert f"{asked}their pixels are taken as stored (--exif apply turns them)" in stored.notes
    assert f"{asked}they are turned as it asks (--exif apply)" in turned.notes


def test_a_run_keeps_to_what_was_asked_of_exif(lying, tmp_path, capsys):
    root, looks = lying
    words = ["train", "instant", str(root), "-o", str(tmp_path / "run"), "--steps", "2", "--json"]
    words += [word for setting in TINY for word in ("--set", setting)]
    assert cli.main([*words, "--exif", "apply", "--no-report"]) == 0
    run = tmp_path / "run" / "run.json"
    record = json.loads(run.read_text())
    assert record["data"]["exif"] == "apply"
    assert right(scene_of(rayfield.open(tmp_path / "run").run).frames, looks)  # what `eval` reads
    record["budget"]["steps"] = 4
    run.write_text(json.dumps(record))
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "run"), "--no-report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 4
    assert json.loads(run.read_text())["data"]["exif"] == "apply"


def test_turned_photos_teach_the_same_as_photos_that_lie_right(lying, tmp_path):
    """Bit for bit."""
    root, looks = lying
    shutil.copytree(root, tmp_path / "right")
    for name, upright in looks.items():
        Image.fromarray(upright).save(tmp_path / "right" / name)
    settings = dict(setting.split("=") for setting in TINY)
    tables = {}
    for name, data, exif in (
        ("turned", root, "apply"), ("right", tmp_path / "right", "ignore"), ("as", root, "ignore"),
    ):  # fmt: skip
        run = rayfield.train(
            "instant", data, tmp_path / f"run-{name}", steps=4, settings=settings, exif=exif,
            report=False,
        )  # fmt: skip
        tables[name] = run.model.field.grid.table
    assert tables["turned"].equal(tables["right"])
    assert not tables["turned"].equal(tables["as"])


def test_check_looks_at_them_turned_as_well(lying, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root, _ = lying
    for exif, said in (("ignore", "taken as stored"), ("apply", "they are turned as it asks")):
        cli.main(["check", str(root), "--exif", exif, "--json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        assert any(said in finding["what"] for finding in findings)


def test_what_is_no_photo_takes_no_exif(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="--exif is for photos"):
        rayfield.train("fourier_features", tmp_path / "a.png", tmp_path / "run", exif="apply")
