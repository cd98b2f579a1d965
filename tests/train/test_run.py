"""The run folder."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from types import ModuleType

import pytest

from rayfield import __version__
from rayfield.core.check import DataError, RayfieldError, UsageError
from rayfield.train import record
from rayfield.train import run as runs
from rayfield.train.run import check_folder, create_run, open_run


def test_run_opened_is_the_run_created(tmp_path: Path, toy: ModuleType):
    created = create_run(tmp_path / "a" / "run", toy.make_record(tmp_path / "a" / "run"))
    assert open_run(tmp_path / "a" / "run") == created


def test_run_json_tells_schema_and_versions(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    content = json.loads((run.path / "run.json").read_text())
    assert content["schema"] == runs.SCHEMA
    assert content["versions"]["rayfield"] == __version__
    assert {"python", "torch", "numpy", "numba", "safetensors"} <= content["versions"].keys()


def test_parts_of_a_run_lie_inside_it(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    parts = (run.checkpoints, run.log, run.figures, run.renders, run.meshes, run.metrics)
    assert all(part.parent == run.path for part in parts)
    assert len(set(parts)) == 6


def test_run_folder_with_spaces_and_other_alphabets_works(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "tést ありがとう")
    assert open_run(run.path) == run


def test_data_is_found_where_it_was_and_where_it_moved_with_the_run(tmp_path: Path, toy):
    (tmp_path / "home" / "photos").mkdir(parents=True)
    run = toy.new_run(tmp_path / "home" / "run")
    assert run.find_data() == tmp_path / "home" / "photos"
    (tmp_path / "home").rename(tmp_path / "moved")
    moved = open_run(tmp_path / "moved" / "run")
    assert moved.find_data().resolve() == tmp_path / "moved" / "photos"
    (tmp_path / "moved" / "photos").rmdir()
    with pytest.raises(DataError, match="is not there"):
        moved.find_data()


def test_check_folder_leaves_nothing_behind(tmp_path: Path):
    check_folder(tmp_path / "a" / "b" / "run")
    assert os.listdir(tmp_path) == []


def test_folder_with_a_lock_alone_can_become_a_run(tmp_path: Path, toy: ModuleType):
    (tmp_path / ".lock").write_text("")
    create_run(tmp_path, toy.make_record(tmp_path))


def test_second_run_in_one_folder_is_refused_with_both_ways_out(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    before = (run.path / "run.json").read_bytes()
    with pytest.raises(UsageError, match=r"rayfield resume .*run`, or choose another .* -o"):
        toy.new_run(tmp_path / "run", seed=2)
    assert (run.path / "run.json").read_bytes() == before


def test_folder_with_the_users_files_is_refused(tmp_path: Path):
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(UsageError, match="not empty"):
        check_folder(tmp_path)


@pytest.mark.parametrize("name", ["file", "file/run", "file/deep/run"])
def test_path_at_or_below_a_file_is_refused(tmp_path: Path, name: str):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="a file, not a folder"):
        check_folder(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 300, "missing/" + "é" * 200, "d/" * 2500])
def test_path_too_long_is_refused(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="too long"):
        check_folder(tmp_path / name)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch, number: int):
    def fail(**_: object) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    with pytest.raises(RayfieldError, match=f"cannot be written .{os.strerror(number)}") as caught:
        check_folder(tmp_path / "run")
    assert caught.value.exit_code == 1


def test_config_that_is_not_finite_is_refused_and_nothing_written(tmp_path: Path, toy: ModuleType):
    record = toy.make_record(tmp_path / "run") | {"config": {"lr": float("inf")}}
    with pytest.raises(UsageError, match="NaN or infinity"):
        create_run(tmp_path / "run", record)
    assert os.listdir(tmp_path) == []


def edited(run_json: Path, **changes: object) -> None:
    content = json.loads(run_json.read_text())
    content.update(changes)
    run_json.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_folder_without_a_run_says_so(tmp_path: Path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="no run here"):
            open_run(path)


def test_run_json_truncated_anywhere_is_refused(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    whole = (run.path / "run.json").read_bytes()
    for cut in range(0, len(whole) - 2, 7):
        (run.path / "run.json").write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"run\.json: not valid JSON at line"):
            open_run(run.path)


def test_newer_schema_names_the_version_it_needs(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    edited(run.path / "run.json", schema=99, versions={"rayfield": "7.1.0"})
    with pytest.raises(DataError, match=r"needs rayfield >= 7\.1\.0"):
        open_run(run.path)
    edited(run.path / "run.json", versions=["?"])
    with pytest.raises(DataError, match="needs a newer rayfield"):
        open_run(run.path)


@pytest.mark.parametrize("key", [*record._RECORD_TYPES, "schema"])
def test_missing_and_mistyped_keys_are_named(tmp_path: Path, toy: ModuleType, key: str):
    run = toy.new_run(tmp_path / "run")
    edited(run.path / "run.json", **{key: 1.5})
    with pytest.raises(DataError, match=f"{key} is float|no schema"):
        open_run(run.path)
    edited(run.path / "run.json", **{key: None})
    with pytest.raises(DataError, match=f"{key} is missing|no schema"):
        open_run(run.path)


@pytest.mark.parametrize("key", record._DATA_TYPES)
def test_missing_keys_of_the_data_are_named(tmp_path: Path, toy: ModuleType, key: str):
    run = toy.new_run(tmp_path / "run")
    data = {k: v for k, v in run.record["data"].items() if k != key}
    edited(run.path / "run.json", data=data)
    with pytest.raises(DataError, match=rf"data\.{key} is missing"):
        open_run(run.path)


@pytest.mark.parametrize(
    "matrix", [[], [[1, 0, 0, 0]] * 3, [[1, 2], [3, 4]], [["a"] * 4] * 4, [[10**400] * 4] * 4]
)
def test_world_from_scene_that_is_no_matrix_is_refused(tmp_path: Path, toy, matrix: list):
    run = toy.new_run(tmp_path / "run")
    edited(run.path / "run.json", world_from_scene=matrix)
    with pytest.raises(DataError, match="world_from_scene is not a 4x4 matrix"):
        open_run(run.path)
