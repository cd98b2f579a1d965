"""The command line: parsing, errors in one line, exit codes.

0 done, 1 failure, 2 usage, 3 bad data, 130 interrupted (a training is then saved).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence

from rayfield import __version__
from rayfield.app.catalogue import suggestion
from rayfield.app.command.display import Display, make_display
from rayfield.app.command.options import Common
from rayfield.app.command.verbs import VERBS
from rayfield.core.check import RayfieldError, UsageError
from rayfield.core.parts import is_out_of_memory

ABOUT = f"""rayfield {__version__}: scenes as neural fields, on an ordinary CPU.

  rayfield demo                              a complete tour in a few minutes
  rayfield train instant PHOTOS -o RUN       learn a scene from posed photos
  rayfield render RUN                        a video of it
  rayfield export RUN -o scene.glb           a mesh of it
  rayfield study                             claims of the literature that can be checked here"""
INTERRUPTED = 130
NO_MEMORY = (
    "out of memory; close other programs, or ask for less (--downscale, --resolution, smaller "
    "--set values); a training goes on from its last checkpoint: rayfield resume RUN"
)
BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


def main(args: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # terminals that know no box drawing
    # Beside other programs, threads that spin while they wait take most of the time from those
    # that work. Read when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    words = list(sys.argv[1:] if args is None else args)
    try:
        _stand_somewhere()
        return _run(words)
    except SystemExit as end:  # --help
        return end.code if isinstance(end.code, int) else 1
    except BrokenPipeError:
        # Python flushes standard output once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _fail(words, "interrupted", INTERRUPTED)
    except RayfieldError as error:
        kind = "" if error.exit_code == INTERRUPTED else "error: "
        return _fail(words, f"{kind}{error}", error.exit_code)
    except Exception as error:
        if is_out_of_memory(error):
            return _fail(words, f"error: {NO_MEMORY}", 1)
        what = " ".join(str(error).split())
        what = f"{type(error).__name__}: {what}".rstrip(": ")
        return _fail(words, f"error: {what} (--debug shows where)", 1)


def _stand_somewhere() -> None:
    """Raise UsageError in a folder that was deleted: libraries end the process there."""
    try:
        os.getcwd()
    except OSError:
        raise UsageError("the current folder does not exist any more; cd to another") from None


def _fail(words: list[str], message: str, code: int) -> int:
    """Say what went wrong: in one line, for `--json` also as an object, with `--debug` in full."""
    if "--debug" in words:
        traceback.print_exc()
    print(printable(message).replace("\n", "\\n"), file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"error": message.removeprefix("error: "), "exit_code": code}))
    return code


def _run(words: list[str]) -> int:
    verb = parse(words)
    verb.start()
    display = make_display(log_json=verb.log_json)
    handler = _Notes(display)
    logger = logging.getLogger("rayfield")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        result = verb.run(display)
    finally:
        logger.removeHandler(handler)
        display.close()
    text = json.dumps(result.values, allow_nan=False) if verb.json else printable(result.text)
    print(text, flush=True)
    return result.code


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal spelt out, but for ends of lines.

    Names in data sets and archives are chosen by strangers.
    """
    kept = (c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
    return "".join(kept)


def parse(words: list[str]) -> Common:
    """The verb and its arguments. Raises UsageError; SystemExit after printing help."""
    import tyro

    if "--version" in words[:1]:
        print(f"rayfield {__version__}")
        raise SystemExit(0)
    first = next((i for i, word in enumerate(words) if not word.startswith("-")), None)
    if first is not None:  # flags before the verb are as good as flags after it
        words = [words[first], *words[:first], *words[first + 1 :]]
        if words[0] not in VERBS:
            raise UsageError(f"there is no verb {words[0]!r}{suggestion(words[0], list(VERBS))}")
    elif not words:
        words = ["--help"]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.extras.subcommand_cli_from_dict(
                {name: verb for name, verb in VERBS.items()},
                prog="rayfield",
                description=ABOUT,
                args=words,
                config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as end:
        if not end.code:
            raise
        raise UsageError(_one_line(complaint.getvalue(), words[0])) from None


def _one_line(complaint: str, verb: str) -> str:
    """The parser's boxed complaint as one sentence."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", complaint)
    lines = [line.strip("│ ") for line in text.splitlines()]
    parts = " ".join(re.sub(r"^[╭╰─-].*[╮╯─-]$", "\n", line) for line in lines).split("\n")
    parts = [part.strip() for part in parts if part.strip()]
    boxed = "╭" in text  # else the first part is the title
    said = (parts[0] if boxed else parts[1]).split("Got errors:")[0].strip()
    said = re.sub(r"no type matching .* from \['(.*)'\]", r"cannot use '\1'", said)
    wrong = re.search(r"Unrecognized options: (--[\w-]+)", said)
    known = re.findall(r"(?<!\S)--[a-z-]{3,}", " ".join(parts[-2:]))
    hint = suggestion(wrong[1], known) if wrong and known else ""
    return f"{said.rstrip('.')}{hint}; see: rayfield {verb} --help"


class _Notes(logging.Handler):
    """Notes from the library, shown among the progress."""

    def __init__(self, display: Display) -> None:
        super().__init__(logging.INFO)
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        said = printable(record.getMessage())
        self._display.note(f"{record.levelname.lower()}: {said}")
