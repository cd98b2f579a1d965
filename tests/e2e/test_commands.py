"""Every command that the README and the pages of docs/ show is one that rayfield takes."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import rayfield
from rayfield.app.catalogue import load_method
from rayfield.app.command import cli
from rayfield.app.command.verbs import VERBS, Export, Study, Train
from rayfield.app.settings import apply_settings
from rayfield.app.studies import find_study
from rayfield.core.check import UsageError
from rayfield.geometry.icosphere import icosphere

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

GRID = {"entries": 2**12, "finest": 64, "samples": 2**11, "occupancy": 16}
TINY = {  # what makes a training small: steps, settings
    "instant": (40, GRID),
    "neus": (2, {**GRID, "levels": 4, "width": 16, "rays": 64}),
    "nerf": (2, {"width": 16, "depth": 2, "rays": 32}),
    "igr": (2, {"levels": 4, "entries": 2**10, "width": 16, "batch": 64}),
    "fourier_features": (2, {"width": 16, "features": 16}),
    "deep_image_prior": (2, {}),
}
ELSEWHERE = {
    "demo",
    "process",
    "view",
    "study",
}  # take long, a browser, or a package: run by others


def blocks(text: str) -> list[list[str]]:
    """The commands of each block of code, fenced or indented."""
    fenced = [body for _, body in FENCED.findall(text)]
    rest = FENCED.sub("\n", text)
    indented = re.findall(r"(?:^ {4}rayfield .*\n?)+", rest, re.MULTILINE)
    found = (
        [one for line in part.splitlines() for one in split(line)] for part in fenced + indented
    )
    return [part for part in found if part]


def split(line: str) -> list[str]:
    """The commands in a line, without prompt and comment; brackets show what may be left out."""
    line = re.sub(r"\s#.*|[\[\]]", "", line.strip().removeprefix("$ "))
    return [part for part in line.split(" && ") if part.startswith("rayfield ")]


def inline(text: str) -> list[str]:
    """The commands within sentences."""
    spans = re.findall(r"`([^`]+)`", FENCED.sub("\n", text))
    return [line for span in spans if (line := " ".join(span.split())).startswith("rayfield ")]


def complaint(command: str, *, abridged: bool = False) -> str | None:
    """What is wrong with a command: its verb, options, method, preset, settings or study.

    One in a sentence may be `abridged`: its data or its output not named.
    """
    words = shlex.split(re.sub(r"(--seconds) S\b", r"\1 1", command.replace(" ...", "")))[1:]
    if abridged and words[1:] == []:
        return None if words[0] in (*VERBS, "--version") else f"no verb {words[0]}"
    if abridged:
        words += [] if re.search(r" [A-Z]{3}", command) or words[0] == "study" else ["DATA"]
        words += (
            ["-o", "OUT.ply"] if words[0] in ("convert", "export") and "-o" not in words else []
        )
        words += ["--to", "ngp"] if words[0] == "convert" and "--to" not in words else []
    try:
        verb = cli.parse(words)
        if isinstance(verb, Train):
            method = load_method(verb.method)
            preset = method.PRESETS[verb.preset] if verb.preset else method.Config()
            apply_settings(preset, verb.set)
        elif isinstance(verb, Study) and verb.name not in (None, "NAME"):
            find_study(verb.name)
        elif isinstance(verb, Export):
            assert verb.output.suffix in (".glb", ".ply", ".obj", ".stl", ".off", "")
    except (UsageError, KeyError) as error:
        return f"{command}: {error}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_taken(page):
    text = page.read_text(encoding="utf-8")
    found = [complaint(command) for block in blocks(text) for command in block]
    found += [complaint(command, abridged=True) for command in inline(text)]
    assert [line for line in found if line] == []


def test_the_pages_show_as_many_commands_as_one_sees():
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    assert sum(len(block) for text in texts for block in blocks(text)) > 100
    assert sum(len(inline(text)) for text in texts) > 30
    assert len(blocks(texts[0])) == 5


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("rayfield train instant PHOTOS -o RUN --secnds 60", "did you mean '--seconds'"),
        ("rayfield train instnt PHOTOS -o RUN", "did you mean 'instant'"),
        ("rayfield train instant PHOTOS --set levles=3", "did you mean 'levels'"),
        ("rayfield train nerf PHOTOS --preset papr", "papr"),
        ("rayfield rendr RUN", "did you mean 'render'"),
        ("rayfield render RUN --frames many", "many"),
        ("rayfield study quadratur", "did you mean 'quadrature'"),
        ("rayfield export RUN", "output"),
    ],
)
def test_what_is_misspelt_is_found(command, said):
    assert said in complaint(command)


def test_scripts_and_targets_that_the_readme_names_are_there():
    text = README.read_text(encoding="utf-8")
    for name in re.findall(r"make (\w+)", text):
        assert name == "it" or f"\n{name}:" in (ROOT / "Makefile").read_text(), name
    common = (ROOT / "benchmarks" / "common.py").read_text()
    scripts = re.findall(r"`(benchmarks/\w+\.py)([^`]*)`", text)
    assert len(scripts) > 5
    for name, words in scripts:
        source = (ROOT / name).read_text() + common
        missing = [w for w in words.split() if w.startswith("--") and f'"{w}"' not in source]
        assert not missing, f"{name} takes no {missing}"


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """A folder with what the README's commands are given, each small."""
    Image.open(rayfield.demo_photos() / "train" / "r_0.png").convert("RGB").resize((40, 40)).save(
        tmp_path / "photo.png"
    )
    shutil.copy(tmp_path / "photo.png", tmp_path / "noisy.png")
    points = icosphere(3).vertices
    head = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    rows = "\n".join(" ".join(map(str, row)) for row in points)
    (tmp_path / "scan.ply").write_text(head + rows + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shortened(words: list[str], learned: str) -> list[str]:
    """The words of a command on small data, with less asked for than it says."""
    words = [str(rayfield.demo_photos()) if word == "PHOTOS" else word for word in words]
    more: dict[str, object] = {}
    if words[0] == "train":
        steps, settings = TINY[words[1]]
        words += [f"--set={name}={value}" for name, value in settings.items()]
        more = {"--steps": steps}
        more |= {"--downscale": 8} if str(rayfield.demo_photos()) in words else {}
    elif words[0] == "render" and learned in ("fourier_features", "deep_image_prior"):
        words = ["48x32" if re.fullmatch(r"\d+x\d+", word) else word for word in words]
    elif words[0] == "render":
        more = {"--frames": 2, "--resolution": "24x16"}
    elif words[0] == "export":
        more = {"--resolution": 24}
    for option, value in more.items():
        if option in words:
            words[words.index(option) + 1] = str(value)
        else:
            words += [option, str(value)]
    return words


@pytest.mark.parametrize("number", range(len(blocks(README.read_text(encoding="utf-8")))))
def test_the_commands_of_the_readme_run(number, surroundings, command):
    """Block by block, each in a new folder; a block without a training goes on with one."""
    learned, runs = "", 0
    for line in blocks(README.read_text(encoding="utf-8"))[number]:
        words = shlex.split(line)[1:]
        if words[0] in ELSEWHERE or "--view" in words:
            continue
        if words[0] == "train":
            learned, runs = words[1], runs + 1
        elif words[0] != "check" and "PHOTOS" not in words and not runs:
            pytest.fail(f"{line}: nothing was trained before")
        words = [f"run-{runs}" if word == "RUN" else word for word in words]
        found = command.json(*shortened(words, learned))
        assert found, line
