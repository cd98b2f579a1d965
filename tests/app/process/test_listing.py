"""Which files of a folder are taken for photos."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rayfield.app.process.listing import check_headers, find_photos
from rayfield.core.check import DataError


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(path)
    return path


def names(folder: Path) -> list[str]:
    root, found, _ = find_photos(folder)
    return [path.relative_to(root).as_posix() for path in found]


def test_photos_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("img10.jpg", "img2.JPG", "img1.png", "notes.txt"):
        (tmp_path / name).write_text("") if name[0] == "n" else photo(tmp_path / name)
    assert names(tmp_path) == ["img1.png", "img2.JPG", "img10.jpg"]


def test_photos_beside_folders_of_others_are_taken_alone(tmp_path):
    photo(tmp_path / "a.jpg"), photo(tmp_path / "masks" / "a.jpg")
    assert names(tmp_path) == ["a.jpg"]


def test_the_folder_images_of_a_data_set_is_found(tmp_path):
    photo(tmp_path / "images" / "a.jpg"), photo(tmp_path / "images_4" / "a.jpg")
    assert names(tmp_path) == ["a.jpg"]


def test_photos_in_folders_of_a_camera_are_found_but_not_hidden_ones(tmp_path):
    for name in ("100 CANON/b.jpg", "101 CANON/a.jpg", ".trash/c.jpg", "101 CANON/.d.jpg"):
        photo(tmp_path / name)
    assert names(tmp_path) == ["100 CANON/b.jpg", "101 CANON/a.jpg"]


def test_no_photos_is_said_and_what_there_is_instead(tmp_path):
    with pytest.raises(DataError, match="holds no photos; put photos there"):
        find_photos(tmp_path)
    (tmp_path / "a.DNG").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 photos are of a kind that is not read: a\.DNG"):
        find_photos(tmp_path)
    photo(tmp_path / "b.jpg")
    assert find_photos(tmp_path)[2] == ("1 photos are of a kind that is not read: a.DNG",)


def test_heic_without_what_reads_it_names_the_command_that_installs_it(tmp_path, monkeypatch):
    (tmp_path / "a.HEIC").write_bytes(b"x")
    paths = find_photos(tmp_path)[1]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"a\.HEIC: is HEIC, .*pip install pillow-heif"):
        check_headers(paths, partial=True)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    photo(tmp_path / "elsewhere" / "secret.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").symlink_to(tmp_path / "elsewhere" / "secret.png")
    with pytest.raises(DataError, match=r"a\.png: is a link that leads out of the folder"):
        find_photos(tmp_path / "photos")


def test_files_that_are_no_pictures_are_refused_or_left_out(tmp_path):
    good, bad = photo(tmp_path / "a.jpg"), tmp_path / "b.jpg"
    bad.write_text("words")
    with pytest.raises(DataError, match=r"b\.jpg: is not an image .*--allow-partial"):
        check_headers([good, bad], partial=False)
    assert list(check_headers([good, bad], partial=True)) == [bad]
