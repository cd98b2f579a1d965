"""Data sets that are damaged, odd or malicious: one sentence that names file, fault and cure.

Every case must end in a DataError (exit code 3), and whatever bytes a file holds, nothing but a
DataError may leave the readers.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.detect import read_capture
from rayfield.data.images import image_info, read_image
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler

COUNT, WIDTH, HEIGHT = 4, 12, 8
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


class Trap:
    """Unpickling this writes a file: it must never happen."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "sprung"))


def poses() -> list[np.ndarray]:
    """OpenGL camera-to-world matrices along a line, looking at a common point."""
    result = []
    for i in range(COUNT):
        angle = 0.3 * (i - 1.5)
        c, s = np.cos(angle), np.sin(angle)
        pose = np.eye(4)
        pose[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
        pose[:3, 3] = (4 * s, 0, 4 * c)
        result.append(pose)
    return result


def save_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def document() -> dict:
    frames = [
        {"file_path": f"images/{i}.png", "transform_matrix": pose.tolist()}
        for i, pose in enumerate(poses())
    ]
    return {"fl_x": 15.0, "fl_y": 15.0, "w": WIDTH, "h": HEIGHT, "frames": frames}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound data set in instant-ngp's form."""
    folder = tmp_path / "data"
    save_pictures(folder / "images")
    (folder / "transforms.json").write_text(json.dumps(document()))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A sound data set in COLMAP's form."""
    folder = tmp_path / "model"
    save_pictures(folder / "images")
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    (sparse / "cameras.bin").write_bytes(cameras_bin())
    (sparse / "images.bin").write_bytes(images_bin())
    (sparse / "points3D.bin").write_bytes(points_bin())
    return folder


def cameras_bin(
    *, model: int = 1, focal: float = 15.0, count: int = 1, width: int = WIDTH
) -> bytes:
    body = struct.pack("<iiQQ4d", 1, model, width, HEIGHT, focal, 15.0, 6.0, 4.0)
    return struct.pack("<Q", count) + body


def images_bin(*, count: int = COUNT, seen: int = 0, camera: int = 1, **first: object) -> bytes:
    data = struct.pack("<Q", count)
    for i in range(COUNT):
        pose = (1.0, 0.0, 0.0, 0.0, float(i), 0.0, 0.0)
        name = f"{i}.png".encode() + b"\0"
        if i == 0:
            pose = first.get("pose", pose)
            name = first.get("name", name)
        data += struct.pack("<i7di", i, *pose, camera) + name + struct.pack("<Q", seen)
    return data


def points_bin(*, count: int = 1, track: int = 0) -> bytes:
    return struct.pack("<Q", count) + struct.pack("<Q3d3BdQ", 0, 0, 0, 5, 1, 1, 1, 0.1, track)


def test_the_sound_data_sets_load(root, model):
    assert len(load_scene(root).frames) == len(load_scene(model).frames) == COUNT


# --- transforms.json ---------------------------------------------------------------------------

Change = Callable[[dict], None]


def frame(**keys: object) -> Change:
    """Changes keys of the second frame."""
    return lambda d: d["frames"][1].update(keys)


def whole(**keys: object) -> Change:
    """Changes keys of the file."""
    return lambda d: d.update(keys)


def entry(row: int, column: int, value: object) -> Change:
    """Changes one number of the second pose."""

    def change(d: dict) -> None:
        d["frames"][1]["transform_matrix"][row][column] = value

    return change


def mirrored(d: dict) -> None:
    for row in d["frames"][1]["transform_matrix"][:3]:
        row[0] = -row[0]


def without_focal(d: dict) -> None:
    del d["fl_x"], d["fl_y"]


NAN, INF = float("nan"), float("inf")
SHEAR = [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
MIRROR = [[-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
JSON_CASES: dict[str, tuple[Change, str]] = {
    "no frames": (whole(frames=[]), "lists no frames"),
    "frames missing": (lambda d: d.pop("frames"), 'has no list "frames"'),
    "frames no list": (whole(frames={"a": 1}), 'has no list "frames"'),
    "frame no object": (whole(frames=[7]), "frames[0] has no file_path"),
    "file_path no name": (frame(file_path=3), "frames[1] has no file_path"),
    "pose missing": (frame(transform_matrix=None), "'images/1.png': transform_matrix is not 4"),
    "pose 3x3": (frame(transform_matrix=[[1, 0, 0]] * 3), "transform_matrix is not 4"),
    "pose ragged": (frame(transform_matrix=[[1, 0, 0, 0], [1]]), "transform_matrix is not 4"),
    "pose of words": (frame(transform_matrix=[["a"] * 4] * 4), "transform_matrix is not 4"),
    "pose of truths": (frame(transform_matrix=[[True] * 4] * 4), "transform_matrix is not 4"),
    "last row": (entry(3, 0, 0.5), "transform_matrix's last row is not 0 0 0 1"),
    "pose NaN": (entry(0, 0, NAN), "'frames[1].transform_matrix[0][0]' is not a finite number"),
    "pose infinite": (entry(2, 3, -INF), "'frames[1].transform_matrix[2][3]' is not a finite"),
    "pose 10^400": (entry(2, 3, 10**400), "'frames[1].transform_matrix[2][3]' is not a finite"),
    "pose huge": (entry(0, 0, 1e200), "'images/1.png': the rotation is not orthonormal"),
    "pose far": (entry(0, 3, 1e200), "'images/1.png': the camera is 1e+12 units away"),
    "principal point": (whole(cx=1e200), "no camera has fx, fy, cx, cy = (15.0, 15.0, 1e+200,"),
    "focal tiny": (whole(fl_x=1e-200), "no camera has fx, fy, cx, cy = (1e-200, 15.0,"),
    "pose sheared": (entry(0, 1, 0.3), "'images/1.png': the rotation is not orthonormal"),
    "pose zero": (frame(transform_matrix=[[0] * 4] * 3), "the rotation is not orthonormal"),
    "pose mirrored": (mirrored, "'images/1.png': the pose is mirrored"),
    "no focal": (without_focal, "'images/0.png': no focal length; give fl_x"),
    "focal zero": (whole(fl_x=0), "focal length 0.0 is not positive"),
    "focal negative": (frame(fl_y=-3), "'images/1.png': focal length -3.0 is not positive"),
    "focal NaN": (whole(fl_x=NAN), "'fl_x' is not a finite number"),
    "focal word": (whole(fl_x="long"), "fl_x is not a number"),
    "angle": (lambda d: (without_focal(d), d.update(camera_angle_x=3.2)), "not between 0 and pi"),
    "width": (whole(w=12.5), "w = 12.5 is not a picture's size"),
    "height": (whole(h=-8), "h = -8.0 is not a picture's size"),
    "sizes disagree": (whole(w=12, h=11), "is 12x8 pixels, but its camera is 12x11"),
    "sizes swapped": (whole(w=8, h=12), "turn the picture by 90 degrees"),
    "fisheye folds": (whole(camera_model="OPENCV_FISHEYE", k1=-9.0), "folds the picture over"),
    "fisheye word": (whole(is_fisheye=True, k2="much"), "k2 is not a number"),
    "fisheye huge": (whole(is_fisheye=True, k1=1e200), "folds the picture over"),
    "fisheye behind": (whole(is_fisheye=True, fl_x=2.0, fl_y=1.2), "folds the picture over"),
    "equirectangular": (
        whole(camera_model="EQUIRECTANGULAR"),
        "camera model 'EQUIRECTANGULAR' is not supported; cut perspective views out of the panor",
    ),
    "thin prism": (
        whole(camera_model="THIN_PRISM_FISHEYE"),
        "camera model 'THIN_PRISM_FISHEYE' is not supported; undistort the images, or estimate it",
    ),
    "FOV": (whole(camera_model="FOV"), "'FOV' is not supported; undistort the images, or estim"),
    "model list": (whole(camera_model=["OPENCV"]), "camera model ['OPENCV'] is not supported"),
    "ftheta": (whole(ftheta_p0=1.0), "camera model ftheta_p0 is not supported"),
    "packed lens": (whole(distortion_params=[1] * 9), "distortion_params is not up to 6 numbers"),
    "folding lens": (whole(k1=-9.0), "folds the picture over"),
    "parent": (frame(file_path="../secret.png"), "names the file '../secret.png', which is not"),
    "inner parent": (frame(file_path="images/../../x.png"), "not inside the data set"),
    "absolute": (frame(file_path="/etc/hostname"), "not inside the data set"),
    "drive": (frame(file_path="C:\\x.png"), "not inside the data set"),
    "share": (frame(file_path="\\\\host\\x.png"), "not inside the data set"),
    "NUL": (frame(file_path="images/1.png\0"), "not inside the data set"),
    "link": (frame(file_path="outside.png"), "not inside the data set"),
    "link by suffix": (frame(file_path="outside"), "not inside the data set"),
    "linked folder": (frame(file_path="folder/secret.png"), "not inside the data set"),
    "mask outside": (frame(mask_path="../secret.png"), "not inside the data set"),
    "mask no name": (frame(mask_path=5), "mask_path is not a name"),
    "box no list": (whole(aabb=3), "aabb is not a box"),
    "box empty": (whole(aabb=[[0, 0, 0], [1, 0, 1]]), "aabb is not a box"),
    "box of words": (whole(aabb=[["a", 0, 0], [1, 1, 1]]), "aabb is not a box"),
    "near and far": (frame(near=3, far=2), "'images/1.png': near 3, far 2, where 0 < near < far"),
    "near a word": (frame(near="here", far=2), "near 'here', far 2, where 0 < near"),
    "applied sheared": (whole(applied_transform=SHEAR), "applied_transform is no rotation with"),
    "applied mirror": (whole(applied_transform=MIRROR), "applied_transform is no rotation with"),
    "applied nothing": (whole(applied_transform=[[0] * 4] * 3), "applied_transform is no rotation"),
    "applied word": (whole(applied_transform="none"), "applied_transform is not 4 (or 3) rows of"),
    "applied scale": (whole(applied_scale=0), "applied_scale 0 is no scale"),
    "applied scale word": (whole(applied_scale="big"), "applied_scale 'big' is no scale"),
    "points outside": (whole(ply_file_path="../a.ply"), "not inside the data set"),
    "points no name": (whole(ply_file_path=4), "ply_file_path is not a name"),
    "points no PLY": (whole(ply_file_path="images/0.png"), "0.png: "),
    "split no list": (whole(train_filenames="a"), "train_filenames is not a list of names"),
    "only test": (whole(test_filenames=[f"images/{i}.png" for i in range(COUNT)]), "0 usable"),
    "no images": (lambda d: [f.update(file_path="no") for f in d["frames"]], "none of the 4"),
    "same point": (
        lambda d: [f.update(transform_matrix=np.eye(4).tolist()) for f in d["frames"]],
        "cameras at one point",
    ),
    "one image": (lambda d: d.update(frames=d["frames"][:1]), "1 usable training image"),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_bad_transforms_are_refused_with_a_reason(case, root):
    change, says = JSON_CASES[case]
    (root.parent / "secret.png").write_bytes((root / "images" / "0.png").read_bytes())
    (root / "outside.png").symlink_to(root.parent / "secret.png")
    (root / "folder").symlink_to(root.parent)
    value = document()
    change(value)
    (root / "transforms.json").write_text(json.dumps(value))
    refused(root, says)


def refused(root: Path, says: str) -> None:
    """Loading ends in a DataError of one line that says so and begins with a path inside."""
    with pytest.raises(DataError) as error:
        PixelSampler(load_scene(root))
    message = str(error.value)
    assert says in message
    assert message.startswith(str(root))
    assert "\n" not in message
    assert "; " in message, "no cure is offered"
    assert error.value.exit_code == 3


TEXT_CASES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty at line 1, column 1"),
    "spaces": (b" \n ", "is empty at line"),
    "truncated": (json.dumps(document(), indent=1).encode()[:500], "is not valid JSON"),
    "a list": (b"[]", "does not hold a JSON object"),
    "binary": (b"\x80\x04\x95\x00\x00", "is not UTF-8 at byte 0"),
    "UTF-16": ("\ufeff{}".encode("utf-16-le"), "is UTF-16 text"),
    "deep": (b"[" * 200_000, "levels deep"),
    "deep object": (b'{"frames":' + b"[" * 60 + b"]" * 60 + b"}", "levels deep"),
    "duplicate": (b'{"frames": [], "w": 1, "w": 2}', "holds the key 'w' twice"),
    "literal NaN": (b'{"frames": [], "a": {"b": [0, NaN]}}', "'a.b[1]' is not a finite number"),
    "1e999": (b'{"frames": [], "a": 1e999}', "'a' is not a finite number"),
    "many digits": (b'{"frames": [], "a": ' + b"9" * 9000 + b"}", "'a' is not a finite number"),
}


@pytest.mark.parametrize("case", TEXT_CASES)
def test_bytes_that_are_no_sound_json_are_refused(case, root):
    raw, says = TEXT_CASES[case]
    (root / "transforms.json").write_bytes(raw)
    refused(root, says)


def test_truncated_json_is_reported_with_line_and_column(root):
    text = json.dumps(document(), indent=1)
    (root / "transforms.json").write_text(text[: text.index("images/2")])
    line = text[: text.index("images/2")].count("\n") + 1
    refused(root, f"at line {line}, column ")


def test_oversized_json_is_refused_before_reading(root, monkeypatch):
    with (root / "transforms.json").open("wb") as file:
        file.truncate(300_000_000)  # sparse: takes no disk
    refused(root, "has 300 MB where 200 MB are the limit")


NAMES = {
    "spaces": "a b  c.png",
    "newline": "line\nbreak.png",
    "umlauts": "tést ありがとう.png",
    "longest": "x" * 251 + ".png",
    "percent": "%s{0}$HOME.png",
    "dash": "-rf.png",
    "device": "CON.png",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_odd_file_names_are_names(name, root):
    (root / "images" / "1.png").rename(root / "images" / name)
    value = document()
    value["frames"][1]["file_path"] = f"images/{name}"
    (root / "transforms.json").write_text(json.dumps(value))
    scene = load_scene(root)
    assert f"images/{name}" in {frame.name for frame in scene.frames}
    assert not any("\n" in note for note in scene.notes)


def test_a_name_beyond_what_a_disk_has_is_one_that_does_not_exist(root):
    value = document()
    value["frames"][1]["file_path"] = "images/" + "y" * 300 + ".png"
    (root / "transforms.json").write_text(json.dumps(value))
    assert "1 of 4 listed images do not exist" in load_scene(root).notes[0]


def test_numbers_in_names_are_ordered_as_numbers(root):
    for old, new in ((1, "img2"), (2, "img10")):
        (root / "images" / f"{old}.png").rename(root / "images" / f"{new}.png")
    value = document()
    names = ["0", "img2", "img10", "3"]
    for entry_, name in zip(value["frames"], names, strict=True):
        entry_["file_path"] = f"images/{name}.png"
    (root / "transforms.json").write_text(json.dumps(value))
    found = [frame.name for frame in read_capture(root).frames]
    assert found == [f"images/{name}.png" for name in ("0", "3", "img2", "img10")]


def test_a_link_to_itself_and_a_folder_are_no_pictures(root):
    (root / "images" / "1.png").unlink()
    (root / "images" / "1.png").symlink_to(root / "images" / "1.png")
    (root / "images" / "2.png").unlink()
    (root / "images" / "2.png").mkdir()
    assert "2 of 4 listed images do not exist" in load_scene(root).notes[0]


def test_many_frames_cost_little_more_than_their_bytes(root):
    """4,000 frames of which 4 exist; a million take as many times longer."""
    value = document()
    extra = [
        {
            "file_path": f"images/none{i}.png",
            "transform_matrix": value["frames"][0]["transform_matrix"],
        }
        for i in range(4_000)
    ]
    value["frames"] += extra
    (root / "transforms.json").write_text(json.dumps(value))
    start = time.perf_counter()
    capture = read_capture(root)
    assert len(capture.frames) == COUNT
    assert len(capture.notes[0]) < 200
    assert time.perf_counter() - start < 30


def test_what_other_tools_make_of_the_scene_may_hold_anything(root):
    """Keys that nothing is taken from change nothing, whatever is in them."""
    wanted = load_scene(root)
    value = document() | {"aabb_scale": -3, "scale": 0, "offset": [1], "render_aabb": "none"}
    (root / "transforms.json").write_text(json.dumps(value))
    found = load_scene(root)
    assert len(found.frames) == len(wanted.frames) == COUNT
    assert np.array_equal(found.world_from_scene, wanted.world_from_scene)


def test_a_pipe_is_never_opened(root):
    (root / "images" / "1.png").unlink()
    os.mkfifo(root / "images" / "1.png")
    scene = load_scene(root)
    assert len(scene.frames) == COUNT - 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_listing_is_refused(root):
    (root / "transforms.json").chmod(0)
    refused(root, "cannot be read")


# --- images ------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\x35\xaf\x06\x1e"


def png_with(kind: bytes, head: bytes, *, size: int = 60_000_000, count: int = 1) -> bytes:
    """A PNG with chunks that unpack to `size` bytes, a thousand times what they have packed."""
    data = head + zlib.compress(bytes(size))
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    sound = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT)).save(sound, "PNG")
    return sound.getvalue()[:33] + chunk * count + sound.getvalue()[33:]


def tiff_of_pages(count: int, *, loop: bool) -> bytes:
    """A grey TIFF whose pages all show the same pixels, and end or begin anew."""
    tags = ((256, WIDTH), (257, HEIGHT), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1))
    tags += ((278, HEIGHT), (279, WIDTH * HEIGHT))
    body = struct.pack("<H", len(tags))
    body += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    first = 8 + WIDTH * HEIGHT
    ends = [first + (len(body) + 4) * (i + 1) for i in range(count)]
    ends[-1] = first if loop else 0
    pages = b"".join(body + struct.pack("<I", end) for end in ends)
    return b"II*\0" + struct.pack("<I", first) + bytes([77]) * (WIDTH * HEIGHT) + pages


def sound_jpeg(folder: Path) -> bytes:
    path = folder / "sound.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)).save(path)
    return path.read_bytes()


def sound_png(folder: Path) -> bytes:
    return (folder / "images" / "0.png").read_bytes()


IMAGE_CASES: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "zero bytes": (lambda _: b"", "is empty (0 bytes)"),
    "text": (lambda _: b"not a picture", "is not an image"),
    "pickle": (lambda f: pickle.dumps(Trap(f / "trap")), "is not an image"),
    "postscript": (lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an"),
    "truncated PNG": (lambda f: sound_png(f)[:150], "cannot be decoded"),
    "truncated JPEG": (lambda f: sound_jpeg(f)[:-40], "cannot be decoded"),
    "header only": (lambda _: png_header(WIDTH, HEIGHT), "cannot be decoded"),
    "bomb": (lambda _: png_header(100_000, 100_000), "claims more than 128 million pixels"),
    "bomb of text": (lambda _: png_with(b"zTXt", b"a\0\0"), "cannot be decoded"),
    "bomb of a profile": (lambda _: png_with(b"iCCP", b"a\0\0"), "cannot be decoded"),
    "warned bomb": (lambda _: png_header(13_000, 10_000), "claims more than 128 million"),
}


@pytest.mark.parametrize("case", IMAGE_CASES)
def test_bad_images_are_refused_and_named(case, root):
    make, says = IMAGE_CASES[case]
    (root / "images" / "1.png").write_bytes(make(root))
    refused(root, says)
    with pytest.raises(DataError, match=r"1\.png"):
        read_image(root / "images" / "1.png")
    assert not (root / "trap").exists()


TEXTS = {"tEXt": b"a\0", "zTXt": b"\0\0", "iTXt": b"a\0\1\0\xff\0\0", "iCCP": b"a\0\0"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", TEXTS)
def test_very_many_texts_in_a_picture_are_refused_before_any_is_unpacked(kind, after, root):
    """Chunks that Pillow unpacks without counting them: no keyword, no UTF-8, a profile."""
    path = root / "images" / "1.png"
    data = png_with(kind.encode(), TEXTS[kind], size=900_000, count=4000)
    if after:  # behind the pixels
        end = data.index(b"IDAT") - 4
        data = data[:33] + data[end:-12] + data[33:end] + data[-12:]
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(DataError, match=r"1\.png: holds more than 128 chunks of text"):
        image_info(path)
    with pytest.raises(DataError, match=r"1\.png: holds more than 128 chunks of text"):
        read_image(path)
    refused(root, "holds more than 128 chunks of text")
    assert time.process_time() - began < 1.5  # unpacked, they take 9 s each time


def test_a_picture_with_some_texts_and_pixels_in_many_chunks_is_read(root):
    sound = png_with(b"tEXt", b"a\0", size=9, count=100)
    begin = sound.index(b"IDAT") - 4
    data = sound[begin + 8 : begin + 8 + int.from_bytes(sound[begin : begin + 4])]
    parts = [data[i : i + 1] for i in range(len(data))] + [b""] * 300
    pieces = (struct.pack(">I", len(p)) + b"IDAT" + p for p in parts)
    many = b"".join(piece + struct.pack(">I", zlib.crc32(piece[4:])) for piece in pieces)
    (root / "images" / "1.png").write_bytes(sound[:begin] + many + sound[-12:])
    assert read_image(root / "images" / "1.png").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(("count", "loop"), [(20_000, False), (2, True)])
def test_of_a_picture_of_many_pages_the_first_is_read(count, loop, root):
    path = root / "images" / "1.png"
    path.write_bytes(tiff_of_pages(count, loop=loop))
    assert (read_image(path) == 77).all()
    assert len(load_scene(root).frames) == COUNT


def test_pictures_that_show_nothing_at_all_are_told(root):
    """Where alpha leaves out every pixel there is nothing to learn, and training is refused."""
    for i in range(COUNT):
        Image.new("RGBA", (WIDTH, HEIGHT), (200, 10, 10, 0)).save(root / "images" / f"{i}.png")
    refused(root, "3 masks or alphas looked at are black")


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_that_are_no_colours_are_refused(mode, tmp_path):
    path = tmp_path / "x.tif"
    Image.new(mode, (3, 3), 70_000).save(path)
    with pytest.raises(DataError, match="save it with 8 bits a channel"):
        read_image(path)


def test_a_picture_too_small_for_the_downscale_is_named(root):
    with pytest.raises(DataError, match="nothing is left at downscale 9"):
        load_scene(root, downscale=9)


def test_a_picture_that_changed_its_size_is_named(root):
    scene = load_scene(root)
    Image.new("RGB", (5, 5)).save(root / "images" / "2.png")
    with pytest.raises(DataError, match=r"2\.png: is 5x5 pixels where 12x8 are expected"):
        PixelSampler(scene)


# --- COLMAP ------------------------------------------------------------------------------------

ZERO = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
NO_PLACE = (1.0, 0.0, 0.0, 0.0, NAN, 0.0, 0.0)
FAR_COUNT = 2**63
PANORAMA = struct.pack("<QiiQQ2d", 1, 1, 17, WIDTH, HEIGHT, WIDTH, HEIGHT)
COLMAP_CASES: dict[str, tuple[str, bytes, str]] = {
    "cameras 2^63": ("cameras", cameras_bin(count=FAR_COUNT), f"claims {FAR_COUNT} cameras"),
    "images 2^63": ("images", images_bin(count=FAR_COUNT), f"claims {FAR_COUNT} images"),
    "points 2^63": ("points3D", points_bin(count=FAR_COUNT), f"claims {FAR_COUNT} points"),
    "observations": ("images", images_bin(seen=2**60), f"claims {2**60} observations at byte"),
    "track": ("points3D", points_bin(track=2**60), "the track of point 0 at byte 59 needs"),
    "empty": ("cameras", b"", "the number of cameras at byte 0 needs 8 bytes, 0 are left"),
    "cut cameras": ("cameras", cameras_bin()[:-1], "camera 1 at byte 32 needs 32 bytes, 31"),
    "cut images": ("images", images_bin()[:-5], "ends too early"),
    "fewer images": ("images", images_bin(count=COUNT + 1), "claims 5 images at byte 0"),
    "division": ("cameras", cameras_bin(model=12), "model SIMPLE_DIVISION is not supported; und"),
    "fisheye": ("cameras", cameras_bin(model=8, focal=0.05), "folds the picture over"),
    "panorama": ("cameras", PANORAMA, "EQUIRECTANGULAR is not supported; cut perspective views"),
    "unknown model": ("cameras", cameras_bin(model=77), "has the unknown model 77"),
    "focal": ("cameras", cameras_bin(focal=-1.0), "focal length -1.0 is not positive"),
    "focal NaN": ("cameras", cameras_bin(focal=NAN), "no usable size or parameters"),
    "width": ("cameras", cameras_bin(width=2**40), "no usable size or parameters"),
    "other size": ("cameras", cameras_bin(width=HEIGHT), "but its camera is 8x8"),
    "twice": ("cameras", cameras_bin(count=2) + cameras_bin()[8:], "holds camera 1 twice"),
    "absent camera": ("images", images_bin(camera=5), "names camera 5, which cameras.bin lacks"),
    "zero quaternion": ("images", images_bin(pose=ZERO), "pose of NaN or a zero quaternion"),
    "NaN": ("images", images_bin(pose=NO_PLACE), "'0.png' at byte 8 has a pose of NaN"),
    "parent": ("images", images_bin(name=b"../../x.png\0"), "not inside the data set"),
    "absolute": ("images", images_bin(name=b"/etc/passwd\0"), "not inside the data set"),
    "empty name": ("images", images_bin(name=b"\0"), "not inside the data set"),
    "not UTF-8": ("images", images_bin(name=b"\xff\xfe\0"), "not UTF-8 at byte 72"),
    "same name": ("images", images_bin(name=b"1.png\0"), "holds the image '1.png' twice"),
    "long name": ("images", images_bin(name=b"x" * 10_000), "unterminated name at byte 72"),
    "none": ("images", struct.pack("<Q", 0), "none of its 0 registered images exists"),
    "pickle": ("images", pickle.dumps(Trap(Path("trap"))), "claims"),
}


@pytest.mark.parametrize("case", COLMAP_CASES)
def test_bad_colmap_models_are_refused_with_a_reason(case, model):
    file, raw, says = COLMAP_CASES[case]
    (model / "sparse" / "0" / f"{file}.bin").write_bytes(raw)
    refused(model, says)


def test_a_quaternion_of_another_length_is_normalised(model):
    scaled = tuple(3.0 * x for x in (0.5, 0.5, 0.5, 0.5))
    raw = images_bin(pose=(*scaled, 0.0, 0.0, 0.0))
    (model / "sparse" / "0" / "images.bin").write_bytes(raw)
    turn = read_capture(model).frames[0].camera.pose[:3, :3]
    assert np.allclose(turn, [[0, 1, 0], [0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize("value", [NAN, INF, 1e300])
def test_points_that_are_nowhere_are_left_out(value, model):
    record = struct.Struct("<Q3d3BdQ")
    rows = [record.pack(i, value if i == 1 else 0, 0, 5, 1, 1, 1, 0.1, 0) for i in range(3)]
    raw = struct.pack("<Q", 3) + b"".join(rows)
    (model / "sparse" / "0" / "points3D.bin").write_bytes(raw)
    capture = read_capture(model)
    assert capture.points.shape == (2, 3)
    assert len(capture.sparse.colors) == 2


def test_a_model_without_points_is_read_and_that_is_said(model):
    (model / "sparse" / "0" / "points3D.bin").write_bytes(struct.pack("<Q", 0))
    assert "the model has no sparse points" in load_scene(model).notes


def test_a_missing_part_of_a_model_is_named(model):
    (model / "sparse" / "0" / "points3D.bin").unlink()
    refused(model, "points3D.bin: is not a file")


def test_bytes_that_are_no_text_are_no_text_model(model):
    for path in (model / "sparse" / "0").iterdir():
        path.rename(path.with_suffix(".txt"))
    refused(model, "images.txt: line 1 is not UTF-8")


def test_pictures_that_do_not_exist_end_in_a_refusal_only_if_all_are_absent(model):
    for i in range(COUNT - 2):
        (model / "images" / f"{i}.png").unlink()
    assert len(load_scene(model).frames) == 2
    for i in range(COUNT - 2, COUNT):
        (model / "images" / f"{i}.png").unlink()
    refused(model, "none of its 4 registered images exists: 0.png, 1.png, 2.png, 3.png")


# --- whatever the bytes ------------------------------------------------------------------------

mutations = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=9), st.integers(0, 9)),
    min_size=1,
    max_size=4,
)


def mutated(raw: bytes, edits: list[tuple[float, bytes, int]]) -> bytes:
    """Bytes in which pieces are replaced, inserted or left out."""
    for place, piece, dropped in edits:
        at = int(place * len(raw))
        raw = raw[:at] + piece + raw[at + dropped :]
    return raw


def only_data_errors(read: Callable[[], object]) -> None:
    try:
        read()
    except DataError:
        return


@FUZZ
@given(edits=mutations)
def test_mutated_json_never_escapes_as_another_error(edits, root):
    raw = json.dumps(document()).encode()
    (root / "transforms.json").write_bytes(mutated(raw, edits))
    only_data_errors(lambda: load_scene(root))


@FUZZ
@given(edits=mutations, part=st.sampled_from(["cameras", "images", "points3D"]))
def test_mutated_models_never_escape_as_another_error(edits, part, model):
    sound = {"cameras": cameras_bin(), "images": images_bin(), "points3D": points_bin()}
    for name, raw in sound.items():
        raw = mutated(raw, edits) if name == part else raw
        (model / "sparse" / "0" / f"{name}.bin").write_bytes(raw)
    only_data_errors(lambda: load_scene(model))


@FUZZ
@given(edits=mutations, kind=st.sampled_from(["png", "jpg", "gif", "webp", "tif", "bmp"]))
def test_mutated_images_never_escape_as_another_error(edits, kind, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"fuzzed.{kind}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)).save(path)
    path.write_bytes(mutated(path.read_bytes(), edits))
    only_data_errors(lambda: (image_info(path), read_image(path)))
