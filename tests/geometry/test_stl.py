"""STL files: text or binary, told apart by size and not by the first word."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.geometry import stl

FACET = "facet normal 0 0 1\n outer loop\n{}\n endloop\nendfacet\n"
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 1, 0], [0.5, 0, 2]])


def text(corners=CORNERS) -> str:
    vertices = [f"  vertex {x} {y} {z}" for x, y, z in corners]
    facets = ["\n".join(vertices[i : i + 3]) for i in range(0, len(vertices), 3)]
    return "solid a b\n" + "".join(FACET.format(facet) for facet in facets) + "endsolid a b\n"


def binary(head: bytes = b"") -> bytes:
    facets = np.zeros(2, stl.FACET)
    facets["corners"] = CORNERS.reshape(2, 3, 3)
    return head.ljust(80) + (2).to_bytes(4, "little") + facets.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        text().encode(),
        text().upper().encode(),
        text().replace("\n", "\r\n").encode(),
        b"\n  " + text().encode(),
        (text(CORNERS[:3]) + text(CORNERS[3:])).encode(),  # two solids
        binary(),
        binary(b"solid facet of a binary file"),
    ],
)
def test_text_and_binary_say_the_same(tmp_path, data):
    path = tmp_path / "mesh.stl"
    path.write_bytes(data)
    raw = stl.read_stl(path)
    np.testing.assert_array_equal(raw.vertices, CORNERS)
    assert raw.polygons.sizes.tolist() == [3, 3]
