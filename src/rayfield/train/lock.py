"""One process per run: a lock file naming the process that holds it.

The file appears by exclusive creation, so two processes never both hold it. What a dead process
left behind is removed by whoever first creates a *claim* on exactly that leftover; others wait
for the claim to go. So two processes that find the same leftover never remove each other's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rayfield.core.check import RayfieldError
from rayfield.train.files import CREATE

LOCK = ".lock"
PATIENCE = 3.0  # seconds to wait for a lock that is just being written or taken over
_log = logging.getLogger("rayfield")


class Holder(NamedTuple):
    """Who holds a lock. `started` tells a process from a later one with the same number."""

    pid: int
    host: str
    started: str


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run in `folder` (created if missing) while the block runs.

    A lock left by a dead process of this machine is taken over, with a note.
    Raises RayfieldError naming the process that holds it, or why the folder cannot be written.
    """
    lock = folder / LOCK
    mine = json.dumps(_me()._asdict()).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _acquire(lock, mine)
    except OSError as error:
        what = f"{folder}: cannot be locked ({error.strerror})"
        raise RayfieldError(f"{what}; choose a folder that can be written") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if lock.read_bytes() == mine:
                lock.unlink()


def _acquire(lock: Path, mine: bytes) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _create(lock, mine):
        try:
            content = lock.read_bytes()
        except FileNotFoundError:
            continue  # released meanwhile
        holder = _parse(content)
        if holder is not None and _alive(holder):
            raise RayfieldError(
                f"{lock.parent}: in use by process {holder.pid} on {holder.host}; wait for it to "
                f"end, or delete {lock} if it is gone"
            )
        # Unreadable content is a lock in the middle of being written, unless it stays like that.
        waited = time.monotonic() > deadline
        if (holder is not None or waited) and _remove_stale(lock, content):
            _log.warning("%s: took over the lock of a process that is gone", lock.parent)
        elif waited:
            raise RayfieldError(
                f"{lock.parent}: the lock is being taken over by another process; try again, or "
                f"delete {lock}* if there is none"
            )
        else:
            time.sleep(0.02)


def _create(path: Path, content: bytes) -> bool:
    """Create a file, or return False if it exists."""
    try:
        handle = os.open(path, CREATE, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(handle, content)
    finally:
        os.close(handle)
    return True


def _remove_stale(lock: Path, content: bytes) -> bool:
    """Remove a lock that still holds `content`; False if another process is at it."""
    claim = lock.with_name(f"{LOCK}-{hashlib.sha256(content).hexdigest()[:16]}")
    if not _create(claim, b""):
        return False
    try:
        # Only the owner of this claim may remove this content, so it cannot change in between.
        unchanged = lock.read_bytes() == content
        if unchanged:
            lock.unlink()
        return unchanged
    except FileNotFoundError:
        return False
    finally:
        claim.unlink()


def _me() -> Holder:
    return Holder(os.getpid(), socket.gethostname(), _started(os.getpid()))


def _parse(content: bytes) -> Holder | None:
    try:
        value = json.loads(content)
        return Holder(int(value["pid"]), str(value["host"]), str(value["started"]))
    except (ValueError, KeyError, TypeError):
        return None


def _alive(holder: Holder) -> bool:
    """Whether the holder may still run; where that cannot be known, it may."""
    if holder.host != socket.gethostname() or os.name == "nt":
        return True
    try:
        os.kill(holder.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return not holder.started or _started(holder.pid) in ("", holder.started)


def _started(pid: int) -> str:
    """When a process started, in clock ticks since the machine did; "" where it cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
