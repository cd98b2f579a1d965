"""Runs under attack: kills, full disks, two processes, damaged and hostile files.

The rule: at every moment the run can be resumed, and ends with the bits of a calm training.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayfield.core.check import DataError, RayfieldError
from rayfield.train import checkpoint
from rayfield.train.checkpoint import load_latest
from rayfield.train.lock import locked
from rayfield.train.log import read_log
from rayfield.train.recorder import SaveError
from rayfield.train.run import open_run

KILLS = int(os.environ.get("RAYFIELD_KILLS", "25"))  # 200 before a release
TRAIN = Path(__file__).parents[1] / "train"


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here outlives a power cut, so nothing needs to be synced."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The report of crash_lab.py."""
    folder = tmp_path_factory.mktemp("lab")
    command = [sys.executable, str(TRAIN / "crash_lab.py"), str(folder), str(KILLS)]
    limit = 120 + 2 * KILLS
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_training_killed_many_times_ends_with_the_bits_of_a_calm_one(lab: dict):
    report = lab["random"]
    assert report["codes"] == [-9]
    assert report["same"]
    assert report["resumed"] == sorted(report["resumed"])
    assert len(set(report["resumed"])) > 5
    assert "step-3000" in report["left"]
    assert len(report["left"]) == 2


def test_process_that_ends_at_any_system_call_leaves_a_resumable_run(lab: dict):
    report = lab["calls"]
    assert report["failures"] == []
    assert report["exits"] == report["calls"] > 40


def test_ctrl_c_twice_ends_at_once_and_spoils_nothing(lab: dict):
    assert lab["twice"] == {"code": 130, "step": 2}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ["write", "fsync", "replace", "open"])
def test_call_that_fails_once_costs_nothing_but_the_exit_code(
    tmp_path: Path, toy: ModuleType, monkeypatch, name: str, number: int
):
    calm = toy.digest(*toy.train(toy.new_run(tmp_path / "calm"), steps=3)[1:])
    errors = []
    for k in itertools.count():
        run = toy.new_run(tmp_path / str(k))
        toy.train(run, steps=3, seconds=1e-9)  # one step
        with monkeypatch.context() as patch:
            calls = failing(patch, name, k, number)
            try:
                toy.train(run, steps=3, checkpoint_seconds=0.0)
            except SaveError as error:
                errors.append(str(error))
        if calls[0] <= k:
            break
        assert load_latest(run).step >= 1
        assert toy.digest(*toy.train(run, steps=3)[1:]) == calm
        assert not [item for item in os.listdir(run.checkpoints) if item.startswith(".")]
    assert all(os.strerror(number) in error for error in errors)
    # All are told, but for those that keep an old checkpoint from being removed.
    assert k >= len(errors) >= (k - 1 if name == "open" else k) >= 3


def failing(patch: pytest.MonkeyPatch, name: str, k: int, number: int) -> list[int]:
    """Make the k-th call of `os.name` fail; the count of calls so far, as a list of one."""
    calls, call = [0], getattr(os, name)

    def maybe(*args: object, **kwargs: object) -> object:
        calls[0] += 1
        if calls[0] == k + 1:
            raise OSError(number, os.strerror(number))
        return call(*args, **kwargs)

    patch.setattr(os, name, maybe)
    return calls


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_disk_full_for_good_keeps_the_last_good_checkpoint(
    tmp_path: Path, toy: ModuleType, monkeypatch, number: int
):
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=4)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(SaveError, match="saved up to step 4"):
            toy.train(run, steps=30, checkpoint_seconds=0.0)
    assert load_latest(run).step == 4
    toy.train(run, steps=30)
    assert load_latest(run).step == 30


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_byte_costs_nothing_but_the_exit_code(
    tmp_path: Path, toy: ModuleType, monkeypatch, number: int
):
    """The disk takes so many bytes in all, then fails for a while, in the middle of any file."""
    calm = toy.digest(*toy.train(toy.new_run(tmp_path / "calm"), steps=6)[1:])
    draw, write = random.Random(number), os.write
    for trial in range(8):
        run = toy.new_run(tmp_path / str(trial))
        toy.train(run, steps=6, seconds=1e-9)  # one step
        left, failures = draw.randrange(12_000), draw.randrange(1, 9)

        def partial(handle: int, data: bytes) -> int:
            nonlocal left, failures
            if left <= 0 and failures > 0:
                failures -= 1
                raise OSError(number, os.strerror(number))
            taken = write(handle, bytes(data)[: max(left, 1)] if failures > 0 else data)
            left -= taken
            return taken

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", partial)
            with pytest.raises(SaveError, match=os.strerror(number)) as caught:
                toy.train(run, steps=6, checkpoint_seconds=0.0)
        assert caught.value.exit_code == 1
        assert load_latest(run).step >= 1
        assert toy.digest(*toy.train(run, steps=6)[1:]) == calm


@pytest.fixture(scope="module")
def sound(tmp_path_factory, toy: ModuleType) -> dict[str, bytes]:
    """The files of a checkpoint that is whole."""
    run = toy.new_run(tmp_path_factory.mktemp("sound") / "run")
    toy.train(run, steps=1)
    return {path.name: path.read_bytes() for path in load_latest(run).path.iterdir()}


manifests = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=manifests,
    schema=manifests | st.just(1),
    name=st.sampled_from([*checkpoint.FILES, "manifest.json"]),
    place=st.floats(0, 1, exclude_max=True),
    piece=st.binary(max_size=12),
    signed=st.booleans(),
)
def test_no_change_to_a_checkpoint_escapes_as_another_error(
    tmp_path_factory, sound: dict, files, schema, name, place, piece, signed
):
    """Any manifest, and any bytes in any file, also with the hash of the damaged bytes."""
    step = tmp_path_factory.mktemp("fuzz")
    for file, content in sound.items():
        (step / file).write_bytes(content)
    raw = sound[name]
    at = int(place * len(raw))
    (step / name).write_bytes(raw[:at] + piece + raw[at + len(piece) :])
    if signed:
        data = {file: (step / file).read_bytes() for file in checkpoint.FILES}
        (step / "manifest.json").write_text(json.dumps(checkpoint._manifest(data)))
    elif name != "manifest.json":
        manifest = json.dumps({"schema": schema, "files": files})
        (step / "manifest.json").write_text(manifest)
    with contextlib.suppress(DataError):
        checkpoint.load(step)


def test_second_process_is_refused_in_one_line_naming_the_first(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from rayfield.train.lock import locked\n"
        "from rayfield.core.check import RayfieldError\n"
        "try:\n    locked(Path(sys.argv[1])).__enter__()\n"
        "except RayfieldError as error:\n    sys.exit(str(error))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with locked(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"in use by process {os.getpid()} on " in done.stderr
    assert done.stderr.count("\n") == 1


def damaged_newest(run: object, damage: Callable[[Path], object], name: str) -> None:
    latest = load_latest(run)
    damage(latest.path / name)


@pytest.mark.parametrize("name", ["model.safetensors", "optim.safetensors", "state.json"])
def test_damaged_newest_checkpoint_costs_steps_but_not_the_result(
    tmp_path: Path, toy: ModuleType, caplog, name: str
):
    calm = toy.digest(*toy.train(toy.new_run(tmp_path / "calm"))[1:])
    run = toy.new_run(tmp_path / "run")
    toy.train(run, checkpoint_seconds=0.0)  # checkpoints of steps 29 and 30
    damaged_newest(run, lambda file: file.write_bytes(file.read_bytes()[:20]), name)
    again = toy.digest(*toy.train(run)[1:])
    assert again == calm
    assert name in caplog.text
    assert load_latest(run).step == 30
    assert "damaged-step-30" in os.listdir(run.checkpoints)


def test_torn_log_never_keeps_a_run_from_resuming(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    toy.train(run, steps=10)
    for torn in (b"", b'{"st', b"\x00" * 100, b"[" * 100_000):
        run.log.write_bytes(torn)
        toy.train(run, steps=load_latest(run).step + 1)
        assert read_log(run.log)[-1]["step"] == load_latest(run).step


def test_folder_in_the_place_of_the_log_is_reported_at_the_end(tmp_path: Path, toy: ModuleType):
    run = toy.new_run(tmp_path / "run")
    run.log.mkdir()
    with pytest.raises(SaveError, match="the log could not be written"):
        toy.train(run)
    assert load_latest(run).step == 30


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x80\x04\x95",
        b"PK\x03\x04",
        b"null",
        b'{"schema": 1}',
        b'{"schema": true}',
        b'{"schema": 1e999}',
        b'{"schema": 99, "versions": {"rayfield": 5}}',
        b'{"schema": 1, "method": "x", "method": "y"}',
        b"[" * 200_000,
    ],
)
def test_hostile_run_json_is_one_sentence(tmp_path: Path, content: bytes):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RayfieldError) as caught:
        open_run(tmp_path)
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(f"{tmp_path}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
