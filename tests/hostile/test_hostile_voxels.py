"""Classes of shapes that are damaged, odd or malicious: one sentence, exit code 3."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.data import voxel_file
from rayfield.data.shape_class import load_shapes


class Trap:
    """Unpickling this writes a file: it must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "sprung"))


def refused(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        load_shapes(path)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(str(path.parent))
    assert "\n" not in str(caught.value)


def cube(side: int = 6) -> np.ndarray:
    grid = np.zeros((side,) * 3, bool)
    grid[1, 1, 1] = True
    return grid


def test_objects_are_never_unpickled(tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "trap.npz", trap)
    np.save(tmp_path / "trap.npy", trap)
    for name in ("trap.npz", "trap.npy"):
        refused(tmp_path / name, "Python objects")
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    refused(tmp_path / "raw.npz", r"(Python objects|not a readable)")
    assert not (tmp_path / "sprung").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(voxel_file, "MOST_CELLS", 2 * 2**20)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((10, 64, 64, 64), bool))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**14
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    refused(tmp_path / "bomb.npz", "has 3 MB of values where 2 MB are the limit")


def test_bits_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(voxel_file, "MOST_CELLS", 1000)
    np.savez(tmp_path / "many.npz", bits=np.ones((5, 64), np.uint8))
    refused(tmp_path / "many.npz", "limit")


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros((4, 4)), "not of cubes"),
        (np.zeros((4, 5, 4), bool), "not of cubes"),
        (np.zeros((0, 8, 8, 8), bool), "not of cubes"),
        (np.zeros((2, 2, 2), bool), "grids of 2 cells a side"),
        (np.zeros((1, 300, 300, 300), bool), "grids of 300 cells a side"),
        (np.zeros((6, 6, 6), bool), "grid 0 is empty"),
        (np.ones((6, 6, 6), bool), "grid 0 is solid throughout"),
        (cube().astype(float), "values of type float64"),
        (cube().astype(np.uint8) * 2, "other numbers"),
        (-cube().astype(int), "negative numbers"),
        (cube().astype("U1"), "values of type"),
        (np.full((6, 6, 6), np.nan), "values of type"),
    ],
)
def test_arrays_that_are_no_grids(tmp_path, array, match):
    np.savez(tmp_path / "odd.npz", array)
    refused(tmp_path / "odd.npz", match)


def test_two_shapes_are_neither_one_nor_a_class(tmp_path):
    np.savez(tmp_path / "two.npz", np.stack([cube()] * 2))
    refused(tmp_path / "two.npz", "holds 2 grids; give 1, or a class of 3 or more")


def test_the_second_grid_that_is_empty_is_named(tmp_path):
    np.savez(tmp_path / "two.npz", np.stack([cube(), 0 * cube()]))
    refused(tmp_path / "two.npz", "grid 1 is empty")


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"bits": np.ones((2, 60), np.uint8)}, "no cube of cells"),
        ({"bits": np.ones((2, 64), np.int64)}, "bits of type int64"),
        ({"bits": np.ones((2, 8, 8), np.uint8)}, r"shape \[2, 8, 8\]"),
        ({"bits": np.ones((2, 64), np.uint8), "shape": np.array([9, 9, 9])}, "says shape"),
        ({"bits": np.ones((2, 64), np.uint8), "shape": np.zeros(5)}, "says shape"),
        ({"a": cube(), "b": cube()}, "one array of grids, but holds a, b"),
        ({}, "holds none"),
    ],
)
def test_archives_that_hold_something_else(tmp_path, arrays, match):
    np.savez(tmp_path / "odd.npz", **arrays)
    refused(tmp_path / "odd.npz", match)


def test_an_archive_under_the_name_of_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", cube())
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    refused(tmp_path / "a.npy", r"is compressed \(zip\)")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00", b"hello"])
def test_damaged_files(tmp_path, content):
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, r"(not a readable|is empty|is compressed)")


def test_a_truncated_archive(tmp_path):
    np.savez(tmp_path / "a.npz", np.stack([cube()] * 50))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "a.npz", r"(not a readable|Python objects)")


def test_things_that_are_no_shapes(tmp_path):
    refused(tmp_path / "none.npz", "No such file")
    refused(tmp_path / "none.txt", "does not exist")
    (tmp_path / "a.txt").write_text("hello")
    refused(tmp_path / "a.txt", "no mesh and no file of voxel grids")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds 0 meshes")


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.off").write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("a.off", "b.off", "c.off"):
        (folder / name).symlink_to(tmp_path / "secret.off")
    refused(folder, "leads out of the folder")
