"""The worker seen from outside: whatever becomes of it is one line, and it is never left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rayfield.app.command.display import Quiet
from rayfield.app.process import supervised
from rayfield.app.process.job import Job, Settings
from rayfield.core.check import DataError, RayfieldError

OUTCOME = (
    '{"outcome": {"registered": 3, "total": 4, "failures": '
    '[{"name": "a", "kind": "weak", "reason": "b"}], "models": [3], "points": 9, "error": 0.5, '
    '"stages": ["exhaustive"], "lenses": []}}'
)


class Listener(Quiet):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def note(self, text: str) -> None:
        self.told.append((text,))

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        self.told.append((label, fraction, remark))


def supervise(tmp_path: Path, monkeypatch, script: str, listener: Listener | None = None):
    """What comes of a worker that runs this script."""
    head = "import os, sys, time, signal; job = sys.stdin.readline()\n"
    monkeypatch.setattr(supervised, "COMMAND", (sys.executable, "-c", head + script))
    job = Job(str(tmp_path), Settings(), threads=1, video="x.mp4")
    return supervised.supervise(job, tmp_path / "log", listener or Listener())


def test_progress_notes_and_the_outcome_are_passed_on(tmp_path, monkeypatch):
    script = (
        'print(\'{"task": "matching", "fraction": 0.5, "remark": "1 of 2"}\')\n'
        'print(\'{"note": "hello"}\')\n'
        "print('no json'); print('[1]')\n"
        f"print('''{OUTCOME}''')"
    )
    listener = Listener()
    found = supervise(tmp_path, monkeypatch, script, listener)
    assert listener.told == [("matching", 0.5, "1 of 2"), ("hello",)]
    assert found.registered == 3
    assert found.failures[0].name == "a"


def test_errors_of_data_stay_such(tmp_path, monkeypatch):
    script = 'print(\'{"error": ["a.jpg", "is bad", "mend it"]}\'); sys.stdin.read()'
    with pytest.raises(DataError, match=r"^a\.jpg: is bad; mend it$"):
        supervise(tmp_path, monkeypatch, script)


def test_other_failures_are_told(tmp_path, monkeypatch):
    with pytest.raises(RayfieldError, match="the reconstruction failed: no space left") as caught:
        supervise(tmp_path, monkeypatch, 'print(\'{"failure": "no space left"}\')')
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL (memory may have run out"),
        ("os.abort()", "was ended by SIGABRT"),
        ("sys.exit('bad\\nluck')", "ended with code 1; nothing was written; it said: bad luck"),
        (
            "sys.exit('bad luck\\n*** Aborted\\nPC: @ 0x1 f()\\n    @ 0x2 g()')",
            "ended with code 1; nothing was written; it said: bad luck",
        ),
        ("raise ImportError('libx.so')", "it said: Traceback .* ImportError: libx.so"),
    ],
)
def test_a_crash_is_one_line(tmp_path, monkeypatch, script, said):
    with pytest.raises(RayfieldError, match="the reconstruction ") as caught:
        supervise(tmp_path, monkeypatch, f"print('{{}}', flush=True)\n{script}")
    assert "\n" not in str(caught.value)
    pattern = said if ".*" in said else re.escape(said)
    assert re.search(pattern, str(caught.value)), caught.value


def gone(pid: int) -> bool:
    """Whether a process is no more, or soon."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":  # nobody has asked for its end, as nobody is there who started it
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_the_one_who_waits_ends_the_worker(tmp_path, monkeypatch, number):
    pid = tmp_path / "pid"
    script = (
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        f"os.kill({os.getpid()}, {int(number)})\n"
        "time.sleep(60)"
    )
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        supervise(tmp_path, monkeypatch, script)
    assert gone(int(pid.read_text()))
    assert signal.getsignal(number) == before


def test_the_worker_ends_when_the_one_who_waits_is_killed(tmp_path):
    """Its standard input is then closed."""
    code = (
        "import time\n"
        "from rayfield.app.process import worker\n"
        "worker.run = lambda job, answers: answers.say({'note': 'busy'}) or time.sleep(60)\n"
        "worker.main()"
    )
    job = Job(str(tmp_path), Settings(), threads=1, video="x.mp4")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True) as busy:
        busy.stdin.write(job.to_line())
        busy.stdin.flush()
        assert "busy" in busy.stdout.readline()
        busy.stdin.close()
        assert busy.wait(timeout=20) == 1


def test_the_worker_loads_no_torch():
    code = (
        "import sys\n"
        "import rayfield.app.process.worker, rayfield.app.process.video\n"
        "import rayfield.app.process.pairing, rayfield.app.process.lenses\n"
        "print('torch' in sys.modules, 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
