"""Pictures and arrays that are damaged, odd or malicious: one sentence, exit code 3."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rayfield.app.sources.pictures import open_samples
from rayfield.core.check import DataError
from rayfield.data import arrays
from rayfield.data.picture import read_picture
from rayfield.methods import fourier_features

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


class Trap:
    """Unpickling this writes a file: it must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "sprung"))


def refused(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match) as caught:
        read_picture(path)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_folder_of_photos_is_not_a_picture(tmp_path):
    refused(tmp_path, "is a folder, and this method learns from one picture")


def test_a_missing_file(tmp_path):
    refused(tmp_path / "none.png", "is not a file")
    refused(tmp_path / "none.npy", "No such file")


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "neither a picture nor an array")


def test_an_empty_image_file(tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "is empty")


def test_a_picture_of_one_pixel(tmp_path):
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "one.png")
    refused(tmp_path / "one.png", "a single sample")


def test_a_picture_of_one_column(tmp_path):
    Image.fromarray(np.zeros((9, 1), np.uint8)).save(tmp_path / "thin.png")
    refused(tmp_path / "thin.png", "1x9 pixels at this downscale: too small")


def test_downscaling_to_nothing(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "small.png")
    np.save(tmp_path / "small.npy", np.zeros((6, 6)))
    for name in ("small.png", "small.npy"):
        with pytest.raises(DataError, match=r"too small|a single sample"):
            read_picture(tmp_path / name, downscale=5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_named_with_their_place(tmp_path, value):
    array = np.zeros((6, 8))
    array[2, 5] = value
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", r"NaN or infinity, first at \[2, 5\]")


def test_pickled_objects_are_never_loaded(tmp_path):
    sprung = tmp_path / "sprung"
    np.save(tmp_path / "a.npy", np.array([Trap(sprung)], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap(sprung)))
    np.savez(tmp_path / "c.npz", a=np.array([Trap(sprung)], dtype=object))
    for name in ("a.npy", "b.npy", "c.npz"):
        refused(tmp_path / name, "Python objects.* never loaded|not a readable")
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros(0), "is empty"),
        (np.zeros((0, 3)), "is empty"),
        (np.float64(3.0), "has shape"),
        (np.zeros((4, 4, 4)), r"has shape \[4, 4, 4\]"),
        (np.zeros((2, 2, 2, 2)), "has shape"),
        (np.zeros(5, complex), "values of type complex128"),
        (np.array(["a", "b"]), "values of type <U1"),
        (np.zeros(1), "a single sample"),
    ],
)
def test_arrays_that_are_neither_signal_nor_picture(tmp_path, array, match):
    np.save(tmp_path / "a.npy", array)
    refused(tmp_path / "a.npy", match)


def test_an_archive_of_several_arrays_or_none(tmp_path):
    np.savez(tmp_path / "two.npz", a=np.zeros(4), b=np.zeros(4))
    refused(tmp_path / "two.npz", "holds a, b")
    np.savez(tmp_path / "none.npz")
    refused(tmp_path / "none.npz", "holds none")


def test_an_archive_that_claims_to_be_an_array(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK not a zip")
    refused(tmp_path / "a.npz", "not a readable array file")
    np.save(tmp_path / "plain.npy", np.zeros(4))
    (tmp_path / "plain.npy").rename(tmp_path / "b.npz")
    refused(tmp_path / "b.npz", "not a readable array file|promises")


def test_a_header_that_lies_about_its_size_costs_no_memory(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**3)}
    np.lib.format.write_array_header_1_0(stream, header)
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(64))
    refused(tmp_path / "a.npy", "not a readable array file|MB of values")


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_BYTES", 10**6)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(10**6))
    refused(tmp_path / "bomb.npz", "MB of values where 1 MB are the limit")


def test_an_archive_member_whose_header_lies(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", stream.getvalue() + bytes(64))
    refused(tmp_path / "a.npz", "not a readable array file|promises")


@FUZZ
@given(st.binary(max_size=200), st.sampled_from([".npy", ".npz", ".png"]))
def test_whatever_bytes_a_file_holds_only_a_data_error_leaves_the_reader(tmp_path, tail, suffix):
    heads = {".npy": b"\x93NUMPY\x01\x00", ".npz": b"PK\x03\x04", ".png": b"\x89PNG\r\n\x1a\n"}
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(heads[suffix] + tail)
    with pytest.raises(DataError):
        read_picture(path)


def test_a_damaged_mesh_is_refused_before_training(tmp_path):
    (tmp_path / "a.obj").write_text("nonsense")
    with pytest.raises(DataError):
        open_samples(tmp_path / "a.obj", cfg=fourier_features.Config(), downscale=1)
