"""Runs of methods that are computed: train, eval, export, info, resume."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import rayfield
from rayfield.app.command import cli
from rayfield.geometry import mesh as measures
from rayfield.geometry import solids
from rayfield.geometry.meshio import read_mesh, write_mesh


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of an L-prism that is off the middle, twice as large as the scene's."""
    folder = tmp_path_factory.mktemp("constructed")
    mesh = solids.l_prism()
    moved = type(mesh)(mesh.vertices * 2 + [3.0, 0.0, 0.0], mesh.faces)
    write_mesh(folder / "l.obj", moved)
    words = ["train", "polytope_net", str(folder / "l.obj"), "-o", str(folder / "run")]
    assert cli.main(words) == 0
    return folder / "run"


def test_the_run_folder_is_like_any_other(run, capsys):
    record = json.loads((run / "run.json").read_text())
    assert record["method"] == "polytope_net"
    assert record["config"]["units"] == [3, 18, 10, 6, 3, 1]
    assert record["traits"] == {"faces": 20, "planes": 8}
    assert (run / "checkpoints" / "step-1" / "model.safetensors").is_file()
    assert cli.main(["info", str(run)]) == 0
    said = capsys.readouterr().out
    assert "a run of polytope_net, step 1" in said
    assert "20 faces" in said


def test_eval_verifies_and_info_tells_it(run, capsys, monkeypatch):
    from rayfield.app.learned import trained_solid

    learned = rayfield.open(run)
    found = learned.evaluate(points=2000)
    assert found["surface_error"] < 1e-15
    assert (found["sign_errors"], found["far_errors"]) == (0, 0)
    assert (found["layers"], found["widest"], found["units"]) == (5, 18, 37)
    assert trained_solid.TESTED >= 500_000
    assert json.loads((run / "metrics.json").read_text()) == json.loads(json.dumps(found))
    assert cli.main(["info", str(run)]) == 0
    assert "sign_errors 0" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--split", "val"], ["--save-renders"]])
def test_what_is_for_photos_is_refused(words, run, capsys):
    assert cli.main(["eval", str(run), *words]) == 2
    assert f"{' '.join(words)} is for runs that learned from photos" in capsys.readouterr().err


def test_export_is_in_the_frame_of_the_file_and_exact_on_flat_faces(run, capsys, tmp_path):
    file = tmp_path / "l.ply"
    assert cli.main(["export", str(run), "-o", str(file), "--resolution", "48"]) == 0
    mesh = read_mesh(file)
    assert mesh.vertices[:, 0].min() == pytest.approx(3 - 1.6, abs=1e-5)
    assert measures.volume(mesh) == pytest.approx(0.75 * 3.2**3, rel=0.02)
    ends = np.abs(mesh.vertices[:, 2])
    assert (np.abs(ends - 1.6) < 1e-5).mean() > 0.2


def test_resume_has_nothing_to_do_unless_it_was_stopped_before_it_was_saved(run, capsys):
    assert cli.main(["resume", str(run)]) == 0
    assert "nothing to resume" in capsys.readouterr().err
    before = (run / "checkpoints" / "step-1" / "model.safetensors").read_bytes()
    shutil.rmtree(run / "checkpoints")
    assert cli.main(["resume", str(run)]) == 0
    assert (run / "checkpoints" / "step-1" / "model.safetensors").read_bytes() == before


def test_a_search_at_random_points_alone_is_told(run, capsys, tmp_path):
    data = str(run.parent / "l.obj")
    words = ["train", "polytope_net", data, "-o", str(tmp_path / "x"), "--set", "checked=7"]
    assert cli.main(words) == 0
    assert "more than 7 planes: gaps are looked for at random" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--steps", "5"], ["--seconds", "9"], ["--downscale", "2"]])
def test_a_budget_is_refused(run, words, capsys, tmp_path):
    data = str(run.parent / "l.obj")
    assert cli.main(["train", "polytope_net", data, "-o", str(tmp_path / "x"), *words]) == 2
    assert "computed, not trained" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_mesh_that_has_changed_is_noticed(run, capsys, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    write_mesh(tmp_path / "l.obj", solids.cube())
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["data"]["path"] = (tmp_path / "l.obj").as_posix()
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert cli.main(["eval", str(tmp_path / "run")]) == 3
    assert "changed" in capsys.readouterr().err


def test_an_open_mesh_is_refused_and_leaves_no_run(capsys, tmp_path):
    mesh = solids.cube()
    write_mesh(tmp_path / "open.obj", type(mesh)(mesh.vertices, mesh.faces[2:]))
    words = ["train", "polytope_net", str(tmp_path / "open.obj"), "-o", str(tmp_path / "run")]
    assert cli.main(words) == 3
    assert "it is open" in capsys.readouterr().err
    assert not (tmp_path / "run" / "run.json").exists()
