"""The display on a terminal: one block that is redrawn in place."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rayfield.app.command.display import Clock, duration, facts
from rayfield.train.progress import Progress

COLUMNS = 8


class Live:
    """See display.Display; the block disappears when its task is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: RichLive | None = None
        self._clock = Clock()
        self._view = ""

    def note(self, text: str) -> None:
        """See Display."""
        self._console.print(Text(text), soft_wrap=True)

    def step(self, progress: Progress) -> None:
        """See Display."""
        values = facts(progress)[:-1]  # the bar tells the time left
        grid = Table.grid(padding=(0, 3))
        for first in range(0, len(values), COLUMNS):
            row = values[first : first + COLUMNS]
            grid.add_row(*(Text(name, style="dim") for name, _ in row))
            grid.add_row(*(Text(value, style="bold") for _, value in row))
        done = progress.seconds / max(progress.seconds + progress.eta_seconds, 1e-9)
        self._show(Group(_bar("training", done, progress.eta_seconds, self._view), grid))
        if progress.eta_seconds <= 0:
            self.close()

    def preview(self, seconds: float, psnr: float) -> None:
        """See Display."""
        self._view = f"test view {psnr:.1f} dB at {seconds:.0f} s"

    def task(self, label: str, fraction: float, remark: str = "") -> None:
        """See Display."""
        self._show(Group(_bar(label, fraction, self._clock.left(label, fraction), remark)))
        if fraction >= 1:
            self.close()

    def close(self) -> None:
        """See Display."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, block: Group) -> None:
        if self._live is None:
            self._live = RichLive(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(block, refresh=True)


def _bar(label: str, fraction: float, left: float, remark: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=1.0, completed=min(fraction, 1.0), width=40)
    grid.add_row(
        Text(label), bar, Text(f"{100 * fraction:3.0f} %  {duration(left)} left  {remark}")
    )
    return grid
