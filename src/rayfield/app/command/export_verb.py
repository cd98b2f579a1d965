"""The verb `export` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Count, Flag, Result, RunArg, told
from rayfield.core.check import UsageError


@dataclass(frozen=True)
class Export(Common):
    """Write the surface of what was learned as a closed mesh, coloured where colours were."""

    folder: RunArg
    """the run's folder, also while it is trained, or one of its checkpoints"""
    output: Annotated[Path, arg(aliases=["-o"], metavar="FILE")]
    """file to write: .glb .ply .obj .stl .off"""
    resolution: Annotated[int, arg(metavar="N")] = 192
    """cells along the longest side of what is meshed"""
    threshold: Annotated[float | None, told(metavar="D")] = None
    """density of the surface, 1 / world unit; default: half opaque at 1.25 % of the scene's side"""
    frame: Literal["world", "scene"] = "world"
    """coordinates: those of the camera poses given, or those of training"""
    faces: Count = None
    """reduce the mesh to at most so many faces; it stays closed"""
    crop: Annotated[str | None, told(metavar="X0,Y0,Z0,X1,Y1,Z1")] = None
    """keep only what lies in this box, in world units; closed, with all cells inside the box"""
    pieces: Count = None
    """keep at most so many separate pieces, the largest; default: all but crumbs"""
    texture: Flag = False
    """put a picture on the mesh instead of colours at its vertices: .glb and .obj, extra [mesh]"""
    texture_size: Count = None
    """side of that picture in texels; default: 2048"""
    scene: Annotated[str | None, told(metavar="NAME")] = None
    """of a class of shapes: the held-out one to reconstruct; default: the first"""
    observation: Annotated[Path | None, told(metavar="FILE")] = None
    """of a class of shapes: reconstruct what this file shows (points, mesh, voxels, picture)"""
    force: Flag = False
    """overwrite the file"""

    def run(self, display: Display) -> Result:
        """Export."""
        from rayfield.app.command import answers
        from rayfield.app.learned.opened import open_learned
        from rayfield.app.meshes.meshing import TEXTURE_SIDE, Meshing, parse_crop

        if self.texture_size is not None and not self.texture:
            raise UsageError("--texture-size is the side of a texture; give --texture too")
        meshing = Meshing(
            self.resolution,
            self.threshold,
            self.frame,
            self.faces,
            parse_crop(self.crop),
            self.pieces,
            (self.texture_size or TEXTURE_SIDE) if self.texture else None,
        )
        return Result(
            *answers.export(
                open_learned(self.folder, "export"),
                self.output,
                meshing,
                scene=self.scene,
                observation=self.observation,
                force=self.force,
                progress=lambda done: display.task("meshing", done),
            )
        )
