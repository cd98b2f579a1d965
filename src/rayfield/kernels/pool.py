"""A small pool of threads that all run the same kernel until its work is gone.

A kernel's first argument is a ticket counter: each thread takes tickets (`jit.take_ticket`) and
does the piece of work with that number until the tickets run out. The caller's thread works too.
Pieces are numbered independently of the number of threads, so results do not depend on it.

Plain threads and kernels that release the interpreter lock need no threading library, and any
number of Python threads (training, a viewer) may use the pool at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np
import torch

_Job = tuple[Callable, tuple, SimpleQueue]


def available_cores() -> int:
    """Cores this process may use; the environment variable RAYFIELD_THREADS overrides it."""
    asked = os.environ.get("RAYFIELD_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


class Pool:
    """`threads - 1` daemon threads beside the caller."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        for index in range(threads - 1):
            name = f"rayfield-{index + 1}"
            threading.Thread(target=_serve, args=(self._jobs,), name=name, daemon=True).start()

    def run(self, kernel: Callable, *args: object) -> None:
        """Run `kernel(ticket, *args)` on every thread and wait for all of them."""
        ticket = np.zeros(1, np.int64)
        done: SimpleQueue[BaseException | None] = SimpleQueue()
        for _ in range(self.threads - 1):
            self._jobs.put((kernel, (ticket, *args), done))
        try:
            kernel(ticket, *args)
        finally:  # the arrays stay in use until every thread is done
            errors = [done.get() for _ in range(self.threads - 1)]
        for error in errors:
            if error is not None:
                raise error

    def close(self) -> None:
        """End the threads once they have nothing left to do."""
        for _ in range(self.threads - 1):
            self._jobs.put(None)


def _serve(jobs: SimpleQueue[_Job | None]) -> None:
    while True:
        job = jobs.get()
        if job is None:
            return
        kernel, args, done = job
        try:
            kernel(*args)
            done.put(None)
        except BaseException as error:  # handed to the caller, who raises it
            done.put(error)
        del job, kernel, args, done  # hold no array while idle


_pool: Pool | None = None
_pool_lock = threading.Lock()


def pool() -> Pool:
    """The process-wide pool, made on first use."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = Pool(available_cores())
        return _pool


def set_threads(threads: int) -> None:
    """Use `threads` threads from now on (>= 1); results do not change, only speed."""
    global _pool
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    with _pool_lock:
        if _pool is not None:
            _pool.close()
        _pool = Pool(threads)


def zeros(shape: tuple[int, ...], dtype: type = np.float32) -> torch.Tensor:
    """A CPU tensor of zeros in NumPy's memory, which asks the system for huge pages.

    Tables are read at random; with small pages, address translation takes half of the time.
    """
    array: np.ndarray = np.empty(shape, dtype)
    array.fill(0)
    return torch.from_numpy(array)
