"""Point files that are damaged, odd or malicious: one sentence that names file, fault and cure.

Every file is made here. Whatever bytes it holds, nothing but a DataError may leave the readers,
and no claim of a file makes them take memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfield.core.check import DataError
from rayfield.geometry.pointio import SUFFIXES, read_points

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
MEMORY = 2**25  # bytes that reading a small file may take at most


class Trap:
    """Unpickling this writes a file: it must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "sprung"))


def ply(
    count="3", form="ascii", properties="float x|float y|float z", body="0 0 0\n1 0 0\n0 1 0\n"
):
    rows = "".join(f"property {p}\n" for p in properties.split("|"))
    return f"ply\nformat {form} 1.0\nelement vertex {count}\n{rows}end_header\n{body}".encode()


def npy(array: np.ndarray, **change: str) -> bytes:
    """An NPY file, words of its header replaced."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    data = stream.getvalue()
    for old, new in change.items():
        data = data.replace(old.encode(), new.encode().ljust(len(old)))
    return data


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return stream.getvalue()


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("points.npy", npy(np.ones((4, 3))))
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("points.npy", npy(np.zeros((4, 3))))
    return stream.getvalue()


BINARY = "binary_little_endian"
FLOATS = np.ones((4, 3))
HEAD = npy(FLOATS)[:128]
CORPUS: dict[str, tuple[bytes, str]] = {
    "empty.ply": (b"", "is empty"),
    "empty.npz": (b"", "is empty"),
    "other.ply": (b"\x89PNG\r\n\x1a\n", "does not begin as a PLY file"),
    "headless.ply": (ply().replace(b"end_header", b""), "has no end_header"),
    "comment.ply": (
        ply().replace(b"element", b"comment " + b"x" * 10**7 + b"\nelement"),
        "has no end_header in its first 1048576 bytes",
    ),
    "cut.ply": (ply()[: ply().index(b"end_header") + 10], "ends with its header"),
    "many.ply": (ply("1099511627776"), r"promises 1099511627776 rows of 'vertex', but only"),
    "more.ply": (ply("9223372036854775808"), "is no number of rows"),
    "billion.ply": (ply("9" * 5000), "is no number of rows"),
    "negative.ply": (ply("-3"), "promises -3 rows"),
    "none.ply": (ply("0", body=""), "holds no points"),
    "lines.ply": (ply("4", body="0 0 0.000000\n1 0 0\n0 1 0\n"), "ends after 3 of 4 vertices"),
    "binary.ply": (ply("70000000", BINARY, body="abc"), "but only 3 bytes follow"),
    "short.ply": (ply("3", BINARY, body="x" * 35), "promises 3 rows|ends at byte"),
    "type.ply": (ply(properties="float x|float y|quad z"), "names no type that is known"),
    "list.ply": (ply(properties="float x|float y|list float int z"), "names no type"),
    "lists.ply": (
        ply("1", properties="float x|float y|float z|list uchar int q", body="0 0 0 0"),
        "has lists among its vertices",
    ),
    "flat.ply": (ply(properties="float x|float y"), "no vertices with x, y and z"),
    "repeat.ply": (ply(properties="float x|float x|float z"), "repeats a property"),
    "wide.ply": (ply(properties="|".join(f"float q{i}" for i in range(2000))), "more than 1024"),
    "format.ply": (ply(form="binary_pdp_endian"), "has no place in a header"),
    "nothing.ply": (b"ply\nend_header\n0 0 0\n", "names no format"),
    "void.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 99999999999\nend_header\n",
        "without values",
    ),
    "twice.ply": (ply().replace(b"end_h", b"element vertex 3\nproperty int q\nend_h"), "twice"),
    "comma.ply": (ply(body="0,5 0 0\n1 0 0\n0 1 0\n"), "'0,5' is not a number; write decimals"),
    "word.ply": (ply(body="0 0 0\n1 zero 0\n0 1 0\n"), "line 9: 'zero' is not a number"),
    "ragged.ply": (ply(body="0 0 0\n1 0\n0 1 0.00\n"), "line 9 has 2 numbers where 3 are expected"),
    "skip.ply": (
        ply().replace(
            b"element vertex", b"element odd 2\nproperty list uchar int a\nelement vertex"
        ),
        "promises|ends",
    ),
    "lie.ply": (
        b"ply\nformat binary_little_endian 1.0\nelement odd 1\nproperty list uint int a\n"
        b"element vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
        + b"\xff\xff\xff\x7f"
        + b"\0" * 16,
        "ends at byte",
    ),
    "listed.ply": (
        b"ply\nformat binary_little_endian 1.0\nelement odd 1\nproperty list char int a\n"
        b"element vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
        + b"\xff"
        + b"\0" * 16,
        "has a list of -1 values",
    ),
    "gzip.ply": (gzip.compress(ply()), r"is compressed \(gzip\); unpack it first"),
    "bzip.xyz": (bz2.compress(b"0 0 0\n"), r"is compressed \(bzip2\)"),
    "zip.xyz": (archive(points=npy(FLOATS)), r"is compressed \(zip\)"),
    "long.xyz": (b"1" * (2**20 + 5), "line 1 is longer than 1048576 bytes"),
    "words.xyz": (b"C 0 0\n", "'C' is not a number"),
    "csv.xyz": (b"1,2,3\n4,5,6\n", "has 1 numbers in line 1; write x y z"),
    "locale.xyz": (b"1,5 2,5 3,5\n", "'1,5' is not a number; write decimals with a point"),
    "under.xyz": (b"1_0 2 3\n", "'1_0' is not a number"),
    "five.xyz": (b"1 2 3 4 5\n", "has 5 numbers in line 1"),
    "ragged.xyz": (b"1 2 3\n1 2 3\n1 2 3 4\n", "line 3 has 4 numbers where 3 are expected"),
    "nul.xyz": (b"\0" * 50, "has 1 numbers in line 1"),
    "comments.pwn": (b"# a\n# b\n\n", "holds no points"),
    "promise.pwn": (b"7\n1 2 3\n", "promises 7 points, but holds 1"),
    "infinite.xyz": (b"1 2 1e999\n1 2 3\n", "has 1 points that are not finite numbers"),
    "objects.npy": (npy(np.array([{}, 1], object)), "holds Python objects, which are never loaded"),
    "structured.npy": (npy(np.zeros(4, [("x", "f8")])), "holds values of type"),
    "strings.npy": (npy(np.array([["a", "b", "c"]])), "holds values of type <U1"),
    "complex.npy": (npy(FLOATS + 1j), "holds values of type complex128"),
    "huge.npy": (npy(FLOATS, **{"(4, 3), }          ": "(1152921504606846976, 3), }"}), "is not a"),
    "negative.npy": (npy(FLOATS, **{"(4, 3)": "(-4,3)"}), "is not a readable array"),
    "shape.npy": (npy(np.ones((4, 4))), r"has shape \[4, 4\]; save points as \[N, 3\]"),
    "flat.npy": (npy(np.ones(12)), r"has shape \[12\]"),
    "cut.npy": (npy(FLOATS)[:150], "is not a readable array"),
    "none.npy": (npy(np.ones((0, 3))), "holds no points|is not a readable array"),
    "text.npy": (b"0 0 0\n1 1 1\n", "is not a readable array|never loaded"),
    "zip.npy": (archive(points=npy(FLOATS)), r"is compressed \(zip\)"),
    "other.npz": (archive(vertices=npy(FLOATS)), "holds no array 'points', but 'vertices'; save"),
    "lines.npz": (archive(**{"a\nb": npy(FLOATS)}), "holds no array 'points', but 'a.*b'; save"),
    "volume.npz": (
        archive(points=npy(FLOATS), occupancies=npy(np.zeros(1, np.uint8))),
        "occupancies, not points of a surface; give the pointcloud.npz",
    ),
    "shape.npz": (archive(points=npy(np.ones((4, 2)))), r"has points of shape \[4, 2\]"),
    "normals.npz": (archive(points=npy(FLOATS), normals=npy(FLOATS[:3])), "for 4 points"),
    "objects.npz": (archive(points=npy(np.array([{}], object))), "holds Python objects"),
    "lie.npz": (archive(points=HEAD.replace(b"(4, 3), }", b"(999999,3)}") + b"0"), "promises"),
    "bomb.npz": (archive(points=npy(np.zeros((2**21, 3)))), r"would unpack from \d+ to 50331776"),
    "aside.npz": (archive(points=npy(FLOATS), q=bytes(2**26)), "would unpack"),
    "twice.npz": (twice(), "two arrays of one name"),
    "cut.npz": (archive(points=npy(FLOATS))[:-30], "is not a readable array file"),
    "text.npz": (b"points", "is not a readable array file"),
    "points.stl": (b"solid", "unknown point format; use one of .ply"),
    "word.obj": (b"v 0 0 zero\n", "line 1: 'zero' is not a number"),
    "two.obj": (b"v 0 0\n", "line 1 has 2 numbers"),
    "none.obj": (b"# nothing\n", "holds no points"),
    "counts.off": (b"OFF\n-3 -1 0\n", "promises -3 vertices and -1 faces"),
    "many.off": (b"OFF\n99999999999 0 0\n", "cannot hold"),
    "cut.off": (b"OFF\n3 0 0\n0 0 0\n1 1 1\n", "ends after 2 of 3 vertices|cannot hold"),
    "binary.off": (b"OFF BINARY\n\0\0", "is a binary OFF file"),
    "other.off": (b"MESH\n", "is not how OFF begins"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_a_bad_point_file_gives_one_sentence_and_takes_no_memory(tmp_path, name):
    path = tmp_path / name
    data, message = CORPUS[name]
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message) as caught:
            read_points(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    assert len(said) < len(str(path)) + 300
    assert caught.value.exit_code == 3
    assert peak < MEMORY


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".ply", ".xyz"])
def test_a_pickle_is_never_opened(tmp_path, suffix):
    trap = tmp_path / "trap"
    array = np.array([Trap(trap)], dtype=object)
    for data in (pickle.dumps(Trap(trap)), npy(array), archive(points=npy(array))):
        path = tmp_path / f"cloud{suffix}"
        path.write_bytes(data)
        with pytest.raises(DataError):
            read_points(path)
        assert not trap.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_no_file_is_refused_at_once(tmp_path, suffix):
    folder, pipe = tmp_path / f"folder{suffix}", tmp_path / f"pipe{suffix}"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, Path(f"/dev/null/x{suffix}")):
        with pytest.raises(DataError, match=r"is not a file|could not be read"):
            read_points(path)
    with pytest.raises(DataError, match="could not be read"):
        read_points(tmp_path / f"gone{suffix}")
    with pytest.raises(DataError, match="could not be read"):
        read_points(tmp_path / f"nul\0{suffix}")


def test_a_large_text_takes_memory_in_proportion_to_itself(tmp_path):
    path = tmp_path / "cloud.xyz"
    path.write_text("1 2 3\n" * 40_000)
    tracemalloc.start()
    cloud, notes, _ = read_points(path, most=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(cloud.points) <= 1000
    assert "of its 40000 points" in notes[0]
    assert peak < 2**23


def sound(suffix: str) -> bytes:
    """A good file of each format, to be damaged."""
    rows = np.hstack([np.eye(3), np.eye(3)]).repeat(3, axis=0)
    text = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    properties = "|".join(f"float {c}" for c in ("x", "y", "z", "nx", "ny", "nz"))
    return {
        ".ply": ply("9", BINARY, properties, "") + rows.astype("<f4").tobytes(),
        ".npy": npy(rows),
        ".npz": archive(points=npy(rows[:, :3]), normals=npy(rows[:, 3:])),
        ".obj": "".join(f"v {row}\n" for row in ("0 0 0", "1 0 0", "0 1 0")).encode()
        + b"f 1 2 3\n",
        ".off": b"NOFF\n9 1 0\n" + text.encode() + b"3 0 1 2\n",
    }.get(suffix, text.encode())


@pytest.mark.parametrize("suffix", SUFFIXES)
@FUZZ
@given(data=st.data())
def test_damaged_point_files_fail_in_one_way_only(tmp_path, suffix, data):
    good = sound(suffix)
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
    path = tmp_path / f"cloud{suffix}"
    path.write_bytes(bad)
    try:
        cloud = read_points(path, drop_invalid=True).cloud
    except DataError:
        return
    assert len(cloud.points)
    assert np.isfinite(cloud.points).all()


def test_signalling_nan_is_told_as_any_other(tmp_path):
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\n"
    header += b"".join(b"property float %c\n" % axis for axis in b"xyz") + b"end_header\n"
    rows = np.eye(3, dtype="<f4")
    rows.view("<u4")[1, 1] = 0x7F800001
    (tmp_path / "p.ply").write_bytes(header + rows.tobytes())
    with pytest.raises(DataError, match="1 points that are not finite"):
        read_points(tmp_path / "p.ply")
