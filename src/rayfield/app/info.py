"""What a folder holds, and whether this machine is ready: the verbs `info` and `doctor`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from rayfield.core.check import DataError
from rayfield.train.files import read_json

PACKAGES = (
    "torch",
    "numpy",
    "numba",
    "scipy",
    "libigl",
    "av",
    "safetensors",
)
OPTIONAL = ("pycolmap", "pillow-heif", "xatlas", "manifold3d")
"""Packages of the extras: poses of raw photos, HEIC, textures, cutting meshes."""


def info(path: Path) -> tuple[dict[str, Any], str]:
    """What a run or a data set holds. Raises DataError if it is neither."""
    if not path.exists():
        raise DataError(path, "does not exist", "give a run, posed photos, or a file of points")
    return _run_info(path) if (path / "run.json").is_file() else _data_info(path)


def _run_info(path: Path) -> tuple[dict[str, Any], str]:
    from rayfield.train.checkpoint import load_latest
    from rayfield.train.run import open_run

    run = open_run(path)
    latest = load_latest(run)
    values: dict[str, Any] = {"kind": "run", **run.record}
    values["step"] = None if latest is None else latest.step
    values["seconds"] = None if latest is None else latest.state.get("seconds")
    if run.metrics.exists():
        found = read_json(run.metrics, "delete it and run `rayfield eval` again")
        values["metrics"] = _measures(found)
    data = run.record["data"]
    counts = " + ".join(f"{n} {name}" for name, n in data["splits"].items() if n)
    at = "no checkpoint" if latest is None else f"step {latest.step:,}"
    lines = [f"{path}: a run of {run.record['method']}, {at}", f"data: {data['path']}, {counts}"]
    if latest is not None:
        lines[0] += f", {latest.state.get('seconds', 0.0):.1f} s of training"
    if "metrics" in values:
        lines.append(f"metrics: {_told(values['metrics'])}")
    changed = " ".join(f"{k}={v}" for k, v in run.record["config"].items())
    return values, "\n".join([*lines, f"config: {changed}"])


def _measures(found: dict[str, Any]) -> dict[str, Any]:
    """What `eval` measured: PSNR and SSIM of photos, or every number it found."""
    if "psnr" in found and "split" in found:
        return {key: found.get(key) for key in ("split", "step", "psnr", "ssim")}
    return {key: value for key, value in found.items() if isinstance(value, int | float)}


def _told(measures: dict[str, Any]) -> str:
    """The same in a line."""
    if "split" in measures:
        similar = "" if measures["ssim"] is None else f", SSIM {measures['ssim']:.4f}"
        at = f"on {measures['split']} at step {measures['step']:,}"
        return f"PSNR {float(measures['psnr']):.2f} dB{similar} {at}"
    return ", ".join(f"{key} {value:.4g}" for key, value in measures.items() if key != "step")


def _data_info(path: Path) -> tuple[dict[str, Any], str]:
    from rayfield.app.sources.photos import describe_scene
    from rayfield.data.detect import names_cameras
    from rayfield.data.load import load_scene
    from rayfield.data.scenes import holds_scenes

    if path.is_file() and not names_cameras(path):
        if path.suffix.lower() == ".json":
            raise DataError(path, "is part of a run or of a data set", "give the folder it is in")
        return _points_info(path)
    if holds_scenes(path):
        return _class_info(path)
    scene = load_scene(path)
    values = {
        "kind": "data",
        "format": scene.format,
        "images": {s: len(scene.split(s)) for s in ("train", "val", "test")},
        "sizes": sorted({(f.camera.width, f.camera.height) for f in scene.frames}),
        "bounded": scene.traits.bounded,
        "alpha": scene.traits.alpha,
        "world_from_scene": scene.world_from_scene.tolist(),
        "fingerprint": scene.fingerprint,
        "notes": list(scene.notes),
    }
    return values, "\n".join(describe_scene(scene))


def _points_info(path: Path) -> tuple[dict[str, Any], str]:
    from rayfield.app.sources.clouds import describe_cloud
    from rayfield.data.points import read_points

    cloud = read_points(path)
    values = {
        "kind": "points",
        **cloud.traits._asdict(),
        "mesh": cloud.mesh is not None,
        "world_from_scene": cloud.world_from_scene.tolist(),
        "fingerprint": cloud.fingerprint,
        "notes": list(cloud.notes),
    }
    return values, "\n".join(describe_cloud(cloud))


def _class_info(path: Path) -> tuple[dict[str, Any], str]:
    from rayfield.app.sources.scene_class import counts_of, describe_scenes
    from rayfield.data.scenes import load_scenes

    scenes = load_scenes(path)
    values = {
        "kind": "class",
        "scenes": list(scenes.names),
        "images": counts_of(scenes),
        "bounded": scenes.traits.bounded,
        "alpha": scenes.traits.alpha,
        "fingerprint": scenes.fingerprint,
    }
    return values, "\n".join(describe_scenes(scenes))


def doctor(*, warm: bool) -> tuple[dict[str, Any], str]:
    """Versions, cores, memory, processor, encoder; with `warm` kernels are compiled now."""
    from rayfield import __version__
    from rayfield.app.drawing.video import find_codec
    from rayfield.app.prepare import prepare
    from rayfield.kernels.pool import available_cores

    values: dict[str, Any] = {
        "rayfield": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "optional": {name: _version(name) for name in OPTIONAL},
        "cores": available_cores(),
        "memory_gb": _memory_gb(),
        "simd": _simd(),
        "video_encoder": find_codec(),
        "kernel_seconds": prepare() if warm else None,
    }
    packages = ", ".join(f"{name} {version}" for name, version in values["packages"].items())
    found = values["optional"].items()
    optional = ", ".join(f"{name} {version or 'not installed'}" for name, version in found)
    seconds = values["kernel_seconds"]
    state = "not compiled now; --warm does it" if seconds is None else f"ready in {seconds:.1f} s"
    memory = "unknown" if values["memory_gb"] is None else f"{values['memory_gb']:.1f} GB"
    lines = (
        f"rayfield {__version__}, Python {values['python']}, {values['system']}",
        f"packages: {packages}",
        f"optional: {optional}",
        f"cores:    {values['cores']}, memory {memory}, {' '.join(values['simd']) or 'no AVX'}",
        f"kernels:  {state}",
        f"video:    {values['video_encoder']}",
    )
    return values, "\n".join(lines)


def _version(name: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _simd() -> list[str]:
    """Vector extensions of the processor that matter to the kernels."""
    from llvmlite.binding import get_host_cpu_features

    features = get_host_cpu_features()
    return [name for name in ("avx2", "fma", "avx512f", "neon") if features.get(name)]
