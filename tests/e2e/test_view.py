"""A run in a real browser: looked at, turned, clicked, filmed; its console stays silent."""

from __future__ import annotations

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rayfield
from rayfield.app.learned.camera_path import read_path

SMALL = (
    "--downscale", 8, "--seconds", 4, "--set=entries=2**14", "--set=finest=128",
    "--set=samples=2**12", "--set=occupancy=32", "--set=step=0.03",
)  # fmt: skip
SHOWN = "rayfield.shown === rayfield.number"  # a picture, if a coarse one, of what is wanted now


@pytest.fixture(scope="module")
def page(chromium: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One page, for all tests here."""
    with chromium.Browser(tmp_path_factory.mktemp("browser"), 760, 440) as page:
        yield page


class Served:
    """A command that serves a viewer, and the link it printed."""

    def __init__(self, *words: object) -> None:
        command = [sys.executable, "-m", "rayfield", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        self.said = ""
        while (found := re.search(r"http://\S+", self.said)) is None:
            line = self.process.stderr.readline()
            self.said += line
            if not line:
                self.kill()
                raise AssertionError(self.said)
        self.url = found[0]

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and standard output."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        self.said += err
        return self.process.returncode, out


@pytest.fixture(scope="module")
def run(train_tiny: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose rays take long steps, so that pictures come quickly; with a mesh."""
    path = tmp_path_factory.mktemp("view") / "tiny <b>run<-b>"
    assert train_tiny(path, "--set", "step=0.03", "--steps", 150) == 0
    (path / "meshes").mkdir()
    shutil.copy(rayfield.demo_photos() / "mesh.ply", path / "meshes")
    return path


@pytest.fixture(scope="module")
def served(run: Path, page: Any) -> Iterator[Served]:
    server = Served("view", run, "--port", 0)
    try:
        page.goto(server.url)
        page.wait("window.rayfield?.field.about")
        yield server
    finally:
        server.kill()


@pytest.fixture
def shown(page: Any, tmp_path: Path) -> Callable[[], np.ndarray]:
    """What is on the screen, RGB."""

    def look() -> np.ndarray:
        page.run("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")
        page.screenshot(tmp_path / "screen.png")
        with Image.open(tmp_path / "screen.png") as picture:
            return np.asarray(picture.convert("RGB")).astype(int)

    return look


def silent(page: Any) -> bool:
    found = page.errors()
    assert not found, found
    return True


def test_the_field_is_seen(served, page, shown):
    scene = shown()[90:390, 30:450]
    assert scene.reshape(-1, 3).std(axis=0).min() > 15  # not blank
    assert (scene[0, 0] > 240).all()  # over white, as the photos
    assert page.run("document.title") == "tiny <b>run<-b> · rayfield"
    assert page.run("document.getElementById('run').textContent") == "tiny <b>run<-b>"
    assert "token" not in page.run("location.href")
    assert "step 150" in page.run("document.getElementById('about').textContent")
    assert silent(page)


def test_dragging_turns_it(served, page, shown):
    before, pose = shown(), page.run("rayfield.eye.pose.p")
    page.drag((240, 220), (130, 200))
    page.wait(SHOWN)
    after = page.run("rayfield.eye.pose.p")
    assert np.linalg.norm(np.subtract(after, pose)) > 0.3
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(pose), rel=1e-3)
    assert np.allclose(page.run("rayfield.field.about.pose.p"), after, atol=1e-4)
    assert np.abs(shown() - before)[90:390, 30:450].mean() > 3
    page.mouse("Wheel", 240, 220, deltaX=0, deltaY=-300)
    page.wait(SHOWN)
    assert np.linalg.norm(page.run("rayfield.eye.pose.p")) < 0.8 * np.linalg.norm(pose)
    assert silent(page)


def test_every_mode_shows_something_else(served, page, shown):
    seen = {}
    for mode in ("depth", "normals", "opacity", "samples", "color"):
        page.press(f"[data-value={mode}]")
        page.wait(f"rayfield.field.about.mode === '{mode}'")
        seen[mode] = shown()[90:390, 30:450]
        hidden = page.run("document.getElementById('legend').hidden")
        assert hidden == (mode == "color")
    values = list(seen.values())
    for i, one in enumerate(values):
        for other in values[:i]:
            assert np.abs(one - other).mean() > 2
    assert silent(page)


def test_a_camera_is_clicked_and_its_photo_shown(served, page, shown):
    page.run("rayfield.eye.reset(); rayfield.eye.dolly(2.5)")
    page.wait("rayfield.cameras.layers.size === 88")
    found = page.run(
        "(() => { const [w, h] = rayfield.size();"
        "for (let y = 70; y < h - 50; y += 4) for (let x = 4; x < w; x += 4)"
        "{ const i = rayfield.pick(x, y); if (i >= 0) return [x, y, i]; } })()"
    )
    x, y, number = found
    page.mouse("Moved", x, y)
    name = page.run(f"rayfield.stage.cameras[{number}].name")
    assert page.run("document.getElementById('tip').textContent") == name
    page.click(x, y)
    page.wait("!document.getElementById('photo').hidden")
    assert page.run("document.getElementById('photo-name').textContent") == name
    page.wait(SHOWN)
    assert np.allclose(
        page.run("rayfield.eye.pose.p"), page.run(f"rayfield.cameras.cameras[{number}].pose.p")
    )
    photo = shown()[110:380, 60:420]
    page.run("document.getElementById('photo-share').value = 0; rayfield.wake()")
    rendering = shown()[110:380, 60:420]
    assert 1 < np.abs(photo - rendering).mean() < 40  # alike, but not the same
    page.press("#photo-close")
    assert page.run("document.getElementById('photo').hidden")
    assert silent(page)


def test_a_box_crops_the_field(served, page, shown):
    page.run("rayfield.eye.reset()")
    page.wait(SHOWN)
    whole = shown()
    page.run(
        "(() => { const s = document.querySelector('[aria-label=\"highest z\"]');"
        "s.value = -1; s.dispatchEvent(new Event('input')); })()"
    )
    page.wait(SHOWN)
    white = (shown()[110:380, 60:420] > 250).all(axis=-1).mean()
    assert white > (whole[110:380, 60:420] > 250).all(axis=-1).mean() + 0.1
    page.press("#crop-reset")
    page.wait(SHOWN)
    assert np.abs(shown() - whole)[90:390, 30:450].mean() < 2


def test_the_mesh_of_the_run_is_drawn_where_the_field_is(served, page, shown):
    page.press("#show-mesh")
    page.wait("rayfield.mesh.count > 0")
    page.press("#show-field")
    page.press("#show-train")
    mesh = (shown()[60:380, 60:420] < 245).any(axis=-1)
    page.press("#show-mesh")
    page.press("#show-field")
    page.wait(SHOWN)
    field = (shown()[60:380, 60:420] < 200).any(axis=-1)
    page.press("#show-train")
    assert (mesh & field).sum() / (mesh | field).sum() > 0.6
    assert silent(page)


def test_a_path_is_recorded_and_filmed(served, page, run, command, tmp_path):
    for angle in (0, 0.4, 0.8):
        page.run(f"rayfield.eye.orbit({angle}, 0)")
        page.press("#key-add")
    page.run(
        "(() => { const s = document.getElementById('path-seconds');"
        "s.value = 1; s.dispatchEvent(new Event('input')); })()"
    )
    page.press("#path-keep")
    page.wait("document.querySelector('.toast code') !== null")
    code = page.run("document.querySelector('.toast code').textContent")
    assert code.startswith("rayfield render ")
    file = run / "paths" / "path-1.json"
    assert file.name in code
    path = read_path(file)
    assert path.duration == 1
    middle = page.run("rayfield.path.at(0.5).pose.p")
    scene = np.array(page.run("rayfield.stage.world_from_scene")) @ [*middle, 1]
    assert np.allclose(path.cameras(3)[1].pose[:3, 3], scene[:3], atol=1e-6)  # as it was played
    words = ["render", run, "--path", file, "--resolution", "24x16", "--fps", 5, "--png"]
    found = command.json(*words, "-o", tmp_path / "film")
    assert found["frames"] == 6
    assert Path(found["video"]).name == "path-1.mp4"
    page.press("#path-play")
    page.wait("rayfield.path.playing !== null")
    page.wait("rayfield.path.playing === null")
    assert silent(page)


def test_what_is_left_alone_gets_finer_until_it_is_as_large_as_the_window(served, page):
    page.wait("rayfield.field.about.done")
    assert page.run("rayfield.field.about.size") == page.run("rayfield.size()")


def test_an_image_is_saved(served, page, tmp_path):
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.press("#still")
    end = time.monotonic() + 30
    while not (found := list(tmp_path.glob("*.png"))) and time.monotonic() < end:
        page.run("0")
        time.sleep(0.05)
    time.sleep(0.2)
    with Image.open(io.BytesIO(found[0].read_bytes())) as picture:
        assert list(picture.size) == page.run("rayfield.size()")
        assert np.asarray(picture).std() > 15
    assert found[0].name == "tiny-b-run--b--color.png"
    assert silent(page)


def test_a_small_window_is_served_too(served, page, shown):
    page.resize(420, 800)
    page.wait("rayfield.size()[0] === 420")
    page.wait(SHOWN)
    assert page.run("document.documentElement.scrollWidth") <= 420
    page.resize(760, 440)
    assert silent(page)


def test_ctrl_c_ends_it_and_the_page_says_so(served, page):
    code, out = served.end()
    assert code == 0, served.said
    assert "viewer closed after" in out
    page.wait("document.getElementById('state').textContent.includes('no connection')")
    page.goto("about:blank")  # or it would go on asking for it
    page.console.clear()  # the browser reports what it cannot reach


def test_view_answers_json_and_ends_by_itself(run, command):
    found = command.json("view", run, "--port", 0, "--seconds", 0.1)
    assert found["url"].startswith("http://127.0.0.1:")
    assert json.loads(json.dumps(found))["seconds"] < 5


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--port", 70_000), 2, "--port 70000 is out of range"),
        (("--host", "no.such.host.invalid"), 2, "--host no.such.host.invalid: no such address"),
        (("--mesh", "none.ply"), 3, "none.ply"),
        (("--scene", "chair"), 2, "--scene is for runs that learned several scenes"),
    ],
)
def test_what_cannot_be_shown_is_told(run, command, words, code, said):
    found, _, err = command("view", run, *words)
    assert found == code
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_without_websockets_the_line_to_type_is_told(run, command, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = command("view", run)
    assert code == 2
    assert "pip install 'rayfield[view]'" in err


def test_a_training_is_watched_held_and_looked_at_to_its_end(page, shown, tmp_path):
    """Curves grow, Pause holds the steps, and after the last the page tells what to type."""
    words = ["train", "instant", rayfield.demo_photos(), "-o", tmp_path / "run", *SMALL]
    server = Served(*words, "--view", "--port", 0)
    try:
        page.goto(server.url)
        page.wait("window.rayfield?.field.about")
        page.wait("document.getElementById('facts').children.length > 0")
        assert not page.run("document.getElementById('training').hidden")
        before = page.run("rayfield.training.charts.loss.x.length")
        page.wait(f"rayfield.training.charts.loss.x.length > {before} + 2")
        page.press("#pause")
        page.wait("document.getElementById('pause').textContent === 'Go on'")
        page.wait(SHOWN)
        step = "document.getElementById('facts').children[1].textContent"
        held = page.run(step)
        time.sleep(0.7)
        assert page.run(step) == held
        page.press("#pause")
        page.wait(f"{step} !== {json.dumps(held)}")
        page.press("[data-value=depth]")
        page.wait("rayfield.field.about.mode === 'depth'")
        page.press("[data-value=color]")
        page.wait("document.querySelector('.toast code') !== null")
        assert "rayfield view" in page.run("document.querySelector('.toast code').textContent")
        page.wait(f"{SHOWN} && rayfield.field.about.done")
        assert shown()[90:390, 30:450].std() > 10
        assert server.process.poll() is None  # as long as somebody looks on
        assert silent(page)
        page.goto("about:blank")
        out, err = server.process.communicate(timeout=60)
        assert server.process.returncode == 0, err
        assert "next:" in out
    finally:
        server.kill()
