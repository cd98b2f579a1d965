"""The whole path: train, look, measure, film, mesh."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import av
import numpy as np
import pytest

import rayfield
from rayfield.app.drawing.figures import read_picture
from rayfield.app.learned import rendering
from rayfield.app.learned.opened import open_learned
from rayfield.data.images import read_image
from rayfield.geometry.mesh import report
from rayfield.geometry.meshio import read_mesh


def test_a_run_folder_holds_what_it_should(tiny_run):
    names = {p.relative_to(tiny_run).as_posix() for p in tiny_run.rglob("*") if p.is_file()}
    assert {"run.json", "cameras.json", "log.jsonl"} <= names
    assert "checkpoints/step-60/model.safetensors" in names
    for picture in ("sharpening", "curves", "cameras"):
        image = read_picture(tiny_run / "figures" / f"{picture}.png")
        assert min(image.shape[:2]) > 150
        assert image[..., :3].std() > 5  # not blank
    assert not [name for name in names if ".tmp" in name]
    record = json.loads((tiny_run / "run.json").read_text())
    assert record["config"]["entries"] == 2**14
    assert record["data"]["splits"] == {"train": 72, "val": 0, "test": 16}
    assert record["budget"] == {"steps": 60, "seconds": None}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("levels=-3", "--set levels: expected 0 or more, got -3"),
        ("warmup=0", "warmup and coarse_steps must be 1 or more"),
        ("step=0", "step must be 0.0001 or more"),  # a march that never ends
        ("entries=1000", "--set: entries: expected a power of two, got 1000"),
    ],
)
def test_settings_that_make_no_field_leave_no_run(train_tiny, tmp_path, capsys, setting, said):
    assert train_tiny(tmp_path / "run", "--set", setting) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_field_has_learnt_something(tiny_run, command):
    found = command.json("eval", tiny_run, "--save-renders")
    values = [view["psnr"] for view in found["views"]]
    assert len(values) == 16
    assert found["psnr"] == pytest.approx(np.mean(values))
    assert found["ssim"] == pytest.approx(np.mean([view["ssim"] for view in found["views"]]))
    assert found["psnr"] > 13  # a white page has 9
    assert found["protocol"]["background"] == [1.0, 1.0, 1.0]
    assert found["protocol"]["split"] == "published"
    assert json.loads((tiny_run / "metrics.json").read_text()) == found
    assert len(list((tiny_run / "renders" / "test").iterdir())) == 16
    assert (tiny_run / "figures" / "evaluation.png").exists()
    # the first value once more, by hand: over white, averaged over 8x8 pixels
    run = rayfield.open(tiny_run)
    view = run.view(run.split("test")[0].camera)
    photo = read_image(rayfield.demo_photos() / "test" / "r_0.png") / 255.0
    premultiplied = np.dstack([photo[..., :3] * photo[..., 3:], photo[..., 3]])
    small = premultiplied.reshape(25, 8, 25, 8, 4).mean(axis=(1, 3))
    target = small[..., :3] + 1 - small[..., 3:]
    mse = ((view.color - target) ** 2).mean()
    assert -10 * math.log10(mse) == pytest.approx(found["views"][0]["psnr"], abs=0.1)


@pytest.mark.parametrize("path", ["turntable", "interpolate", "test"])
def test_every_path_makes_a_video_of_the_size_asked_for(tiny_run, command, tmp_path, path):
    words = ["render", tiny_run, "--path", path, "--frames", 3, "--resolution", "24x18"]
    found = command.json(*words, "-o", tmp_path, "--png")
    count = 16 if path == "test" else 3
    assert found["frames"] == count == len(list((tmp_path / "frames").iterdir()))
    with av.open(found["video"]) as file:
        frames = list(file.decode(video=0))
    assert [(f.width, f.height) for f in frames] == [(24, 18)] * count
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [f"{path}.mp4"]


def test_a_missing_encoder_is_told_before_anything_is_rendered(
    tiny_run, command, tmp_path, monkeypatch
):
    def forbidden(*_: object) -> None:
        raise AssertionError("a view was rendered")

    monkeypatch.setattr("rayfield.app.drawing.video.CODECS", ("no_such_encoder",))
    monkeypatch.setattr("rayfield.app.learned.field.render_view", forbidden)
    code, _, err = command("render", tiny_run, "-o", tmp_path / "new", "--frames", 1)
    assert code == 1
    assert "can write no MP4; pip install --force-reinstall av" in err
    assert not (tmp_path / "new").exists()


def test_normals_are_drawn_where_something_is_seen(tiny_run, command, tmp_path):
    words = ["render", tiny_run, "--frames", 1, "--normals", "--resolution", "20x20"]
    found = command.json(*words, "-o", tmp_path)
    assert Path(found["normals_video"]).exists()
    picture = read_picture(Path(found["normals"]) / "0000.png")
    assert picture.shape == (20, 20, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


def test_depth_is_written_in_world_units(tiny_run, command, tmp_path):
    words = ["render", tiny_run, "--frames", 2, "--depth", "--resolution", "20x20"]
    found = command.json(*words, "-o", tmp_path / "a.mp4")
    assert Path(found["video"]) == tmp_path / "a.mp4"
    assert Path(found["depth_video"]).exists()
    depth = np.load(Path(found["depth"]) / "0000.npy", allow_pickle=False)
    assert depth.shape == (20, 20)
    assert depth.dtype == np.float32
    seen = depth[depth > 0]
    assert len(seen) > 20
    assert 2.0 < np.median(seen) < 6.0  # all cameras are 4 units from the middle
    assert read_picture(Path(found["depth"]) / "0001.png").shape == (20, 20, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--frames", "0"], "0 frames"),
        (["--fps", "0"], "fps is 0"),
        (["--resolution", "0x10"], "cannot be made"),
        (["--resolution", "99999x99999"], "cannot be made"),
        (["--resolution", "wide"], "not of the form 640x480"),
    ],
)
def test_impossible_videos_are_refused(tiny_run, command, tmp_path, words, said):
    code, _, err = command("render", tiny_run, "-o", tmp_path / "new", *words)
    assert code == 2
    assert said in err
    assert not (tmp_path / "new").exists()


def test_the_mesh_is_closed_coloured_and_in_the_world(tiny_run, command, tmp_path):
    file = tmp_path / "mesh.ply"
    found = command.json("export", tiny_run, "-o", file, "--resolution", 40)
    mesh = read_mesh(file)
    again = report(mesh)
    assert found["boundary_edges"] == again["boundary_edges"] == 0
    assert found["faces"] == len(mesh.faces)
    assert again["volume"] > 0  # faces look outwards
    assert mesh.colors is not None
    assert mesh.colors.std() > 10
    assert np.abs(mesh.vertices).max() < 1.6  # everything is within 1.1 of the world's origin
    code, _, err = command("export", tiny_run, "-o", file, "--resolution", 40)
    assert code == 1
    assert "exists already" in err
    assert command("export", tiny_run, "-o", file, "--resolution", 20, "--force")[0] == 0


def test_the_scene_frame_differs_from_the_world_by_the_similarity(tiny_run, command, tmp_path):
    for frame in ("world", "scene"):
        words = ["export", tiny_run, "-o", tmp_path / f"{frame}.ply", "--resolution", 24]
        assert command(*words, "--frame", frame)[0] == 0
    world, scene = (read_mesh(tmp_path / f"{f}.ply").vertices for f in ("world", "scene"))
    matrix = open_learned(tiny_run).world_from_scene
    moved = scene @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(moved, world, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-o", "m.xyz"], 2, "unknown mesh format"),
        (["-o", "m.ply", "--resolution", "1"], 2, "too coarse"),
        (["-o", "m.ply", "--resolution", "100000"], 2, "GiB"),
        (["-o", "m.ply", "--threshold", "-1"], 2, "is no density"),
        (["-o", "m.ply", "--resolution", "8", "--threshold", "1e30"], 1, "no surface"),
    ],
)
def test_impossible_meshes_are_refused(tiny_run, command, tmp_path, words, code, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, _, err = command("export", tiny_run, *words)
    assert found == code
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_info_tells_runs_and_data_apart(tiny_run, command):
    found = command.json("info", tiny_run)
    assert (found["kind"], found["method"], found["step"]) == ("run", "instant", 60)
    found = command.json("info", rayfield.demo_photos())
    assert (found["kind"], found["format"], found["bounded"]) == ("data", "blender", True)
    assert found["images"] == {"train": 72, "val": 0, "test": 16}
    assert "72 train + 16 test" in command("info", rayfield.demo_photos())[1]


def test_doctor_knows_this_machine(command):
    found = command.json("doctor")
    assert found["cores"] >= 1
    assert found["packages"]["torch"].startswith("2.")
    assert "kernels" in command("doctor")[1]


def test_pictures_of_a_video_that_would_take_long_are_smaller_than_the_photos(
    tiny_run, command, monkeypatch
):
    monkeypatch.setattr(rendering, "PATIENCE", 1e-6)
    monkeypatch.setattr(rendering, "SMALLEST", 16)
    found = command.json("render", tiny_run, "--frames", 2)
    assert (found["width"], found["height"]) == (16, 16)
    text = command("render", tiny_run, "--frames", 2)[1]
    assert "--resolution " + "x".join(map(str, found["reduced_from"])) in text
    monkeypatch.setattr(rendering, "PATIENCE", 1e6)
    assert command.json("render", tiny_run, "--frames", 2)["reduced_from"] is None


@pytest.mark.parametrize("words", [("--png",), ("--depth",)])
def test_a_full_disk_is_one_line_and_leaves_no_half_picture(
    tiny_run, command, tmp_path, words, monkeypatch
):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rayfield.geometry.wholefile.os.fsync", full)
    size = ("--frames", 1, "--resolution", "16x16", "-o", tmp_path / "out")
    code, out, err = command("render", tiny_run, *size, *words)
    assert (code, out) == (1, "")
    assert "could not be written (No space left on device)" in err
    assert "Traceback" not in err
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
