"""Headers that claim terabytes, read by a process that may not grow: all are refused in place."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from rayfield.train import checkpoint

GROWTH = 2**28  # bytes that reading all of the files may add to the memory of the process

# Reads every file under a limit of address space a little above what is in use, and tells of
# each how it ended, and how far the peak of resident memory rose.
LIMITED = """
import json, resource, sys
from pathlib import Path
import torch
from rayfield.core.check import DataError
from rayfield.data.images import image_info, read_image
from rayfield.data.load import load_scene
from rayfield.geometry.meshio import read_mesh
from rayfield.geometry.pointio import read_points
from rayfield.train.checkpoint import load

folder, growth = Path(sys.argv[1]), int(sys.argv[2])
READ = {".png": read_image, ".tif": read_image, ".xyz": read_points, ".npy": read_points,
        ".npz": read_points, ".ply": read_points}
MESH = {".ply", ".obj", ".off", ".stl", ".glb"}
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + growth, used + growth))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def ending(read, path):
    try:
        read(path)
    except DataError as error:
        return "refused" if str(error).startswith(str(folder)) else str(error)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "read"

found = {}
for path in sorted(folder.iterdir()):
    if path.is_dir():
        reader = load if path.name.startswith("step-") else load_scene
        found[path.name] = ending(reader, path)
        continue
    if path.suffix in READ:
        found[path.name] = ending(READ[path.suffix], path)
    if path.suffix in MESH:
        found[f"mesh {path.name}"] = ending(read_mesh, path)
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps({"found": found, "peak": peak}))
"""


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def npy(shape: str) -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def ply(vertices: int, faces: int, form: str = "binary_little_endian") -> bytes:
    return (
        f"ply\nformat {form} 1.0\nelement vertex {vertices}\nproperty float x\nproperty float y\n"
        f"property float z\nelement face {faces}\nproperty list uint int vertex_indices\n"
        "end_header\n"
    ).encode() + bytes(64)


def glb(count: int) -> bytes:
    accessor = {"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": count}
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [accessor],
        "bufferViews": [{"buffer": 0, "byteLength": count * 12}],
        "buffers": [{"byteLength": count * 12}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


def write_all(folder: Path) -> None:
    """Small files, each of which claims to hold far more than there is memory."""
    files = {
        "wide.png": png(2**31 - 1, 2**31 - 1),
        "bomb.png": png(60_000, 60_000),
        "vertices.ply": ply(2**45, 1),
        "faces.ply": ply(3, 2**45),
        "text.ply": ply(2**45, 1, "ascii"),
        "long.npy": npy("(1152921504606846976, 3)"),
        "large.npy": npy("(1000000000000, 3)"),
        "many.stl": bytes(80) + struct.pack("<I", 2**32 - 1) + bytes(100),
        "many.off": b"OFF\n99999999999999 99999999999999 0\n0 0 0\n",
        "index.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999\n",
        "count.glb": glb(2**45),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("points.npy", npy("(5000000, 3)") + bytes(120_000_000))
    model = folder / "colmap"
    (model / "images").mkdir(parents=True)
    (model / "sparse" / "0").mkdir(parents=True)
    for part in ("cameras", "images", "points3D"):
        (model / "sparse" / "0" / f"{part}.bin").write_bytes(struct.pack("<Q", 2**62) + bytes(64))
    (model / "images" / "0.png").write_bytes(png(8, 8))
    listing = folder / "listing"
    listing.mkdir()
    with (listing / "transforms.json").open("wb") as file:
        file.truncate(5 * 10**9)  # sparse: takes no disk
    for name, head in {"step-1": 2**62, "step-2": 2**40}.items():
        step = folder / name
        step.mkdir()
        data = {name: struct.pack("<Q", head) + bytes(64) for name in checkpoint.TENSOR_FILES}
        data["state.json"] = b'{"step": 1}'
        for name, raw in data.items():
            (step / name).write_bytes(raw)
        (step / "manifest.json").write_text(json.dumps(checkpoint._manifest(data)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are Linux's")
def test_no_header_makes_a_reader_ask_for_memory(tmp_path):
    write_all(tmp_path)
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(GROWTH)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["found"]) >= 16
    assert set(report["found"].values()) == {"refused"}, report["found"]
    assert report["peak"] < 2**26, f"resident memory rose by {report['peak']} bytes"
