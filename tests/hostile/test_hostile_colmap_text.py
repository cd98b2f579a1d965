"""COLMAP's text models that are damaged or odd: one sentence that names file, line and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data import colmap_text
from rayfield.data.load import load_scene

COUNT, WIDTH, HEIGHT = 4, 12, 8
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

CAMERAS = f"# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n1 PINHOLE {WIDTH} {HEIGHT} 15 15 6 4\n"
POINTS = "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n7 0.1 0.2 5 200 100 50 0.4 1 0 2 0\n"


def images(seen: str = "3.5 4.5 7 1 2 -1") -> str:
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME"]
    for i in range(COUNT):
        lines += [f"{i + 1} 1 0 0 0 {i} 0 0 1 {i}.png", seen if i == 0 else ""]
    return "\n".join(lines) + "\n"


SOUND = {"cameras": CAMERAS, "images": images(), "points3D": POINTS}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A sound data set with a text model."""
    (tmp_path / "images").mkdir()
    sparse = tmp_path / "sparse" / "0"
    sparse.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    for name, text in SOUND.items():
        (sparse / f"{name}.txt").write_text(text)
    return tmp_path


def refused(root: Path, says: str) -> None:
    with pytest.raises(DataError) as error:
        load_scene(root)
    message = str(error.value)
    assert says in message
    assert message.startswith(str(root))
    assert "\n" not in message
    assert "; " in message, "no cure is offered"
    assert error.value.exit_code == 3


Edit = Callable[[str], str]


def swap(old: str, new: str) -> Edit:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


def without_empty_lines(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line) + "\n"


CASES: dict[str, tuple[str, Edit, str]] = {
    "no camera": ("cameras", swap("1 PINHOLE 12 8 15 15 6 4", "1 PINHOLE"), "line 2: is no camera"),
    "model": ("cameras", swap("PINHOLE", "PERIWINKLE"), "camera 1 has the unknown model 'PERI"),
    "unsupported": ("cameras", swap("PINHOLE 12 8 15", "FOV 12 8 15 15"), "model FOV is not supp"),
    "few parameters": ("cameras", swap(" 6 4", " 6"), "camera 1 has 3 parameters, PINHOLE 4"),
    "more parameters": ("cameras", swap(" 6 4", " 6 4 1"), "camera 1 has 5 parameters, PINHOLE 4"),
    "comma": ("cameras", swap("15 15", "15,5 15,5"), "'15,5' is not a number; write decimals with"),
    "word": ("cameras", swap("15 15", "15 wide"), "line 2: 'wide' is not a number"),
    "NaN": ("cameras", swap("15 15", "nan 15"), "line 2: camera 1 has no usable size"),
    "size": ("cameras", swap("12 8", "12 0"), "line 2: camera 1 has no usable size"),
    "huge size": ("cameras", swap("12 8", "12 " + "9" * 19), "no usable size"),
    "long size": ("cameras", swap("12 8", "12 " + "9" * 40), "the size '99999"),
    "size word": ("cameras", swap("12 8", "12 8.5"), "the size '8.5' is not a whole number"),
    "twice": ("cameras", lambda t: t + t, "line 4: holds camera 1 a second time"),
    "UTF-16": ("cameras", lambda t: "\ufeff" + t, ""),
    "short image": (
        "images",
        swap(" 1 0.png", " 0.png"),
        "line 2: has 9 values where an image has",
    ),
    "no name": ("images", swap(" 1 0.png", ""), "line 2: has 8 values where an image has 10"),
    "pose word": ("images", swap("1 1 0 0 0", "1 one 0 0 0"), "line 2: 'one' is not a number"),
    "zero quaternion": (
        "images",
        swap("1 1 0 0 0", "1 0 0 0 0"),
        "line 2: image '0.png' has a pose",
    ),
    "infinite": ("images", swap("1 0 0 0 0 ", "1 0 0 0 inf "), "line 2: image '0.png' has a pose"),
    "same name": (
        "images",
        swap("1.png", "0.png"),
        "line 4: holds the image '0.png' a second time",
    ),
    "no camera id": (
        "images",
        swap("1 0.png", "5 0.png"),
        "names camera 5, which cameras.txt lacks",
    ),
    "id": ("images", swap("1 0.png", "x 0.png"), "the camera's id 'x' is not a whole number"),
    "outside": ("images", swap("0.png", "../0.png"), "not inside the data set"),
    "absolute": ("images", swap("0.png", "/etc/passwd"), "not inside the data set"),
    "empty lines gone": ("images", without_empty_lines, "every image has two lines"),
    "odd triples": (
        "images",
        swap("3.5 4.5 7 1", "3.5 4.5 7"),
        "line 3: holds 5 values, not three",
    ),
    "seen word": ("images", swap("3.5 4.5 7", "3.5 here 7"), "line 3: 'here' is not a number"),
    "seen float id": (
        "images",
        swap("3.5 4.5 7", "3.5 4.5 7.5"),
        "line 3: holds 6 values, not three",
    ),
    "none": ("images", lambda _: "# nothing\n", "none of its 0 registered images exists"),
    "short point": ("points3D", swap(" 50 0.4 1 0 2 0", ""), "line 2: has 6 values where a point"),
    "colour": ("points3D", swap("200 100", "300 100"), "line 2: the id or the colour is out of"),
    "colour word": (
        "points3D",
        swap("200 100", "2.5 100"),
        "the colour '2.5' is not a whole number",
    ),
    "place": ("points3D", swap("0.1 0.2", "0,1 0,2"), "'0,1' is not a number; write decimals with"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_text_models_are_refused_with_line_and_reason(case, model):
    file, edit, says = CASES[case]
    path = model / "sparse" / "0" / f"{file}.txt"
    if case == "UTF-16":
        path.write_text(edit(SOUND[file]), encoding="utf-16-le")
        refused(model, "is UTF-16 text; save it as UTF-8")
        return
    path.write_text(edit(SOUND[file]))
    refused(model, says)


def test_a_missing_part_of_a_text_model_is_named(model):
    (model / "sparse" / "0" / "cameras.txt").unlink()
    refused(model, "cameras.txt: is not a file")


def test_a_huge_number_of_digits_costs_no_time(model):
    path = model / "sparse" / "0" / "points3D.txt"
    path.write_text(SOUND["points3D"].replace("7 0.1", "9" * 1_000_000 + " 0.1"))
    refused(model, "is not a whole number")


def test_oversized_text_is_refused_before_reading(model):
    with (model / "sparse" / "0" / "images.txt").open("wb") as file:
        file.truncate(5_000_000_000)  # sparse: takes no disk
    refused(model, "has 5000 MB where 4000 MB are the limit")


mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=9), st.integers(0, 9)),
    min_size=1,
    max_size=4,
)


@FUZZ
@given(edits=mutations, part=st.sampled_from(list(SOUND)))
def test_mutated_text_models_never_escape_as_another_error(edits, part, model):
    raw = SOUND[part].encode()
    for place, piece, dropped in edits:
        at = int(place * len(raw))
        raw = raw[:at] + piece + raw[at + dropped :]
    for name, text in SOUND.items():
        path = model / "sparse" / "0" / f"{name}.txt"
        path.write_bytes(raw if name == part else text.encode())
    try:
        load_scene(model)
    except DataError:
        return


@FUZZ
@given(text=st.text(alphabet="0123456789.-+e #\n\r\tnaif,PINHOLE/\\", max_size=200))
def test_any_text_is_read_or_refused(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_text(text)
    for read in (colmap_text.read_cameras, colmap_text.read_images, colmap_text.read_points):
        try:
            read(path)
        except DataError:
            continue
