"""Features of pictures into a COLMAP database, and matches between them, through pycolmap.

Features and matches are the same bits whatever the number of threads: every picture and every pair
is worked at by one thread, with a seed of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from rayfield.app.process.lenses import Lens
from rayfield.app.process.pairing import Pair
from rayfield.app.process.photos import Picture
from rayfield.app.process.reports import Report
from rayfield.data.images import read_image

LONGEST = 1600  # pixels: features are sought in a picture of at most this longer side
MOST_FEATURES = 4096
BYTES_EACH = 300  # memory for a pixel of such a picture: its scale space
ROUND_SECONDS = 2.0  # of matching between two reports
FEWEST_POINTS = 15  # that two pictures must share to count as matched

Found = tuple[Float[np.ndarray, "K 6"], pycolmap.FeatureDescriptors]


def find_features(
    pictures: Sequence[Picture],
    folder: Path,
    database: Path,
    *,
    lenses: Sequence[Lens],
    threads: int,
    report: Report,
) -> list[int]:
    """Write every picture's lens and features into a new database; how many features each has.

    Picture i of the list becomes image i + 1, by the name of its number.
    """
    counts = []
    with (
        pycolmap.Database.open(database) as store,
        ThreadPoolExecutor(_affordable(threads, lenses)) as pool,
    ):
        rigs = _write_lenses(store, lenses)
        jobs = pool.map(_features, [folder / picture.name for picture in pictures])
        for i, (keypoints, descriptors) in enumerate(jobs):
            image = pycolmap.Image(name=str(i), camera_id=rigs[i])
            image.image_id = i + 1
            store.write_image(image, use_image_id=True)
            frame = pycolmap.Frame()
            frame.rig_id = rigs[i]
            frame.add_data_id(image.data_id)
            store.write_frame(frame)
            store.write_keypoints(i + 1, keypoints)
            store.write_descriptors(i + 1, descriptors)
            counts.append(len(keypoints))
            report(len(counts) / len(pictures), f"{len(counts)} of {len(pictures)} images")
    return counts


def _write_lenses(store: pycolmap.Database, lenses: Sequence[Lens]) -> dict[int, int]:
    """Write the lenses, each on a rig of its own; the number of lens and rig of every picture."""
    rigs = {}
    for number, lens in enumerate(lenses, start=1):
        camera = pycolmap.Camera.create_from_model_name(
            number, lens.model, lens.focal, lens.width, lens.height
        )
        camera.has_prior_focal_length = lens.told
        store.write_camera(camera, use_camera_id=True)
        rig = pycolmap.Rig()
        rig.rig_id = number
        rig.add_ref_sensor(camera.sensor_id)
        store.write_rig(rig, use_rig_id=True)
        rigs.update(dict.fromkeys(lens.pictures, number))
    return rigs


def _affordable(threads: int, lenses: Sequence[Lens]) -> int:
    """How many pictures may be worked at together, by the memory that is free."""
    pixels = max(lens.width * lens.height * _reduction(lens) ** 2 for lens in lenses)
    return max(1, min(threads, int(_free_bytes() / (BYTES_EACH * pixels))))


def _reduction(lens: Lens) -> float:
    return min(1.0, LONGEST / max(lens.width, lens.height))


def _free_bytes() -> float:
    """Memory that can be had, where the system tells; else what suits most."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024.0 * int(x.split()[1]) for x in lines if x.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):  # not on macOS and Windows
        return 4e9


def _features(path: Path) -> Found:
    """Positions and shapes of a picture's features, and their descriptors; none where it is
    transparent."""
    options = pycolmap.FeatureExtractionOptions()
    options.num_threads, options.use_gpu = 1, False
    options.max_image_size = LONGEST
    options.sift.max_num_features = MOST_FEATURES
    grey, opaque = _grey(path)
    keypoints, descriptors = pycolmap.FeatureExtractor.create(options).extract_from_uint8_array(
        grey
    )
    rows = [(k.x, k.y, k.a11, k.a12, k.a21, k.a22) for k in keypoints]
    table = np.array(rows, np.float32).reshape(-1, 6)
    if opaque is not None:
        height, width = opaque.shape
        x, y = (table[:, i].astype(int).clip(0, n - 1) for i, n in enumerate((width, height)))
        kept = opaque[y, x]
        table, descriptors.data = table[kept], descriptors.data[kept]
    return table, descriptors


def _grey(path: Path) -> tuple[UInt8[np.ndarray, "H W"], Bool[np.ndarray, "H W"] | None]:
    """A picture's brightness, over mid-grey, and where it is opaque (None: everywhere)."""
    pixels = read_image(path)
    if pixels.shape[2] == 3:
        return np.array(Image.fromarray(pixels).convert("L")), None
    alpha = pixels[..., 3:].astype(np.float32) / 255
    over = (pixels[..., :3] * alpha + 128 * (1 - alpha)).astype(np.uint8)
    return np.array(Image.fromarray(over).convert("L")), pixels[..., 3] >= 128


def match(
    database: Path, pairs: Sequence[Pair], listing: Path, *, threads: int, seed: int, report: Report
) -> None:
    """Match the features of pairs of pictures and keep what fits two views of a rigid thing.

    `listing`: a file to write the pairs of a round into.
    """
    matching, pairing = pycolmap.FeatureMatchingOptions(), pycolmap.ImportedPairingOptions()
    matching.num_threads, matching.use_gpu = threads, False
    verifying = pycolmap.TwoViewGeometryOptions()
    verifying.ransac.random_seed = seed
    verifying.min_num_inliers = FEWEST_POINTS
    pairing.match_list_path = listing
    done, size = 0, 32
    while done < len(pairs):
        some = pairs[done : done + size]
        listing.write_text("".join(f"{i} {j}\n" for i, j in some))
        started = time.monotonic()
        pycolmap.match_image_pairs(database, matching, pairing, verifying, pycolmap.Device.cpu)
        rate = len(some) / max(time.monotonic() - started, 1e-3)
        done += len(some)
        size = int(np.clip(rate * ROUND_SECONDS, 32, 4 * size))
        report(done / len(pairs), f"{done:,} of {len(pairs):,} pairs")


def verified(database: Path) -> dict[Pair, int]:
    """How many points each pair of pictures shares, of those that share enough."""
    with pycolmap.Database.open(database) as store:
        keys, inliers = store.read_two_view_geometry_num_inliers()
    found = {}
    for key, number in zip(keys, inliers, strict=True):
        if number >= FEWEST_POINTS:
            i, j = sorted(pycolmap.pair_id_to_image_pair(key))
            found[i - 1, j - 1] = number
    return found
