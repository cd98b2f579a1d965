"""Solid shapes by the command line: train, resume, eval, render, export, from one or a class."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import rayfield
from rayfield.app.command import cli
from rayfield.app.drawing import shape_figures
from rayfield.app.learned import shape_scores
from rayfield.app.learned.trained_shapes import TrainedShapes
from rayfield.core.types import Mesh
from rayfield.data import shape_batches
from rayfield.data.solids import HALF
from rayfield.geometry.meshio import read_mesh, write_mesh
from rayfield.geometry.voxels import centres, surface_mesh
from rayfield.methods import deepsdf

TINY = {
    "occupancy_network": ["width=32", "hidden=8", "code=8", "blocks=2", "features=0", "rate=0.01"],
    "deepsdf": ["width=32", "code=8", "layers=3", "fit_steps=4", "fit_points=64", "rate=0.004"],
    "imnet": ["widths=32,32", "code=8", "channels=2", "rate=0.01", "stages=0.1"],
}
BATCH = ["shapes=4", "points=256", "steps=150"]
each_method = pytest.mark.parametrize("name", sorted(TINY))


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Few points, small pictures, coarse previews."""
    with pytest.MonkeyPatch.context() as patched:
        for module, name, value in (
            (shape_scores, "TESTED", 1 << 12),
            (shape_scores, "TESTED_EACH", 1 << 11),
            (shape_batches, "MOST_POOL", 1 << 12),
            (shape_figures, "SIZE", 48),
            (shape_figures, "DETAIL", 16),
        ):
            patched.setattr(module, name, value)
        for name in ("figures.sharpening", "plots.curves"):  # they take most of the time
            patched.setattr(f"rayfield.app.drawing.{name}", lambda *args, **kwargs: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine balls as grids, and one as a mesh far from the origin."""
    root = tmp_path_factory.mktemp("shapes")
    distance = centres(32, half=HALF).norm(dim=1).view(32, 32, 32)
    np.savez(root / "balls.npz", np.stack([(distance < 0.4 + 0.04 * k).numpy() for k in range(9)]))
    ball = surface_mesh(distance < 0.7, half=HALF)
    write_mesh(root / "ball.ply", Mesh(10 * ball.vertices + [100, 0, -50], ball.faces))
    return root


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[tuple[str, str], Path]:
    """A run of every method on the class and on the mesh; leave them as they are."""
    made = {}
    for name, settings in TINY.items():
        for data in ("balls.npz", "ball.ply"):
            out = folder / f"run-{name}-{data}"
            words = ["train", name, str(folder / data), "-o", str(out)]
            words += [f"--set={text}" for text in (*settings, *BATCH)]
            assert cli.main(words) == 0
            made[name, data] = out
    return made


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def ask(*words: object) -> dict[str, Any]:
        """What a command that must succeed prints with --json."""
        capsys.readouterr()
        assert cli.main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def complaint(*words: object) -> tuple[int, str]:
        """Exit code and the one line said by a command that must fail."""
        capsys.readouterr()
        code = cli.main([*map(str, words)])
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
        return code, line

    return complaint


@each_method
def test_a_single_shape_is_measured_and_meshed_where_the_file_has_it(name, runs, ask, tmp_path):
    run = runs[name, "ball.ply"]
    found = ask("eval", run)
    assert 0.4 < found["iou_uniform"] <= 1
    assert 0 < found["iou_near_surface"] <= 1
    assert (run / "figures" / "evaluation.png").exists()
    told = ask("export", run, "-o", tmp_path / "a.ply", "--resolution", 24)
    assert told["boundary_edges"] == 0
    vertices = read_mesh(tmp_path / "a.ply").vertices
    np.testing.assert_allclose((vertices.min(0) + vertices.max(0)) / 2, [100, 0, -50], atol=3)
    assert Path(ask("render", run)["file"]).exists()


@each_method
def test_a_class_is_measured_on_the_shapes_held_out(name, runs, ask, capsys):
    run = runs[name, "balls.npz"]
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["splits"] == {"train": 8, "test": 1}
    assert record["traits"]["held_out"] == ["7"]
    found = ask("eval", run)
    assert [one["name"] for one in found["shapes"]] == ["7"]
    assert found["iou"] == found["iou_worst"] == found["shapes"][0]["iou"]
    assert json.loads((run / "metrics.json").read_text()) == found
    assert cli.main(["eval", str(run)]) == 0
    assert "iou worst" in capsys.readouterr().out


@each_method
def test_a_held_out_shape_is_reconstructed_in_the_frame_of_the_grid(name, runs, ask, tmp_path):
    run = runs[name, "balls.npz"]
    for words in ([], ["--scene", "7"]):
        told = ask("export", run, "-o", tmp_path / f"{len(words)}.ply", "--resolution", 24, *words)
        assert told["boundary_edges"] == 0
    vertices = read_mesh(tmp_path / "2.ply").vertices
    np.testing.assert_allclose((vertices.min(0) + vertices.max(0)) / 2, 16, atol=8)


@each_method
def test_a_strip_leads_from_one_shape_to_another(name, runs, ask):
    found = ask("render", runs[name, "balls.npz"], "--scene", "0,8")
    assert found["file"].endswith("interpolation-0-8.png")
    assert Path(found["file"]).exists()
    assert all(Path(mesh).exists() for mesh in found["meshes"])


@each_method
def test_a_mesh_is_an_observation_for_all(name, runs, folder, ask, tmp_path):
    words = ["--observation", folder / "ball.ply", "--resolution", 24]
    ask("export", runs[name, "balls.npz"], "-o", tmp_path / "a.ply", *words)
    vertices = read_mesh(tmp_path / "a.ply").vertices
    np.testing.assert_allclose((vertices.min(0) + vertices.max(0)) / 2, [100, 0, -50], atol=5)


def test_points_are_an_observation(runs, ask, tmp_path, complaint):
    normals = np.random.default_rng(0).normal(size=(200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.save(tmp_path / "bare.npy", 3 * normals + 7)
    np.save(tmp_path / "full.npy", np.hstack([3 * normals + 7, normals]))
    network, decoder = (runs[n, "balls.npz"] for n in ("occupancy_network", "deepsdf"))
    told = ask(
        "export", network, "-o", tmp_path / "a.ply", "--observation", tmp_path / "bare.npy",
        "--resolution", 24,
    )  # fmt: skip
    assert told["box_min"][0] > 0
    words = ("export", decoder, "-o", tmp_path / "b.ply", "--resolution", 24, "--observation")
    ask(*words, tmp_path / "full.npy")
    code, line = complaint(*words, tmp_path / "bare.npy", "--force")
    assert code == 3
    assert "without normals" in line


def test_pictures_are_an_observation(folder, ask, tmp_path):
    run = tmp_path / "run"
    settings = [f"--set={text}" for text in (*TINY["occupancy_network"], *BATCH, "encoder=image")]
    ask("train", "occupancy_network", folder / "balls.npz", "-o", run, "--steps", 8, *settings)
    ask("eval", run)
    Image.new("RGB", (40, 40), "white").save(tmp_path / "a.png")
    words = ("export", run, "-o", tmp_path / "a.ply", "--observation", tmp_path / "a.png")
    assert cli.main([*map(str, words), "--resolution", "16"]) in (0, 1)  # or there is no surface


def test_a_run_that_was_stopped_goes_on_to_the_same_end(folder, tmp_path, ask, monkeypatch):
    def words(out: str) -> list[object]:
        settings = [f"--set={text}" for text in (*TINY["deepsdf"], *BATCH)]
        return [
            "train",
            "deepsdf",
            folder / "balls.npz",
            "-o",
            tmp_path / out,
            "--steps",
            6,
            *settings,
        ]

    ask(*words("whole"))
    loss = deepsdf.loss

    def impatient(model, batch, cfg, step, *, generator):
        if step == 3:
            signal.raise_signal(signal.SIGINT)
        return loss(model, batch, cfg, step, generator=generator)

    with monkeypatch.context() as patched:
        patched.setattr(deepsdf, "loss", impatient)
        assert cli.main([*map(str, words("stopped"))]) == 130
    assert ask("resume", tmp_path / "stopped")["step"] == 6
    whole, stopped = (rayfield.open(tmp_path / name) for name in ("whole", "stopped"))
    assert isinstance(whole, TrainedShapes)
    assert isinstance(stopped, TrainedShapes)
    others = stopped.model.state_dict()
    assert all(torch.equal(value, others[key]) for key, value in whole.model.state_dict().items())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["export", "--scene", "77", "-o", "x.ply"], 2, "there is no shape '77'"),
        (["export", "--threshold", "3", "-o", "x.ply"], 2, "--threshold is a density"),
        (["export", "--observation", "none.ply", "-o", "x.ply"], 3, "is not a file"),
        (["export", "--observation", "a", "--scene", "1", "-o", "x.ply"], 2, "not both"),
        (["render", "--scene", "1,2,3"], 2, "one name or two"),
        (["eval", "--reference", "x.png"], 2, "--reference"),
    ],
)
def test_what_cannot_be_answered_is_said(runs, complaint, words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verb, *rest = words
    found, line = complaint(verb, runs["imnet", "balls.npz"], *rest)
    assert found == code
    assert said in line


def test_a_single_shape_has_no_others(runs, complaint, tmp_path):
    run = runs["imnet", "ball.ply"]
    code, line = complaint("export", run, "-o", tmp_path / "a.ply", "--scene", "a")
    assert code == 2
    assert "learned a single shape" in line
    assert complaint("render", run, "--scene", "a")[0] == 2


def test_changed_data_is_noticed(folder, tmp_path, ask, complaint):
    np.savez(tmp_path / "a.npz", np.load(folder / "balls.npz")["arr_0"][:3])
    settings = [f"--set={text}" for text in (*TINY["imnet"], *BATCH)]
    ask("train", "imnet", tmp_path / "a.npz", "-o", tmp_path / "run", "--steps", 2, *settings)
    np.savez(tmp_path / "a.npz", np.load(folder / "balls.npz")["arr_0"][3:6])
    code, line = complaint("eval", tmp_path / "run")
    assert code == 3
    assert "differs from the data" in line
