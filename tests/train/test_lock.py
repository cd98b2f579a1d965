"""One process per run."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rayfield.core.check import RayfieldError
from rayfield.train import lock
from rayfield.train.lock import LOCK, locked


def write_lock(folder: Path, *, pid: int, host: str = "", started: str = "") -> None:
    holder = {"pid": pid, "host": host or socket.gethostname(), "started": started}
    (folder / LOCK).write_text(json.dumps(holder))


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_lock_names_its_holder_while_held_and_is_gone_afterwards(tmp_path: Path):
    folder = tmp_path / "new" / "run"
    with locked(folder):
        holder = json.loads((folder / LOCK).read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
    assert os.listdir(folder) == []


def test_lock_is_released_after_an_error(tmp_path: Path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_second_holder_is_refused_and_told_who_holds(tmp_path: Path):
    with locked(tmp_path):
        with pytest.raises(RayfieldError, match=f"in use by process {os.getpid()} on "):
            locked(tmp_path).__enter__()
        assert (tmp_path / LOCK).exists()


def test_lock_of_a_dead_process_is_taken_over_with_a_note(tmp_path: Path, dead_pid: int, caplog):
    write_lock(tmp_path, pid=dead_pid)
    with caplog.at_level(logging.WARNING, "rayfield"), locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert "took over the lock" in caplog.text
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_lock_of_an_earlier_process_with_a_number_now_reused_is_taken_over(tmp_path: Path):
    write_lock(tmp_path, pid=os.getpid(), started="1")
    with locked(tmp_path):
        pass


def test_lock_of_another_machine_is_respected(tmp_path: Path, dead_pid: int):
    write_lock(tmp_path, pid=dead_pid, host="elsewhere")
    with pytest.raises(RayfieldError, match=f"process {dead_pid} on elsewhere"):
        locked(tmp_path).__enter__()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_unreadable_lock_is_taken_over_after_a_wait(tmp_path: Path, monkeypatch, content: str):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    (tmp_path / LOCK).write_text(content)
    started = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - started >= 0.1


def test_lock_still_being_written_is_waited_for(tmp_path: Path):
    (tmp_path / LOCK).write_text("")
    writer = threading.Timer(0.1, lambda: write_lock(tmp_path, pid=os.getpid()))
    writer.start()
    with pytest.raises(RayfieldError, match="in use by process"):
        locked(tmp_path).__enter__()
    writer.join()


def test_claim_on_old_content_never_removes_a_new_lock(tmp_path: Path, dead_pid: int):
    write_lock(tmp_path, pid=dead_pid)
    stale = (tmp_path / LOCK).read_bytes()
    write_lock(tmp_path, pid=os.getpid())  # another process was faster
    assert not lock._remove_stale(tmp_path / LOCK, stale)
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_one_of_many_wins_a_stale_lock(tmp_path: Path, dead_pid: int):
    write_lock(tmp_path, pid=dead_pid)
    inside, most, won, refused = 0, 0, 0, 0
    guard, start = threading.Lock(), threading.Barrier(8)

    def contend() -> None:
        nonlocal inside, most, won, refused
        start.wait()
        try:
            with locked(tmp_path):
                with guard:
                    inside, won = inside + 1, won + 1
                    most = max(most, inside)
                time.sleep(0.05)
                with guard:
                    inside -= 1
        except RayfieldError:
            with guard:
                refused += 1

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert won + refused == 8


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RayfieldError, match="cannot be locked") as caught:
        locked(tmp_path / "file" / "run").__enter__()
    assert "\n" not in str(caught.value)
