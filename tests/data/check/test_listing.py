"""Every fault of a listing is told, not only the first."""

from __future__ import annotations

import numpy as np

from rayfield.data.check.reading import gather


def test_a_sound_listing_has_nothing_to_tell_but_its_split(write):
    reading = gather(write())
    assert [f.kind for f in reading.findings] == ["split"]
    assert len(reading.rows) == len(reading.capture.frames) == 32


def test_all_faults_are_told_at_once_and_the_rest_is_read(write):
    def damage(document):
        frames = document["frames"]
        frames[1]["transform_matrix"][0] = [-x for x in frames[1]["transform_matrix"][0]]
        frames[2]["transform_matrix"] = [[1, 2], [3, 4]]
        frames[3]["transform_matrix"] = (np.diag([1.0, 2, 3, 1])).tolist()
        frames[4]["file_path"] = "images/gone.png"
        frames[5]["file_path"] = "../outside.png"
        frames[6]["w"] = 50
        frames[7]["fl_x"] = -1.0
        del frames[8]["file_path"]
        frames[9]["transform_matrix"] = (2 * np.array(frames[9]["transform_matrix"])).tolist()
        frames[9]["transform_matrix"][3] = [0, 0, 0, 1]

    reading = gather(write(damage))
    told = {(f.level, f.kind, f.where) for f in reading.findings}
    assert told >= {
        ("error", "poses", ("images/01.png",)),
        ("error", "poses", ("images/02.png",)),
        ("error", "poses", ("images/03.png",)),
        ("warning", "images", ("images/gone.png",)),
        ("error", "images", ("../outside.png",)),
        ("error", "sizes", ("images/06.png",)),
        ("error", "intrinsics", ("images/07.png",)),
        ("error", "files", ("frames[8]",)),
        ("note", "poses", ("images/09.png",)),
    }
    assert len(reading.capture.frames) == 32 - 8


def test_mirrored_poses_are_told_once_for_all(write):
    def mirror(document):
        for frame in document["frames"]:
            frame["transform_matrix"][0] = [-x for x in frame["transform_matrix"][0]]

    reading = gather(write(mirror))
    (found,) = reading.findings
    assert found.level == "error"
    assert "32 of 32" in found.what
    assert "mirrored" in found.what
    assert reading.capture is None


def test_a_document_that_is_cut_short_is_a_finding(write):
    root = write()
    text = (root / "transforms.json").read_text()
    (root / "transforms.json").write_text(text[:-40])
    reading = gather(root)
    assert [f.level for f in reading.findings] == ["error"]
    assert "line 1" in reading.findings[0].what
