"""A corner of a room, drawn exactly: pictures whose true poses are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
ROOM = 6.0  # side of the floor and of both walls


def textures() -> list[np.ndarray]:
    """Three pictures with detail of every size, for the walls and the floor."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(3):
        parts = [ndimage.gaussian_filter(rng.standard_normal((900, 900)), s) for s in (2, 5, 12)]
        found.append(127 + 50 * sum(part / part.std() for part in parts) / 1.5)
    return found


def pose(index: int, count: int) -> np.ndarray:
    """world_from_camera of the camera `index` of `count` on an arc, looking into the corner."""
    angle = np.radians(20 + 50 * index / max(count - 1, 1))
    place = np.array([4 * np.cos(angle), 4 * np.sin(angle), 1.6 + 0.5 * np.sin(5 * angle)])
    forward = np.array([0.6, 0.6, 0.8]) - place
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([right, np.cross(forward, right), forward, place])
    return matrix


def draw(matrix: np.ndarray, walls: list[np.ndarray], focal: float) -> np.ndarray:
    """What a camera sees: the nearest of the three planes through the origin, on every pixel."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack([(x - WIDTH / 2) / focal, (y - HEIGHT / 2) / focal, np.ones_like(x)], -1)
    rays = rays @ matrix[:3, :3].T
    with np.errstate(divide="ignore"):
        distance = np.where(rays < 0, -matrix[:3, 3] / rays, np.inf)
    axis = distance.argmin(-1)
    hit = matrix[:3, 3] + rays * distance.min(-1)[..., None]
    picture = np.zeros((HEIGHT, WIDTH))
    for plane, wall in enumerate(walls):
        own = axis == plane
        at = np.delete(hit[own], plane, axis=1).T / ROOM * len(wall)
        picture[own] = ndimage.map_coordinates(wall, at, order=1, mode="mirror")
    return np.repeat(picture.clip(0, 255).astype(np.uint8)[..., None], 3, -1)


class Room:
    """The corner, and cameras on an arc in it."""

    def __init__(self) -> None:
        self.walls = textures()

    def picture(self, index: int, count: int, focal: float = FOCAL) -> np.ndarray:
        """What camera `index` of `count` sees."""
        return draw(pose(index, count), self.walls, focal)

    def photos(self, folder: Path, count: int, focals: tuple[float, ...] = (FOCAL,)) -> np.ndarray:
        """Write a photo of each camera: 00.jpg, 01.jpg, ...; their world_from_camera poses.

        Focal lengths alternate between those given.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture = Image.fromarray(self.picture(i, count, focals[i % len(focals)]))
            picture.save(folder / f"{i:02}.jpg", quality=95)
        return self.poses(count)

    def poses(self, count: int) -> np.ndarray:
        """world_from_camera of all cameras, [count, 4, 4]."""
        return np.stack([pose(i, count) for i in range(count)])


@pytest.fixture(scope="session")
def room() -> Room:
    """The corner of a room."""
    return Room()
