"""The studies there are, and the verb that runs one: figure, numbers, verdict."""

from __future__ import annotations

import importlib
import shlex
import time
from pathlib import Path
from typing import Any, NamedTuple

from rayfield.app.catalogue import suggestion
from rayfield.app.command.display import Display
from rayfield.core.check import UsageError
from rayfield.train.files import read_json, write_json
from rayfield.train.interrupt import Interrupted
from rayfield.train.lock import locked
from rayfield.train.run import package_versions

NUMBERS = "numbers.json"


class Entry(NamedTuple):
    """A line of the catalogue.

    `data` says what --data may be, empty where the study has none; `kernels` that it runs on the
    compiled ones, beside which torch's threads would only wait.
    """

    module: str
    summary: str
    data: str = ""
    kernels: bool = False


STUDIES: dict[str, Entry] = {
    "quadrature": Entry(
        "rayfield.studies.quadrature",
        "the volume-rendering sum against closed forms: convergence orders, and a wrong rule",
    ),
    "sampling": Entry(
        "rayfield.studies.sampling",
        "where to ask a field along a ray: evenly, or coarsely and then where it matters",
        "posed photos of a cut-out subject",
    ),
    "universality": Entry(
        "rayfield.studies.universality",
        "flat-faced surfaces as zero sets of ReLU networks, exactly and without training",
        "a closed mesh",
    ),
    "plane-reproduction": Entry(
        "rayfield.studies.plane_reproduction",
        "gradient descent with the eikonal term finds planes from almost every start",
    ),
    "eikonal": Entry(
        "rayfield.studies.eikonal",
        "curves from their points, with and without the eikonal term and normals",
    ),
    "supervision": Entry(
        "rayfield.studies.supervision",
        "insides or distances all over space against raw points: the same shapes and network",
        "a closed mesh, or a folder of them",
    ),
    "spectral-bias": Entry(
        "rayfield.studies.spectral_bias",
        "which frequencies a network learns first, against the theory; the same with features",
    ),
    "encoding-ablation": Entry(
        "rayfield.studies.encoding_ablation",
        "pictures learned with and without Fourier features, over their scale",
        "a picture, or a folder of them",
    ),
    "nerf-ablation": Entry(
        "rayfield.studies.nerf_ablation",
        "NeRF without view dependence, positional encoding, hierarchy, or most photos",
        "posed photos",
    ),
    "nerf-vs-srn": Entry(
        "rayfield.studies.nerf_vs_srn",
        "NeRF against the method before it: same photos, same time, same measure",
        "posed photos",
    ),
    "across-scenes": Entry(
        "rayfield.studies.across_scenes",
        "one function for a class of scenes, and a new scene from a photo or two",
        "a folder of scenes, each a folder of posed photos",
    ),
    "view-dependence": Entry(
        "rayfield.studies.view_dependence",
        "the colours of a glossy and of a matte point over all directions of view",
        kernels=True,
    ),
    "capture-limits": Entry(
        "rayfield.studies.capture_limits",
        "how many photos, and from where: what a field shows beyond them",
        "posed photos from all around, z up",
        kernels=True,
    ),
    "occupancy-class": Entry(
        "rayfield.studies.occupancy_class",
        "unseen shapes from 300 noisy points and from coarse voxels, by a class learned as one",
        "voxel grids (.npz), or a folder of meshes",
    ),
    "deep-image-prior": Entry(
        "rayfield.studies.deep_image_prior",
        "a network that has seen nothing learns pictures long before noise",
        "a picture",
    ),
    "one-wall": Entry(
        "rayfield.studies.one_wall",
        "a flat wall as NeuS, VolSDF, UNISURF and a naive density see it, against theory",
    ),
    "surface-vs-volume": Entry(
        "rayfield.studies.surface_vs_volume",
        "one signed distance seen by sphere tracing and by volume rendering; where each fails",
    ),
    "density-threshold": Entry(
        "rayfield.studies.density_threshold",
        "meshes at thresholds of a radiance field's density, and surfaces learned as such",
        "posed photos of a cut-out subject",
        kernels=True,
    ),
    "masks-or-not": Entry(
        "rayfield.studies.masks_or_not",
        "a surface from photos with masks, and from the same photos without",
        "posed photos with masks",
        kernels=True,
    ),
    "explicit-vs-implicit": Entry(
        "rayfield.studies.explicit_vs_implicit",
        "one shape as a mesh, voxels, points, a network, a hash grid: bytes, time, topology",
        "a closed mesh",
        kernels=True,
    ),
}


def find_study(name: str) -> Entry:
    """The entry of a study. Raises UsageError, with the nearest name, if there is none."""
    if name not in STUDIES:
        raise UsageError(f"there is no study {name!r}{suggestion(name, list(STUDIES))}")
    return STUDIES[name]


def study(
    name: str, out: Path | None, *, full: bool, data: Path | None, display: Display
) -> tuple[dict[str, Any], str]:
    """Run a study into `out`, going on with what that holds; its numbers and the verdict.

    Raises UsageError and what the study raises; Interrupted (what was trained is saved) on Ctrl-C.
    """
    entry = find_study(name)
    if data is not None and not entry.data:
        raise UsageError(f"the study {name!r} needs no --data; leave it out")
    folder = out or Path("studies") / (f"{name}-full" if full else name)
    module: Any = importlib.import_module(entry.module)
    _settle_threads(entry)
    started = time.perf_counter()

    def report(done: float, what: str) -> None:
        display.task(f"study {name}", done, what)

    with locked(folder):
        _check_folder(folder, name)
        try:
            findings = module.run(folder, full=full, report=report, data=data)
        except Interrupted:
            again = shlex.join(_command(name, folder, full=full, data=data))
            raise Interrupted(f"stopped, saved; continue with: {again}") from None
        report(1.0, "done")
        found = {
            "study": name,
            "full": full,
            **findings.verdict._asdict(),
            "numbers": findings.numbers,
            "figure": (folder / "figure.png").as_posix(),
            "seconds": time.perf_counter() - started,
            "versions": package_versions(),
        }
        write_json(folder / NUMBERS, found)
    return found, _text(found, folder)


def _settle_threads(entry: Entry) -> None:
    import torch  # listing the studies is quick without

    from rayfield.kernels.pool import available_cores

    torch.set_num_threads(1 if entry.kernels else available_cores())


def _check_folder(folder: Path, name: str) -> None:
    """Raise UsageError if the folder holds the results of another study."""
    file = folder / NUMBERS
    if file.exists() and (other := read_json(file, "delete it").get("study")) != name:
        raise UsageError(f"{folder}: holds the study {other!r}; choose another folder with -o")


def _command(name: str, folder: Path, *, full: bool, data: Path | None) -> list[str]:
    words = ["rayfield", "study", name, "-o", str(folder)]
    words += ["--full"] if full else []
    return words + (["--data", str(data)] if data else [])


def _text(found: dict[str, Any], folder: Path) -> str:
    verdict = "the claim holds" if found["holds"] else "the claim does not hold here"
    return "\n".join(
        (
            f"{found['study']}: {verdict}",
            f"claim    {found['claim']}",
            f"found    {found['found']}",
            f"look at  {found['figure']}",
            f"         {(folder / 'numbers.json').as_posix()}",
        )
    )


def listing() -> tuple[dict[str, Any], str]:
    """All studies: for `--json`, and as text."""
    width = max(map(len, STUDIES)) + 2
    lines = [f"{name:{width}}{entry.summary}" for name, entry in STUDIES.items()]
    lines += ["", "run one with: rayfield study NAME"]
    return {name: entry._asdict() for name, entry in STUDIES.items()}, "\n".join(lines)
