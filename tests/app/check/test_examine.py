"""Real captures: no false alarm as they are, and every misreading told in damaged copies."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from rayfield.app.check.examine import examine
from rayfield.app.check.fix import fix
from rayfield.data.check.axes import FLIP

SETS = ["nerf_synthetic/chair", "ngp_fox", "colmap_cup", "dtu_scan65"]
DAMAGE = {
    "inverted": np.linalg.inv,
    "flipped": lambda m: m @ FLIP,
    "inverted and flipped": lambda m: np.linalg.inv(m @ FLIP),
}


@pytest.mark.parametrize("name", SETS)
def test_real_captures_give_no_false_alarm(data_dir, name):
    found = examine(data_dir / name)
    told = {(f.level, f.kind) for f in found.findings if f.level != "note"}
    assert not found.pointless
    assert told <= {("warning", "coverage"), ("warning", "images"), ("warning", "exposure")}
    assert found.subject is not None
    assert found.coverage is not None
    assert found.reading_as is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_misread_hand_held_capture_is_told_and_mended(data_dir, tmp_path, damage):
    root = tmp_path / "fox"
    shutil.copytree(data_dir / "ngp_fox", root)
    document = json.loads((root / "transforms.json").read_text())
    true = {}
    for frame in document["frames"]:
        true[frame["file_path"]] = frame["transform_matrix"]
        frame["transform_matrix"] = DAMAGE[damage](np.array(frame["transform_matrix"])).tolist()
    (root / "transforms.json").write_text(json.dumps(document))
    found = examine(root)
    assert [f.kind for f in found.findings if f.level == "error"] == ["axes"]
    assert found.reading_as == damage
    done, again = fix(found, tmp_path / "new", link=True)
    assert f"50 poses {damage}" in done
    assert not again.pointless
    for frame in json.loads((tmp_path / "new" / "transforms.json").read_text())["frames"]:
        matrix = np.array(true[frame["file_path"]])
        matrix[:3, :3] /= np.cbrt(np.linalg.det(matrix[:3, :3]))
        assert np.allclose(frame["transform_matrix"], matrix, atol=1e-5)
