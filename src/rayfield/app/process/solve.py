"""From pictures to poses, and what became of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pycolmap

from rayfield.app.process import features, lenses, mapping, outcome
from rayfield.app.process.job import Job
from rayfield.app.process.outcome import Failure, Outcome
from rayfield.app.process.pairing import Escalated, Pair, escalate, stages
from rayfield.app.process.photos import Picture
from rayfield.app.process.reports import Progress


class Attempt:
    """The matches of one job, growing, and the models they give."""

    def __init__(self, job: Job, count: int, progress: Progress) -> None:
        self._job, self._count, self._progress = job, count, progress
        self._work = Path(job.work)
        self.database = self._work / "database.db"
        self.images = self._work / "data" / "images"
        self.models: list[pycolmap.Reconstruction] = []

    def features(self, pictures: Sequence[Picture]) -> list[int]:
        """Find the features of all pictures; how many each has."""
        return features.find_features(
            pictures,
            self.images,
            self.database,
            lenses=lenses.group(pictures, self._job.settings.camera),
            threads=self._job.threads,
            report=self._progress("finding features"),
        )

    def match(self, pairs: list[Pair]) -> None:
        """Compare these pairs."""
        features.match(
            self.database,
            pairs,
            self._work / "pairs.txt",
            threads=self._job.threads,
            seed=self._job.settings.seed,
            report=self._progress("matching"),
        )

    def place(self) -> list[set[int]]:
        """Find poses from all matches so far; the pictures of each model, the largest first."""
        self.models = mapping.place(
            self.database,
            self._work / "models",
            count=self._count,
            threads=self._job.threads,
            seed=self._job.settings.seed,
            report=self._progress("placing cameras"),
        )
        return [mapping.members(model) for model in self.models]

    def refine(self) -> pycolmap.Reconstruction:
        """The largest model, adjusted once more."""
        report = self._progress("refining")
        report(0.0)
        own = self._job.video is None and self._job.settings.camera == "auto"
        model = mapping.refined(self.models[0], threads=self._job.threads, own=own)
        report(1.0)
        return model


def solve(
    job: Job, pictures: Sequence[Picture], unread: Sequence[Failure], *, progress: Progress
) -> Outcome:
    """Find the poses of the pictures in work/data/images; if enough have one, the model is written
    into work/data/sparse/0, and pictures without a pose are taken away.

    `unread`: what could not even be a picture; it counts as without a pose.
    """
    settings, count = job.settings, len(pictures)
    total = count + len(unread)
    attempt = Attempt(job, count, progress)
    counts = attempt.features(pictures)
    plan = stages(count, video=job.video is not None, matching=settings.matching)
    enough = settings.least * total / count
    done = escalate(plan, count, enough=enough, match=attempt.match, place=attempt.place)
    failed = _failures(attempt, pictures, counts, done=done)
    found = _outcome(attempt, done, total=total, failed=(*unread, *failed))
    if outcome.shortfall(found, least=settings.least, partial=settings.partial):
        return found
    model = attempt.refine()
    sparse = Path(job.work) / "data" / "sparse" / "0"
    mapping.write(model, pictures, images=attempt.images, sparse=sparse)
    for failure in failed:
        (attempt.images / failure.name).unlink()
    return _outcome(attempt, done, total=total, failed=found.failures, model=model)


def _failures(
    attempt: Attempt, pictures: Sequence[Picture], counts: Sequence[int], *, done: Escalated
) -> tuple[Failure, ...]:
    return outcome.failures(
        [picture.name for picture in pictures],
        counts,
        verified=features.verified(attempt.database),
        compared=done.compared,
        models=done.models,
    )


def _outcome(
    attempt: Attempt,
    done: Escalated,
    *,
    total: int,
    failed: tuple[Failure, ...],
    model: pycolmap.Reconstruction | None = None,
) -> Outcome:
    return Outcome(
        registered=len(done.models[0]) if done.models else 0,
        total=total,
        failures=failed,
        models=tuple(len(members) for members in done.models),
        points=model.num_points3D() if model else 0,
        error=float(model.compute_mean_reprojection_error()) if model else None,
        stages=done.stages,
        lenses=tuple(mapping.lens_lines(model)) if model else (),
    )
