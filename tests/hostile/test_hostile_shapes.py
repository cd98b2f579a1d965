"""Mesh files that are damaged, odd or malicious: one sentence that names file, fault and cure.

Every file is made here. Whatever bytes it holds, nothing but a DataError may leave the readers, no
claim of a file makes them take memory, and no other file is opened.
"""

from __future__ import annotations

import builtins
import gzip
import json
import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfield.core.check import DataError
from rayfield.core.types import Mesh
from rayfield.geometry.mesh import report
from rayfield.geometry.meshio import SUFFIXES, load_mesh, read_mesh, write_mesh

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
MEMORY = 2**24  # bytes that reading a small file may take at most
TRIANGLE = "0 0 0\n1 0 0\n0 1 0\n"
FACE = "3 0 1 2\n"
BINARY = "binary_little_endian"


def ply(vertices="3", faces="1", *, form="ascii", lists="uchar int", body=TRIANGLE + FACE) -> bytes:
    head = f"ply\nformat {form} 1.0\nelement vertex {vertices}\nproperty float x\n"
    head += f"property float y\nproperty float z\nelement face {faces}\n"
    return (head + f"property list {lists} vertex_indices\nend_header\n").encode() + (
        body if isinstance(body, bytes) else body.encode()
    )


def obj(*lines: str) -> bytes:
    return ("v 0 0 0\nv 1 0 0\nv 0 1 0\n" + "".join(f"{line}\n" for line in lines)).encode()


def stl(count: int, facets: int, head: bytes = b"") -> bytes:
    facet = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    return head.ljust(80) + struct.pack("<I", count) + facet * facets


def container(text: bytes, binary: bytes, /, **change: int) -> bytes:
    text += b" " * (-len(text) % 4)
    sizes = {"total": 28 + len(text) + len(binary), "text": len(text), "binary": len(binary)}
    sizes |= {"version": 2} | change
    head = struct.pack("<4sII", b"glTF", sizes["version"], sizes["total"])
    first = struct.pack("<I4s", sizes["text"], b"JSON") + text
    return head + first + struct.pack("<I4s", sizes["binary"], b"BIN\0") + binary


def document() -> dict:
    """A triangle: positions, then indices."""
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"byteLength": 44}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 6},
        ],
        "accessors": [
            {"bufferView": 0, "count": 3, "componentType": 5126, "type": "VEC3"},
            {"bufferView": 1, "count": 3, "componentType": 5123, "type": "SCALAR"},
        ],
    }


def glb(place: str = "", value: object = None, **change: int) -> bytes:
    """The triangle, with one value of its document replaced: glb("accessors.0.count", 9)."""
    found = document()
    if place:
        *parts, last = (int(part) if part.isdigit() else part for part in place.split("."))
        owner = found
        for part in parts:
            owner = owner[part]
        owner[last] = value
    binary = np.array([0, 0, 0, 1, 0, 0, 0, 1, 0], "<f4").tobytes() + struct.pack("<4H", 0, 1, 2, 0)
    return container(json.dumps(found).encode(), binary, **change)


PRIMITIVE = "meshes.0.primitives.0"
DRACO = "KHR_draco_mesh_compression"
CORPUS: dict[str, tuple[bytes, str]] = {
    # what any format may suffer from
    **{f"empty{s}": (b"", "is empty") for s in SUFFIXES},
    **{f"gzip{s}": (gzip.compress(b"mesh"), r"is compressed \(gzip\)") for s in SUFFIXES},
    "mesh.fbx": (b"x", "unknown mesh format; use one of .glb"),
    # PLY
    "other.ply": (b"solid\n", "does not begin as a PLY file"),
    "headless.ply": (ply().replace(b"end_header\n", b""), "has no end_header"),
    "vertices.ply": (ply(str(2**40)), "promises 1099511627776 rows of 'vertex', but only 26 bytes"),
    "vertices2.ply": (ply(str(2**63)), "is no number of rows"),
    "binary.ply": (ply(str(2**62), form=BINARY, body="abc"), "is no number of rows"),
    "gigabyte.ply": (ply("90000000", form=BINARY, body="abc"), "but only 3 bytes follow"),
    "faces.ply": (ply(faces=str(2**40)), "rows of 'face', but only"),
    "short.ply": (ply(faces="2", body=TRIANGLE + FACE + " "), "promises 2 rows|after 1 of 2 faces"),
    "range.ply": (
        ply(body=TRIANGLE + "3 0 1 999\n"),
        "has 1 corners beyond its 3 vertices, first 999",
    ),
    "below.ply": (ply(body=TRIANGLE + "3 0 1 -1\n"), "beyond its 3 vertices, first -1 in face 0"),
    "nan.ply": (ply(body="nan 0 0\n1 0 0\ninf 1 0\n" + FACE), "has 2 vertices that are not finite"),
    "huge.ply": (
        ply(body="1e200 0 0\n1 0 0\n0 1 0\n" + FACE),
        "has 1 vertices that are not finite",
    ),
    "points.ply": (ply(faces="0", body=TRIANGLE), "holds no faces, but 3 points"),
    "pair.ply": (ply(body=TRIANGLE + "2 0 1 0\n"), "has 4 values where 3 are announced"),
    "edge.ply": (ply(body=TRIANGLE + "2 0 1\n"), "has no triangle with three corners"),
    "same.ply": (ply(body=TRIANGLE + "3 0 0 1\n"), "has no triangle with three corners"),
    "list.ply": (
        ply(lists="uint int", form=BINARY, body=b"\0" * 36 + b"\xff\xff\xff\x7f"),
        "ends at",
    ),
    "listed.ply": (
        ply(lists="char int", form=BINARY, body=b"\0" * 36 + b"\xff" * 9),
        "a list of -1",
    ),
    "lengths.ply": (ply(body=TRIANGLE + "99999999999999 0 1 2\n"), "values where"),
    "minus.ply": (ply(body=TRIANGLE + "-2 0 1 2\n"), "values where"),
    "half.ply": (ply(body=TRIANGLE + "3 0 1 2.5\n"), "'2.5' is no number of a vertex"),
    "real.ply": (ply(lists="uchar float"), "has faces without a list vertex_indices"),
    "lost.ply": (ply().replace(b"vertex_indices", b"texcoord"), "faces without a list"),
    "strips.ply": (ply().replace(b"element face", b"element tristrips"), "holds triangle strips"),
    "pickle.ply": (pickle.dumps({"vertices": 3}), "does not begin as a PLY"),
    # OBJ
    "word.obj": (obj("v 1 2 x"), "line 4: 'x' is not a number"),
    "comma.obj": (obj("v 1,5 2 3"), "write decimals with a point"),
    "digits.obj": (obj("v " + "9" * 2**20 + " 0 0"), "is longer than 1048576 bytes"),
    "digit.obj": (obj("v " + "9" * 5000 + " 0 0", "f 1 2 4"), "has 1 vertices that are not finite"),
    "index.obj": (obj("f 1 2 " + "9" * 5000), "is no number of a vertex"),
    "range.obj": (obj("f 1 2 999"), "has 1 corners beyond its 3 vertices, first 998 in face 0"),
    "zero.obj": (obj("f 0 1 2"), "line 4 refers to vertex 0"),
    "back.obj": (obj("f -4 1 2"), "line 4 refers to vertex -4 after 3 vertices"),
    "normal.obj": (obj("vn 0 0 1", "f 1//1 2//1 3//7"), "refers to normal 7 of 1"),
    "real.obj": (obj("f 1 2 2.5"), "'2.5' is no number of a vertex"),
    "inf.obj": (obj("v inf 0 0", "f 1 2 4"), "has 1 vertices that are not finite"),
    "points.obj": (obj(), "holds no faces, but 3 points"),
    "call.obj": (
        obj("call ../../secret.obj"),
        "line 4: 'call' would run a command or another file",
    ),
    "csh.obj": (obj("csh touch owned", "f 1 2 3"), "line 4: 'csh' would run a command"),
    "binary.obj": (bytes(range(256)), "is no statement of an OBJ file"),
    "lines.obj": (b"v 0 0 \\\n" * 2**18, "line 1 goes on for 1048576 bytes"),
    # STL
    "count.stl": (stl(2**32 - 1, 2), r"promises 4294967295 facets, which take 214748364834 bytes"),
    "fewer.stl": (stl(1, 2), "promises 1 facets, which take 134 bytes, but has 184"),
    "cut.stl": (stl(3, 3)[:-7], "promises 3 facets, which take 234 bytes, but has 227"),
    "solid.stl": (
        stl(3, 3, b"solid cut binary")[:-7],
        "promises 3 facets, which take 234 bytes, but has 227",
    ),
    "none.stl": (stl(0, 0), "holds no faces"),
    "nan.stl": (stl(1, 0) + struct.pack("<12fH", *[float("nan")] * 12, 0), "not finite"),
    "tiny.stl": (b"stl", "is neither text nor binary STL"),
    "text.stl": (
        b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\n",
        "ends within its facet",
    ),
    "cut2.stl": (b"solid a\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\n", "ends within"),
    "comma.stl": (b"solid a\nvertex 0,0 0 0\nendsolid\n", "write decimals with a point"),
    "two.stl": (b"solid a\nvertex 0 0 0\nvertex 1 0 0\nendloop\nendsolid\n", "that is no triangle"),
    "flat.stl": (b"solid a\n" + b"vertex 0 0 0\n" * 3 + b"endsolid\n", "no triangle with three"),
    # OFF
    "other.off": (b"mesh\n", "is not how OFF begins"),
    "counts.off": (b"OFF\nthree 1 0\n", "'three' is no count"),
    "negative.off": (b"OFF\n-3 -1 0\n", "promises -3 vertices and -1 faces"),
    "many.off": (b"OFF\n1099511627776 1 0\n0 0 0\n", "cannot hold"),
    "facets.off": (b"OFF\n3 1099511627776 0\n0 0 0\n", "cannot hold"),
    "end.off": (b"OFF\n3 2 0\n0.0000 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "ends after 1 of 2 faces"),
    "corner.off": (f"OFF\n3 1 0\n{TRIANGLE}3 0 1\n".encode(), "has 2 values for 3 corners"),
    "minus.off": (f"OFF\n3 1 0\n{TRIANGLE}-3 0 1 2\n".encode(), "has 3 values for -3 corners"),
    "range.off": (f"OFF\n3 1 0\n{TRIANGLE}3 0 1 3\n".encode(), "beyond its 3 vertices, first 3"),
    "color.off": (f"COFF\n3 1 0\n{TRIANGLE}{FACE}".encode(), "has 3 numbers where 6 or 7"),
    "binary.off": (b"OFF BINARY\n\0\0\0\3", "is a binary OFF file"),
    # GLB
    "text.glb": (b"not a mesh at all, but text", "does not begin as a GLB file"),
    "old.glb": (glb(version=1), "is of glTF version 1; export it as glTF 2.0"),
    "total.glb": (glb(total=2**31), "says it has 2147483648 bytes, but has"),
    "cut.glb": (glb()[:-9], "says it has"),
    "chunk.glb": (glb(text=2**31 - 1), "has a first chunk of 2147483647 bytes"),
    "second.glb": (glb(binary=2**31 - 1), "has a second chunk of 2147483647 bytes, of which 44"),
    "json.glb": (container(b"{", b""), "has a damaged document"),
    "latin.glb": (container(b'{"\xff": 1}', b""), "has a damaged document"),
    "nan.glb": (container(b'{"scene": NaN}', b""), "NaN is no number of JSON"),
    "deep.glb": (container(b"[" * 200_000, b""), "has a damaged document"),
    "digits.glb": (container(b'{"scene": ' + b"9" * 9000 + b"}", b""), "has a damaged document"),
    "array.glb": (container(b"[]", b""), "has a document that is no object"),
    "nothing.glb": (container(b"{}", b""), "holds no faces"),
    "scene.glb": (glb("scene", 3), "refers to scenes 3, but has 1"),
    "node.glb": (glb("scenes.0.nodes", [7]), "refers to nodes 7, but has 1"),
    "name.glb": (glb("scenes.0.nodes", ["a"]), "refers to nodes 'a', but has 1"),
    "below.glb": (glb("scenes.0.nodes", [-1]), "refers to nodes -1"),
    "truth.glb": (glb("nodes.0.mesh", True), "refers to meshes True"),
    "loop.glb": (glb("nodes.0.children", [0]), "shows node 0 twice"),
    "matrix.glb": (glb("nodes.0.matrix", [1] * 15), "whose matrix is not 16 numbers"),
    "inf.glb": (glb("nodes.0.scale", [1, 1, 1e300]), "whose scale is not 3 numbers"),
    "string.glb": (glb("nodes.0.rotation", ["0", 0, 0, 1]), "whose rotation is not 4 numbers"),
    "count.glb": (glb("accessors.0.count", 2**40), r"wants bytes 0 to \d+ for accessor 0 of 44"),
    "minus.glb": (glb("accessors.0.count", -3), "has -3 for 'count'"),
    "real.glb": (glb("accessors.0.count", 3.0), "has 3.0 for 'count'"),
    "offset.glb": (glb("accessors.0.byteOffset", 4), "wants bytes 4 to 40 for accessor 0"),
    "view.glb": (glb("bufferViews.0.byteLength", 2**40), "wants bytes|of 44 in the file"),
    "stride.glb": (glb("bufferViews.0.byteStride", 2**40), "wants bytes"),
    "close.glb": (glb("bufferViews.0.byteStride", 1), "wants bytes"),
    "data.glb": (glb("accessors.0.bufferView", 9), "refers to bufferViews 9, but has 2"),
    "kind.glb": (glb("accessors.0.componentType", 5130), "has accessor 0 of type"),
    "matrices.glb": (glb("accessors.0.type", "MAT4"), "has accessor 0 of type 'MAT4'"),
    "wide.glb": (glb("accessors.0.type", "SCALAR"), "has 1 numbers a row in accessor 0"),
    "float.glb": (glb(f"{PRIMITIVE}.indices", 0), "numbers a row in accessor 0"),
    "corner.glb": (glb("accessors.1.count", 2), "has 2 corners for its triangles"),
    "sparse.glb": (glb("accessors.0.sparse", {"count": 1}), "has sparse values in accessor 0"),
    "missing.glb": (glb(f"{PRIMITIVE}.attributes", {"NORMAL": 0}), "a primitive without positions"),
    "list.glb": (glb("meshes", {}), "has no list under|refers to meshes"),
    "primitive.glb": (glb(PRIMITIVE, 3), "has a primitive that is no object"),
    "uri.glb": (glb("buffers.0.uri", "../../secret.bin"), "'../../secret.bin', which is never"),
    "http.glb": (glb("buffers.0.uri", "http://host/x"), "keeps data in 'http://host/x'"),
    "buffer.glb": (glb("buffers", []), "refers to buffers 0, but has 0"),
    "draco.glb": (
        glb("extensionsRequired", [DRACO]),
        "is compressed with Draco, which is not read",
    ),
    "draco2.glb": (glb(f"{PRIMITIVE}.extensions", {DRACO: {}}), "is compressed with Draco"),
    "meshopt.glb": (
        glb("bufferViews.0.extensions", {"EXT_meshopt_compression": {}}),
        "is compressed with meshopt",
    ),
    "unknown.glb": (glb("extensionsRequired", ["ACME_shape"]), "needs the extension 'ACME_shape'"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_bad_mesh_file_gives_one_sentence_and_takes_no_memory(tmp_path, name):
    path = tmp_path / name
    data, message = CORPUS[name]
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            read_mesh(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said) < len(str(path)) + 300
    assert caught.value.exit_code == 3
    assert peak < MEMORY


def test_no_other_file_is_opened(tmp_path, monkeypatch):
    """Not for materials, textures or buffers, wherever they lie."""
    (tmp_path / "secret.mtl").write_text("newmtl a\nmap_Kd secret.png\n")
    (tmp_path / "a.obj").write_bytes(obj("mtllib secret.mtl", "usemtl a", "f 1 2 3"))
    picture = {"images": [{"uri": "secret.png"}], "textures": [{"source": 0}]}
    (tmp_path / "b.glb").write_bytes(glb("images", picture["images"]))
    (tmp_path / "c.ply").write_bytes(
        ply().replace(b"element", b"comment TextureFile x.png\nelement", 1)
    )
    opened = []
    real = builtins.open
    monkeypatch.setattr(builtins, "open", lambda f, *a, **k: opened.append(f) or real(f, *a, **k))
    real_path = Path.open
    monkeypatch.setattr(Path, "open", lambda s, *a, **k: opened.append(s) or real_path(s, *a, **k))
    for name in ("a.obj", "b.glb", "c.ply"):
        assert len(read_mesh(tmp_path / name).faces) == 1
    assert {Path(file).name for file in opened} == {"a.obj", "b.glb", "c.ply"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_file_is_refused_at_once(tmp_path, suffix):
    folder, pipe = tmp_path / f"folder{suffix}", tmp_path / f"pipe{suffix}"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        with pytest.raises(DataError, match="is not a file"):
            read_mesh(path)
    with pytest.raises(DataError, match="could not be read"):
        read_mesh(tmp_path / f"gone{suffix}")


def tetrahedron() -> Mesh:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], np.int32)
    colors = (corners * 200).astype(np.uint8)
    return Mesh(corners, faces, corners - 0.25, colors)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_broken_surfaces_are_read_as_they_are(tmp_path, suffix):
    """Open, turned, doubled and crossing faces are no fault of the file."""
    mesh = tetrahedron()
    faces = np.concatenate([mesh.faces[:3], mesh.faces[:1], mesh.faces[1:2, ::-1]])
    write_mesh(tmp_path / f"mesh{suffix}", Mesh(mesh.vertices, faces))
    found = report(read_mesh(tmp_path / f"mesh{suffix}"))
    assert found["faces"] == 5
    assert found["nonmanifold_edges"] > 0


@pytest.mark.parametrize("suffix", SUFFIXES)
@FUZZ
@given(data=st.data())
def test_damaged_mesh_files_fail_in_one_way_only(tmp_path, suffix, data):
    path = tmp_path / f"mesh{suffix}"
    write_mesh(path, tetrahedron(), force=True)
    good = path.read_bytes()
    kind = data.draw(st.sampled_from(["cut", "flip", "splice", "noise"]))
    if kind == "noise":
        bad = data.draw(st.binary(max_size=200))
    elif kind == "cut":
        bad = good[: data.draw(st.integers(0, len(good)))]
    elif kind == "splice":
        at = data.draw(st.integers(0, len(good)))
        bad = good[:at] + data.draw(st.binary(min_size=1, max_size=12)) + good[at:]
    else:
        spoilt = bytearray(good)
        for at in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=4)):
            spoilt[at] ^= data.draw(st.integers(1, 255))
        bad = bytes(spoilt)
    path.write_bytes(bad)
    try:
        mesh = load_mesh(path, drop_invalid=True).mesh
    except DataError:
        return
    assert len(mesh.faces)
    assert np.isfinite(mesh.vertices).all()
    assert 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices)
    assert mesh.normals is None or np.isfinite(mesh.normals).all()


@FUZZ
@given(
    place=st.sampled_from(["scene", "nodes.0.mesh", "nodes.0.children", "accessors.0.count"])
    | st.sampled_from(["accessors.1.byteOffset", "bufferViews.0.byteStride", "buffers.0"])
    | st.sampled_from([f"{PRIMITIVE}.indices", f"{PRIMITIVE}.mode", f"{PRIMITIVE}.attributes"])
    | st.sampled_from(["meshes.0", "nodes.0.translation", "scenes.0.nodes", "extensionsRequired"]),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=6,
    ),
)
def test_no_value_of_a_document_breaks_the_reader(tmp_path, place, value):
    path = tmp_path / "mesh.glb"
    path.write_bytes(glb(place, value))
    try:
        mesh = read_mesh(path)
    except DataError:
        return
    assert np.isfinite(mesh.vertices).all()
