"""Triangle meshes to files and back: GLB, PLY, OBJ, STL, OFF.

Positions are written in single precision. PLY and STL are binary; OBJ carries colours the common
unofficial way (`v x y z r g b`); STL and OFF carry positions and faces alone.

GLB is y-up by its standard, and our worlds are z-up: writing turns (x, y, z) into (x, z, -y) and
reading turns it back. Its colours are linear light, ours sRGB: they are converted too. It is
written here because trimesh stores neither linear colours nor a material with them, and glTF's
default material is polished metal.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float, UInt8
from trimesh.exchange.obj import export_obj
from trimesh.exchange.off import export_off
from trimesh.exchange.ply import export_ply
from trimesh.exchange.stl import export_stl
from trimesh.visual import ColorVisuals

from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import transform

SUFFIXES = (".glb", ".ply", ".obj", ".stl", ".off")
MAX_FILE_BYTES = 2 * 2**30
Y_UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64)


def check_target(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a file name that `write_mesh` would refuse.

    `UsageError` for an unknown extension; `RayfieldError` for a file that exists, unless `force`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: unknown mesh format; end the name in one of {_known()}")
    if path.is_dir():
        raise RayfieldError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise RayfieldError(f"{path}: exists already; choose another name or force overwriting")


def write_mesh(path: Path, mesh: Mesh, *, force: bool = False) -> None:
    """Write a mesh in the format its extension names; colours and normals where it has them.

    The file appears complete or not at all. Raises as `check_target` does, and `RayfieldError`
    for an empty mesh or when the disk refuses.
    """
    check_target(path, force=force)
    if not len(mesh.faces):
        raise RayfieldError(f"{path}: not written, as the mesh has no faces")
    data = _encode(mesh, path.suffix.lower())
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RayfieldError(
            f"{path}: could not be written ({error.strerror}); free space or choose another folder"
        ) from error


def read_mesh(path: Path) -> Mesh:
    """Read a triangle mesh; files it refers to (materials, buffers) are never opened.

    Colours come from PLY and OBJ, normals from no format; corners that coincide in an STL file
    are joined. `DataError` for anything but a mesh with finite vertices and faces that refer to
    them.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(path, "unknown mesh format", f"use one of {_known()}")
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise DataError(path, f"is {size} bytes", f"at most {MAX_FILE_BYTES} are read")
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise DataError(path, f"could not be read ({error.strerror})") from error
    try:
        # Without a resolver, references to other files lead nowhere.
        loaded = trimesh.load_mesh(
            data, file_type=suffix[1:], process=False, maintain_order=True, resolver=None
        )
    except Exception as error:  # its parsers fail in every way on damaged files
        why = " ".join(str(error).split())[:200]
        raise DataError(path, f"is not a valid {suffix[1:].upper()} mesh ({why})") from error
    return _checked(path, loaded)


def _known() -> str:
    return ", ".join(SUFFIXES)


def _encode(mesh: Mesh, suffix: str) -> bytes:
    """The bytes of a mesh file."""
    if suffix == ".glb":
        return _encode_glb(transform(mesh, Y_UP))
    plain = trimesh.Trimesh(
        mesh.vertices,
        mesh.faces,
        vertex_normals=mesh.normals,
        vertex_colors=mesh.colors,
        process=False,
    )
    # Text needs decimals in proportion: nine digits of the mesh's size.
    size = float(np.ptp(mesh.vertices, axis=0).max())
    digits = max(1, 9 - math.floor(math.log10(size))) if size > 0 else 9
    with_normals = mesh.normals is not None
    if suffix == ".ply":
        return export_ply(plain, vertex_normal=with_normals)
    if suffix == ".obj":
        text = export_obj(plain, include_normals=with_normals, digits=digits, header="rayfield")
        return text.encode()
    if suffix == ".stl":
        return export_stl(plain)
    return export_off(plain, digits=digits).encode()


def _encode_glb(mesh: Mesh) -> bytes:
    """Binary glTF 2.0 of one mesh in a matte material."""
    arrays = _glb_arrays(mesh)
    # glTF's numbers for element types (uint32, float32, uint16) and buffer targets.
    kinds = {"<u4": 5125, "<f4": 5126, "<u2": 5123}
    shapes = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
    views: list[dict] = []
    accessors: list[dict] = []
    for index, (name, array) in enumerate(arrays.items()):
        start = sum(view["byteLength"] for view in views)
        target = 34963 if name == "indices" else 34962
        views.append({"buffer": 0, "byteOffset": start, "byteLength": array.nbytes})
        views[-1]["target"] = target
        accessors.append({"bufferView": index, "count": len(array), "type": shapes[array[0].size]})
        accessors[-1]["componentType"] = kinds[array.dtype.str]
        if name == "POSITION":
            accessors[-1] |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        if name == "COLOR_0":
            accessors[-1]["normalized"] = True
    attributes = {name: i for i, name in enumerate(arrays) if name != "indices"}
    surface = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    document = {
        "asset": {"version": "2.0", "generator": "rayfield"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 0, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True}],
        "buffers": [{"byteLength": sum(view["byteLength"] for view in views)}],
        "bufferViews": views,
        "accessors": accessors,
    }
    return _glb_container(document, b"".join(array.tobytes() for array in arrays.values()))


def _glb_arrays(mesh: Mesh) -> dict[str, np.ndarray]:
    """The arrays of a glTF primitive by their standard names, indices first."""
    arrays = {"indices": mesh.faces.astype("<u4").ravel(), "POSITION": mesh.vertices.astype("<f4")}
    if mesh.normals is not None:
        arrays["NORMAL"] = mesh.normals.astype("<f4")
    if mesh.colors is not None:
        linear = np.hstack([_linear(mesh.colors), np.ones((len(mesh.colors), 1))])
        arrays["COLOR_0"] = (linear * 65535).round().astype("<u2")
    return arrays


def _glb_container(document: dict, binary: bytes) -> bytes:
    """A glTF document and its buffer in one file; chunks are padded to four bytes."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _linear(colors: UInt8[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """sRGB bytes as linear light (IEC 61966-2-1)."""
    c = colors / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _checked(path: Path, loaded: trimesh.Trimesh) -> Mesh:
    """A loaded mesh, refusing what its parser let through."""
    vertices, faces = np.asarray(loaded.vertices, float), np.asarray(loaded.faces)
    if not len(faces):
        raise DataError(path, "holds no faces", "check that it is complete")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise DataError(path, f"has a face that refers beyond its {len(vertices)} vertices")
    bad = int((~np.isfinite(vertices)).any(axis=1).sum())
    if bad:
        raise DataError(path, f"has {bad} vertices that are not finite numbers")
    suffix = path.suffix.lower()
    if suffix == ".stl":
        vertices, index = np.unique(vertices, axis=0, return_inverse=True)
        faces = index.ravel()[faces]
    look, colors = loaded.visual, None
    if suffix in (".ply", ".obj") and isinstance(look, ColorVisuals) and look.kind == "vertex":
        colors = np.asarray(look.vertex_colors)[:, :3].astype(np.uint8)
    mesh = Mesh(vertices=vertices, faces=faces.astype(np.int32), colors=colors)
    return transform(mesh, Y_UP.T) if suffix == ".glb" else mesh
