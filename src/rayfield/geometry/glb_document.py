"""The document and the arrays of a binary glTF 2.0 file (GLB), checked before they are used.

Files that a document names are never opened, whatever their address.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Shaped, UInt8

from rayfield.core.check import DataError
from rayfield.geometry.textfile import contents

AGAIN = "export it again"
PLAIN = "export it without compression"
COMPRESSED = {
    "KHR_draco_mesh_compression": "Draco",
    "EXT_meshopt_compression": "meshopt",
    "KHR_meshopt_compression": "meshopt",
}
HARMLESS = (
    "KHR_mesh_quantization",
    "KHR_materials_",
    "KHR_texture_",
    "KHR_lights_",
    "EXT_texture_",
)
KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Document:
    """A glTF document, its items by kind and number, and its arrays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        text, self._binary = self._chunks(contents(path))
        self.root = self._parse(text)
        for name in self.listed(self.root, "extensionsRequired"):
            self.check_extension(str(name))

    def fail(self, what: str, fix: str = AGAIN) -> NoReturn:
        """Raise the DataError that says so."""
        raise DataError(self.path, what, fix)

    def check_extension(self, name: str) -> None:
        """Refuse an extension without which the file cannot be understood."""
        if name in COMPRESSED:
            self.fail(f"is compressed with {COMPRESSED[name]}, which is not read", PLAIN)
        if not name.startswith(HARMLESS):
            self.fail(f"needs the extension {name!r:.60}, which is not known")

    def item(self, kind: str, index: object) -> dict[str, Any]:
        """Item `index` of the list called `kind`."""
        items = self.root.get(kind)
        count = len(items) if isinstance(items, list) else 0
        if not isinstance(items, list) or type(index) is not int or not 0 <= index < count:
            self.fail(f"refers to {kind} {index!r:.40}, but has {count}")
        found = items[index]
        if not isinstance(found, dict):
            self.fail(f"has no object at {kind} {index}")
        return found

    def listed(self, owner: dict[str, Any], key: str) -> list[Any]:
        """A list in an object; empty where there is none."""
        found = owner.get(key, [])
        if not isinstance(found, list):
            self.fail(f"has no list under {key!r}")
        return found

    def inner(self, owner: dict[str, Any], key: str) -> dict[str, Any]:
        """An object in an object; empty where there is none."""
        found = owner.get(key, {})
        if not isinstance(found, dict):
            self.fail(f"has no object under {key!r}")
        return found

    def whole(self, owner: dict[str, Any], key: str, default: int | None = None) -> int:
        """A whole number of at least 0 in an object."""
        found = owner.get(key, default)
        if type(found) is not int or not 0 <= found < 2**48:
            self.fail(f"has {found!r:.40} for {key!r}")
        return found

    def array(self, index: object) -> Shaped[np.ndarray, "N C"]:
        """The rows of an accessor, as numbers of its own type or, where it says so, in [0, 1]."""
        accessor = self.item("accessors", index)
        if "sparse" in accessor:
            self.fail(f"has sparse values in accessor {index}, which are not read")
        kind, width = KINDS.get(self.whole(accessor, "componentType")), accessor.get("type")
        if kind is None or width not in WIDTHS:
            self.fail(f"has accessor {index} of type {width!r:.20}")
        if "bufferView" not in accessor:
            self.fail(f"has no data for accessor {index}")
        view = self.item("bufferViews", accessor["bufferView"])
        for name in self.inner(view, "extensions"):
            self.check_extension(name)
        self._check_buffer(view)
        count, row = self.whole(accessor, "count"), np.dtype(kind).itemsize * WIDTHS[width]
        start, length = self.whole(view, "byteOffset", 0), self.whole(view, "byteLength")
        stride, at = self.whole(view, "byteStride", row), self.whole(accessor, "byteOffset", 0)
        end = at + stride * (count - 1) + row if count else at
        if stride < row or end > length or start + length > len(self._binary):
            room = f"of {len(self._binary)} in the file"
            self.fail(f"wants bytes {start + at} to {start + end} for accessor {index} {room}")
        steps = (stride, np.dtype(kind).itemsize)
        rows: np.ndarray = np.ndarray(
            (count, WIDTHS[width]), kind, self._binary.data, start + at, steps
        )
        if accessor.get("normalized") is True and kind[1] != "f":
            return np.maximum(rows / np.iinfo(kind).max, -1.0)
        return rows

    def _check_buffer(self, view: dict[str, Any]) -> None:
        index = view.get("buffer")
        uri = self.item("buffers", index).get("uri")
        if uri is not None:
            self.fail(
                f"keeps data in {str(uri)[:40]!r}, which is never followed", "export one file"
            )
        if index != 0:
            self.fail(f"refers to buffer {index}, which is not in it")

    def _chunks(self, data: UInt8[np.ndarray, " B"]) -> tuple[bytes, np.ndarray]:
        """The text of the document, and the bytes of the buffer."""
        if data[:4].tobytes() != b"glTF" or len(data) < 20:
            self.fail("does not begin as a GLB file", "check its name and " + AGAIN)
        version, length, text, kind = np.frombuffer(data, "<u4", 4, 4).tolist()
        if version != 2:
            self.fail(f"is of glTF version {version}", "export it as glTF 2.0")
        if length != len(data):
            self.fail(f"says it has {length} bytes, but has {len(data)}", "copy or " + AGAIN)
        if kind != 0x4E4F534A or 20 + text > len(data):
            self.fail(f"has a first chunk of {text} bytes in a file of {len(data)}")
        rest = data[20 + text :]
        if len(rest) < 8:
            return data[20 : 20 + text].tobytes(), rest[:0]
        size, kind = np.frombuffer(rest, "<u4", 2).tolist()
        if kind != 0x004E4942 or 8 + size > len(rest):
            self.fail(f"has a second chunk of {size} bytes, of which {len(rest) - 8} are there")
        return data[20 : 20 + text].tobytes(), rest[8 : 8 + size]

    def _parse(self, text: bytes) -> dict[str, Any]:
        def refuse(name: str) -> NoReturn:
            raise ValueError(f"{name} is no number of JSON")

        self.size = len(text) + len(self._binary)
        try:
            root = json.loads(text.decode("utf-8"), parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            self.fail(f"has a damaged document ({' '.join(str(error).split())[:80]})")
        if not isinstance(root, dict):
            self.fail("has a document that is no object")
        return root
