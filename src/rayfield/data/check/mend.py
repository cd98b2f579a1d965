"""A corrected copy of a data set: what of it changes, and which files it is made of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from rayfield.core.check import DataError
from rayfield.data.check.axes import Name, readings
from rayfield.data.check.finding import images
from rayfield.data.check.listing import Row
from rayfield.data.files import existing_image
from rayfield.data.images import read_image
from rayfield.data.scene import Capture
from rayfield.data.strict_json import read_json_object


class Mending(NamedTuple):
    """What to change: how poses are read, pictures to leave out of training, masks to invert.

    `broken`: pictures that cannot be used at all.
    """

    poses: Name = "as is"
    copies: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()
    masks: frozenset[str] = frozenset()


def write_mended(
    folder: Path, capture: Capture, rows: tuple[Row, ...], *, mending: Mending, link: bool = False
) -> list[str]:
    """Write the corrected data set into an empty folder; what was done, in sentences.

    Pictures are copied, or with `link` hard-linked where the file system can. A listing keeps all
    its keys; frames that cannot be used are left out of it. In other forms every file is taken and
    only masks can change. Raises DataError, OSError.
    """
    done: list[str] = []
    root = capture.root
    if rows:
        files, told = _listings(folder, rows, mending)
        done += told
    else:
        files = {path for path in root.rglob("*") if path.is_file() and _inside(path, root)}
    frames = [f for f in capture.frames if f.name in mending.masks and f.mask is not None]
    turned = {frame.mask for frame in frames if frame.mask is not None}
    _bring(folder, root, files - turned, link=link)
    for mask in sorted(turned):
        _invert(mask, folder / mask.relative_to(root))
    done += [f"{len(turned)} masks inverted"] if turned else []
    return done


def _inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def _bring(folder: Path, root: Path, files: Iterable[Path], *, link: bool) -> None:
    """Files of a data set to the same places in another folder."""
    for file in sorted(files):
        target = folder / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            try:
                os.link(file, target)
                continue
            except OSError:  # another file system
                pass
        shutil.copy2(file, target)


def _invert(mask: Path, target: Path) -> None:
    """The negative of a mask, in its format; one that loses pixels keeps its edges in PNG's way."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(mask) as image:
        form = image.format
    picture = Image.fromarray(255 - read_image(mask)[..., 0])
    if form == "JPEG":
        picture.save(target, format=form, quality=100)
    else:
        picture.save(target, format=form)


def _listings(folder: Path, rows: tuple[Row, ...], mending: Mending) -> tuple[set[Path], list[str]]:
    """Write the listings anew; the pictures and other files they name, and what was done."""
    files: set[Path] = set()
    counts = {"turned": 0, "broken": 0, "copies": 0}
    for listing in dict.fromkeys(row.file for row in rows):
        document = read_json_object(listing)
        kept = []
        for row in (row for row in rows if row.file == listing):
            frame = row.frame
            if frame is None or row.matrix is None or frame.name in mending.broken:
                counts["broken"] += 1
                continue
            if frame.name in mending.copies and frame.split == "train":
                counts["copies"] += 1
                continue
            entry = dict(document["frames"][row.number])
            if mending.poses != "as is":
                entry["transform_matrix"] = _reread(row.matrix, mending.poses)
                counts["turned"] += 1
            kept.append(entry)
            files |= {path for path in (frame.path, frame.mask) if path is not None}
        if not kept:
            raise DataError(listing, "would keep no frame", "export the data set again")
        points = document.get("ply_file_path")
        if isinstance(points, str) and (found := existing_image(listing.parent, points, listing)):
            files.add(found)
        text = json.dumps({**document, "frames": kept}, indent=1, ensure_ascii=False)
        (folder / listing.name).write_text(text + "\n", encoding="utf-8")
    done = [f"{counts['turned']} poses {mending.poses}"] if counts["turned"] else []
    for key, why in (("broken", "that cannot be used"), ("copies", "like those for testing")):
        done += [f"{images(counts[key])} {why} left out"] if counts[key] else []
    return files, done


def _reread(matrix: np.ndarray, name: Name) -> list[list[float]]:
    """A file's matrix under another reading, in the file's own axes, without its scale."""
    rigid = matrix.copy()
    rigid[:3, :3] /= np.cbrt(np.linalg.det(matrix[:3, :3]))
    found: list[list[float]] = readings(rigid[None], np.eye(4))[name][0].tolist()
    return found
