"""Which files of a folder are raw photos, and whether they can be pictures at all."""

from __future__ import annotations

from pathlib import Path

from rayfield.app.process import heic
from rayfield.core.check import DataError
from rayfield.data.images import SUFFIXES, image_info
from rayfield.data.scene import natural_order, shortened

READ = (*SUFFIXES, *heic.SUFFIXES)
UNREAD = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")


def find_photos(folder: Path) -> tuple[Path, list[Path], tuple[str, ...]]:
    """The folder that photos lie in, the photos in natural order of their names, and notes.

    They are those directly in `folder`; if there are none, those in images/; else all below it.
    Raises DataError if there are none, a link leads out of the folder, or a header is no picture's.
    """
    for root, deep in ((folder, False), (folder / "images", True), (folder, True)):
        found = _pictures_in(root, deep) if root.is_dir() else []
        if found:
            break
    others = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in UNREAD]
    if not found:
        raise _nothing(folder, others)
    for path in found:
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(path, "is a link that leads out of the folder", "copy the photo there")
    notes = () if not others else (_unread(others),)
    return root, found, notes


def _pictures_in(root: Path, deep: bool) -> list[Path]:
    """The picture files in a folder, or at any depth; not those in hidden folders."""
    paths = root.rglob("*") if deep else root.iterdir()
    found = [p for p in paths if p.suffix.lower() in READ and p.is_file()]
    seen = [(p, p.relative_to(root)) for p in found]
    shown = [(p, r) for p, r in seen if not any(part.startswith(".") for part in r.parts)]
    return [p for p, r in sorted(shown, key=lambda pair: (natural_order(str(pair[1])), pair[1]))]


def _nothing(folder: Path, others: list[Path]) -> DataError:
    if others:
        return DataError(folder, _unread(others), "convert them to JPEG")
    fix = f"put photos there ({' '.join(READ)}), or give a video file"
    return DataError(folder, "holds no photos", fix)


def _unread(others: list[Path]) -> str:
    names = shortened([path.name for path in others])
    return f"{len(others)} photos are of a kind that is not read: {names}"


def check_headers(paths: list[Path], *, partial: bool) -> dict[Path, str]:
    """Why pictures cannot be used, by their headers. Raises DataError at the first one, unless
    `partial` goes on without them. HEIC photos are looked at later, by whoever decodes them."""
    heic.require_heif(paths)
    bad = {}
    for path in paths:
        try:
            if not heic.is_heic(path):
                image_info(path)
        except DataError as error:
            if not partial:
                raise _left_out(error) from None
            bad[path] = error.what
    return bad


def _left_out(error: DataError) -> DataError:
    return DataError(error.path, error.what, f"{error.fix}, or go on without with --allow-partial")
