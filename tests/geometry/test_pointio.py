"""Point files: what each format carries, what is mended, what is said."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.geometry.pointio import SUFFIXES, read_points

POINTS = np.random.default_rng(0).normal(size=(40, 3)) * [1, 2, 3]
NORMALS = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)


def text(table: np.ndarray) -> str:
    return "".join(" ".join(f"{x:.17g}" for x in row) + "\n" for row in table)


def ply(
    table: np.ndarray, names: str, *, form: str = "ascii", kind: str = "double", newline="\n"
) -> bytes:
    """A PLY file of vertices whose columns have those names."""
    order = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}[form]
    head = ["ply", f"format {form} 1.0", "comment made by a test", f"element vertex {len(table)}"]
    head += [f"property {kind} {name}" for name in names.split()]
    code = {"double": "f8", "float": "f4", "int": "i4"}[kind]
    body = table.astype(order + code).tobytes() if order else text(table).encode()
    return (newline.join([*head, "end_header"]) + newline).encode() + body


def save(path, points=POINTS, normals=NORMALS):
    """The points in the format of the name, with normals where they are given."""
    both = points if normals is None else np.hstack([points, normals])
    names = "x y z" if normals is None else "x y z nx ny nz"
    if path.suffix == ".ply":
        path.write_bytes(ply(both, names))
    elif path.suffix == ".npy":
        np.save(path, both)
    elif path.suffix == ".npz":
        np.savez(path, points=points, **({} if normals is None else {"normals": normals}))
    elif path.suffix == ".obj":
        rows = [f"v {row}" for row in text(points).splitlines()]
        rows += [
            f"vn {row}"
            for row in text(np.zeros((0, 3)) if normals is None else normals).splitlines()
        ]
        path.write_text("\n".join(rows))
    elif path.suffix == ".off":
        path.write_text(f"{'' if normals is None else 'N'}OFF\n{len(points)} 0 0\n{text(both)}")
    else:
        path.write_text(f"# points\n{text(both)}")
    return path


@pytest.mark.parametrize("with_normals", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_its_points_and_normals(tmp_path, suffix, with_normals):
    path = save(tmp_path / f"cloud{suffix}", normals=NORMALS if with_normals else None)
    cloud, notes, _ = read_points(path)
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert notes == ()
    if with_normals:
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-15)
    else:
        assert cloud.normals is None


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", ["float", "double"])
def test_ply_is_read_in_either_byte_order(tmp_path, form, newline, kind):
    path = tmp_path / "cloud.ply"
    table = np.hstack([NORMALS, POINTS])  # in an order of its own, with another column between
    path.write_bytes(
        ply(
            np.insert(table, 3, 7.0, axis=1),
            "nx ny nz q x y z",
            form=form,
            kind=kind,
            newline=newline,
        )
    )
    cloud = read_points(path).cloud
    np.testing.assert_allclose(cloud.points, POINTS, rtol=1e-6)
    np.testing.assert_allclose(cloud.normals, NORMALS, rtol=1e-6)


def test_ply_steps_over_other_elements(tmp_path):
    path = tmp_path / "cloud.ply"
    head = "ply\nformat binary_little_endian 1.0\nelement odd 2\nproperty list uchar int a\n"
    head += "property short b\nelement vertex 1\nproperty float x\nproperty float y\n"
    head += "property float z\nend_header\n"
    odd = b"\x02" + b"\0" * 8 + b"\1\0" + b"\x00" + b"\1\0"
    path.write_bytes(head.encode() + odd + np.array([1, 2, 3], "<f4").tobytes())
    np.testing.assert_array_equal(read_points(path).cloud.points, [[1, 2, 3]])
    path.write_text(head.replace("binary_little_endian", "ascii") + "2 5 6 1\n\n0 1\n1 2 3\n")
    np.testing.assert_array_equal(read_points(path).cloud.points, [[1, 2, 3]])


@pytest.mark.parametrize("suffix", [".ply", ".xyz", ".npy", ".npz", ".obj", ".off"])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 5e6), (1e-9, 0.0), (1e-9, 1e-3)])
def test_far_and_tiny_points_keep_their_digits(tmp_path, suffix, scale, shift):
    points = POINTS * scale + shift
    path = save(tmp_path / f"cloud{suffix}", points)
    np.testing.assert_array_equal(read_points(path).cloud.points, points)


def test_arrays_of_other_types_and_orders_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(POINTS.astype(np.float32)))
    np.save(tmp_path / "b.npy", (POINTS * 100).astype(np.int16))
    np.savez_compressed(
        tmp_path / "c.npz", points=POINTS.astype(np.float16), normals=NORMALS, loc=np.zeros(3)
    )
    np.testing.assert_allclose(read_points(tmp_path / "a.npy").cloud.points, POINTS, rtol=1e-6)
    np.testing.assert_array_equal(
        read_points(tmp_path / "b.npy").cloud.points, (POINTS * 100).astype(np.int16)
    )
    np.testing.assert_allclose(read_points(tmp_path / "c.npz").cloud.points, POINTS, rtol=1e-2)


def test_a_first_line_with_the_count_is_stepped_over_if_it_is_true(tmp_path):
    path = tmp_path / "cloud.pwn"
    path.write_text(f"{len(POINTS)}\n{text(np.hstack([POINTS, NORMALS]))}")
    assert len(read_points(path).cloud.points) == 40
    path.write_text(f"41\n{text(POINTS)}")
    with pytest.raises(DataError, match="promises 41 points, but holds 40"):
        read_points(path)


def test_colours_and_intensities_are_not_taken_for_normals(tmp_path):
    path = tmp_path / "cloud.xyz"
    path.write_text(text(np.hstack([POINTS, np.arange(120).reshape(40, 3)])))
    cloud, notes, _ = read_points(path)
    assert cloud.normals is None
    assert "taken for colours" in notes[0]
    path.write_text(text(np.hstack([POINTS, np.linspace(0, 1, 120).reshape(40, 3)])))
    cloud, notes, _ = read_points(path)
    assert cloud.normals is None
    assert "taken for colours" in notes[0]
    path.write_text(text(np.hstack([POINTS, np.abs(NORMALS)])))  # of a scan from one side
    assert read_points(path).cloud.normals is not None
    path.write_text(text(np.hstack([POINTS, POINTS[:, :1]])))
    assert "fourth column is left out" in read_points(path).notes[0]


def test_invalid_points_are_counted_and_refused_or_dropped(tmp_path):
    points = POINTS.copy()
    points[3, 1], points[5, 0], points[8, 2] = np.nan, np.inf, 1e200
    path = save(tmp_path / "cloud.ply", points)
    with pytest.raises(
        DataError, match=r"has 3 points that are not finite numbers; .*--drop-invalid"
    ):
        read_points(path)
    cloud, notes, _ = read_points(path, drop_invalid=True)
    np.testing.assert_array_equal(cloud.points, np.delete(POINTS, [3, 5, 8], axis=0))
    np.testing.assert_allclose(cloud.normals, np.delete(NORMALS, [3, 5, 8], axis=0))
    assert notes == ("3 points that are not finite numbers are dropped",)
    save(path, np.full((4, 3), np.nan), None)
    with pytest.raises(DataError, match="4 points"):
        read_points(path, drop_invalid=True)


def test_missing_normals_come_from_the_nearest_point_and_others_are_made_unit(tmp_path):
    normals = NORMALS * np.linspace(0.5, 2, 40)[:, None]
    normals[4], normals[9] = 0, np.nan
    cloud, notes, _ = read_points(save(tmp_path / "cloud.npy", POINTS, normals))
    assert notes == (
        "2 missing normals are those of the nearest point",
        "its normals are made unit",
    )
    far = np.linalg.norm(POINTS - POINTS[4], axis=1)
    far[[4, 9]] = np.inf
    np.testing.assert_allclose(cloud.normals[4], NORMALS[far.argmin()])
    np.testing.assert_allclose(np.delete(cloud.normals, [4, 9], 0), np.delete(NORMALS, [4, 9], 0))


def test_normals_that_are_mostly_missing_are_left_out(tmp_path):
    cloud, notes, _ = read_points(save(tmp_path / "cloud.ply", POINTS, NORMALS * 0))
    assert cloud.normals is None
    assert "40 of them are zero or NaN" in notes[0]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("most", [39, 20, 7, 1])
def test_of_too_many_points_evenly_spread_ones_are_taken(tmp_path, suffix, most, monkeypatch):
    monkeypatch.setattr("rayfield.geometry.textfile.CHUNK", 7)  # so that blocks are crossed
    cloud, notes, _ = read_points(save(tmp_path / f"cloud{suffix}"), most=most)
    assert len(cloud.points) <= most
    assert f"{len(cloud.points)} of its 40 points" in notes[0]
    rows = [int(np.flatnonzero((p == POINTS).all(axis=1))[0]) for p in cloud.points]
    assert rows[0] == 0
    assert len(set(np.diff(rows))) <= 1
    np.testing.assert_allclose(cloud.normals, NORMALS[rows], atol=1e-15)


@pytest.mark.parametrize(
    ("points", "note"),
    [
        (np.ones((5, 3)) * 7, "all its points coincide"),
        (np.outer(np.arange(5), [1, 2, 3]) + 1e6, "all its points lie on a line"),
        (POINTS * [1, 1, 0] + 1e6, "all its points lie in a plane"),
        (POINTS[:1], "all its points coincide"),
        (POINTS[:3], "all its points lie in a plane"),
    ],
)
def test_points_that_span_no_volume_are_noted(tmp_path, points, note):
    assert read_points(save(tmp_path / "cloud.xyz", points, None)).notes == (note,)


@pytest.mark.parametrize(("name", "faces"), [("mesh.obj", "f 1 2 3\n"), ("mesh.off", "3 0 1 2\n")])
def test_of_a_mesh_the_vertices_are_taken_and_it_is_said(tmp_path, name, faces):
    rows = text(POINTS)
    if name.endswith("obj"):
        body = "".join(f"v {row}\n" for row in rows.splitlines()) + faces
    else:
        body = f"OFF\n40 1 0\n{rows}{faces}"
    (tmp_path / name).write_text(body)
    cloud, notes, _ = read_points(tmp_path / name)
    assert len(cloud.points) == 40
    assert "its 1 faces are left out" in notes[0]


def test_real_clouds_are_read(data_dir):
    elephant = read_points(data_dir / "points" / "elephant.pwn")
    assert elephant.cloud.points.shape == (10_000, 3)
    assert elephant.cloud.normals is not None
    assert len(read_points(data_dir / "points" / "hand.pwn").cloud.points) == 52_398
    scan = read_points(data_dir / "points" / "abc_00016513.xyz.npy")
    assert scan.cloud.normals is None
