"""Learning a class of scenes by the command line: train, resume, eval, render."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rayfield
from rayfield.app.command import cli
from rayfield.app.learned.field import TrainedField
from rayfield.app.learned.trained_class import TrainedClass
from rayfield.app.sources.scene_class import SceneClass, open_scenes
from rayfield.core.check import DataError, UsageError
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler
from rayfield.data.scenes import in_frame
from rayfield.data.synthetic import write_toys
from rayfield.methods import srn

NAMES = ["toy_000", "toy_001", "toy_002"]
TINY = {"width": 16, "layers": 1, "pixel_layers": 1, "hidden": 4, "marches": 3, "rays": 64}
TINY |= {"final_rate": 1}  # the same rate, however long the training was to be
SETTINGS = [f"--set={name}={value}" for name, value in TINY.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of 4 + 2 photos; leave it as it is."""
    root = tmp_path_factory.mktemp("data") / "toys"
    write_toys(root, scenes=3, views={"train": 4, "test": 2}, size=16)
    return root


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run of the class, its data beside it; leave it as it is."""
    out = folder.parent / "run"
    words = ["train", "srn", str(folder), "-o", str(out), "--steps", "4", *SETTINGS]
    assert cli.main(words) == 0
    return out


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the figures, which take most of the time."""
    for name in ("figures.evaluation", "figures.sharpening", "plots.curves", "plots.cameras"):
        monkeypatch.setattr(f"rayfield.app.drawing.{name}", lambda *args, **kwargs: None)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def ask(*words: object) -> dict[str, Any]:
        """What a command that must succeed prints with --json."""
        capsys.readouterr()
        assert cli.main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def complaint(*words: object) -> tuple[int, str]:
        """Exit code and the one line said by a command that must fail."""
        capsys.readouterr()
        code = cli.main([*map(str, words)])
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
        return code, line

    return complaint


def test_a_run_holds_every_scene_without_the_data(run):
    record = json.loads((run / "run.json").read_text())
    assert [scene["name"] for scene in record["traits"]["scenes"]] == NAMES
    assert record["traits"]["photos"] == record["config"]["photos"] == [4, 4, 4]
    assert record["data"]["splits"] == {"train": 12, "val": 0, "test": 6}
    learned = rayfield.open(run)
    assert isinstance(learned, TrainedClass)
    assert list(learned.names) == NAMES
    assert {p.name for p in (run / "figures").glob("*.png")} >= {"sharpening.png", "cameras.png"}


def test_scenes_are_seen_from_their_own_cameras_and_differ(run, folder):
    learned = rayfield.open(run)
    pictures = []
    for name in NAMES:
        scene = learned.scene(name)
        assert isinstance(scene, TrainedField)
        want = [frame.name for frame in load_scene(folder / name).split("test")]
        assert [camera.name for camera in scene.split("test")] == want
        world = np.linalg.norm([c.camera.pose[:3, 3] for c in scene.split("train")], axis=1)
        np.testing.assert_allclose(world, 4)
        pictures.append(scene.render(learned.scene().split("train")[0].camera))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_evaluation_measures_every_view_of_every_scene(run, ask):
    found = ask("eval", run, "--save-renders")
    assert [scene["name"] for scene in found["scenes"]] == NAMES
    views = [view["psnr"] for scene in found["scenes"] for view in scene["views"]]
    assert len(views) == found["protocol"]["images"] == 6
    assert found["psnr"] == pytest.approx(np.mean(views))
    for scene in found["scenes"]:
        assert scene["psnr"] == pytest.approx(np.mean([v["psnr"] for v in scene["views"]]))
        renders = run / "scenes" / scene["name"] / "renders" / "test"
        assert [p.name for p in sorted(renders.iterdir())] == ["0000.png", "0001.png"]
    assert json.loads((run / "metrics.json").read_text()) == found
    assert (run / "figures" / "evaluation.png").exists()
    # the same from the scene alone
    own = rayfield.open(run).scene("toy_001").evaluate()
    assert own["views"] == found["scenes"][1]["views"]
    assert ask("info", run)["metrics"]["psnr"] == found["psnr"]


def test_the_table_shows_scenes_and_the_mean(run, capsys, undrawn):
    assert cli.main(["eval", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:4]) == NAMES
    assert lines[4].startswith("mean of 6 test views")


def test_a_split_without_views_is_said_to_be_empty(run, complaint):
    code, line = complaint("eval", run, "--split", "val")
    assert code == 3
    assert "has no val images" in line


def test_a_video_shows_the_scene_asked_for(run, ask):
    words = ["render", run, "--frames", 2, "--png"]
    first, second = ask(*words), ask(*words, "--scene", "toy_002")
    assert Path(first["video"]) == run / "scenes/toy_000/renders/turntable/turntable.mp4"
    assert Path(second["video"]) == run / "scenes/toy_002/renders/turntable/turntable.mp4"
    pictures = [(Path(f["pictures"]) / "0000.png").read_bytes() for f in (first, second)]
    assert pictures[0] != pictures[1]


def test_an_unknown_scene_is_answered_with_the_nearest_name(run, complaint):
    code, line = complaint("render", run, "--scene", "toy_02")
    assert code == 2
    assert "there is no scene 'toy_02'; did you mean 'toy_002'?" in line


def test_a_class_has_no_mesh(run, tmp_path, complaint):
    code, line = complaint("export", run, "-o", tmp_path / "mesh.glb")
    assert code == 2
    assert "srn, which has: eval, render" in line


def test_a_training_that_was_stopped_goes_on_to_the_same_end(folder, run, tmp_path, ask, undrawn):
    out = tmp_path / "run"
    ask("train", "srn", folder, "-o", out, "--steps", 2, *SETTINGS)
    record = json.loads((out / "run.json").read_text())
    record["budget"]["steps"] = 4
    (out / "run.json").write_text(json.dumps(record))
    assert ask("resume", out)["step"] == 4
    again, once = (rayfield.open(path).scene("toy_001") for path in (out, run))
    camera = once.split("test")[0].camera
    np.testing.assert_array_equal(again.render(camera), once.render(camera))


def test_a_run_whose_data_is_gone_or_changed_can_still_be_looked_at(
    folder, run, tmp_path, ask, complaint, undrawn
):
    shutil.copytree(folder, tmp_path / "toys")
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    record["data"]["path"] = "/nowhere"
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert len(ask("eval", tmp_path / "run")["scenes"]) == 3  # moved together
    rayfield.open(tmp_path / "run").scene("toy_002").evaluate()
    shutil.rmtree(tmp_path / "toys" / "toy_001")
    for verb in ("eval", "resume"):
        code, line = complaint(verb, tmp_path / "run")
        assert code == 3
        assert "differs from the data" in line
    shutil.rmtree(tmp_path / "toys")
    assert complaint("eval", tmp_path / "run")[0] == 3
    assert ask("render", tmp_path / "run", "--frames", 1, "--scene", "toy_001")["frames"] == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda scene: (scene / "transforms_train.json").write_text("{"), "transforms_train.json"),
        (lambda scene: (scene / "transforms_train.json").unlink(), "is not a data set"),
    ],
)
def test_a_damaged_scene_is_named_in_one_line(folder, tmp_path, complaint, damage, said):
    shutil.copytree(folder, tmp_path / "toys")
    damage(tmp_path / "toys" / "toy_001")
    code, line = complaint("train", "srn", tmp_path / "toys", "-o", tmp_path / "run")
    assert code == 3
    assert "toy_001" in line
    assert said in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["nerf", "instant"])
def test_methods_of_one_scene_refuse_a_class(folder, tmp_path, complaint, method):
    code, line = complaint("train", method, folder, "-o", tmp_path / "run")
    assert code == 3
    assert "is not a data set of posed pictures (found toy_000, toy_001, toy_002)" in line


def test_photos_cannot_be_set(folder, tmp_path, complaint):
    words = ["train", "srn", folder, "-o", tmp_path / "run", "--set", "photos=5,4,3"]
    code, line = complaint(*words)
    assert code == 2
    assert line == "error: --set photos: it follows from the data; leave it out"


def test_one_scene_is_learned_as_one_scene(folder, tmp_path, ask, complaint, undrawn):
    out = tmp_path / "run"
    ask("train", "srn", folder / "toy_000", "-o", out, "--steps", 2, *SETTINGS)
    learned = rayfield.open(out)
    assert isinstance(learned, TrainedField)
    assert learned.cfg.photos == ()
    with pytest.raises(UsageError, match="a run of srn has no density"):
        learned.density(np.zeros((1, 3)))
    assert {"cameras.json"} <= {p.name for p in out.iterdir()}
    assert not (out / "scenes").exists()
    assert len(ask("eval", out)["views"]) == 2
    code, line = complaint("render", out, "--scene", "toy_000")
    assert code == 2
    assert "several scenes" in line


def test_the_data_is_described_in_one_line_and_its_notes(folder):
    source = open_scenes(folder, cfg=None, downscale=2)
    assert isinstance(source, SceneClass)
    (line,) = source.lines()
    assert "3 scenes (toy_000, toy_001, toy_002), 12 train + 6 test images; cut-out" in line
    assert source.origin(folder / "run").data["downscale"] == 2


def test_info_tells_of_a_class(folder, ask):
    found = ask("info", folder)
    assert found["kind"] == "class"
    assert found["scenes"] == NAMES
    assert found["images"] == {"train": 12, "val": 0, "test": 6}


@pytest.mark.parametrize(
    "names", [["toy_000", "..", "toy_002"], ["toy_000", "a/b", ""], ["toy_000", "toy_001"], 3]
)
def test_a_damaged_list_of_scenes_is_data_error(run, tmp_path, names):
    shutil.copytree(run, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    scene = record["traits"]["scenes"][0]
    rows = names if names == 3 else [{**scene, "name": name} for name in names]
    record["traits"]["scenes"] = rows
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="traits are damaged"):
        rayfield.open(tmp_path / "run").scene()


def test_a_new_scene_is_met_from_the_library(run, folder):
    """Its code is sought in the class's frame; it is then seen like any other scene."""
    known = rayfield.open(run).scene()
    new = in_frame(load_scene(folder / "toy_002"), known.world_from_scene)
    generator = torch.Generator().manual_seed(0)
    views = PixelSampler(new).sample(256, generator=generator)
    model = srn.fit_code(known.model, views, known.cfg, steps=2, rate=0.1, generator=generator)
    met, camera = replace(known, model=model, image=0), known.split("train")[0].camera
    assert met.render(camera).shape == (16, 16, 3)
    assert not np.array_equal(met.render(camera), known.render(camera))


def test_the_library_says_which_scenes_there_are(run):
    with pytest.raises(UsageError, match="there are: toy_000, toy_001, toy_002"):
        rayfield.open(run).scene("zzzzzzzz")
