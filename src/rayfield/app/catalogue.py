"""The methods there are: a name, the module that holds it, what it is for."""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType
from typing import Any, Literal, NamedTuple

from rayfield.core.check import UsageError


class Entry(NamedTuple):
    """A line of the catalogue.

    `offers` names the verbs that it can serve; `learns` the kind of data (KINDS); `kernels` says
    which compiled ones it runs on, beside which torch's threads would only wait: none if empty;
    `surface` where the setting `grid` of its Config is true, `all` that it needs both kinds.
    """

    module: str
    summary: str
    offers: tuple[str, ...]
    learns: str = "photos"
    kernels: Literal["", "radiance", "surface", "all"] = ""


MOST_LISTED = 20  # words in a suggestion
KINDS = {
    "photos": "posed photos",
    "scenes": "posed photos, or a folder of alike scenes, each a folder of posed photos",
    "samples": "a picture, a signal (.npy) or a mesh",
    "shapes": "a closed mesh, or a class of shapes: a folder of meshes, voxel grids (.npz)",
    "picture": "a picture",
    "points": "a point cloud or a mesh",
    "target": "posed photos with a transparent background, a point cloud or a mesh",
    "solid": "a closed mesh of few faces, exactly and without training",
}

METHODS: dict[str, Entry] = {
    "instant": Entry(
        "rayfield.methods.instant_ngp",
        "radiance field on a multiresolution hash grid; seconds on a CPU (Instant-NGP, 2022)",
        ("eval", "render", "view", "export"),
        kernels="radiance",
    ),
    "nerf": Entry(
        "rayfield.methods.nerf",
        "neural radiance field with coarse and fine sampling, as published (NeRF, 2020)",
        ("eval", "render", "view", "export"),
    ),
    "idr": Entry(
        "rayfield.methods.idr",
        "a surface from photos with masks, by where rays meet it; minutes (IDR, 2020)",
        ("eval", "render", "view", "export"),
        kernels="surface",
    ),
    "neus": Entry(
        "rayfield.methods.neus",
        "a surface from photos: signed distance, closed coloured mesh; minutes (NeuS, 2021)",
        ("eval", "render", "view", "export"),
        kernels="all",
    ),
    "volsdf": Entry(
        "rayfield.methods.volsdf",
        "a surface from photos, as sharp as they allow: density of a distance (VolSDF, 2021)",
        ("eval", "render", "view", "export"),
        kernels="all",
    ),
    "unisurf": Entry(
        "rayfield.methods.unisurf",
        "a surface from photos: occupancy, sampled around roots of rays (UNISURF, 2021)",
        ("eval", "render", "view", "export"),
        kernels="all",
    ),
    "srn": Entry(
        "rayfield.methods.srn",
        "scene representation network: a learned ray marcher, the baseline of NeRF (SRN, 2019)",
        ("eval", "render", "view"),
        learns="scenes",
    ),
    "fourier_features": Entry(
        "rayfield.methods.fourier_features",
        "coordinate network on random Fourier features (Tancik et al., 2020)",
        ("eval", "render", "export"),
        learns="samples",
    ),
    "positional_encoding": Entry(
        "rayfield.methods.positional_encoding",
        "coordinate network on NeRF's positional encoding",
        ("eval", "render", "export"),
        learns="samples",
    ),
    "occupancy_network": Entry(
        "rayfield.methods.occupancy_network",
        "inside or outside: one shape, or a class from points, voxels, pictures (ONet, 2019)",
        ("eval", "render", "export"),
        learns="shapes",
    ),
    "deepsdf": Entry(
        "rayfield.methods.deepsdf",
        "signed distances of one shape or a class, each with a code; completion (DeepSDF, 2019)",
        ("eval", "render", "export"),
        learns="shapes",
    ),
    "imnet": Entry(
        "rayfield.methods.imnet",
        "implicit decoder on codes of voxel grids, from coarse to fine (IM-NET, 2019)",
        ("eval", "render", "export"),
        learns="shapes",
    ),
    "deep_image_prior": Entry(
        "rayfield.methods.deep_image_prior",
        "denoise, inpaint or enlarge one picture by an untrained network (DIP, 2018)",
        ("eval", "render"),
        learns="picture",
    ),
    "sal": Entry(
        "rayfield.methods.sal",
        "signed distance from raw points without normals, by unsigned distances (SAL, 2020)",
        ("eval", "render", "export"),
        learns="points",
    ),
    "level_set_control": Entry(
        "rayfield.methods.level_set_control",
        "surface from raw points by moving samples of its zero set (Atzmon et al., 2019)",
        ("eval", "render", "export"),
        learns="points",
    ),
    "igr": Entry(
        "rayfield.methods.igr",
        "signed distance from raw points, with or without normals (IGR, 2020)",
        ("eval", "render", "export"),
        learns="points",
        kernels="surface",
    ),
    "mesh_optimisation": Entry(
        "rayfield.methods.mesh_optimisation",
        "a triangle mesh moved by gradients of its soft pictures (Soft Rasterizer, 2019)",
        ("eval", "render", "view", "export"),
        learns="target",
    ),
    "voxel_optimisation": Entry(
        "rayfield.methods.voxel_optimisation",
        "density and colour on a lattice, by volume rendering, coarse to fine (DVGO, 2022)",
        ("eval", "render", "view", "export"),
        learns="target",
    ),
    "point_optimisation": Entry(
        "rayfield.methods.point_optimisation",
        "points moved by gradients of their splats, or of the Chamfer distance (2017, 2023)",
        ("eval", "render", "view", "export"),
        learns="target",
    ),
    "polytope_net": Entry(
        "rayfield.methods.polytope_net",
        "the ReLU network whose zero set is exactly a given mesh (Atzmon et al., 2019)",
        ("eval", "render", "export"),
        learns="solid",
    ),
}


def find_method(name: str) -> Entry:
    """The entry of a method. Raises UsageError, with the nearest name, if there is none."""
    if name not in METHODS:
        raise UsageError(f"there is no method {name!r}{suggestion(name, list(METHODS))}")
    return METHODS[name]


def load_method(name: str) -> ModuleType:
    """The module of a method. Raises UsageError, with the nearest name, if there is none."""
    return importlib.import_module(find_method(name).module)


def listing() -> tuple[dict[str, Any], str]:
    """All methods, with their presets: as values and as text."""
    values = {
        name: {**entry._asdict(), "presets": list(load_method(name).PRESETS)}
        for name, entry in METHODS.items()
    }
    lines = [
        f"{name:20} {entry.summary}\n{'':20} from {KINDS[entry.learns]}; "
        f"presets: {', '.join(values[name]['presets'])}"
        for name, entry in METHODS.items()
    ]
    return values, "\n".join(lines)


def suggestion(word: str, known: list[str]) -> str:
    """What to add to "there is no ...": the nearest known word, else those there are."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    more = " ..." if len(known) > MOST_LISTED else ""
    return f"; there are: {', '.join(known[:MOST_LISTED])}{more}"
