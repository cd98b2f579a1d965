"""The page as a whole: nothing comes from outside, and nothing of a run becomes markup."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from rayfield.app.command.verbs import VERBS
from rayfield.app.learned import cameras as cams
from rayfield.app.report.again import command
from rayfield.app.report.facts import read_facts
from rayfield.app.report.making import Made
from rayfield.app.report.page import page, write_report
from rayfield.app.report.solid import shown
from rayfield.app.report.sphere import around
from rayfield.core.types import Camera, Mesh
from rayfield.geometry.icosphere import icosphere
from rayfield.train.run import create_run

EVIL = "<script>alert(1)</script>\"'&"


class Elements(HTMLParser):
    """The elements of a page, and every address that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""
        self._kind: str | None = None
        self.feed(text)

    def handle_starttag(self, name, attributes):
        found = dict(attributes)
        self.names.append(name)
        self.addresses += [found[key] for key in ("src", "href", "srcset", "poster", "action", "data") if key in found]  # fmt: skip  # noqa: E501
        self._kind = found.get("type", "run") if name == "script" else None
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        assert not [key for key in found if key.startswith("on")]

    def handle_endtag(self, name):
        self._kind = None

    def handle_data(self, data):
        if self._kind == "run":
            self.scripts.append(data)


def record(**changes) -> dict:
    return {
        "method": "instant",
        "config": {"steps": 10, "name": EVIL},
        "data": {
            "given": f"photos/{EVIL}",
            "path": "photos",
            "relative": "photos",
            "fingerprint": EVIL,
            "splits": {"train": 3, "val": 0, EVIL: 1},
            "downscale": 2,
            "masks": "cut",
        },
        "world_from_scene": np.eye(4).tolist(),
        "traits": {"bounded": True, "alpha": True, "images": 3, "near": 0.0},
        "seed": 7,
        "budget": {"steps": 10, "seconds": 3.5},
        "asked": {"preset": "it's", "settings": ["levels=4", EVIL]},
        "prepared": 1.25,
        **changes,
    }


@pytest.fixture
def run(tmp_path):
    """A run full of names that are markup."""
    found = create_run(tmp_path / "a <b>run", record())
    row = {"step": 4, "seconds": 2.0, "wall_seconds": 2.5, "terms": {EVIL: 0.5}, "psnr": 20.0}
    found.log.write_text(json.dumps(row | {"rays_per_second": 1e5}) + "\n")
    views = [{"name": EVIL, "psnr": 20.0 + i, "ssim": 0.9} for i in range(3)]
    metrics = {"split": "test", "step": 4, "psnr": 21.0, "ssim": 0.9, "views": views}
    metrics["protocol"] = {"psnr": EVIL, "size": [[400, 300]]}
    found.metrics.write_text(json.dumps(metrics))
    mesh = {"file": EVIL, "faces": 12, "vertices": 8, "boundary_edges": 3, "notes": [EVIL]}
    found.mesh.write_text(json.dumps(mesh | {"box_min": [0, 0, 0], "box_max": [1, 2, 3]}))
    pose = np.eye(4)
    pose[2, 3] = -3.0
    camera = Camera(40, 30, 40.0, 40.0, 20.0, 15.0, pose)
    kept = [cams.NamedCamera(EVIL, "train", camera), cams.NamedCamera("b", "test", camera)]
    cams.save_cameras(found.path / "cameras.json", tuple(kept))
    found.figures.mkdir()
    for part in ("photo", "rendered", "error"):
        for title in ("worst", "median", "best"):
            Image.new("RGB", (40, 30)).save(found.figures / f"evaluation-{title}-{part}.png")
    return found


def ball() -> Mesh:
    mesh = icosphere(2)
    colors = (127 + 127 * mesh.vertices).astype(np.uint8)
    return Mesh(mesh.vertices, mesh.faces, mesh.vertices, colors)


@pytest.fixture
def text(run):
    facts = read_facts(run.path)
    made = Made()
    made.mesh = shown(ball(), around(facts.cameras, np.eye(4)), {"faces": 320, "colored": True})
    made.video = b"not really a video"
    made.seconds = {"views": 1.0}
    return page(facts, made, 4)


def test_nothing_comes_from_outside(text):
    elements = Elements(text)
    assert all(address.startswith(("data:", "#")) for address in elements.addresses)
    assert not {"iframe", "object", "embed", "base", "form"} & set(elements.names)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in elements.policy


def test_nothing_of_the_run_is_markup(text):
    assert "<script>alert" not in text
    assert "<b>run" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


def test_the_policy_lets_our_script_run_and_no_other(text):
    script = "".join(Elements(text).scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = Elements(text).policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_every_section_is_there_and_linked(text):
    titles = re.findall(r'<h2 id="([^"]*)"', text)
    assert titles == [
        "what-went-in",
        "how-it-learned",
        "how-good-it-is",
        "the-mesh",
        "where-the-time-went",
        "do-it-again",
    ]
    assert [a for a in Elements(text).addresses if a.startswith("#")] == [f"#{t}" for t in titles]


def test_the_mesh_in_the_page_is_a_whole_file(text):
    data = re.search(r'id="mesh-data">([^<]*)<', text)[1]
    assert base64.b64decode(data)[:4] == b"glTF"
    options = json.loads(re.search(r'id="mesh-options">([^<]*)<', text)[1])
    np.testing.assert_allclose(np.linalg.norm(options["up"]), 1)
    assert [len(group["segments"]) for group in options["groups"]] == [48, 48]
    assert 'data-toggle="cameras"' in text


def test_figures_come_first(text):
    numbers = re.findall(r'<div class="number"><b>([^<]*)</b><span>([^<]*)', text)
    assert ("21.00", "PSNR, dB, 3 views") in numbers
    assert ("12", "faces, mesh, open") in numbers
    assert "3 open edges" in text


def test_the_command_makes_the_same_again(run):
    words = shlex.split(command(read_facts(run.path)))
    assert words[:4] == ["rayfield", "train", "instant", f"photos/{EVIL}"]
    asked = dict(zip(words[4::2], words[5::2], strict=True))
    assert asked["-o"] == str(run.path) + "-again"
    assert (asked["--preset"], asked["--seconds"], asked["--steps"]) == ("it's", "3.5", "10")
    assert (asked["--downscale"], asked["--seed"], asked["--masks"]) == ("2", "7", "cut")
    settings = [value for name, value in itertools.pairwise(words) if name == "--set"]
    assert settings == ["levels=4", EVIL]
    known = VERBS["train"].__dataclass_fields__
    assert {w.removeprefix("--") for w in words if w.startswith("--")} <= set(known)


def test_a_stale_measure_says_so(run):
    text = page(read_facts(run.path), Made(), 9)
    assert "measured at step 4, of which 9 are done now" in text
    assert "the training is not at its end, 9 of 10 steps are done" in text


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metrics.json", '{"psnr": "many", "views": [1, null], "protocol": 3}'),
        ("metrics.json", '{"psnr": 3, "views": [{"psnr": {}}, {}], "step": "x"}'),
        ("mesh.json", '{"faces": "many", "box_min": [0], "box_max": {}, "notes": 3}'),
        ("log.jsonl", '{"step": 1, "seconds": 0, "terms": {"a": "b"}, "psnr": []}\n'),
        ("cameras.json", '{"cameras": [{"name": 1}]}'),
    ],
)
def test_a_page_is_made_of_damaged_files_too(run, file, content):
    (run.path / file).write_text(content)
    text = page(read_facts(run.path), Made(), None)
    assert text.rstrip().endswith("</html>")
    assert "nothing is saved yet" in text
    assert "Do it again" in text


def test_a_run_that_has_nothing_yet_has_a_page(tmp_path):
    run = create_run(tmp_path / "run", record())
    found = write_report(run.path)
    text = (run.path / "report.html").read_text()
    assert found["bytes"] == len(text.encode())
    assert any("holds no checkpoint yet" in problem for problem in found["problems"])
    assert "nothing was measured yet" in text


def test_a_method_that_is_not_known_has_a_page(tmp_path):
    run = create_run(tmp_path / "run", record(method="tomorrow"))
    found = write_report(run.path)
    assert any("there is no method 'tomorrow'" in problem for problem in found["problems"])
