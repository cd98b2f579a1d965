"""The mesh: one that can be turned, and what one asks of a mesh before using it."""

from __future__ import annotations

import base64
from pathlib import PurePath
from typing import Any

import numpy as np

from rayfield.app.report.embed import encoded, image
from rayfield.app.report.facts import Facts
from rayfield.app.report.frusta import pyramid
from rayfield.app.report.making import Made
from rayfield.app.report.markup import NOTHING, Markup, embedded_json, joined, rows_of, tag
from rayfield.app.report.solid import MeshMade
from rayfield.geometry.meshio import Y_UP

MOST_CAMERAS = 400  # drawn around the mesh
BLUE, ORANGE = [0.15, 0.39, 0.75, 0.8], [0.85, 0.44, 0.11, 0.9]
MODES = ("colours", "clay", "normals")
HINT = (
    "drag to turn, scroll to zoom once it was touched, shift-drag to move, double-click to go back"
)


def stage(facts: Facts, mesh: MeshMade) -> Markup:
    """The mesh in a view that it can be turned in, and what that needs."""
    colored = mesh.quality.get("colored", False)
    modes = [name for name in MODES if colored or name != "colours"]
    buttons = [
        tag("button", name, {"type": "button", "data-mode": MODES.index(name)}) for name in modes
    ]
    buttons.append(tag("button", "edges", {"type": "button", "data-toggle": "wires"}))
    if facts.cameras:
        buttons.append(tag("button", "cameras", {"type": "button", "data-toggle": "cameras"}))
    buttons.append(tag("button", "back", {"type": "button", "data-reset": ""}))
    name = f"{facts.run.path.absolute().name}.glb"
    buttons.append(tag("button", "save .glb", {"type": "button", "data-save": name}))
    view = tag("canvas", "", {"tabindex": 0, "aria-label": f"the mesh; {HINT}"})
    still = image(encoded(mesh.still), "the mesh")
    bar = tag("div", joined(buttons), {"class": "bar-buttons"})
    remark = tag("p", HINT, {"class": "remark"})
    shown = tag("div", joined((still, view)), {"class": "screen"})
    return tag("div", joined((shown, bar, remark, _data(facts, mesh))), {"class": "stage"})


def section(facts: Facts, made: Made) -> Markup:
    """The quality of the mesh on this page, and of the newest that was exported."""
    parts = []
    if made.mesh is not None:
        cells = made.mesh.quality.get("resolution")
        how = "as the run keeps it" if cells is None else f"{cells} cells along a side, reduced"
        parts.append(_quality("the mesh on this page", made.mesh.quality, how))
    if facts.mesh is not None:
        file = PurePath(str(facts.mesh.get("file", ""))).name
        parts.append(_quality(f"exported: {file}", facts.mesh, None))
    return tag("div", joined(parts), {"class": "columns"}) if parts else NOTHING


def _quality(title: str, found: dict[str, Any], how: str | None) -> Markup:
    def count(key: str) -> str | None:
        value = found.get(key)
        return f"{value:,}" if isinstance(value, int) else None

    open_edges = found.get("boundary_edges")
    closed = None
    if isinstance(open_edges, int):
        good = open_edges == 0
        words = "closed" if good else f"{open_edges:,} open edges"
        closed = tag("b", words, {"class": "good" if good else "bad"})
    low, high = found.get("box_min"), found.get("box_max")
    box = size = None
    if isinstance(low, list) and isinstance(high, list) and len(low) == len(high) == 3:
        box = " to ".join("(" + ", ".join(f"{x:.4g}" for x in end) + ")" for end in (low, high))
        size = " × ".join(f"{b - a:.4g}" for a, b in zip(low, high, strict=True))
    notes = found.get("notes")
    pairs: list[tuple[object, object]] = [
        ("how", how),
        ("faces", count("faces")),
        ("vertices", count("vertices")),
        ("surface", closed),
        ("boundary edges", count("boundary_edges")),
        ("edges of more than two faces", count("nonmanifold_edges")),
        ("Euler number", count("euler_number")),
        ("separate pieces", count("components")),
        ("pairs of faces that cross", count("self_intersections")),
        ("size, in units of the data", size),
        ("box", box),
        ("notes", "; ".join(map(str, notes)) if isinstance(notes, list) else None),
    ]
    return tag("div", joined((tag("h3", title), rows_of(pairs))))


def _data(facts: Facts, mesh: MeshMade) -> Markup:
    """The mesh file and how to look at it, as scripts that are not run."""
    text = Markup(base64.b64encode(mesh.glb).decode("ascii"))
    options = {"up": mesh.up, "away": mesh.away, "groups": groups(facts)}
    plain = {"type": "application/json", "id": "mesh-options"}
    return joined(
        (
            tag("script", text, {"type": "text/plain", "id": "mesh-data"}),
            tag("script", embedded_json(options), plain),
        )
    )


def groups(facts: Facts) -> list[dict[str, Any]]:
    """Lines of the cameras in the axes of the mesh file, by whether they were trained on."""
    found = []
    for color, train in ((ORANGE, False), (BLUE, True)):
        cameras = [c for c in facts.cameras if (c.split == "train") == train]
        cameras = cameras[:: max(1, -(-len(cameras) // MOST_CAMERAS))]
        if not cameras:
            continue
        eyes = np.array([c.camera.pose[:3, 3] for c in facts.cameras])
        depth = 0.05 * float(np.linalg.norm(np.ptp(eyes, axis=0))) or 1.0
        lines = np.concatenate([pyramid(c.camera, depth) for c in cameras])
        turned = lines @ Y_UP[:3, :3].T
        digits = 5 - int(np.floor(np.log10(np.abs(turned).max() or 1.0)))
        segments = np.round(turned, min(max(digits, 0), 15)).ravel().tolist()
        found.append({"color": color, "segments": segments})
    return found
