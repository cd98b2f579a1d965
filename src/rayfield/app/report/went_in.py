"""What went in: data, cameras, coverage, settings, versions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Float

from rayfield.app.catalogue import load_method
from rayfield.app.learned.cameras import NamedCamera
from rayfield.app.report.facts import Facts
from rayfield.app.report.frusta import cube, pyramid
from rayfield.app.report.markup import NOTHING, Markup, joined, rows_of, tag
from rayfield.app.report.sphere import (
    LIMITS,
    Around,
    around,
    classes,
    coverage,
    directions,
    sphere_map,
)
from rayfield.core.types import FROM_DATA
from rayfield.data.check.coverage import GUESSES

SIZE = 260.0  # of a drawing of cameras
SHOWN = 400  # cameras drawn


def section(facts: Facts) -> Markup:
    """Everything about what the run was given."""
    parts = [tag("div", joined((_data(facts), _versions(facts))), {"class": "columns"})]
    if facts.cameras:
        parts.append(_cameras(facts))
    return joined((*parts, _settings(facts)))


def _data(facts: Facts) -> Markup:
    data, traits = facts.run.record["data"], facts.run.record["traits"]
    kinds = [f"{count:,} {name}" for name, count in data["splits"].items() if count]
    sizes = sorted({(c.camera.width, c.camera.height) for c in facts.cameras})
    shown = ", ".join(f"{w} × {h}" for w, h in sizes[:3]) + (" …" if len(sizes) > 3 else "")
    alpha = None
    if "alpha" in traits:
        alpha = "cut out (alpha)" if traits["alpha"] else "opaque photos"
        alpha += ", within a box" if traits.get("bounded") else ", with the background around it"
    pairs: list[tuple[object, object]] = [
        ("data", tag("code", data["given"])),
        ("learned from", " + ".join(kinds)),
        ("size", shown or None),
        ("averaged down by", f"{data['downscale']} × {data['downscale']}"
         if data["downscale"] != 1 else None),
        ("subject", alpha),
        ("masks", data.get("masks")),
        ("fingerprint", tag("code", str(data["fingerprint"])[:16])),
        ("seed", facts.run.record["seed"]),
    ]  # fmt: skip
    return rows_of(pairs)


def _cameras(facts: Facts) -> Markup:
    world = np.array(facts.run.record["world_from_scene"], dtype=np.float64)
    train = [c for c in facts.cameras if c.split == "train"]
    others = [c for c in facts.cameras if c.split != "train"]
    frame = around(facts.cameras, world)
    seen = directions(train, frame)
    kind = classes(seen)
    share = coverage(kind)
    well, reach = (f"{angle:g}°" for angle in LIMITS)
    words = (
        f"Photos look at the middle from {100 * share.seen:.0f} % of all directions within "
        f"{reach}, from {100 * share.well:.0f} % within {well}; of the upper half from "
        f"{100 * share.above:.0f} %. Elsewhere: {GUESSES}."
    )
    drawings = tag(
        "div",
        joined(
            (
                _drawing(facts.cameras, frame, world, title="from the side", rows=(0, 2)),
                _drawing(facts.cameras, frame, world, title="from above", rows=(0, 1)),
            )
        ),
        {"class": "pair"},
    )
    legend = _legend(len(train), len(others))
    first = tag("figure", joined((drawings, legend, tag("figcaption", "the cameras"))))
    picture = sphere_map(kind, seen, directions(others, frame))
    keys = tag(
        "div",
        joined(
            tag("span", joined((tag("i", "", {"class": f"key seen{k}"}), text)))
            for k, text in enumerate((f"within {well}", f"within {reach}", "a guess"))
        ),
        {"class": "legend"},
    )
    second = tag("figure", joined((picture, keys, tag("figcaption", words))))
    return tag("div", joined((first, second)), {"class": "columns"})


def _legend(train: int, others: int) -> Markup:
    entries = [("train", f"{train} trained on")] + ([("test", f"{others} held out")] * bool(others))
    spans = [
        tag("span", joined((tag("i", "", {"class": f"key {kind}"}), text)))
        for kind, text in entries
    ]
    return tag("div", joined(spans), {"class": "legend"})


def _drawing(
    cameras: Sequence[NamedCamera],
    frame: Around,
    world_from_scene: Float[np.ndarray, "4 4"],
    *,
    title: str,
    rows: tuple[int, int],
) -> Markup:
    """The cameras as small pyramids, and the cube of the scene, without perspective."""
    step = max(1, -(-len(cameras) // SHOWN))
    chosen = cameras[::step]
    eyes = np.array([c.camera.pose[:3, 3] for c in chosen])
    depth = 0.055 * float(np.linalg.norm(np.ptp(eyes, axis=0))) or 1.0
    lines = [(c.split, pyramid(c.camera, depth)) for c in chosen] + [
        ("cube", cube(world_from_scene))
    ]
    placed = [(kind, (points - frame.middle) @ frame.axes[:, rows]) for kind, points in lines]
    everything = np.concatenate([points for _, points in placed])
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = 0.94 * SIZE / (float((high - low).max()) or 1.0)
    middle = (low + high) / 2
    parts = []
    for kind in ("cube", "val", "test", "train"):
        steps = []
        for name, points in placed:
            if name == kind:
                flat = (points - middle) * [scale, -scale] + SIZE / 2
                pairs = flat.reshape(-1, 2, 2)
                steps += [f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" for a, b in pairs]
        if steps:
            split = "test" if kind == "val" else kind
            parts.append(tag("path", "", {"d": "".join(steps), "class": f"wire {split}"}))
    parts.append(tag("text", title, {"x": 4, "y": SIZE - 5, "class": "axis"}))
    shape = {"viewBox": f"0 0 {SIZE:g} {SIZE:g}", "class": "chart", "role": "img"}
    return tag("svg", joined(parts), shape | {"aria-label": f"cameras {title}"})


def _settings(facts: Facts) -> Markup:
    """The Config, what differs from the default in bold."""
    config, name = facts.run.record["config"], facts.run.record["method"]
    default: dict[str, Any] = {}
    hints: dict[str, Any] = {}
    with facts.trying("the defaults of the settings"):
        kind = load_method(name).Config
        default, hints = dataclasses.asdict(kind()), get_type_hints(kind, include_extras=True)
    rows = []
    for key, value in config.items():
        text: object = _text(value)
        from_data = FROM_DATA in _marks(hints.get(key))
        if key in default and not from_data and _text(default[key]) != text:
            text = tag("b", text, {"title": f"default: {_text(default[key])}"})
        rows.append(tag("div", joined((tag("dt", key), tag("dd", text)))))
    title = tag("h3", "settings (bold: not the default of the method)")
    return joined((title, tag("dl", joined(rows), {"class": "settings"})))


def _marks(hint: Any) -> tuple[Any, ...]:
    """What an annotation is marked with."""
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return str(value)


def _versions(facts: Facts) -> Markup:
    pairs = [(name, version) for name, version in facts.versions.items()]
    if not pairs:
        return NOTHING
    return rows_of(pairs)
