"""The vertices and faces of PLY files (Turk 1994): text, and binary of either byte order.

Elements and properties that nobody asks for are stepped over.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.geometry.ply_header import AGAIN, Element, Header, read_header
from rayfield.geometry.polygons import NO_POLYGONS, Polygons, RawMesh, color_bytes
from rayfield.geometry.textfile import Line, all_rows, contents, filled, lines, whole_in, wholes_in


def read_ply(path: Path) -> RawMesh:
    """The contents of a PLY file; DataError for anything but a sound one."""
    data = contents(path)
    header = read_header(path, data)
    columns = read_vertices(path, data, header)
    polygons = read_faces(path, data, header)
    vertices, normals, colors = (
        np.stack([columns[name] for name in names], axis=1).astype(np.float64)
        if set(names) <= set(columns)
        else None
        for names in (("x", "y", "z"), ("nx", "ny", "nz"), ("red", "green", "blue"))
    )
    assert vertices is not None
    return RawMesh(vertices, polygons, normals, None if colors is None else color_bytes(colors))


def encode_ply(mesh: Mesh, *, double: bool) -> bytes:
    """The bytes of a binary PLY file, its positions in single or in double precision."""
    kind = "<f8" if double else "<f4"
    columns: list[tuple[str, str, np.ndarray]] = [
        (name, kind, mesh.vertices[:, k]) for k, name in enumerate("xyz")
    ]
    if mesh.normals is not None:
        columns += [(f"n{name}", "<f4", mesh.normals[:, k]) for k, name in enumerate("xyz")]
    if mesh.colors is not None:
        names = ("red", "green", "blue")
        columns += [(name, "u1", mesh.colors[:, k]) for k, name in enumerate(names)]
    table = np.empty(len(mesh.vertices), [(name, code) for name, code, _ in columns])
    for name, _, values in columns:
        table[name] = values
    faces = np.empty(len(mesh.faces), [("size", "u1"), ("corners", "<i4", 3)])
    faces["size"], faces["corners"] = 3, mesh.faces
    words = {"<f4": "float", "<f8": "double", "u1": "uchar"}
    head = ["ply", "format binary_little_endian 1.0", "comment rayfield"]
    head += [f"element vertex {len(table)}", *(f"property {words[c]} {n}" for n, c, _ in columns)]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    return "\n".join([*head, ""]).encode() + table.tobytes() + faces.tobytes()


def read_vertices(
    path: Path, data: UInt8[np.ndarray, " B"], header: Header, *, every: int = 1
) -> dict[str, Shaped[np.ndarray, " N"]]:
    """The columns of the table of vertices, of each `every`th row."""
    element = header.element("vertex")
    if element is None or {"x", "y", "z"} - {p.name for p in element.properties}:
        raise DataError(path, "has no vertices with x, y and z", "check what exported it")
    if not element.plain:
        raise DataError(path, "has lists among its vertices, which no program writes", AGAIN)
    if not header.order:
        before = _text_before(path, header, element)
        width = len(element.properties)
        table = all_rows(path, before, width, count=element.rows, every=every, what="vertices")
        return {p.name: table[:, i] for i, p in enumerate(element.properties)}
    offset = _offset_of(path, data, header, element)
    row = np.dtype([(p.name, header.order + p.kind) for p in element.properties])
    _check_room(path, data, offset + row.itemsize * element.rows)
    table = np.frombuffer(data, row, element.rows, offset)[::every]
    return {p.name: table[p.name] for p in element.properties}


def read_faces(path: Path, data: UInt8[np.ndarray, " B"], header: Header) -> Polygons:
    """The corners of all faces; none where there is no such table."""
    element = header.element("face")
    if element is None or not element.rows:
        strips = header.element("tristrips")
        if strips is not None and strips.rows:
            raise DataError(path, "holds triangle strips", "export it as plain triangles")
        return NO_POLYGONS
    names = ("vertex_indices", "vertex_index")
    column = next((i for i, p in enumerate(element.properties) if p.name in names), None)
    chosen = None if column is None else element.properties[column]
    if column is None or chosen is None or not chosen.length or chosen.kind[0] == "f":
        raise DataError(path, "has faces without a list vertex_indices", "export it again")
    if not header.order:
        return _text_faces(path, _text_before(path, header, element), element, column)
    offset = _offset_of(path, data, header, element)
    even = _even_faces(data, header.order, element, column, offset)
    return even or _walk(path, data, header.order, element, column, offset)[0]


def _check_room(path: Path, data: np.ndarray, end: int) -> None:
    if end > len(data):
        raise DataError(path, f"ends at byte {len(data)} of at least {end}", AGAIN)


def _text_before(path: Path, header: Header, element: Element) -> Iterator[Line]:
    """The lines of text from the first row of a table on."""
    source = filled(lines(path, start=header.start, number=header.line), b"\0")
    for other in header.elements[: header.elements.index(element)]:
        for _ in range(other.rows):
            if next(source, None) is None:
                raise DataError(path, f"ends within its rows of {other.name!r:.40}", AGAIN)
    return source


def _offset_of(path: Path, data: np.ndarray, header: Header, element: Element) -> int:
    """The byte where a table begins."""
    offset = header.start
    for other in header.elements[: header.elements.index(element)]:
        if other.plain:
            offset += other.least * other.rows
        else:
            _, offset = _walk(path, data, header.order, other, None, offset)
        _check_room(path, data, offset)
    return offset


def _text_faces(path: Path, source: Iterator[Line], element: Element, column: int) -> Polygons:
    sizes, corners = array("q"), array("q")
    for _ in range(element.rows):
        number, text = next(source, (0, b""))
        if not text:
            raise DataError(path, f"ends after {len(sizes)} of {element.rows} faces", AGAIN)
        words, at = text.split(), 0
        for index, part in enumerate(element.properties):
            size = 1
            if part.length:
                size = whole_in(path, number, b"".join(words[at : at + 1]), what="length of a list")
                at += 1
            row = words[at : at + max(size, 0)]
            if index == column:
                sizes.append(len(row))
                corners.extend(wholes_in(path, number, row, what="number of a vertex"))
            at += size
        if at != len(words):
            what = f"line {number} has {len(words)} values where {at} are announced"
            raise DataError(path, what, AGAIN)
    return Polygons(np.array(sizes, np.int64), np.array(corners, np.int64))


def _even_faces(
    data: np.ndarray, order: str, element: Element, column: int, offset: int
) -> Polygons | None:
    """All faces at once, where every row has lists as long as those of the first one."""
    fields: list[tuple[str, str, tuple[int, ...]]] = []
    at = offset
    for i, part in enumerate(element.properties):
        size = 1
        if part.length:
            length = np.dtype(order + part.length)
            if at + length.itemsize > len(data):
                return None
            size = int(np.frombuffer(data, length, 1, at)[0])
            fields.append((f"length {i}", order + part.length, ()))
            at += length.itemsize
        fields.append((f"values {i}", order + part.kind, (size,) if part.length else ()))
        at += size * int(part.kind[1:])
        if size < 1 or at > len(data):
            return None
    row = np.dtype(fields)
    if offset + row.itemsize * element.rows > len(data):
        return None
    table = np.frombuffer(data, row, element.rows, offset)
    lists = [i for i, part in enumerate(element.properties) if part.length]
    if any((table[f"length {i}"] != table[f"length {i}"][0]).any() for i in lists):
        return None
    corners = table[f"values {column}"].astype(np.int64)
    return Polygons(np.full(element.rows, corners.shape[1]), corners.ravel())


def _walk(
    path: Path, data: np.ndarray, order: str, element: Element, column: int | None, offset: int
) -> tuple[Polygons, int]:
    """Row after row: the lists of one column (none: of no one), and where the table ends."""
    sizes, corners, view = array("q"), array("q"), data.data
    codes = {"i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I"}
    for _ in range(element.rows):
        for index, part in enumerate(element.properties):
            size = 1
            if part.length:
                _check_room(path, data, offset + int(part.length[1:]))
                (size,) = struct.unpack_from(order + codes[part.length], view, offset)
                offset += int(part.length[1:])
            end = offset + size * int(part.kind[1:])
            if size < 0:
                raise DataError(path, f"has a list of {size} values at byte {offset}", AGAIN)
            _check_room(path, data, end)
            if index == column:
                sizes.append(size)
                corners.extend(struct.unpack_from(f"{order}{size}{codes[part.kind]}", view, offset))
            offset = end
    return Polygons(np.array(sizes, np.int64), np.array(corners, np.int64)), offset
