"""The page and exported meshes in a real browser: looked at, turned, clicked, without complaint."""

from __future__ import annotations

import base64
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rayfield.app.command import cli
from rayfield.core.types import Mesh
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.meshio import write_mesh
from rayfield.geometry.textured import Textured
from rayfield.geometry.textured_io import write_textured

PIXELS = """(() => {
  const view = window.rayfieldView; view.touched = true; view.draw();
  const { gl } = view, [w, h] = [gl.drawingBufferWidth, gl.drawingBufferHeight];
  const data = new Uint8Array(4 * w * h);
  gl.readPixels(0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data);
  let text = ""; for (const value of data) text += String.fromCharCode(value);
  return [w, h, btoa(text)]; })()"""


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    with chromium.Browser(tmp_path_factory.mktemp("browser"), 900, 900) as page:
        yield page


@pytest.fixture(scope="module")
def report(tiny_run, tmp_path_factory, page) -> Any:
    """The page of a run, open."""
    run = tmp_path_factory.mktemp("page") / "tiny <b>run<-b>"
    shutil.copytree(tiny_run, run)
    assert cli.main(["report", str(run), "--seconds", "200"]) == 0
    page.goto((run / "report.html").as_uri())
    page.wait("window.rayfieldView !== undefined")
    return page


def drawn(page: Any) -> np.ndarray:
    """What the view has drawn: height, width, RGBA, from the top."""
    width, height, data = page.run(PIXELS)
    return (
        np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[::-1].astype(int)
    )


def unlike(one: np.ndarray, other: np.ndarray) -> float:
    """The mean difference of colours where either of two pictures has something."""
    there = (one[..., 3] > 0) | (other[..., 3] > 0)
    return float(np.abs(one - other)[there].mean())


def silent(page: Any) -> bool:
    found = page.errors()
    assert not found, found
    return True


def middle_of(page: Any) -> tuple[float, float]:
    page.run(
        "document.querySelector('canvas').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    script = "(() => { const b = document.querySelector('canvas').getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"  # noqa: E501
    return tuple(page.run(script))


def test_the_page_opens_without_a_network_and_without_complaint(report):
    assert report.run("document.title") == "tiny <b>run<-b> · rayfield"
    assert report.run("document.querySelector('h1').textContent") == "tiny <b>run<-b>"
    assert report.run("performance.getEntriesByType('resource').map((e) => e.name)") == []
    assert report.run("[...document.images].every((i) => i.naturalWidth > 0)")
    report.wait("document.querySelector('video').readyState >= 2")
    assert report.run("document.querySelector('video').videoWidth") >= 24
    wide = report.run("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0  # nothing sticks out at the side
    assert silent(report)


def test_the_mesh_is_seen_in_its_colours(report):
    seen = drawn(report)
    solid = seen[..., 3] > 128
    assert 0.01 < solid.mean() < 0.9
    assert not solid[0].any()  # all of it is in the picture
    assert not solid[:, 0].any()
    assert seen[solid][:, :3].std(axis=0).min() > 8


def test_it_is_turned_zoomed_moved_and_brought_back(report):
    report.press("[data-reset]")
    before = drawn(report)
    x, y = middle_of(report)
    report.drag((x, y), (x + 120, y + 10))
    turned = drawn(report)
    assert unlike(turned, before) > 20
    share = (turned[..., 3] > 128).mean()
    report.mouse("Wheel", x, y, deltaX=0, deltaY=-400)
    report.wait("rayfieldView.distance < 2 * rayfieldView.bounds.radius")
    assert (drawn(report)[..., 3] > 128).mean() > 1.2 * share
    for key in ("ArrowLeft", "ArrowUp", "+", "-"):
        still = drawn(report)
        report.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")  # fmt: skip  # noqa: E501
        assert unlike(drawn(report), still) > 2, key
    report.press("[data-reset]")
    np.testing.assert_array_equal(drawn(report), before)
    assert silent(report)


def test_every_button_does_what_it_says(report):
    report.press("[data-reset]")
    seen = {}
    for name, index in (("colours", 0), ("clay", 1), ("normals", 2)):
        report.press(f"[data-mode='{index}']")
        seen[name] = drawn(report)
        pressed = "[...document.querySelectorAll('[data-mode]')].map((b) => b.ariaPressed)"
        assert report.run(pressed) == ["true" if k == index else "false" for k in range(3)]
    for one, other in (("colours", "clay"), ("clay", "normals"), ("normals", "colours")):
        assert unlike(seen[one], seen[other]) > 15
    clay = seen["clay"][seen["clay"][..., 3] > 200][:, :3]
    assert np.abs(clay[:, 0] - clay[:, 2]).mean() < 25  # nearly grey
    report.press("[data-mode='0']")
    report.press("[data-toggle=wires]")
    assert unlike(drawn(report), seen["colours"]) > 5
    report.press("[data-toggle=wires]")
    report.press("[data-toggle=cameras]")
    blue = drawn(report).reshape(-1, 4)
    blue = blue[blue[:, 3] > 60]
    assert ((blue[:, 2] > 140) & (blue[:, 0] < 80)).sum() > 100
    report.press("[data-toggle=cameras]")
    np.testing.assert_array_equal(drawn(report), seen["colours"])
    assert silent(report)


def test_the_command_is_copied(report):
    report.call("Browser.grantPermissions", permissions=["clipboardSanitizedWrite"])
    report.press("[data-copy]")
    report.wait("document.querySelector('[data-copy]').textContent === 'copied'")
    report.wait("document.querySelector('[data-copy]').textContent === 'copy'")


def test_the_page_is_dark_where_that_is_wished(report):
    def paper() -> int:
        color = report.run("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(",")))

    assert paper() > 700
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    report.call("Emulation.setEmulatedMedia", features=dark)
    assert paper() < 120
    report.call("Emulation.setEmulatedMedia", features=[])


def test_a_narrow_screen_shows_all_of_it(report):
    report.resize(390, 800)
    assert report.run("document.documentElement.scrollWidth - innerWidth") <= 0
    report.resize(900, 900)


def ball() -> Mesh:
    """Red towards +x, green towards +y, blue towards +z, in our z-up frame."""
    mesh = icosphere(4)
    colors = (255 * mesh.vertices.clip(0, 1)).round().astype(np.uint8)
    return Mesh(mesh.vertices + np.array([7, 0, 0]), mesh.faces, mesh.vertices, colors)


def plain(mesh: Mesh, folder: Path) -> Path:
    write_mesh(folder / "plain.glb", mesh)
    return folder / "plain.glb"


def far(mesh: Mesh, folder: Path) -> Path:
    write_mesh(folder / "far.glb", Mesh(mesh.vertices + 1e6, mesh.faces, mesh.normals, mesh.colors))
    return folder / "far.glb"


def textured(mesh: Mesh, folder: Path) -> Path:
    """Every face in the colour of its first corner, from a cell of a picture of its own."""
    side = 128
    picture = np.zeros((side, side, 3), np.uint8)
    cell = np.arange(len(mesh.faces))
    picture.reshape(-1, 3)[cell] = mesh.colors[mesh.faces[:, 0]]
    middle = np.stack([(cell % side + 0.5) / side, 1 - (cell // side + 0.5) / side], axis=1)
    Image.fromarray(picture).save(folder / "picture.png")
    data = (folder / "picture.png").read_bytes()
    bare = Mesh(mesh.vertices, mesh.faces, mesh.normals)
    corners = np.repeat(middle[:, None], 3, axis=1)
    write_textured(folder / "textured.glb", Textured(bare, corners, data))
    return folder / "textured.glb"


@pytest.mark.parametrize("make", [plain, far, textured])
def test_an_exported_glb_opens_upright_and_in_its_colours(page, tmp_path, make):
    """Looked at from our +x, then from above: y up in the file is z up of ours."""
    script = resources.files("rayfield.app.report").joinpath("page/view.js").read_text()
    data = base64.b64encode(make(ball(), tmp_path).read_bytes()).decode()
    text = (
        "<!doctype html><link rel=icon href='data:,'><canvas style='width:200px;height:200px'>"
        f"</canvas><script>{script}\nconst bytes = Uint8Array.from(atob({json.dumps(data)}),"
        "(c) => c.charCodeAt(0)); window.rayfieldView = new MeshView(document.querySelector("
        "'canvas'), bytes, {up: [0, 1, 0], away: [1, 0, 0]});</script>"
    )
    (tmp_path / "page.html").write_text(text)
    page.goto((tmp_path / "page.html").as_uri())
    page.wait("window.rayfieldView !== undefined")
    page.run("rayfieldView.ready")
    front = drawn(page)
    red, green, blue = front[100, 100, :3]
    assert red > 180 > 60 > max(green, blue)
    assert front[55, 100, 2] > front[145, 100, 2] + 80  # blue above
    assert front[100, 145, 1] > front[100, 55, 1] + 80  # green at the right: right-handed
    page.run("rayfieldView.turn(0, 1.5)")
    red, green, blue = drawn(page)[100, 100, :3]
    assert blue > 180 > 60 > max(red, green)
    assert silent(page)
