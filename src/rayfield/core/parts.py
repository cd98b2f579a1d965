"""Long work done a part at a time, in smaller parts where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from rayfield.core.check import RayfieldError

T = TypeVar("T")
LEAST = 64  # rows at a time; if these do not fit either, nothing will
ALLOCATORS = ("can't allocate memory", "not enough memory", "out of memory")  # what torch says
_log = logging.getLogger("rayfield")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the machine or of a device, did not suffice."""
    if isinstance(error, RuntimeError):
        return any(words in str(error) for words in ALLOCATORS)
    return isinstance(error, MemoryError)


def in_parts(work: Callable[[slice], T], count: int, most: int) -> list[T]:
    """What `work` gives for `count` rows, asked for slices of at most `most` of them, in order.

    Where memory runs out, the slice is asked for again in halves, and all that follow are as
    small; so `work` must leave nothing behind when it fails. Of no rows it is asked once.

    Raises RayfieldError where not even LEAST rows fit.
    """
    found: list[T] = []
    first = 0
    while first < count or not found:
        last = min(first + most, count)
        try:
            found.append(work(slice(first, last)))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if last - first <= LEAST:
                raise RayfieldError(
                    f"out of memory, even for {last - first} points at a time; close other "
                    "programs, or ask for less (--resolution, --downscale)"
                ) from error
            most = max((last - first) // 2, LEAST)
        else:
            first = last
            continue
        _log.warning("out of memory: going on with %d points at a time", most)
    return found
