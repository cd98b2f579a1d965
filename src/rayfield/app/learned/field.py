"""A trained field: what a run folder holds, ready to be asked for views.

Arrays in and out are numpy; poses, depths and meshes are in the world's frame and units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from rayfield.app import contract
from rayfield.app.catalogue import load_method
from rayfield.app.learned import cameras as cams
from rayfield.app.meshes.meshing import DEFAULT, Meshing
from rayfield.core.check import DataError, UsageError
from rayfield.core.parts import in_parts
from rayfield.core.types import Camera, Rays, SceneTraits
from rayfield.data.pixels import camera_rays
from rayfield.train.run import Run

CHUNK = 2**16  # rays rendered at a time, at most
CAMERAS = "cameras.json"


class View(NamedTuple):
    """A rendered picture; `depth` is the distance from the lens along each ray, 0 where nothing
    is seen, in the units of the camera's frame."""

    color: Float[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "H W"]
    opacity: Float[np.ndarray, "H W"]


def method_named(name: str) -> contract.Method:
    """The method of that name. Raises UsageError if there is none."""
    return cast(contract.Method, load_method(name))


def background_of(traits: SceneTraits) -> contract.Vector:
    """What lies behind everything: white for cut-out subjects, black for whole scenes."""
    return torch.full((3,), 1.0 if traits.alpha else 0.0)


def render_view(
    method: contract.RayMethod,
    model: nn.Module,
    cfg: Any,
    *,
    camera: Camera,
    traits: SceneTraits,
    image: int = -1,
) -> View:
    """The picture of a camera whose pose is scene_from_camera; depth in scene units.

    `image` is the number of a training photo; of a class of scenes, it says which one is meant.
    """
    behind, rays = background_of(traits), camera_rays(camera, traits)
    rays = rays._replace(image=torch.full_like(rays.image, image))

    def look(part: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        got = method.render(model, Rays(*(x[part] for x in rays)), cfg, background=behind)
        return got.color, got.depth, got.opacity

    with torch.no_grad():
        parts = in_parts(look, len(rays.near), CHUNK)
    color, depth, opacity = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    size = (camera.height, camera.width)
    return View(color.clip(0, 1).reshape(*size, 3), depth.reshape(size), opacity.reshape(size))


@dataclass(frozen=True)
class TrainedField:
    """A field as its newest checkpoint holds it, and the run it came from.

    `image`: of a class of scenes, the number of a photo of this one.
    """

    run: Run
    method: contract.RayMethod
    cfg: Any
    model: nn.Module
    step: int
    cameras: tuple[cams.NamedCamera, ...]
    image: int = -1

    @property
    def traits(self) -> SceneTraits:
        """What the method was told of the scene."""
        return traits_of(self.run)

    @property
    def world_from_scene(self) -> Float[np.ndarray, "4 4"]:
        """The similarity from the frame of training to the world."""
        return np.array(self.run.record["world_from_scene"], dtype=np.float64)

    def scene_density(self) -> contract.PointFn:
        """Density of scene points. Raises UsageError for a field that has none."""
        if isinstance(self.method, contract.DenseMethod):
            density = self.method.density(self.model)
            return contract.within_cube(density) if self.traits.bounded else density
        raise UsageError(f"{self.run.path}: a run of {self.run.record['method']} has no density")

    def scene_surface(self) -> contract.PointFn | None:
        """Signed distance of scene points; None for a field that has none, or a density."""
        if isinstance(self.method, contract.DenseMethod):
            return None
        method = self.method
        return method.surface(self.model) if isinstance(method, contract.SurfaceMethod) else None

    def scene_color(self) -> contract.ColorFn:
        """Colour of scene points along directions. Raises UsageError for a field without."""
        if isinstance(self.method, contract.DenseMethod | contract.SurfaceMethod):
            return self.method.color(self.model)
        raise UsageError(f"{self.run.path}: a run of {self.run.record['method']} has no surface")

    def split(self, name: str) -> tuple[cams.NamedCamera, ...]:
        """The photos' cameras of a split: "train", "val" or "test"."""
        return tuple(camera for camera in self.cameras if camera.split == name)

    def view(
        self, camera: Camera | Float[np.ndarray, "4 4"], *, size: tuple[int, int] | None = None
    ) -> View:
        """Colour, depth (world units) and opacity seen by a camera.

        A 4x4 pose (world_from_camera, OpenCV axes) takes its lens from the first training photo;
        `size` is (width, height). Raises UsageError for a pose that is not one.
        """
        if not isinstance(camera, Camera):
            first = (self.split("train") or self.cameras)[0].camera
            camera = replace(cams.straightened(first), pose=cams.checked(camera))
        if size is not None:
            camera = cams.resized(camera, *size)
        moved = replace(camera, pose=cams.to_scene(camera.pose, self.world_from_scene))
        view = self.look(moved)
        return view._replace(depth=view.depth * cams.scale_of(self.world_from_scene))

    def look(self, camera: Camera) -> View:
        """What a camera whose pose is scene_from_camera sees; depth in scene units."""
        return render_view(
            self.method, self.model, self.cfg, camera=camera, traits=self.traits, image=self.image
        )

    def render(
        self, camera: Camera | Float[np.ndarray, "4 4"], *, size: tuple[int, int] | None = None
    ) -> Float[np.ndarray, "H W 3"]:
        """The picture a camera sees, sRGB in [0, 1]; arguments as in `view`."""
        return self.view(camera, size=size).color

    def density(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """Density at world points, 1 / world unit; none outside the box of a cut-out subject."""
        return self._asked(self.scene_density(), points) / cams.scale_of(self.world_from_scene)

    def distance(self, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
        """Signed distance of world points, in world units. Raises UsageError if there is none."""
        surface, name = self.scene_surface(), self.run.record["method"]
        if surface is None:
            raise UsageError(f"{self.run.path}: a run of {name} has no distance")
        return self._asked(surface, points) * cams.scale_of(self.world_from_scene)

    def _asked(self, value: contract.PointFn, points: np.ndarray) -> np.ndarray:
        inverse = np.linalg.inv(self.world_from_scene)
        inside = points @ inverse[:3, :3].T + inverse[:3, 3]
        with torch.no_grad():
            return value(torch.from_numpy(inside).float()).numpy()

    def evaluate(self, split: str = "test") -> dict[str, Any]:
        """PSNR and SSIM on photos not trained on; see `evaluate.evaluate`."""
        from rayfield.app.learned.evaluate import evaluate  # draws with matplotlib

        return evaluate(self, split=split)

    def film(
        self,
        path: str = "turntable",
        *,
        size: tuple[int, int] | None = None,
        frames: int | None = None,
        fps: float | int = 25,
        depth: bool = False,
    ) -> dict[str, Any]:
        """Write a video into the run folder, along a path or the one in a file NAME.json."""
        from rayfield.app.learned.rendering import Shot, render, route  # encodes with PyAV

        name, count, recorded = route(path, frames, float(fps))
        return render(self, Shot(name, size, count, float(fps), depth, recorded=recorded))

    def export(
        self, path: Path | str, meshing: Meshing | None = None, *, force: bool = False
    ) -> dict[str, Any]:
        """Write the surface as a coloured mesh; see `meshes.export.export`."""
        from rayfield.app.learned.field_surface import export  # reads and writes meshes

        return export(self, path, meshing or DEFAULT, force=force)


def traits_of(run: Run) -> SceneTraits:
    """The traits in run.json. Raises DataError if they are not what they should be."""
    try:
        values = run.record["traits"]
        return SceneTraits(
            bool(values["bounded"]),
            bool(values["alpha"]),
            int(values["images"]),
            float(values["near"]),
            photos=tuple(int(count) for count in values.get("photos", ())),
        )
    except (KeyError, TypeError, ValueError):
        raise DataError(run.path / "run.json", "traits are damaged", cams.FIX) from None
