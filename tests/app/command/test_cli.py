"""The command line: what it accepts, how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rayfield.app.command import cli, verbs
from rayfield.core.check import DataError, UsageError

HEAVY = ("torch", "numba", "numpy", "matplotlib", "scipy", "av", "PIL", "skimage", "trimesh")


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = cli.main(words.split())
    return code, *capsys.readouterr()


def python(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from rayfield.app.command import cli\n"
        "codes = [cli.main(['--help']), cli.main(['train', '--help'])]\n"
        f"print(codes, sorted(set({HEAVY}) & set(sys.modules)))"
    )
    found = python("-c", code)
    assert found.stdout.splitlines()[-1] == "[0, 0] []", found.stderr
    for verb in verbs.VERBS:
        assert f"• {verb} " in found.stdout


def test_import_rayfield_loads_nothing_heavy_and_offers_the_verbs():
    code = (
        "import sys, rayfield\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))\n"
        "print([callable(v) for v in (rayfield.train, rayfield.resume, rayfield.open)])\n"
        "import rayfield.train.loop\n"
        "print(callable(rayfield.train))"
    )
    assert python("-c", code).stdout.splitlines() == ["[]", "[True, True, True]", "True"]


def test_a_console_that_knows_only_ascii_gets_help_too():
    found = python("-m", "rayfield", "--help", PYTHONIOENCODING="ascii", LANG="C", TERM="dumb")
    assert found.returncode == 0
    assert "train" in found.stdout


def test_a_reader_that_leaves_early_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run(
        [sys.executable, "-m", "rayfield", "methods"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert found.stderr == b""
    assert found.returncode == cli.BROKEN_PIPE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian instant d", "there is no verb 'trian'; did you mean 'train'?"),
        ("train", "METHOD"),
        ("train instant d --stpes 3", "did you mean '--steps'?"),
        ("train instant d --steps x", "cannot use 'x'"),
        ("train instant", "give the data once"),
        ("train instant a --data b", "give the data once"),
        ("train instnat d -o x", "did you mean 'instant'"),
        ("train instant d -o x --seed -1", "seed -1 is out of range"),
        ("train instant d -o x --steps 0", "steps must be from 1"),
        ("train instant d -o x --seconds -3", "seconds must be positive"),
        ("train instant d -o x --set levls=3", "did you mean 'levels'"),
        ("methods --threads 0", "--threads 0 is out of range"),
        ("eval run --split tset", "test"),
        ("export run", "-o"),
        ("render", "RUN"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line_with_exit_code_2(words, said, capsys):
    code, out, err = run(words, capsys)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("words", ["eval nowhere", "info nowhere", "render nowhere"])
def test_missing_folders_are_bad_data(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(words, capsys)
    assert (code, out) == (3, "")
    assert err.startswith("error: nowhere")
    assert list(tmp_path.iterdir()) == []


def test_options_come_in_any_order(tmp_path):
    a = cli.parse(["train", "instant", "d", "-o", "r", "--seconds", "3", "--set", "a=1"])
    b = cli.parse(["train", "--set", "a=1", "--seconds", "3", "instant", "-o", "r", "d"])
    c = cli.parse(["train", "instant", "--seconds=3", "--set", "a=1", "--output-dir", "r", "d"])
    assert a == b == c
    assert cli.parse(["--json", "methods"]) == cli.parse(["methods", "--json"])


def test_set_may_be_repeated():
    verb = cli.parse(["train", "instant", "d", "--set", "a=1", "--set", "b=2"])
    assert isinstance(verb, verbs.Train)
    assert verb.set == ("a=1", "b=2")


def test_json_is_one_object_also_for_errors(capsys):
    code, out, _ = run("methods --json", capsys)
    assert code == 0
    assert json.loads(out)["instant"]["module"] == "rayfield.methods.instant_ngp"
    code, out, err = run("eval nowhere --json", capsys)
    found = json.loads(out)
    assert found["exit_code"] == code == 3
    assert found["error"] in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("a"), 2, "error: a\n"),
        (DataError("f", "b", "c"), 3, "error: f: b; c\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (ValueError("two\nlines"), 1, "error: ValueError: two lines (--debug shows where)\n"),
        (MemoryError(), 1, f"error: {cli.NO_MEMORY}\n"),
    ],
)
def test_exit_codes_and_messages(error, code, said, capsys, monkeypatch):
    def fail(self: object, display: object) -> None:
        raise error

    monkeypatch.setattr(verbs.Methods, "run", fail)
    assert run("methods", capsys) == (code, "", said)
    traced, _, err = run("methods --debug", capsys)
    assert traced == code
    assert "Traceback" in err or code == 130


def test_no_verb_shows_the_help_and_version_the_version(capsys):
    assert run("", capsys)[0] == 0
    assert run("--version", capsys)[1].startswith("rayfield ")
