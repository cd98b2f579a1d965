"""The header of a PLY file, strictly read: nothing is believed that the file cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from rayfield.core.check import DataError
from rayfield.geometry.textfile import Line, shown, whole_in

HEADER = 2**20  # bytes a header may have
MOST_PROPERTIES = 1024
KINDS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
ORDERS = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
AGAIN = "copy or export it again"


class Property(NamedTuple):
    """A column: its name, numpy's name of its type, and that of its list's length if it is one."""

    name: str
    kind: str
    length: str = ""


class Element(NamedTuple):
    """A table: its name, how many rows it has, its columns."""

    name: str
    rows: int
    properties: tuple[Property, ...]

    @property
    def least(self) -> int:
        """Bytes of a row whose lists are empty."""
        return sum(int((p.length or p.kind)[1:]) for p in self.properties)

    @property
    def plain(self) -> bool:
        """Whether all rows have the same size."""
        return not any(p.length for p in self.properties)


class Header(NamedTuple):
    """Byte order ("<", ">", or "" for text), tables in their order, where the first one starts."""

    order: str
    elements: tuple[Element, ...]
    start: int
    line: int

    def element(self, name: str) -> Element | None:
        """The table of that name."""
        return next((e for e in self.elements if e.name == name), None)


def read_header(path: Path, data: UInt8[np.ndarray, " B"]) -> Header:
    """The header of a file whose bytes are `data`; DataError for anything but a sound one."""
    head = data[:HEADER].tobytes()
    if not head.startswith((b"ply\n", b"ply\r", b"ply \n")):
        raise DataError(path, "does not begin as a PLY file", "check its name and " + AGAIN)
    end = head.find(b"end_header")
    if end < 0:
        raise DataError(path, f"has no end_header in its first {HEADER} bytes", AGAIN)
    newline = b"\r\n" if b"\r\n" in head[:end] else b"\n" if b"\n" in head[:end] else b"\r"
    start = head.find(newline, end)
    if start < 0:
        raise DataError(path, "ends with its header", AGAIN)
    texts = head[:start].split(newline)
    order, elements = _parse(path, [(n, t.strip()) for n, t in enumerate(texts, 1)][1:])
    header = Header(order, elements, start + len(newline), len(texts))
    _check_counts(path, header, len(data))
    return header


def _parse(path: Path, texts: list[Line]) -> tuple[str, tuple[Element, ...]]:
    order: str | None = None
    elements: list[Element] = []
    for number, text in texts:
        words = text.split()
        if not words or words[0] in (b"comment", b"obj_info", b"end_header"):
            continue
        if words[0] == b"format" and len(words) == 3 and words[1] in ORDERS:
            order = ORDERS[words[1]]
        elif words[0] == b"element" and len(words) == 3:
            count = whole_in(path, number, words[2], what="number of rows")
            elements.append(Element(words[1].decode("latin-1"), count, ()))
        elif words[0] == b"property" and elements:
            last = elements[-1]
            properties = (*last.properties, _property(path, number, words))
            if len(properties) > MOST_PROPERTIES:
                raise DataError(path, f"has more than {MOST_PROPERTIES} properties", AGAIN)
            elements[-1] = last._replace(properties=properties)
        else:
            raise DataError(path, f"line {number}: {shown(text)} has no place in a header", AGAIN)
    if order is None:
        raise DataError(path, "names no format that is known", "use ascii or binary, 1.0")
    return order, tuple(elements)


def _property(path: Path, number: int, words: list[bytes]) -> Property:
    *types, name = (word.decode("latin-1") for word in words[1:])
    if len(types) == 3 and types[0] == "list" and KINDS.get(types[1], "f")[0] in "iu":
        types, length = types[2:], KINDS[types[1]]
    else:
        length = ""
    if len(types) != 1 or types[0] not in KINDS:
        what = f"line {number}: {shown(b' '.join(words))} names no type that is known"
        raise DataError(path, what, AGAIN)
    return Property(name, KINDS[types[0]], length)


def _check_counts(path: Path, header: Header, size: int) -> None:
    """Refuse what the file cannot hold, and names given twice."""
    tables = [e.name for e in header.elements]
    if len(set(tables)) < len(tables):
        raise DataError(path, "lists one element twice in its header", AGAIN)
    for name, count, properties in header.elements:
        columns = {p.name for p in properties}
        if len(columns) < len(properties):
            raise DataError(path, f"repeats a property of {name!r:.40} in its header", AGAIN)
        if count < 0 or (count and not properties):
            raise DataError(path, f"promises {count} rows of {name!r:.40} without values", AGAIN)
        element = Element(name, count, properties)
        least = element.least if header.order else 2 * len(properties)
        if count * least > size - header.start + 1:  # text may end without a line end
            room = f"but only {size - header.start} bytes follow"
            raise DataError(path, f"promises {count} rows of {name!r:.40}, {room}", AGAIN)
