"""Pixels and the rays through them: training batches, whole views, new cameras."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import maximum_filter
from torch import Tensor

from rayfield.core.check import DataError
from rayfield.core.types import Camera, RayBatch, Rays, SceneTraits
from rayfield.data.images import read_mask
from rayfield.data.photo import decode
from rayfield.data.scene import Frame, Scene, intrinsics
from rayfield.math.rays import camera_directions, pixel_grid, ray_box
from rayfield.math.rays import camera_rays as rays_of_pixels

log = logging.getLogger("rayfield")

DECODERS = 2
# Photos with alpha: most pixels show nothing, and are soon learned. This share of the rays is
# drawn from pixels within MARGIN of the subject, the rest from all pixels.
SUBJECT_SHARE = 0.75
MARGIN = 4
# unbounded scenes: far enough for every sky, and exact in float32
FAR = 1e6


def bounded_rays(
    origins: Float[Tensor, "R 3"], directions: Float[Tensor, "R 3"], traits: SceneTraits
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"]]:
    """Where to look along rays: (near, far).

    Bounded scenes: inside the cube [-1, 1]^3, no nearer than `traits.near`; both 0 for a ray
    that misses it. Unbounded scenes: from `traits.near` to FAR.
    """
    if not traits.bounded:
        near = origins.new_full((len(origins),), traits.near)
        return near, torch.full_like(near, FAR)
    near, far = ray_box(origins, directions)
    hit = far > traits.near
    return near.clamp_min(traits.near) * hit, far * hit


def camera_rays(camera: Camera, traits: SceneTraits, *, pixel_offset: float = 0.5) -> Rays:
    """The H*W rays of a camera, row-major, in float32; `pixel_offset` as in `pixel_grid`.

    The camera's pose is scene_from_camera. The rays belong to no training photo (image = -1).
    """
    pixels = pixel_grid(camera.width, camera.height, pixel_offset=pixel_offset)
    origins, directions = (x.float().contiguous() for x in rays_of_pixels(camera, pixels))
    near, far = bounded_rays(origins, directions, traits)
    return Rays(origins, directions, near, far, torch.full((len(origins),), -1))


def view_rays(scene: Scene, frame: Frame) -> Rays:
    """The H*W rays of one of the scene's pictures, row-major (image = -1)."""
    return camera_rays(frame.camera, scene.traits)


class PixelSampler:
    """Random training pixels of one split, with their rays, as fast as a step needs them.

    All pictures are decoded once into one flat uint8 tensor (RGBA if the scene has alpha, else
    RGB). Masked pixels are never drawn; pictures with alpha are drawn from mostly where the
    subject is (`SUBJECT_SHARE`). Where a lens distorts, directions are a table over the pixels of
    each distinct lens. With `views`, each batch shows so many of the pictures, one
    after the other, as what draws whole shapes wants it.
    """

    def __init__(self, scene: Scene, split: str = "train", *, views: int = 0) -> None:
        frames = scene.split(split)
        if not frames:
            raise DataError(scene.root, f"has no {split} images", "choose another split")
        self.traits = scene.traits
        cameras = [frame.camera for frame in frames]
        sizes = [camera.width * camera.height for camera in cameras]
        self.pixels = _load_pixels(frames, 4 if scene.traits.alpha else 3)
        self.valid = _load_masks(frames)
        self.subject = _subject_pixels(self.pixels, cameras) if self.valid is None else None
        self.table, table_first = _lens_tables(cameras)
        self.first = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()])
        self.views = views
        widths = torch.tensor([camera.width for camera in cameras])
        self.layout = torch.stack([self.first, widths, table_first])
        # one column an image, so that a draw works on contiguous rows
        lenses = torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32)
        poses = torch.from_numpy(np.stack([camera.pose for camera in cameras])).float()
        self.lens = lenses.T.contiguous()
        self.pose = poses[:, :3].permute(2, 1, 0).contiguous()  # right, down, forward, centre

    def __len__(self) -> int:
        """How many pixels can be drawn."""
        return len(self.pixels if self.valid is None else self.valid)

    def sample(self, n: int, *, generator: torch.Generator | None) -> RayBatch:
        """Draw n pixels (with replacement) and the rays through their centres."""
        index = (self._from_some if self.views else self._from_all)(n, generator)
        image = torch.searchsorted(self.first, index, right=True) - 1
        first, width, table_first = self.layout.index_select(1, image)
        right, down, forward, centre = (column.index_select(1, image) for column in self.pose)
        if self.table is None:
            x, y = _pinhole(index - first, width, self.lens.index_select(1, image))
            directions = right.mul_(x).add_(forward).addcmul_(down, y)
            directions = directions.mul_((x * x + y * y + 1).rsqrt_()).T  # columns are orthonormal
        else:
            x, y, z = self.table.index_select(0, index - first + table_first).T
            directions = right.mul_(x).addcmul_(forward, z).addcmul_(down, y).T
        origins = centre.T
        near, far = bounded_rays(origins, directions, self.traits)
        rays = Rays(origins.contiguous(), directions.contiguous(), near, far, image)
        return RayBatch(rays, self._rgba(index))

    def _from_all(self, n: int, generator: torch.Generator | None) -> Int[Tensor, " {n}"]:
        """Numbers of n pixels of all pictures, mixed."""
        index = torch.randint(len(self), (n,), generator=generator)
        if self.valid is not None:
            index = self.valid[index]
        if self.subject is not None:
            part = round(n * SUBJECT_SHARE)
            chosen = torch.randint(len(self.subject), (part,), generator=generator)
            index[:part] = self.subject[chosen]
            index = index[torch.randperm(n, generator=generator)]
        return index

    def _from_some(self, n: int, generator: torch.Generator | None) -> Int[Tensor, " {n}"]:
        """Numbers of n pixels of `views` pictures, as many of each, picture after picture."""
        every = torch.arange(len(self.pixels)) if self.valid is None else self.valid
        ends = torch.cat([self.first, torch.tensor([len(self.pixels)])])
        bounds = torch.searchsorted(every, ends)
        usable = (bounds.diff() > 0).nonzero()[:, 0]
        some = usable[torch.randperm(len(usable), generator=generator)[: self.views]]
        image = some.repeat_interleave(-(-n // len(some)))[:n]
        place, kind = torch.rand(2, n, generator=generator, dtype=torch.float64)
        index = _placed(every, bounds, image, place)
        if self.subject is not None:
            near = torch.searchsorted(self.subject, ends)
            wanted = (kind < SUBJECT_SHARE) & (near.diff()[image] > 0)
            index[wanted] = _placed(self.subject, near, image[wanted], place[wanted])
        return index

    def _rgba(self, index: Tensor) -> Float[Tensor, "R 4"]:
        chosen = self.pixels.index_select(0, index).float().div_(255)
        if chosen.shape[-1] == 4:
            return chosen
        return torch.nn.functional.pad(chosen, (0, 1), value=1.0)


def _placed(pool: Tensor, bounds: Tensor, image: Tensor, place: Tensor) -> Tensor:
    """The pixels at places in [0, 1) of each picture's part of a sorted pool."""
    low, high = bounds[image], bounds[image + 1]
    return pool[low + (place * (high - low)).long()]


def _pinhole(local: Tensor, width: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
    """The plane z = 1 at the centres of pixels numbered row by row; `lens` rows fx, fy, cx, cy."""
    row = torch.div(local, width, rounding_mode="floor")
    column = local - row * width
    return (column + 0.5 - lens[2]) / lens[0], (row + 0.5 - lens[3]) / lens[1]


def _load_pixels(frames: tuple[Frame, ...], channels: int) -> UInt8[Tensor, "P C"]:
    """All pictures, decoded by two threads, one after the other in one tensor."""
    sizes = [frame.camera.width * frame.camera.height for frame in frames]
    ends = np.cumsum(sizes).tolist()
    pixels = np.full((ends[-1], channels), 255, np.uint8)

    def load(index: int) -> None:
        picture = decode(frames[index])
        kept = min(channels, picture.shape[-1])
        flat = picture.reshape(-1, picture.shape[-1])
        pixels[ends[index] - sizes[index] : ends[index], :kept] = flat[:, :kept]

    with ThreadPoolExecutor(DECODERS) as pool:
        list(pool.map(load, range(len(frames))))
    return torch.from_numpy(pixels)


def _subject_pixels(pixels: UInt8[Tensor, "P C"], cameras: list[Camera]) -> Tensor | None:
    """Numbers of the pixels within MARGIN of one that is not transparent; None without alpha."""
    if pixels.shape[-1] < 4:
        return None
    found, first = [], 0
    for camera in cameras:
        size = camera.width * camera.height
        alpha = pixels[first : first + size, 3].numpy().reshape(camera.height, camera.width)
        near = maximum_filter(alpha, size=2 * MARGIN + 1)
        found.append(np.flatnonzero(near) + first)
        first += size
    subject = np.concatenate(found)
    return torch.from_numpy(subject) if len(subject) else None


def _load_masks(frames: tuple[Frame, ...]) -> Int[Tensor, " V"] | None:
    """Numbers of the pixels that masks keep, None where no picture has a mask."""
    if not any(frame.skipped for frame in frames):
        return None
    kept = []
    for frame in frames:
        camera = frame.camera
        if frame.skipped is None:
            kept.append(np.ones(camera.width * camera.height, bool))
        else:
            size = (camera.width, camera.height)
            mask = read_mask(frame.skipped, size=size, downscale=frame.downscale)
            kept.append(mask.reshape(-1))
    keep = np.concatenate(kept)
    valid = np.flatnonzero(keep)
    if len(valid) == 0:
        path = next(frame.skipped for frame in frames if frame.skipped)
        raise DataError(path, "and all other masks are black", "white marks the pixels to use")
    log.info("masks: %.0f %% of the pixels are used", 100 * keep.mean())
    return torch.from_numpy(valid)


def _lens_tables(
    cameras: list[Camera],
) -> tuple[Float[Tensor, "T 3"] | None, Int[Tensor, " I"]]:
    """Unit directions of every pixel of each distinct lens, and where each image's start.

    None in place of the tables where all are pinholes.
    """
    if all(camera.pinhole for camera in cameras):
        return None, torch.zeros(len(cameras), dtype=torch.int64)
    tables: list[Tensor] = []
    start: dict[tuple[float, ...], int] = {}
    rows = 0
    for camera in cameras:
        key = intrinsics(camera)
        if key not in start:
            pixels = pixel_grid(camera.width, camera.height)
            table = camera_directions(camera, pixels).float()
            start[key], rows = rows, rows + len(table)
            tables.append(table)
    return torch.cat(tables), torch.tensor([start[intrinsics(camera)] for camera in cameras])
