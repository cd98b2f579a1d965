"""What a training may be asked for, and what of that its data is read with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from rayfield.app.sources.photos import exif_of, masks_of
from rayfield.core.check import UsageError
from rayfield.core.types import ExifUse, MaskUse
from rayfield.train.run import Run

PHOTOS = ("photos", "scenes", "target")
GEOMETRY = ("samples", "points", "target", "shapes")  # whose files may hold what is no number


class Asked(TypedDict):
    """How data is to be read; None: as is usual. It is kept in run.json."""

    drop_invalid: bool
    masks: MaskUse | None
    exif: ExifUse | None


@dataclass(frozen=True)
class Plan:
    """What `train` may be asked for beside method and data.

    `preset`: one of the method's configurations; None: its default. `steps`, `seconds`: the
    budget of training, whichever ends first; neither: the method's own.
    `settings`: texts `field=value` for the method's Config. `drop_invalid`: leave out points and
    vertices that are not finite numbers, instead of refusing the file. `masks`: what masks of
    photos are for, as in `core.types.MaskUse`; None: what their format has them for. `report`:
    write a page about the run at the end. `exif`: whether photos are turned where EXIF alone asks
    for it; None: they are not.
    """

    preset: str | None = None
    steps: int | None = None
    seconds: float | None = None
    downscale: int = 1
    seed: int = 0
    settings: tuple[str, ...] = ()
    drop_invalid: bool = False
    masks: MaskUse | None = None
    report: bool = True
    exif: ExifUse | None = None

    @property
    def asked(self) -> Asked:
        """How the data is to be read."""
        return Asked(drop_invalid=self.drop_invalid, masks=self.masks, exif=self.exif)


def asked_of(run: Run) -> Asked:
    """How the data of a run was asked to be read."""
    exif: ExifUse | None = "apply" if exif_of(run) == "apply" else None
    return Asked(drop_invalid=run.drop_invalid, masks=masks_of(run), exif=exif)


def reading(learns: str, downscale: int, asked: Asked) -> dict[str, Any]:
    """What a reader is told beside the Config. Raises UsageError for what its data has not."""
    if asked["drop_invalid"] and learns not in GEOMETRY:
        raise UsageError("--drop-invalid is for points and meshes; leave it out")
    for option in ("masks", "exif"):
        if asked[option] is not None and learns not in PHOTOS:
            raise UsageError(f"--{option} is for photos; leave it out")
    given = {name: value for name, value in asked.items() if value not in (None, False)}
    return {"downscale": downscale, **given}
