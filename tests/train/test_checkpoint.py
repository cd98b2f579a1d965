"""Checkpoints: whole or passed over, never executed."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
import shutil
import stat
import struct
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from rayfield.core.check import DataError
from rayfield.train import checkpoint
from rayfield.train.checkpoint import clean_leftovers, load, load_latest, restore_model, save
from rayfield.train.run import Run


@pytest.fixture
def run(tmp_path: Path, toy: ModuleType) -> Run:
    return toy.new_run(tmp_path / "run")


def put(run: Run, step: int, value: float | None = None) -> Path:
    """Save a checkpoint whose one weight is `value`, else `step`."""
    tensor = torch.full((3,), float(step if value is None else value))
    moments = {"m": torch.ones(2)}
    return save(run, step, {"w": tensor}, optim_tensors=moments, state={"backoff": 0.1 + step})


def seal(folder: Path) -> None:
    """Make the manifest agree with the files, as someone who edits a checkpoint on purpose."""
    contents = {name: (folder / name).read_bytes() for name in checkpoint.FILES}
    (folder / "manifest.json").write_text(json.dumps(checkpoint._manifest(contents)))


def test_checkpoint_loaded_is_the_checkpoint_saved(run: Run):
    folder = put(run, 7)
    latest = load_latest(run)
    assert (latest.step, latest.path) == (7, folder)
    assert latest.state == {"step": 7, "backoff": 7.1}
    assert torch.equal(latest.model["w"], torch.full((3,), 7.0))
    assert torch.equal(latest.optim["m"], torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.bool])
def test_every_kind_of_tensor_survives_bit_for_bit(run: Run, dtype: torch.dtype):
    base = torch.arange(24).reshape(4, 6).to(dtype)
    tensors = {
        "strided": base.T,
        "slice": base[1:, ::2],
        "expanded": base[0, 0].expand(3, 2),
        "shared": base,
        "shared too": base,
        "scalar": base[0, 1],
        "empty": base[:0],
        "parameter": nn.Parameter(base.float()),
    }
    save(run, 1, tensors, optim_tensors={}, state={})
    loaded = load_latest(run)
    assert loaded.optim == {}
    assert loaded.model.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded.model[name].dtype == tensor.dtype
        assert torch.equal(loaded.model[name], tensor), name


def test_manifest_holds_the_sha256_of_each_file(run: Run):
    folder = put(run, 1)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    assert sorted(files) == sorted(checkpoint.FILES)
    for name, entry in files.items():
        data = (folder / name).read_bytes()
        assert entry == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_all_is_synced_before_the_rename_that_commits(run: Run, monkeypatch):
    calls, replace = [], os.replace

    def sync(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *args: (calls.append("rename"), replace(*args)))
    put(run, 1)
    assert calls == ["file", "file", "file", "file", "folder", "rename", "folder"]


def test_newest_two_are_kept(run: Run):
    for step in (9, 10, 100):
        put(run, step)
    assert sorted(os.listdir(run.checkpoints)) == ["step-10", "step-100"]
    assert load_latest(run).step == 100


def test_run_without_checkpoints_has_none(run: Run):
    assert load_latest(run) is None
    run.checkpoints.mkdir()
    (run.checkpoints / ".DS_Store").write_text("")
    (run.checkpoints / "step-x").mkdir()
    assert load_latest(run) is None


def test_saving_a_step_again_changes_nothing(run: Run):
    put(run, 5, value=1.0)
    put(run, 5, value=2.0)
    assert torch.equal(load_latest(run).model["w"], torch.ones(3))


def test_leftovers_go_and_later_checkpoints_are_set_aside(run: Run):
    put(run, 5)
    put(run, 9)
    (run.checkpoints / ".step-12.tmp-4242").mkdir()
    (run.checkpoints / ".step-12.tmp-4242" / "model.safetensors").write_text("half")
    clean_leftovers(run, 5)
    assert sorted(os.listdir(run.checkpoints)) == ["damaged-step-9", "step-5"]
    put(run, 9)
    clean_leftovers(run, 5)
    assert sorted(os.listdir(run.checkpoints)) == ["damaged-step-9", "step-5"]


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2])


@pytest.mark.parametrize("name", [*checkpoint.FILES, "manifest.json"])
@pytest.mark.parametrize("damage", [flip_a_bit, cut, Path.unlink, lambda f: f.write_bytes(b"")])
def test_damaged_newest_falls_back_with_a_note_naming_the_file(run: Run, caplog, name, damage):
    put(run, 5)
    damage(put(run, 9) / name)
    with caplog.at_level(logging.WARNING, "rayfield"):
        latest = load_latest(run)
    assert latest.step == 5
    assert "checkpoint passed over" in caplog.text
    assert name in caplog.text or name == "manifest.json"  # that one accuses the files


def test_run_with_nothing_but_damage_is_refused_in_one_sentence(run: Run):
    for step in (5, 9):
        cut(put(run, step) / "model.safetensors")
    with pytest.raises(DataError, match="no other checkpoint of") as caught:
        load_latest(run)
    assert "model.safetensors" in str(caught.value)
    assert caught.value.exit_code == 3


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.folder),))


@pytest.mark.parametrize("name", checkpoint.TENSOR_FILES)
@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_pickle_posing_as_safetensors_is_refused_unopened(run: Run, name: str, kind: str):
    folder = put(run, 5)
    if kind == "pickle":
        data = pickle.dumps(Bomb(run.path / "bang"))
    else:
        buffer = io.BytesIO()
        torch.save({"w": torch.ones(3)}, buffer)
        data = buffer.getvalue()
    (folder / name).write_bytes(data)
    seal(folder)
    with pytest.raises(DataError, match="is not a safetensors file, and nothing else is opened"):
        load(folder)
    assert not (run.path / "bang").exists()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{",
        struct.pack("<Q", 60)
        + b'{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4]}}',
        struct.pack("<Q", 8) + b"{nonsens",
        struct.pack("<Q", 63)
        + b'{"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}         '
        + b"0000",
    ],
)
def test_hostile_safetensors_are_refused(run: Run, data: bytes):
    folder = put(run, 5)
    (folder / "model.safetensors").write_bytes(data)
    seal(folder)
    with pytest.raises(DataError, match="not a whole safetensors file"):
        load(folder)


@pytest.mark.parametrize(
    "state", [b"", b"[]", b'{"step": "x"}', b"{}", b'{"a":' * 100_000, b"\xff"]
)
def test_hostile_state_is_refused(run: Run, state: bytes):
    folder = put(run, 5)
    (folder / "state.json").write_bytes(state)
    seal(folder)
    with pytest.raises(DataError, match="is not a training state"):
        load(folder)


@pytest.mark.parametrize(
    "files", [None, [], {}, {"model.safetensors": 3}, {"model.safetensors": {"bytes": "x"}}]
)
def test_hostile_manifest_is_refused(run: Run, files: object):
    folder = put(run, 5)
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "files": files}))
    with pytest.raises(DataError, match="not told of in manifest"):
        load(folder)


def test_newer_checkpoint_names_the_version_it_needs(run: Run):
    folder = put(run, 5)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"schema": 2, "versions": {"rayfield": "3.0"}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"needs rayfield >= 3\.0"):
        load(folder)


def test_weights_that_are_nan_are_named_and_passed_over(run: Run):
    put(run, 5)
    folder = put(run, 9, value=float("nan"))
    with pytest.raises(DataError, match="the tensor 'w' holds NaN"):
        load(folder)
    assert load_latest(run).step == 5


def test_checkpoint_pruned_while_it_is_read_is_no_error(run: Run, monkeypatch):
    put(run, 5)
    read = checkpoint.load

    def prune_then_read(folder: Path) -> checkpoint.Checkpoint:
        if folder.name == "step-5":
            put(run, 9)
            shutil.rmtree(folder)
        return read(folder)

    monkeypatch.setattr(checkpoint, "load", prune_then_read)
    assert load_latest(run).step == 9


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ({"weight": torch.ones(2, 3)}, "the tensor 'bias' is missing"),
        (
            {"weight": torch.ones(2, 3), "bias": torch.ones(2), "extra": torch.ones(1)},
            "holds the tensor 'extra'",
        ),
        (
            {"weight": torch.ones(3, 2), "bias": torch.ones(2)},
            r"the tensor 'weight' is float32 \[3, 2\], not float32 \[2, 3\]",
        ),
        (
            {"weight": torch.ones(2, 3), "bias": torch.ones(2).double()},
            r"the tensor 'bias' is float64 \[2\], not float32 \[2\]",
        ),
    ],
)
def test_model_of_another_make_is_named_and_left_alone(run: Run, tensors: dict, what: str):
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    save(run, 1, tensors, optim_tensors={}, state={})
    with pytest.raises(DataError, match=what):
        restore_model(model, load_latest(run))
    assert torch.equal(model.weight, before)
