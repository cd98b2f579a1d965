"""The triangles of a binary glTF 2.0 file: all meshes of its scene, each in its place."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.geometry.glb_document import Document
from rayfield.geometry.glb_write import srgb_bytes
from rayfield.geometry.polygons import NO_POLYGONS, Polygons, RawMesh

TRIANGLES, STRIP, FAN = 4, 5, 6
MOST_COPIES = 2**21  # vertices a small file may place, by showing meshes more than once


class _Piece(NamedTuple):
    """One primitive in its place; faces refer to its own vertices."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None
    colors: np.ndarray | None


def read_glb(path: Path) -> RawMesh:
    """The contents of a GLB file, y up as it is; DataError for anything but a sound one."""
    document = Document(path)
    pieces: list[_Piece] = []
    skipped, placed = 0, 0
    for mesh, matrix in _placed(document):
        for primitive in document.listed(mesh, "primitives"):
            if not isinstance(primitive, dict):
                document.fail("has a primitive that is no object")
            if primitive.get("mode", TRIANGLES) not in (TRIANGLES, STRIP, FAN):
                skipped += 1
                continue
            pieces.append(_piece(document, primitive, matrix))
            placed += len(pieces[-1].vertices) + len(pieces[-1].faces)
            if placed > max(MOST_COPIES, document.size):
                document.fail("shows its meshes too many times over", "export fewer copies")
    notes = (f"{skipped} sets of points or lines are left out",) if skipped else ()
    if "textures" in document.root:
        notes = (*notes, "its textures are left out")
    return _joined(pieces, notes)


def _placed(document: Document) -> Iterator[tuple[dict[str, Any], Float[np.ndarray, "4 4"]]]:
    """The meshes of the scene, each with the matrix that puts it in its place."""
    if not document.listed(document.root, "scenes"):
        for index in range(len(document.listed(document.root, "meshes"))):
            yield document.item("meshes", index), np.eye(4)
        return
    scene = document.item("scenes", document.root.get("scene", 0))
    waiting = deque((index, np.eye(4)) for index in document.listed(scene, "nodes"))
    seen: set[int] = set()
    while waiting:
        index, above = waiting.popleft()
        node = document.item("nodes", index)
        if index in seen:
            document.fail(f"shows node {index} twice")
        seen.add(index)
        matrix = above @ _matrix(document, node)
        if "mesh" in node:
            yield document.item("meshes", node["mesh"]), matrix
        waiting += [(child, matrix) for child in document.listed(node, "children")]


def _matrix(document: Document, node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    """The matrix of a node: given column by column, or as translation, rotation and scale."""
    if "matrix" in node:
        return _numbers(document, node, "matrix", np.eye(4).ravel()).reshape(4, 4).T
    x, y, z, w = _numbers(document, node, "rotation", np.array([0.0, 0, 0, 1]))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= _numbers(document, node, "scale", np.ones(3))
    matrix[:3, 3] = _numbers(document, node, "translation", np.zeros(3))
    return matrix


def _numbers(document: Document, node: dict[str, Any], key: str, default: np.ndarray) -> np.ndarray:
    found = document.listed(node, key) if key in node else default.tolist()
    sound = all(type(x) in (int, float) and abs(x) < 1e30 for x in found)
    if len(found) != len(default) or not sound:
        document.fail(f"has a node whose {key} is not {len(default)} numbers")
    return np.array(found, dtype=np.float64)


def _piece(document: Document, primitive: dict[str, Any], matrix: np.ndarray) -> _Piece:
    for name in document.inner(primitive, "extensions"):
        if not name.startswith("KHR_materials_"):
            document.check_extension(name)
    attributes = document.inner(primitive, "attributes")
    if "POSITION" not in attributes:
        document.fail("has a primitive without positions")
    local = _rows(document, attributes["POSITION"], (3,)).astype(np.float64)
    faces = _faces(document, primitive, len(local))
    linear = matrix[:3, :3]
    if np.linalg.det(linear) < 0:
        faces = faces[:, ::-1]
    normals = colors = None
    if "NORMAL" in attributes and abs(np.linalg.det(linear)) > 0:
        normals = _rows(document, attributes["NORMAL"], (3,)) @ np.linalg.inv(linear)
    if "COLOR_0" in attributes:
        light = _rows(document, attributes["COLOR_0"], (3, 4))[:, :3]
        colors = srgb_bytes(light.astype(np.float64))
    for other in (normals, colors):
        if other is not None and len(other) != len(local):
            document.fail(f"has {len(other)} normals or colours for {len(local)} vertices")
    return _Piece(local @ linear.T + matrix[:3, 3], faces, normals, colors)


def _rows(document: Document, index: object, widths: tuple[int, ...]) -> np.ndarray:
    rows = document.array(index)
    if rows.shape[1] not in widths:
        document.fail(f"has {rows.shape[1]} numbers a row in accessor {index}")
    return rows


def _faces(document: Document, primitive: dict[str, Any], count: int) -> np.ndarray:
    """The triangles [F, 3] of a primitive of `count` vertices."""
    if "indices" in primitive:
        indices = _rows(document, primitive["indices"], (1,))[:, 0]
        if indices.dtype.kind != "u":
            document.fail("has indices that are not whole numbers")
        if len(indices) and int(indices.max()) >= count:
            document.fail(f"has a face that refers to vertex {indices.max()} of {count}")
        indices = indices.astype(np.int64)
    else:
        indices = np.arange(count)
    mode = primitive.get("mode", TRIANGLES)
    if mode == TRIANGLES:
        if len(indices) % 3:
            document.fail(f"has {len(indices)} corners for its triangles, not a multiple of 3")
        return indices.reshape(-1, 3)
    if mode == FAN:
        hub = np.broadcast_to(indices[:1], max(len(indices) - 2, 0))
        return np.stack([hub, indices[1:-1], indices[2:]], axis=1)[: max(len(indices) - 2, 0)]
    strip = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    strip[1::2] = strip[1::2, [1, 0, 2]]  # every second one runs the other way
    return strip


def _joined(pieces: list[_Piece], notes: tuple[str, ...]) -> RawMesh:
    """All pieces as one; normals and colours where every piece has them."""
    if not pieces:
        return RawMesh(np.zeros((0, 3)), NO_POLYGONS, notes=notes)
    offsets = np.cumsum([0, *(len(piece.vertices) for piece in pieces[:-1])])
    faces = [piece.faces + at for piece, at in zip(pieces, offsets, strict=True)]
    corners = np.concatenate(faces).ravel()
    normals = [piece.normals for piece in pieces if piece.normals is not None]
    colors = [piece.colors for piece in pieces if piece.colors is not None]
    if 0 < len(colors) < len(pieces):
        notes = (*notes, "colours are left out, as only some of its parts have them")
    return RawMesh(
        np.concatenate([piece.vertices for piece in pieces]),
        Polygons(np.full(len(corners) // 3, 3), corners),
        np.concatenate(normals) if len(normals) == len(pieces) else None,
        np.concatenate(colors) if len(colors) == len(pieces) else None,
        notes,
    )
