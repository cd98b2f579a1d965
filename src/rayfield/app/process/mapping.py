"""Poses from matches: COLMAP's incremental mapping through pycolmap, and a last refinement.

In one thread, as it is for up to `SAME_BITS` pictures, the same input gives the same bits; in more
threads sums are rounded in another order each time.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap

from rayfield.app.process import lenses
from rayfield.app.process.photos import Picture
from rayfield.app.process.reports import Report

SAME_BITS = 200
SMALLEST = 3  # pictures of a model
LARGEST_ERROR = 4.0  # px: points that are seen worse are left out
SMALLEST_ANGLE = 1.5  # degrees between the rays to a point


def place(
    database: Path, folder: Path, *, count: int, threads: int, seed: int, report: Report
) -> list[pycolmap.Reconstruction]:
    """The models that the database's matches give, those with more pictures first.

    `folder`: where COLMAP may write them; what it holds is replaced.
    """
    threads = 1 if count <= SAME_BITS else threads
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = options.mapper.num_threads = threads
    options.random_seed = options.mapper.random_seed = seed
    options.triangulation.random_seed = seed
    options.extract_colors = False
    options.min_model_size = int(np.clip(count // 4, SMALLEST, 10))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    placed, most = 0, 0

    def begun() -> None:
        nonlocal placed
        placed = 2

    def added() -> None:
        nonlocal placed, most
        placed += 1
        most = max(most, placed)
        report(min(most / count, 1.0), f"{placed} of {count} images")

    models = pycolmap.incremental_mapping(
        database,
        folder,  # of pictures, for colours: not read here
        folder,
        options,
        initial_image_pair_callback=begun,
        next_image_callback=added,
    )
    return sorted(models.values(), key=lambda model: -model.num_reg_images())


def members(model: pycolmap.Reconstruction) -> set[int]:
    """The numbers of the pictures that a model gives poses."""
    return {image - 1 for image in model.reg_image_ids()}


def refined(model: pycolmap.Reconstruction, *, threads: int, own: bool) -> pycolmap.Reconstruction:
    """The model after a last adjustment of everything, with more freedom where it is warranted.

    With `own`, every picture gets a focal length of its own if that brings the error down clearly
    (photographers zoom, and focusing changes it). Otherwise, where every lens has enough pictures,
    the principal point is found too.
    """
    threads = 1 if model.num_reg_images() <= SAME_BITS else threads
    pictures = defaultdict(list)
    for image in model.reg_image_ids():
        pictures[model.images[image].camera_id].append(image)
    shared = any(len(images) > 1 for images in pictures.values())
    if own and shared:
        free = _with_own_lenses(model)
        _adjust(free, threads=threads, extra=False)
        if _error(free) < lenses.CLOSER * _error(model):
            return _tidied(free)
    if min(map(len, pictures.values())) >= lenses.CENTRED:
        centred = pycolmap.Reconstruction(model)
        _adjust(centred, threads=threads, centre=True)
        model = centred if _believable(centred) else model
    return _tidied(model)


def _believable(model: pycolmap.Reconstruction) -> bool:
    """Whether every principal point is where lenses have theirs: near the picture's middle."""
    return all(
        abs(camera.principal_point_x - camera.width / 2) <= lenses.OFF_CENTRE * camera.width
        and abs(camera.principal_point_y - camera.height / 2) <= lenses.OFF_CENTRE * camera.height
        for camera in model.cameras.values()
    )


def _adjust(
    model: pycolmap.Reconstruction, *, threads: int, centre: bool = False, extra: bool = True
) -> None:
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point, options.refine_extra_params = centre, extra
    options.print_summary = False
    options.ceres.solver_options.num_threads = threads
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()


def _error(model: pycolmap.Reconstruction) -> float:
    """The root of the mean squared reprojection error, px."""
    model.update_point_3d_errors()
    return float(np.sqrt(np.mean([point.error**2 for point in model.points3D.values()])))


def _with_own_lenses(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    """A copy in which every registered picture has a lens of its own, equal to the one it had."""
    copy = pycolmap.Reconstruction()
    for number in sorted(model.reg_image_ids()):
        image = model.images[number]
        lens = pycolmap.Camera(model.cameras[image.camera_id].todict())
        lens.camera_id = number
        copy.add_camera_with_trivial_rig(lens)
        points = pycolmap.Point2DList([pycolmap.Point2D(point.xy) for point in image.points2D])
        new = pycolmap.Image(name=image.name, points2D=points, camera_id=number)
        new.image_id = number
        copy.add_image_with_trivial_frame(new, image.cam_from_world())
    for key, point in model.points3D.items():
        copy.add_point3D_with_id(key, pycolmap.Point3D(xyz=point.xyz, track=point.track))
    return copy


def _tidied(model: pycolmap.Reconstruction) -> pycolmap.Reconstruction:
    manager = pycolmap.ObservationManager(model)
    manager.filter_all_points3D(LARGEST_ERROR, SMALLEST_ANGLE)
    model.update_point_3d_errors()
    return model


def write(
    model: pycolmap.Reconstruction, pictures: Sequence[Picture], *, images: Path, sparse: Path
) -> None:
    """Write a model with the pictures' names and colours, as cameras.bin, images.bin, ..."""
    for image in model.images.values():
        image.name = pictures[image.image_id - 1].name
    model.extract_colors_for_all_images(images)
    sparse.mkdir(parents=True)
    model.write(sparse)


def lens_lines(model: pycolmap.Reconstruction) -> list[str]:
    """What was found of the lenses: a line for each size and kind."""
    focals = defaultdict(list)
    for image in model.reg_image_ids():
        camera = model.cameras[model.images[image].camera_id]
        key = ((camera.width, camera.height), camera.model_name)
        focals[key].append(camera.mean_focal_length())
    return [lenses.described(size, model_name, f) for (size, model_name), f in focals.items()]
