"""Which form a data set has, told from its files; or from the file that was named.

A folder may hold the cameras in several forms. The first of FORMS is read, and a note names the
others, each of which is read by naming its file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rayfield.core.check import DataError
from rayfield.data import blender, colmap, dtu, llff, nerfstudio, ngp, srn
from rayfield.data.scene import Capture
from rayfield.data.strict_json import read_json_object

EXPECTED = (
    "expected transforms_train.json (Blender), transforms.json (instant-ngp, nerfstudio), "
    "sparse/0/cameras, images and points3D, .bin or .txt, beside images/ (COLMAP), "
    "poses_bounds.npy beside images/ (LLFF), cameras_sphere.npz beside image/ (IDR, NeuS) or "
    "intrinsics.txt beside rgb/ and pose/ (SRN, NSVF)"
)
NAMED = "name transforms.json, images.bin, poses_bounds.npy, cameras_sphere.npz or intrinsics.txt"
CLIMBED = 3  # folders from a model up to its data set


class Form(NamedTuple):
    """A form of data sets: where a folder has its cameras (None: nowhere), and how to read them.

    `read` takes the data set's folder and the file.
    """

    find: Callable[[Path], Path | None]
    read: Callable[[Path, Path], Capture]


def _one_of(*names: str) -> Callable[[Path], Path | None]:
    """Looks for the first of some files."""
    return lambda root: next((root / name for name in names if (root / name).is_file()), None)


def _model(root: Path) -> Path | None:
    """The first COLMAP model's file of images."""
    found = colmap.models(root)
    return found[0].files[1] if found else None


def _read_model(root: Path, file: Path) -> Capture:
    """The largest model, unless another file than the first one found is asked for."""
    return colmap.read(root)


def _read_json(root: Path, file: Path) -> Capture:
    """A transforms.json, as nerfstudio's if it has a key that only nerfstudio writes."""
    read = nerfstudio.read if nerfstudio.detect(read_json_object(file)) else ngp.read
    return read(root, file)


FORMS = (
    Form(_one_of("transforms_train.json"), lambda root, file: blender.read(root)),
    Form(_one_of("transforms.json"), _read_json),
    Form(_one_of(*dtu.FILES), dtu.read),
    Form(_model, _read_model),
    Form(_one_of(llff.FILE), lambda root, file: llff.read(root)),
    Form(srn.find, lambda root, file: srn.read(root)),
)


def holds_scene(path: Path) -> bool:
    """Whether a folder is one data set of posed pictures, whole or not, by the files in it."""
    return path.is_dir() and any(form.find(path) for form in FORMS)


def names_cameras(path: Path) -> bool:
    """Whether a path is a file of cameras, as `read_capture` takes it."""
    return path.is_file() and _named(path) is not None


def read_capture(path: Path) -> Capture:
    """Read a data set as its files have it: that in a folder, or that whose cameras a file holds.

    A folder may be that of a COLMAP model itself. Raises DataError on input that cannot be used.
    """
    if not path.exists():
        raise DataError(path, "does not exist", EXPECTED)
    if not path.is_dir():
        read = _named(path)
        if read is None:
            what = "is not a file of cameras"
            raise DataError(path, what, f"give the folder that holds the data set, or {NAMED}")
        return read()
    found = [(form, file) for form in FORMS if (file := form.find(path))]
    if found:
        form, file = found[0]
        capture = form.read(path, file)
        others = ", ".join(other.relative_to(path).as_posix() for _, other in found[1:])
        note = f"also holds {others}: name that file to read it instead"
        return capture if not others else capture.noted(note)
    model = colmap.model_in(path)
    if model is not None:
        return colmap.read(_around(path), model)
    names = sorted(entry.name for entry in path.iterdir())
    found_names = f"found {', '.join(names[:8])}{' ...' * (len(names) > 8)}"
    what = f"is not a data set of posed pictures ({found_names if names else 'it is empty'})"
    raise DataError(path, what, EXPECTED)


def _named(path: Path) -> Callable[[], Capture] | None:
    """What reads the data set whose cameras a file holds; None for any other file."""
    root, name = path.parent, path.name
    if name == "transforms_train.json":
        return lambda: blender.read(root)
    if name.startswith("transforms") and path.suffix == ".json":
        return lambda: _read_json(root, path)
    if name in dtu.FILES:
        return lambda: dtu.read(root, path)
    if name == llff.FILE:
        return lambda: llff.read(root)
    if name == srn.FILE:
        return lambda: srn.read(root)
    if name in (*colmap.BINARY, *colmap.TEXT):
        return lambda: colmap.read(_around(root), colmap.Model(root, name in colmap.TEXT))
    return None


def _around(folder: Path) -> Path:
    """The data set that a COLMAP model is of: the nearest folder above with pictures."""
    above = folder.absolute().parents
    around = [folder, *above[:CLIMBED]]
    return next((root for root in around if colmap.has_pictures(root)), folder)
