"""The page: one HTML file in which everything lies that it shows."""

from __future__ import annotations

import base64
import hashlib
import shlex
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from rayfield import __version__
from rayfield.app.catalogue import find_method
from rayfield.app.learned.opened import Learned, open_learned
from rayfield.app.report import again, progress, quality, surface, times, went_in
from rayfield.app.report.embed import data_address
from rayfield.app.report.facts import Facts, read_facts
from rayfield.app.report.making import Made, make
from rayfield.app.report.markup import NOTHING, Markup, fill, joined, sentences, tag
from rayfield.core.check import RayfieldError
from rayfield.data.scene import Scene
from rayfield.geometry.wholefile import write_whole

FILE = "report.html"
SECONDS = 5.0  # for what a page shows that the run has not
Tell = Callable[[str, float], None]


def write_report(
    path: Path,
    *,
    learned: Learned | None = None,
    scene: Scene | None = None,
    seconds: float = SECONDS,
    tell: Tell = lambda what, done: None,
) -> dict[str, Any]:
    """Write RUN/report.html; its path, size, what was left out of it, and the seconds it took.

    `learned`, `scene`: what is at hand already. `seconds`: for rendering what the run has not.
    Raises DataError if there is no run in the folder, RayfieldError when the disk refuses.
    """
    started = time.perf_counter()
    facts = read_facts(path)
    if learned is None:
        with facts.trying("what was learned"):
            learned = open_learned(path)
    made = make(facts, learned, seconds=seconds, scene=scene, tell=tell)
    content = page(facts, made, None if learned is None else learned.step).encode("utf-8")
    file = path / FILE
    write_whole(file, content)
    return {
        "file": file.as_posix(),
        "bytes": len(content),
        "left_out": made.left_out,
        "problems": facts.problems,
        "made": made.seconds,
        "seconds": time.perf_counter() - started,
    }


def page(facts: Facts, made: Made, step: int | None) -> str:
    """The text of the page. A section that fails is left out, and told of."""
    made_of: dict[str, Callable[[], Markup]] = {
        "What went in": lambda: went_in.section(facts),
        "How it learned": lambda: progress.section(facts),
        "How good it is": lambda: quality.section(facts, made, step),
        "The mesh": lambda: surface.section(facts, made),
        "Where the time went": lambda: times.section(facts, made),
        "Do it again": lambda: again.section(facts),
    }
    hero = _tried(facts, "the top", lambda: _hero(facts, made))
    numbers = _tried(facts, "the figures", lambda: _numbers(facts, made, step))
    sections, links = [], []
    for title, section in made_of.items():
        content = _tried(facts, title, section)
        if content:
            anchor = title.lower().replace(" ", "-")
            head = tag("h2", title, {"id": anchor})
            sections.append(tag("section", joined((head, content))))
            links.append(tag("a", title, {"href": f"#{anchor}"}))
    script = "\n".join(_asset(name) for name in ("view.js", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    name = facts.run.path.absolute().name
    return fill(
        _asset("page.html"),
        {
            "title": f"{name} · rayfield",
            "digest": digest,
            "style": Markup(_asset("page.css")),
            "name": name,
            "about": _about(facts, step),
            "links": joined(links),
            "numbers": numbers,
            "hero": hero,
            "remarks": _remarks(facts, made, step),
            "sections": joined(sections),
            "foot": f"Written by rayfield {__version__} on {time.strftime('%Y-%m-%d %H:%M')}. "
            "This file needs nothing but itself.",
            "script": Markup(script),
        },
    )


def _tried(facts: Facts, title: str, section: Callable[[], Markup]) -> Markup:
    """A part of the page; nothing, and a remark, if the files of the run are not what they were."""
    try:
        return section()
    except (RayfieldError, OSError, ValueError, TypeError, KeyError, IndexError) as error:
        facts.problems.append(f"{title}: {' '.join(str(error).split())[:200]}")
        return NOTHING


def _hero(facts: Facts, made: Made) -> Markup:
    """The video and the mesh side by side."""
    parts = []
    if made.video is not None:
        address = data_address(made.video, "video/mp4")
        video = Markup(
            f'<video src="{address}" autoplay loop muted playsinline controls '
            'aria-label="a turn around the subject"></video>'
        )
        parts.append(tag("figure", joined((video, tag("figcaption", "rendered all around")))))
    if made.mesh is not None:
        parts.append(surface.stage(facts, made.mesh))
    width, height = made.video_size
    shape = min(max(width / height, 0.8), 1.6) if made.video is not None else 1.8
    attributes = {"class": "hero", "style": f"--shape: {shape:.4f}"}
    return tag("div", joined(parts), attributes) if parts else NOTHING


def _numbers(facts: Facts, made: Made, step: int | None) -> Markup:
    """The figures that come first."""
    measured, _ = quality.measures(facts, made, step)
    found = quality.headline(measured)
    if facts.rows:
        last = facts.rows[-1]
        found.append((times.clock(float(last["seconds"])), "of training"))
        found.append((f"{step or last['step']:,}", "steps"))
    mesh = facts.mesh or (made.mesh.quality if made.mesh is not None else None)
    if mesh is not None and isinstance(mesh.get("faces"), int):
        closed = "closed mesh" if mesh.get("boundary_edges") == 0 else "mesh, open"
        found.append((f"{mesh['faces']:,}", f"faces, {closed}"))
    cells = [
        tag("div", joined((tag("b", value), tag("span", what))), {"class": "number"})
        for value, what in found
    ]
    return tag("div", joined(cells), {"class": "numbers"}) if cells else NOTHING


def _about(facts: Facts, step: int | None) -> Markup:
    """What the run is, in a sentence."""
    method = facts.run.record["method"]
    summary = ""
    with facts.trying("the method"):
        summary = f": {find_method(method).summary}"
    when = time.strftime("%Y-%m-%d", time.localtime((facts.run.path / "run.json").stat().st_mtime))
    at = "no checkpoint" if step is None else f"step {step:,}"
    given = tag("code", facts.run.record["data"]["given"])
    head = (tag("b", method), summary, Markup("<br>"))
    return joined((*head, "learned from ", given, f" · {when} · {at}"))


def _remarks(facts: Facts, made: Made, step: int | None) -> Markup:
    """What is missing, and what to do about it."""
    found = []
    budget = facts.run.record["budget"]
    steps = budget.get("steps")
    done = facts.rows[-1] if facts.rows else {}
    short = isinstance(steps, int) and step is not None and step < steps
    enough = isinstance(budget.get("seconds"), int | float) and (
        done.get("seconds", 0.0) >= 0.999 * budget["seconds"]
    )
    if step is None or (short and not enough):
        where = shlex.quote(str(facts.run.path))
        so_far = "nothing is saved yet" if step is None else f"{step:,} of {steps:,} steps are done"
        found.append(f"the training is not at its end, {so_far}: rayfield resume {where}")
    found += [f"left out: {text}" for text in made.left_out]
    found += [f"could not be used: {text}" for text in facts.problems]
    return sentences(found)


def _asset(name: str) -> str:
    """A file of the page's own."""
    folder = resources.files("rayfield.app.report").joinpath("page")
    return folder.joinpath(name).read_text(encoding="utf-8")
