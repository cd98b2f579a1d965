"""What a check found, for people and for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from rayfield.app.check.examine import Examination
from rayfield.core.types import Camera
from rayfield.data.check.coverage import Coverage
from rayfield.data.check.finding import LEVELS, Finding
from rayfield.data.scene import SPLITS, shortened

SIGNS = {"error": "ERROR  ", "warning": "warning", "note": "note   "}
INDENT = " " * 9


class Mended(NamedTuple):
    """A corrected copy: where it is, what was done, and what a check of it says."""

    folder: Path
    done: tuple[str, ...]
    verdict: str


def verdict(found: Examination) -> str:
    """In a sentence: whether to train on this."""
    counts = {level: sum(f.level == level for f in found.findings) for level in LEVELS}
    if counts["error"]:
        kinds = dict.fromkeys(f.kind for f in found.findings if f.level == "error")
        return f"training would be pointless as it is: mend {', '.join(kinds)} first"
    if counts["warning"]:
        number = counts["warning"]
        return f"ready to train, with {number} warning{'s' * (number != 1)}"
    return "ready to train, nothing wrong was found"


def lens_of(camera: Camera) -> str:
    """Size and lens of a camera in a few words."""
    kind = "" if camera.pinhole else f", {camera.lens} lens with distortion"
    return f"{camera.width}x{camera.height}{kind}"


def text(found: Examination, *, picture: Path | None = None, mended: Mended | None = None) -> str:
    """The list of findings, worst first, and the verdict."""
    counts = [f"{n} {split}" for split in SPLITS if (n := _count(found, split))]
    form = "" if found.reading.capture is None else f"{found.reading.capture.format}, "
    head = f"{found.path}: {form}{' + '.join(counts) or 'no usable'} images"
    if found.frames:
        head += f" of {lens_of(found.frames[0].camera)}"
    lines = [head, *(line for finding in found.findings for line in _told(finding))]
    lines.append(f"verdict: {verdict(found)}")
    lines += [f"picture: {picture}"] if picture else []
    if mended is not None:
        lines.append(f"corrected copy: {mended.folder} ({'; '.join(mended.done)})")
        lines.append(f"its verdict: {mended.verdict}")
    return "\n".join(lines)


def _told(finding: Finding) -> list[str]:
    lines = [f"{SIGNS[finding.level]}  {finding.kind}: {finding.what}"]
    if finding.where:
        lines.append(f"{INDENT}{shortened(list(finding.where))}")
    if finding.fix:
        lines.append(f"{INDENT}-> {finding.fix}")
    return lines


def _count(found: Examination, split: str) -> int:
    return sum(frame.split == split for frame in found.frames)


def values(
    found: Examination, *, picture: Path | None = None, mended: Mended | None = None
) -> dict[str, Any]:
    """The same for `--json`."""
    capture = found.reading.capture
    return {
        "kind": "check",
        "data": str(found.path),
        "format": None if capture is None else capture.format,
        "images": {split: _count(found, split) for split in SPLITS},
        "trainable": not found.pointless,
        "verdict": verdict(found),
        "findings": [
            {**finding._asdict(), "where": list(finding.where)} for finding in found.findings
        ],
        "read_poses": found.reading_as or "as is",
        "coverage": None if found.coverage is None else _coverage(found.coverage),
        "picture": None if picture is None else str(picture),
        "corrected": None
        if mended is None
        else {**mended._asdict(), "folder": str(mended.folder), "done": list(mended.done)},
    }


def _coverage(coverage: Coverage) -> dict[str, Any]:
    return {
        "share": coverage.share,
        "centre": coverage.subject.centre.tolist(),
        "gaps": [
            {
                "from": gap.name,
                "share": gap.share,
                "direction": gap.centre.tolist(),
                "nearest": gap.nearest,
                "degrees_to_nearest": gap.farthest,
            }
            for gap in coverage.gaps
        ],
    }
