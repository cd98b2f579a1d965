"""The corrected copy: poses as they were before the damage, nothing else changed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rayfield.data.check.axes import FLIP
from rayfield.data.check.mend import Mending, write_mended
from rayfield.data.check.reading import gather
from rayfield.data.images import read_image

DAMAGE = {
    "inverted": np.linalg.inv,
    "flipped": lambda m: m @ FLIP,
    "inverted and flipped": lambda m: np.linalg.inv(m @ FLIP),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("link", [True, False])
def test_poses_come_back_and_every_other_key_stays(write, tmp_path, name, link):
    true = []

    def damage(document):
        document["aabb_scale"] = 4
        for frame in document["frames"]:
            true.append(np.array(frame["transform_matrix"]))
            frame["sharpness"] = 7.5
            frame["transform_matrix"] = DAMAGE[name](true[-1]).tolist()

    root, new = write(damage), tmp_path / "new"
    new.mkdir()
    before = (root / "transforms.json").read_bytes()
    reading = gather(root)
    done = write_mended(new, reading.capture, reading.rows, mending=Mending(name), link=link)
    assert done == [f"32 poses {name}"]
    document = json.loads((new / "transforms.json").read_text())
    assert document["aabb_scale"] == 4
    for frame, matrix in zip(document["frames"], true, strict=True):
        assert frame["sharpness"] == 7.5
        assert np.allclose(frame["transform_matrix"], matrix, atol=1e-12)
    pictures = [root / "images/05.png", new / "images/05.png"]
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[0].samefile(pictures[1]) is link
    assert (root / "transforms.json").read_bytes() == before


def test_unusable_frames_and_copies_are_left_out(write, tmp_path):
    def damage(document):
        document["frames"][3]["file_path"] = "images/gone.png"
        document["frames"][5]["transform_matrix"] = [[1]]

    root, new = write(damage), tmp_path / "new"
    new.mkdir()
    reading = gather(root)
    mending = Mending(copies=frozenset({"images/09.png"}), broken=frozenset({"images/10.png"}))
    done = write_mended(new, reading.capture, reading.rows, mending=mending)
    assert done == [
        "3 images that cannot be used left out",
        "1 image like those for testing left out",
    ]
    again = gather(new)
    names = {frame.name for frame in again.capture.frames}
    assert len(names) == 28
    assert not names & {"images/09.png", "images/10.png", "images/05.png"}
    assert [finding.level for finding in again.findings] == ["note"]


def test_masks_are_inverted_in_the_copy_only(write, tmp_path):
    def name_masks(document):
        for i, frame in enumerate(document["frames"]):
            frame["mask_path"] = f"masks/{i:02d}.png"

    root, new = write(name_masks), tmp_path / "new"
    new.mkdir()
    (root / "masks").mkdir()
    mask = np.arange(72 * 96, dtype=np.uint8).reshape(72, 96)
    for i in range(32):
        Image.fromarray(mask).save(root / f"masks/{i:02d}.png")
    reading = gather(root)
    names = frozenset(frame.name for frame in reading.capture.frames)
    done = write_mended(new, reading.capture, reading.rows, mending=Mending(masks=names))
    assert done == ["32 masks inverted"]
    assert np.array_equal(read_image(new / "masks/04.png")[..., 0], 255 - mask)
    assert np.array_equal(read_image(root / "masks/04.png")[..., 0], mask)


def test_other_forms_are_taken_whole(write, tmp_path):
    root, new = write(), tmp_path / "new"
    new.mkdir()
    (root / "sparse").mkdir()
    (root / "sparse/points.bin").write_bytes(b"123")
    outside = tmp_path / "secret"
    outside.write_text("not of the data set")
    (root / "images/link.png").symlink_to(outside)
    capture = replace(gather(root).capture, format="colmap")
    write_mended(new, capture, (), mending=Mending())
    assert (new / "sparse/points.bin").read_bytes() == b"123"
    assert not (new / "images/link.png").exists()
