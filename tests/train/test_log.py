"""The training log."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

from rayfield.train.log import Log, read_log


def fill(path: Path, steps: range) -> None:
    log = Log(path, steps[0])
    for step in steps:
        log.append({"step": step, "terms": {"mse": 1.0 / (step + 1)}})
    log.close()


def test_what_is_appended_is_read_back_in_order(tmp_path: Path):
    fill(tmp_path / "log", range(5))
    records = read_log(tmp_path / "log")
    assert [record["step"] for record in records] == [0, 1, 2, 3, 4]
    assert records[3]["terms"]["mse"] == 0.25


def test_missing_log_is_empty(tmp_path: Path):
    assert read_log(tmp_path / "log") == []


def test_numbers_that_are_not_finite_become_null(tmp_path: Path):
    log = Log(tmp_path / "log", 0)
    log.append({"step": 1, "psnr": math.inf, "terms": {"mse": math.nan, "tv": 2.0}})
    log.close()
    (record,) = (json.loads(line) for line in (tmp_path / "log").read_text().splitlines())
    assert record == {"step": 1, "psnr": None, "terms": {"mse": None, "tv": 2.0}}


def test_lines_beyond_the_resumed_step_are_dropped(tmp_path: Path):
    fill(tmp_path / "log", range(10))
    Log(tmp_path / "log", 6).close()
    assert [record["step"] for record in read_log(tmp_path / "log")] == list(range(7))


def test_log_cut_at_any_byte_loses_one_line_at_most(tmp_path: Path):
    fill(tmp_path / "whole", range(2))
    whole = (tmp_path / "whole").read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / "log").write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        assert len(read_log(tmp_path / "log")) in (complete, complete + 1)
        fill(tmp_path / "log", range(100, 102))
        steps = [record["step"] for record in read_log(tmp_path / "log")]
        assert steps[-2:] == [100, 101]


def test_line_after_a_torn_one_is_whole(tmp_path: Path, monkeypatch):
    log = Log(tmp_path / "log", 0)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:4]))
        log.append({"step": 1})
    log.append({"step": 2})
    log.close()
    assert read_log(tmp_path / "log") == [{"step": 2}]


def test_strange_lines_are_passed_over(tmp_path: Path):
    (tmp_path / "log").write_bytes(b'[1]\n{"a": 1}\n\xff\xfe\n{"step": NaN}\n{"step": 3}\n\n')
    assert read_log(tmp_path / "log") == [{"step": 3}]
