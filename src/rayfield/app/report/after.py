"""The page that every training leaves. Whatever happens to the page, the training is done."""

from __future__ import annotations

import shlex

from rayfield.app.command.display import Display
from rayfield.app.learned.opened import Learned
from rayfield.app.report.page import SECONDS, write_report
from rayfield.app.sources.photos import Photos
from rayfield.app.sources.source import Source
from rayfield.train.log import read_log

SHARE = 0.1  # of the time of the training, for what the page shows that the run has not


def after_training(learned: Learned, source: Source | None, display: Display) -> None:
    """Write the page of a run that was just trained on `source`. Raises nothing: a page that fails
    is told of."""
    run = learned.run
    try:
        wall = max((row.get("wall_seconds") or 0.0 for row in read_log(run.log)), default=0.0)
        write_report(
            run.path,
            learned=learned,
            scene=source.scene if isinstance(source, Photos) else None,
            seconds=min(SECONDS, SHARE * wall),
            tell=lambda what, done: display.task(f"report: {what}", done),
        )
    except (Exception, KeyboardInterrupt) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        again = f"rayfield report {shlex.quote(str(run.path))}"
        display.note(f"the report was not written ({what}); again: {again}")
    finally:
        display.close()
