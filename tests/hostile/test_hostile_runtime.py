"""Hard times at run time: no memory, no home, no folder, odd clocks, hostile names, no network.

The rule: one line that says what to do, or the work goes on; never a traceback.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

import rayfield
from rayfield.app.command import cli
from rayfield.app.command.verbs import VERBS
from rayfield.app.learned import field
from rayfield.app.meshes.texture import textured
from rayfield.core.check import DataError
from rayfield.core.types import Camera, Rendered, SceneTraits
from rayfield.geometry import solids
from rayfield.geometry.curvature import vertex_curvature
from rayfield.geometry.exactness import exactness
from rayfield.geometry.marching import extract
from rayfield.methods import nerf
from rayfield.train import checkpoint
from rayfield.train.checkpoint import load_latest
from rayfield.train.recorder import SaveError

TINY = ("entries=16384", "finest=128", "samples=4096", "occupancy=32")


def python(*words: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, words)]
    environment = {**os.environ, **env}
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        cwd=cwd,
        env=environment,
        timeout=180,
        check=False,
    )


def test_a_folder_that_was_deleted_is_left_with_one_line(tmp_path):
    code = (
        "import os, sys; os.mkdir(sys.argv[1]); os.chdir(sys.argv[1]); os.rmdir(sys.argv[1])\n"
        "from rayfield.app.command import cli; sys.exit(cli.main(['doctor']))"
    )
    found = python("-c", code, tmp_path / "gone")
    assert found.returncode == 2
    assert found.stderr == "error: the current folder does not exist any more; cd to another\n"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((2**50,), np.dtype("f8")),
        RuntimeError("[enforce fail at alloc_cpu.cpp:113] DefaultCPUAllocator: can't allocate"
                     " memory: you tried to allocate 99 bytes."),
    ],
)  # fmt: skip
def test_memory_that_runs_out_is_one_line_with_the_cure(error, capsys, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(VERBS["methods"], "run", fail)
    assert cli.main(["methods"]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {cli.NO_MEMORY}\n")


def test_names_cannot_steer_the_terminal(capsys, monkeypatch):
    def fail(*_: object) -> None:
        raise DataError("a\x1b[2J\nerror: b\x07\u202e.png", "is no picture", "remove it")

    monkeypatch.setattr(VERBS["methods"], "run", fail)
    assert cli.main(["methods", "--json"]) == 3
    out, err = capsys.readouterr()
    assert err == "error: a\\x1b[2J\\nerror: b\\x07\\u202e.png: is no picture; remove it\n"
    assert json.loads(out)["exit_code"] == 3


def test_neither_home_nor_temporary_folder_nor_locale_is_needed(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    folder = tmp_path / "tést ありがとう\nzwei"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / "bild ü.png")
    nowhere = "/nonexistent/folder"
    poor = {"HOME": nowhere, "TMPDIR": nowhere, "XDG_CACHE_HOME": nowhere, "NO_COLOR": "1"}
    poor |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}
    words = ["train", "fourier_features", folder / "bild ü.png", "-o", folder / "run"]
    found = python("-m", "rayfield", *words, "--steps", 3, "--json", cwd=tmp_path, **poor)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr
    assert json.loads(found.stdout)["step"] == 3
    assert (folder / "run" / "run.json").exists()


@pytest.mark.parametrize("steps", [10**18, 10**40, 0, -5])
def test_numbers_of_steps_that_no_training_takes_are_refused(steps, capsys, tmp_path):
    words = ["train", "instant", str(tmp_path), "-o", str(tmp_path / "run"), f"--steps={steps}"]
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert f"steps must be from 1 to 4294967296, not {steps}" in err
    assert err.count("\n") == 1


def test_a_clock_that_jumps_back_changes_nothing(tmp_path, toy: ModuleType, monkeypatch):
    calm = toy.digest(*toy.train(toy.new_run(tmp_path / "calm"))[1:])
    now = itertools.count(10**9, -60)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    run = toy.new_run(tmp_path / "run")
    assert toy.digest(*toy.train(run, checkpoint_seconds=0.0)[1:]) == calm
    assert load_latest(run).step == 30


def test_no_memory_for_a_checkpoint_costs_nothing_but_the_exit_code(
    tmp_path, toy: ModuleType, monkeypatch
):
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=4)

    def fail(_: object) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_pack", fail)
        with pytest.raises(SaveError, match=r"\(out of memory\); saved up to step 4"):
            toy.train(run, steps=30, checkpoint_seconds=0.0)
    assert load_latest(run).step == 4


def test_a_view_is_rendered_in_smaller_parts_where_memory_is_short(monkeypatch, caplog):
    def render(model, rays, cfg, *, background):
        if len(rays.near) > 150:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        seen = torch.full_like(rays.near, 0.5)
        return Rendered(rays.directions.abs(), seen, rays.near, seen.long())

    monkeypatch.setattr(nerf, "render", render)
    pose = np.eye(4)
    pose[2, 3] = -2.0
    camera = Camera(width=40, height=20, fx=30.0, fy=30.0, cx=20.0, cy=10.0, pose=pose)
    traits = SceneTraits(True, True, 1, 0.1)
    small = {"camera": camera, "traits": traits}
    monkeypatch.setattr(field, "CHUNK", 100)
    wanted = field.render_view(nerf, torch.nn.Module(), None, **small)
    monkeypatch.setattr(field, "CHUNK", 2**16)
    found = field.render_view(nerf, torch.nn.Module(), None, **small)
    np.testing.assert_array_equal(found.color, wanted.color)
    np.testing.assert_array_equal(found.depth, wanted.depth)
    assert "out of memory: going on with 100 points at a time" in caplog.text


def short_of_memory(work):
    """The same work, where there is memory for 2000 points at a time."""

    def limited(points, *others):
        if len(points) > 2000:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return work(points, *others)

    return limited


def test_meshes_are_measured_and_coloured_in_smaller_parts_where_memory_is_short(caplog):
    def ball(points):
        return points.norm(dim=1) - 0.7

    box = {"box_min": (-1.0, -1.0, -1.0), "box_max": (1.0, 1.0, 1.0)}
    mesh = extract(ball, level=0.0, resolution=12, inside="below", **box)
    assert len(mesh.vertices) > 300
    found = vertex_curvature(mesh, short_of_memory(ball), inside="below", step=0.05)
    wanted = vertex_curvature(mesh, ball, inside="below", step=0.05)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-5)
    found, wanted = (
        exactness(f, solids.cube(), 8000, generator=torch.Generator().manual_seed(0))
        for f in (short_of_memory(cube_distance), cube_distance)
    )
    assert found == wanted
    assert "out of memory: going on with" in caplog.text


def cube_distance(points):
    return points.abs().amax(dim=1) - 0.8


def test_a_texture_is_coloured_in_smaller_parts_where_memory_is_short(caplog):
    pytest.importorskip("xatlas", reason="textures need the extra [mesh]")
    mesh = solids.cube()

    def color(points, normals):
        return np.full((len(points), 3), (200, 100, 50), np.uint8)

    pictures = [textured(mesh, f, 128).picture for f in (color, short_of_memory(color))]
    assert pictures[0] == pictures[1]
    assert "out of memory: going on with" in caplog.text


ALONE = """
import json, sys
calls = []
def watch(event, arguments):
    if event == "socket.gethostname":  # the name of this machine, for the lock
        return
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.")):
        calls.append(event)
        raise OSError("the network is refused")
sys.addaudithook(watch)
from rayfield.app.command import cli
codes = [cli.main(line.split("\\t")) for line in sys.argv[1:]]
json.dump({"codes": codes, "calls": calls}, sys.stderr)
"""


def test_training_measuring_and_exporting_never_use_the_network(tmp_path):
    """Python's sockets are refused, and where the machine allows it there is no route either."""
    run, sets = tmp_path / "run", [f"--set={pair}" for pair in TINY]
    verbs = [
        ["train", "instant", rayfield.demo_photos(), "-o", run, *sets, "--steps=60"],
        ["eval", run],
        ["render", run, "--frames=1", "--resolution=16x16"],
        ["export", run, "-o", tmp_path / "m.glb", "--resolution=24"],
    ]
    verbs[0].append("--downscale=8")
    lines = ["\t".join(map(str, words)) for words in verbs]
    command = [sys.executable, "-c", ALONE, *lines]
    apart = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if apart.returncode == 0:
        command = ["unshare", "-rn", *command]
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    report = json.loads(found.stderr.splitlines()[-1])
    assert report == {"codes": [0, 0, 0, 0], "calls": []}, found.stderr
