"""A small made-up capture, written in each of the formats."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.core.types import Camera, Lens

WIDTH, HEIGHT = 24, 16
LENS = (0.05, -0.02, 0.001, -0.0005)  # k1, k2, p1, p2
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])

Cameras = dict[str, Camera]


def look_at(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """world_from_camera (x right, y down, z forward) with the world's z as up."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def orbit(
    count: int = 11,
    *,
    lens: tuple[float, ...] = LENS,
    kind: Lens = "perspective",
    focal: float = 30.0,
) -> Cameras:
    """Cameras on a tilted ring around (1, 2, 3), by the name of their picture."""
    cameras = {}
    for i in range(count):
        angle = 2 * np.pi * i / count
        around = 4 * np.array([np.cos(angle), np.sin(angle), 0.4 + 0.2 * np.sin(3 * angle)])
        pose = look_at(np.array([1.0, 2.0, 3.0]) + around, np.array([1.0, 2.0, 3.0]))
        cameras[f"images/img{i}.png"] = Camera(
            WIDTH, HEIGHT, focal, focal + 1, 12.5, 7.5, pose, lens, kind
        )
    return cameras


def write_pictures(root: Path, cameras: Cameras, *, mode: str = "RGB") -> None:
    """Pictures of noise; with alpha, only a disc in the middle is opaque."""
    rng = np.random.default_rng(0)
    channels = len(mode)
    for name, camera in cameras.items():
        pixels = rng.integers(0, 256, (camera.height, camera.width, channels), dtype=np.uint8)
        if channels == 4:
            row, column = np.mgrid[: camera.height, : camera.width] + 0.5
            radius = np.hypot(row - camera.cy, column - camera.cx)
            pixels[..., 3] = np.where(radius < 4, 255, 0)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels, mode).save(root / name)


def opengl_rows(camera: Camera) -> list[list[float]]:
    """The transform_matrix of a camera."""
    return (camera.pose @ OPENGL_FROM_OPENCV).tolist()


def intrinsics_json(camera: Camera) -> dict[str, float]:
    """The keys of transforms.json for a camera's lens."""
    sizes = {"w": camera.width, "h": camera.height}
    pinhole = {"fl_x": camera.fx, "fl_y": camera.fy, "cx": camera.cx, "cy": camera.cy}
    keys = ("k1", "k2", "p1", "p2") if camera.lens == "perspective" else ("k1", "k2", "k3", "k4")
    return {**sizes, **pinhole, **dict(zip(keys, camera.distortion, strict=False))}


def frames_json(cameras: Cameras, names: list[str]) -> list[dict[str, object]]:
    """The frames of transforms.json."""
    return [{"file_path": n, "transform_matrix": opengl_rows(cameras[n])} for n in names]


def write_ngp(root: Path, cameras: Cameras) -> None:
    """One transforms.json with the lens of the first camera for all."""
    document = intrinsics_json(next(iter(cameras.values())))
    document = {**document, "aabb_scale": 4, "frames": frames_json(cameras, list(cameras))}
    (root / "transforms.json").write_text(json.dumps(document))


def write_nerfstudio(root: Path, cameras: Cameras) -> None:
    """One transforms.json with a lens in every frame."""
    frames = frames_json(cameras, list(cameras))
    for frame in frames:
        camera = cameras[str(frame["file_path"])]
        frame.update(intrinsics_json(camera))
        if camera.lens == "fisheye":
            frame["camera_model"] = "OPENCV_FISHEYE"
    document = {"camera_model": "OPENCV", "frames": frames}
    (root / "transforms.json").write_text(json.dumps(document))


def write_blender(root: Path, cameras: Cameras) -> None:
    """Split files; every 8th name (sorted) is test; names without suffix, with "./"."""
    ordered = sorted(cameras)
    lens = intrinsics_json(next(iter(cameras.values())))
    for split, names in (
        ("train", [n for i, n in enumerate(ordered) if i % 8]),
        ("test", ordered[::8]),
    ):
        frames = frames_json(cameras, names)
        for frame in frames:
            frame["file_path"] = "./" + str(frame["file_path"]).removesuffix(".png")
        document = {**lens, "frames": frames}
        (root / f"transforms_{split}.json").write_text(json.dumps(document))


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """The unit quaternion (w, x, y, z) of a rotation, as the eigenvector of Bar-Itzhack's K."""
    m = rotation
    k = np.array(
        [
            [np.trace(m), m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [0, m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [0, 0, m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [0, 0, 0, m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    return np.linalg.eigh(k, UPLO="U")[1][:, -1]


def write_colmap(root: Path, cameras: Cameras, *, folder: str = "sparse/0") -> None:
    """A binary model: one OPENCV lens, a few points around the middle of the ring."""
    sparse = root / folder
    sparse.mkdir(parents=True)
    first = next(iter(cameras.values()))
    lens = (first.fx, first.fy, first.cx, first.cy, *first.distortion)
    head = struct.pack("<QiiQQ", 1, 7, 4, first.width, first.height)
    (sparse / "cameras.bin").write_bytes(head + struct.pack("<8d", *lens))
    images = struct.pack("<Q", len(cameras))
    for number, (name, camera) in enumerate(cameras.items(), start=1):
        rotation = camera.pose[:3, :3].T
        translation = -rotation @ camera.pose[:3, 3]
        images += struct.pack("<i7di", number, *quaternion(rotation), *translation, 7)
        images += name.removeprefix("images/").encode() + b"\0"
        images += struct.pack("<Qddq", 1, 3.0, 4.0, -1)
    (sparse / "images.bin").write_bytes(images)
    points = np.random.default_rng(1).normal((1, 2, 3), size=(5, 3))
    records = [
        struct.pack("<Q3d3BdQii", i, *p, 1, 2, 3, 0.5, 1, 1, 0) for i, p in enumerate(points)
    ]
    (sparse / "points3D.bin").write_bytes(struct.pack("<Q", len(points)) + b"".join(records))


WRITERS = {
    "blender": write_blender,
    "ngp": write_ngp,
    "nerfstudio": write_nerfstudio,
    "colmap": write_colmap,
}


@pytest.fixture
def ring() -> Cameras:
    """Eleven distorted cameras on a ring, by picture name."""
    return orbit()


@pytest.fixture
def make_ring() -> Callable[..., Cameras]:
    """`orbit`, for tests that want another count or lens."""
    return orbit


@pytest.fixture
def pictures() -> Callable[..., None]:
    """`write_pictures`."""
    return write_pictures


@pytest.fixture
def writers() -> dict[str, Callable[..., None]]:
    """A writer of the capture for each format."""
    return WRITERS


@pytest.fixture
def capture_dir(tmp_path: Path) -> Callable[..., Path]:
    """Writes the ring in a format and returns its folder."""

    def write(form: str, *, mode: str = "RGB", cameras: Cameras | None = None) -> Path:
        root = tmp_path / form
        root.mkdir()
        cameras = orbit() if cameras is None else cameras
        write_pictures(root, cameras, mode=mode)
        WRITERS[form](root, cameras)
        return root

    return write


@pytest.fixture
def edit_json() -> Callable[[Path, Callable[[dict], None]], None]:
    """Applies a change to a JSON file."""

    def edit(path: Path, change: Callable[[dict], None]) -> None:
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit
