"""Which pixels of the demo scene's test photos show its glossy things.

The photos come with their exact depth; a pixel shows a thing if the place that it sees lies in the
box about it. Glazed or polished are the knot, the teapot, the vase, and the copper ball in its
brass hoops; everything else is stone, wood, clay or leaf.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.functional import avg_pool2d

from rayfield.data.demo import demo_photos
from rayfield.data.scene import Frame, Scene
from rayfield.objectives.photometric import psnr
from rayfield.studies.views import Score, mean, photo

# Corners of boxes in the world's frame: least and most x, y, z.
GLOSSY = {
    "knot": ((-0.69, 0.14, -0.05), (-0.03, 0.66, 0.63)),
    "teapot": ((-0.73, -0.68, -0.35), (-0.12, -0.07, 0.09)),
    "vase": ((0.47, -0.30, -0.35), (0.84, 0.07, 0.31)),
    "ball and hoops": ((0.05, -0.80, -0.35), (0.51, -0.24, -0.01)),
}
NAME = re.compile(r"test/r_(\d+)\b")


def is_demo(scene: Scene) -> bool:
    """Whether this is the scene that comes with the package, whose parts are known."""
    return scene.root.resolve() == demo_photos().resolve()


def glossy(scene: Scene, frame: Frame) -> Bool[Tensor, "H W"]:
    """The pixels of a test photo of the demo scene that show nothing but glossy things."""
    number = NAME.match(frame.name)
    assert number is not None, frame.name
    with np.load(demo_photos() / "test_truth.npz", allow_pickle=False) as truth:
        depth = truth["depth"][int(number[1])] * float(truth["depth_scale"])
    inside = within(_places(scene, frame, depth)) & (depth > 0)
    block = frame.downscale
    share = avg_pool2d(torch.from_numpy(inside).float()[None], block)[0]
    return share > 1 - 0.5 / block**2


def glossy_psnr(scene: Scene, scores: Sequence[Score]) -> float:
    """PSNR (dB) on the glossy pixels of test views of the demo scene, their mean over views."""
    frames = {frame.name: frame for frame in scene.split("test")}
    values = []
    for name, _, _, picture in scores:
        shown = glossy(scene, frames[name])
        truth = photo(scene, frames[name])
        values.append(float(psnr(picture[shown][None], truth[shown][None])))
    return mean(values)


def within(points: np.ndarray) -> np.ndarray:
    """Which world points [..., 3] lie in one of the boxes."""
    boxes = np.array(list(GLOSSY.values()))
    over = (points[..., None, :] > boxes[:, 0]) & (points[..., None, :] < boxes[:, 1])
    return np.asarray(over.all(axis=-1).any(axis=-1))


def _places(scene: Scene, frame: Frame, depth: np.ndarray) -> np.ndarray:
    """The world points [H, W, 3] that the pixels of a stored photo see at these distances."""
    camera, block = frame.camera, frame.downscale
    rows, columns = np.indices(depth.shape)
    x = ((columns + 0.5) / block - camera.cx) / camera.fx
    y = ((rows + 0.5) / block - camera.cy) / camera.fy
    along = np.stack([x, y, np.ones_like(x)], axis=-1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    matrix = scene.world_from_scene
    scale = np.cbrt(np.linalg.det(matrix[:3, :3]))
    turn = matrix[:3, :3] / scale @ camera.pose[:3, :3]
    centre = matrix[:3, :3] @ camera.pose[:3, 3] + matrix[:3, 3]
    return centre + depth[..., None] * (along @ turn.T)
