"""Durable writing and distrustful reading of files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from rayfield.core.check import DataError
from rayfield.train.files import read_json, replace_synced, to_json, write_json, write_synced


def test_json_written_is_json_read(tmp_path: Path):
    value = {"a": [1, 2.5, None], "ü": {"b": "ありがとう"}, "third": 1 / 3}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json", "fix") == value
    assert os.listdir(tmp_path) == ["x.json"]


def test_names_that_are_no_text_survive_json(tmp_path: Path):
    value = {"path": os.fsdecode(b"/data/\xffoto \xc3\xa9")}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", "x") == value


def test_json_refuses_to_write_nan():
    with pytest.raises(ValueError, match="JSON compliant"):
        to_json({"a": float("nan")})


def test_write_synced_never_overwrites(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"


def test_write_synced_continues_after_short_writes(tmp_path: Path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, bytes(data)[:3]))
    write_synced(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_failed_replacement_keeps_the_old_content(tmp_path: Path, monkeypatch, call, number):
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "x").write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            replace_synced(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_file_is_synced_before_the_rename_and_the_folder_after_it(tmp_path: Path, monkeypatch):
    calls, replace = [], os.replace

    def sync(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *args: (calls.append("rename"), replace(*args)))
    replace_synced(tmp_path / "x", b"new")
    assert calls == ["file", "rename", "folder"]


def test_replacement_ignores_the_leftover_of_a_killed_one(tmp_path: Path):
    (tmp_path / f".x.tmp-{os.getpid()}").write_bytes(b"half")
    replace_synced(tmp_path / "x", b"new")
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": ', "line 2, column 7"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' twice"),
        (b"[1]", "not a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8 text at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text at byte 0"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_bad_json_is_refused_with_the_place_and_the_fix(tmp_path: Path, content, what):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_json(file, "do this")
    assert str(caught.value).startswith(f"{file}: ")
    assert what in str(caught.value)
    assert str(caught.value).endswith("; do this")
    assert "\n" not in str(caught.value)


def test_json_with_a_byte_order_mark_is_read(tmp_path: Path):
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / "x.json", "fix") == {"a": 1}


def test_json_that_is_no_file_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in [
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "none.json", "No such file"),
    ]:
        with pytest.raises(DataError, match=what):
            read_json(path, "fix")


def test_huge_json_is_refused_unread(tmp_path: Path):
    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(2**33)
    with pytest.raises(DataError, match="far too large"):
        read_json(tmp_path / "x.json", "fix")
