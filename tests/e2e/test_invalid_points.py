"""Points and vertices that are no numbers: refused, or left out where that is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest

import rayfield
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import write_mesh

SMALL = ("--steps", "2", "--set", "width=8", "--set", "layers=2", "--set", "batch=16")


@pytest.fixture
def scan(tmp_path):
    points = np.random.default_rng(0).normal(size=(300, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[7, 1], points[11, 0] = np.nan, np.inf
    np.save(tmp_path / "scan.npy", points)
    return tmp_path / "scan.npy"


def test_a_scan_with_nan_is_refused_by_a_line_that_names_the_cure(command, scan, tmp_path):
    code, out, err = command("train", "sal", scan, "-o", tmp_path / "run", *SMALL)
    assert code == 3
    assert out == ""
    assert "has 2 points that are not finite numbers" in err
    assert "--drop-invalid" in err
    assert not (tmp_path / "run").exists()


def test_the_flag_leaves_them_out_and_the_run_remembers(command, scan, tmp_path):
    run = tmp_path / "run"
    command.json("train", "sal", scan, "-o", run, *SMALL, "--drop-invalid")
    data = json.loads((run / "run.json").read_text())["data"]
    assert data["drop_invalid"] is True
    assert data["splits"] == {"train": 298}
    found = command.json("eval", run)
    assert found["value_at_data"] > 0
    assert command("resume", run)[0] == 0


@pytest.mark.parametrize("method", ["igr", "mesh_optimisation", "fourier_features"])
def test_every_reader_of_geometry_takes_the_flag(command, tmp_path, method):
    mesh = icosphere(2)
    mesh.vertices[5] = np.nan
    path = tmp_path / "ball.off"
    rows = [" ".join(map(str, row)) for row in mesh.vertices]
    rows += [" ".join(map(str, (3, *face))) for face in mesh.faces]
    path.write_text("\n".join([f"OFF\n{len(mesh.vertices)} {len(mesh.faces)} 0", *rows]) + "\n")
    words = ("train", method, path, "-o", tmp_path / "run", "--steps", "1")
    code, _, err = command(*words)
    assert code == 3
    assert "--drop-invalid" in err
    code, _, err = command(*words, "--drop-invalid")
    assert code == 0, err
    assert "1 vertices that are not finite numbers are dropped" in err


def test_photos_have_no_such_points(command, tmp_path):
    words = ("train", "instant", rayfield.demo_photos(), "-o", tmp_path / "run")
    code, _, err = command(*words, "--drop-invalid")
    assert code == 2
    assert "--drop-invalid is for points and meshes" in err


def test_a_sound_mesh_loses_nothing(command, tmp_path):
    write_mesh(tmp_path / "ball.ply", icosphere(2))
    words = ("sal", tmp_path / "ball.ply", "-o", tmp_path / "run", *SMALL, "--drop-invalid")
    command.json("train", *words)
    data = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert data["splits"] == {"train": 100_000}
