"""What the three forms of transforms.json share: frames, intrinsics and poses of a listing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from rayfield.core.check import DataError
from rayfield.data.files import existing_image, fit_to_image
from rayfield.data.images import image_info
from rayfield.data.intrinsics import Json, Values, camera_of, is_number
from rayfield.data.scene import SPLITS, Ball, Frame, Remarks, shortened

# Keys that rayfield reads, or that other programs write and that change no picture and no pose.
_READ = """frames file_path transform_matrix mask_path split near far aabb
camera_model fl_x fl_y cx cy w h k1 k2 k3 k4 k5 k6 p1 p2 distortion_params is_fisheye
camera_angle_x camera_angle_y x_fov y_fov applied_transform applied_scale ply_file_path
train_filenames val_filenames test_filenames orientation_override rotation colmap_im_id
sharpness sharpness_discard_threshold aabb_scale scale offset up render_aabb n_frames
from_mitsuba n_extra_learnable_dims depth_path depth_file_path integer_depth_scale
enable_depth_loading enable_ray_loading importance_sampling"""
# Keys that say something of pictures or poses which is left aside.
_ASIDE = """rolling_shutter transform_matrix_start transform_matrix_end driver_parameters
fix_premult white_transparent black_transparent fisheye_crop_radius sharpen envmap"""
KNOWN, LEFT_ASIDE = frozenset(_READ.split()), frozenset(_ASIDE.split())


class Listing(NamedTuple):
    """The frames of one transforms.json, and what was noticed while reading them."""

    frames: tuple[Frame, ...]
    notes: tuple[str, ...]
    ball: Ball | None


def _entries(document: Json, path: Path) -> list[tuple[str, Json]]:
    """The frames of a document with their file_path."""
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        what = "lists no frames" if frames == [] else 'has no list "frames"'
        raise DataError(path, what, "export the poses again")
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise DataError(path, f"frames[{index}] has no file_path", "export the poses again")
    return [(frame["file_path"], frame) for frame in frames]


def _unused(document: Json, entries: list[tuple[str, Json]]) -> tuple[str, ...]:
    """Notes on keys that are not used and might have been meant to be."""
    said = {key for values in (document, *(e for _, e in entries)) for key in values if values[key]}
    notes: tuple[str, ...] = ()
    if aside := sorted(said & LEFT_ASIDE):
        notes = (f"left aside, pictures and poses are taken as they are: {shortened(aside)}",)
    if unknown := sorted(said - KNOWN - LEFT_ASIDE):
        notes = (*notes, f"keys that are not known and not used: {shortened(unknown)}")
    return notes


def _ball(document: Json, path: Path) -> Ball | None:
    """The ball inside the cube about the box `aabb` of the subject, as instant-ngp has it."""
    box = document.get("aabb")
    if box is None:
        return None
    rows = box if isinstance(box, list) and len(box) == 2 else []
    if not all(isinstance(r, list) and len(r) == 3 and all(map(is_number, r)) for r in rows):
        rows = []
    if not rows or not all(low < high for low, high in zip(*rows, strict=True)):
        what = "aabb is not a box: [three lower ends, three upper ends]"
        raise DataError(path, what, "correct it or leave it out")
    lower, upper = np.array(rows, np.float64)
    return Ball(0.5 * (lower + upper), 0.5 * float((upper - lower).max()))


def _bounds(values: Values) -> tuple[float, float] | None:
    """The depths `near` and `far` of what a frame shows."""
    near, far = values.frame.get("near"), values.frame.get("far")
    if near is None or far is None:
        return None
    if not is_number(near) or not is_number(far) or not 0 < near < far:
        raise values.error(
            f"near {near!r:.40}, far {far!r:.40}, where 0 < near < far", "correct it"
        )
    return float(near), float(far)


def _frame(values: Values, root: Path, image: Path, *, split: str, remarks: Remarks) -> Frame:
    info = image_info(image)
    declared, mended = camera_of(values, info)
    for predicate in mended:
        remarks.add(predicate, values.name)
    camera, remark = fit_to_image(declared, info, image)
    name = image.relative_to(root).as_posix()
    if remark:
        remarks.add(remark, name)
    mask = None
    if (mask_name := values.frame.get("mask_path")) is not None:
        if not isinstance(mask_name, str):
            raise values.error("mask_path is not a name", "correct it")
        mask = existing_image(root, mask_name, values.path)
        if mask is None:
            remarks.add("name a mask that does not exist (all their pixels are used)", name)
    own = values.frame.get("split")
    split = own if own in SPLITS else split
    return Frame(name, camera, image, split, mask=mask, bounds=_bounds(values))


def read_listing(root: Path, path: Path, document: Json, *, split: str = "train") -> Listing:
    """The frames that a parsed transforms.json lists, with file paths relative to `root`.

    Camera axes are turned from OpenGL's (x right, y up, z back) to OpenCV's. Images that do not
    exist are passed over and noted; a picture listed twice with one pose is taken once. Raises
    DataError where nothing can be read, naming the file and the frame.
    """
    entries = _entries(document, path)
    remarks = Remarks()
    frames: dict[str, Frame] = {}
    for name, entry in entries:
        image = existing_image(root, name, path)
        if image is None:
            remarks.add("do not exist", name)
            continue
        values = Values(path, name, entry, document)
        frame = _frame(values, root, image, split=split, remarks=remarks)
        twin = frames.setdefault(frame.name, frame)
        if twin is not frame:
            if not (twin.camera.pose == frame.camera.pose).all():
                what = f"lists {frame.name!r} twice with different poses"
                raise DataError(path, what, "remove one of the two frames")
            remarks.add("were listed twice (taken once)", frame.name)
    if not frames:
        missing = shortened([name for name, _ in entries])
        what = f"none of the {len(entries)} listed images exists: {missing}"
        raise DataError(path, what, f"put the pictures where file_path says, inside {root}")
    notes = (*remarks.sentences(len(entries)), *_unused(document, entries))
    return Listing(tuple(frames.values()), notes, _ball(document, path))
