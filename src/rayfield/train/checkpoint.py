"""Checkpoints that survive a kill at any byte, and are never executed.

    checkpoints/step-N/model.safetensors   the model's state_dict
                       optim.safetensors   the optimiser's tensors
                       state.json          step, times, rate factor: what the loop needs
                       manifest.json       size and sha256 of each; written last

All is written and synced in a hidden folder, which one rename makes a checkpoint; the newest two
are kept. Loading takes the newest that is whole, so a damaged one costs time but not the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from rayfield import __version__
from rayfield.core.check import DataError
from rayfield.train.files import read_json, sync_folder, to_json, write_synced
from rayfield.train.run import Run, check_schema

SCHEMA = 1
KEPT = 2
TENSOR_FILES = ("model.safetensors", "optim.safetensors")
FILES = (*TENSOR_FILES, "state.json")
FIX = "delete this checkpoint to go on from an earlier one"
_log = logging.getLogger("rayfield")


class Checkpoint(NamedTuple):
    """What a checkpoint holds; `state` is the loop's, in plain JSON values."""

    step: int
    model: dict[str, Tensor]
    optim: dict[str, Tensor]
    state: dict[str, Any]
    path: Path


def save(
    run: Run,
    step: int,
    model_tensors: dict[str, Tensor],
    *,
    optim_tensors: dict[str, Tensor],
    state: dict[str, Any],
) -> Path:
    """Write the checkpoint of `step`, unless it is there, and prune the older ones; its folder.

    Tensors may be non-contiguous, shared or on any device. Raises OSError (disk full, I/O error);
    earlier checkpoints are then untouched. The caller holds the lock of the run.
    """
    target = run.checkpoints / f"step-{step}"
    if target.exists():
        return target
    run.checkpoints.mkdir(exist_ok=True)
    temp = run.checkpoints / f".step-{step}.tmp-{os.getpid()}"
    shutil.rmtree(temp, ignore_errors=True)
    contents = {
        "model.safetensors": _pack(model_tensors),
        "optim.safetensors": _pack(optim_tensors),
        "state.json": to_json({"step": step, **state}),
    }
    try:
        temp.mkdir()
        for name, data in contents.items():
            write_synced(temp / name, data)
        write_synced(temp / "manifest.json", to_json(_manifest(contents)))
        sync_folder(temp)
        os.replace(temp, target)
    except BaseException:
        shutil.rmtree(temp, ignore_errors=True)
        raise
    sync_folder(run.checkpoints)
    for old in sorted(_steps(run).items())[:-KEPT]:
        shutil.rmtree(old[1], ignore_errors=True)
    return target


def load_latest(run: Run) -> Checkpoint | None:
    """The newest whole checkpoint of a run, or None if none was ever saved.

    A damaged one is passed over with a note naming the file. May be called while the run is
    being trained. Raises DataError if there are checkpoints but none can be used.
    """
    trouble: DataError | None = None
    for _ in range(3):  # training may prune a checkpoint just while it is read: look again
        steps = _steps(run)
        for step in sorted(steps, reverse=True):
            try:
                checkpoint = load(steps[step])
            except DataError as error:
                if steps[step].exists():
                    trouble = error
                    _log.warning("checkpoint passed over: %s: %s", error.path, error.what)
            else:
                return checkpoint
        if steps == _steps(run):
            break
    if trouble is not None:
        fix = f"no other checkpoint of {run.path} can be used: train it anew with another -o"
        raise DataError(trouble.path, trouble.what, fix)
    return None


def load(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, every byte verified. Raises DataError naming file and fault."""
    manifest = read_json(folder / "manifest.json", FIX)
    check_schema(folder / "manifest.json", manifest, SCHEMA)
    contents = {name: _read_verified(folder / name, manifest) for name in FILES}
    state = _parse_state(folder / "state.json", contents["state.json"])
    model, optim = (_unpack(folder / name, contents[name]) for name in TENSOR_FILES)
    return Checkpoint(state["step"], model, optim, state, folder)


def clean_leftovers(run: Run, step: int) -> None:
    """Make the checkpoint of `step` the newest: what training goes on from.

    Removes what a killed save left behind and renames later checkpoints to `damaged-step-N`: they
    were passed over, and must not displace whole ones. The caller holds the lock of the run.
    Raises OSError.
    """
    for leftover in run.checkpoints.glob(".step-*.tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for later, folder in _steps(run).items():
        if later > step:
            aside = folder.with_name(f"damaged-{folder.name}")
            shutil.rmtree(aside, ignore_errors=True)
            os.replace(folder, aside)


def restore_model(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's tensors into a model built from the same config.

    Raises DataError naming the first tensor that is missing, unknown, or of another shape or
    dtype; the model is then unchanged.
    """
    file = checkpoint.path / "model.safetensors"
    check_tensors(file, checkpoint.model, model.state_dict())
    model.load_state_dict(checkpoint.model)


def check_tensors(file: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raise DataError unless `found` has the names, shapes and dtypes of `wanted`."""
    fix = "it was written for another method, config or version"
    for name in wanted.keys() - found.keys():
        raise DataError(file, f"the tensor {name!r} is missing", fix)
    for name in found.keys() - wanted.keys():
        raise DataError(file, f"holds the tensor {name!r}, which the model has not", fix)
    for name, tensor in wanted.items():
        is_, should = (f"{str(t.dtype)[6:]} {list(t.shape)}" for t in (found[name], tensor))
        if is_ != should:
            raise DataError(file, f"the tensor {name!r} is {is_}, not {should}", fix)


def _steps(run: Run) -> dict[int, Path]:
    if not run.checkpoints.is_dir():
        return {}
    named = ((re.fullmatch(r"step-(\d{1,18})", p.name), p) for p in run.checkpoints.iterdir())
    return {int(match[1]): path for match, path in named if match}


def _pack(tensors: dict[str, Tensor]) -> bytes:
    # A clone each: safetensors takes neither strided nor shared memory.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    return safetensors.torch.save(plain)


def _unpack(file: Path, data: bytes) -> dict[str, Tensor]:
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise DataError(file, f"not a whole safetensors file ({error})", FIX) from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise DataError(file, f"the tensor {name!r} holds NaN", FIX)
    return tensors


def _manifest(contents: dict[str, bytes]) -> dict[str, Any]:
    files = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    return {"schema": SCHEMA, "versions": {"rayfield": __version__}, "files": files}


def _read_verified(file: Path, manifest: dict[str, Any]) -> bytes:
    """The bytes of a file if they are those the manifest tells of. Raises DataError."""
    try:
        entry = manifest["files"][file.name]
        size, digest = int(entry["bytes"]), str(entry["sha256"])
    except (KeyError, TypeError, ValueError):
        raise DataError(file, "is not told of in manifest.json", FIX) from None
    try:
        found = file.stat().st_size
        if found != size:
            raise DataError(file, f"has {found} bytes, not {size}", FIX)
        data = file.read_bytes()
    except OSError as error:
        raise DataError(file, f"cannot be read ({error.strerror})", FIX) from None
    if file.name in TENSOR_FILES and data[8:9] != b"{":
        raise DataError(file, "is not a safetensors file, and nothing else is opened", FIX)
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError(file, "differs from what was written (sha256)", FIX)
    return data


def _parse_state(file: Path, data: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        state = json.loads(data)
        if isinstance(state, dict) and isinstance(state.get("step"), int):
            return state
    raise DataError(file, "is not a training state", FIX)
