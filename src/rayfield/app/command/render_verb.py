"""The verb `render` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Flag, Result, RunArg, Size, told


@dataclass(frozen=True)
class Render(Common):
    """Make a video of a trained field, with depth maps if wanted; or draw the picture."""

    folder: RunArg
    """the run's folder"""
    path: Literal["turntable", "interpolate", "test"] = "turntable"
    """round the subject, through the training cameras, or the test photos' views"""
    scene: Annotated[str | None, told(metavar="NAME")] = None
    """which scene, where several were learned; default: the first"""
    resolution: Size = None
    """size of the pictures; default: as the photos, or what takes about a minute"""
    frames: Annotated[int, arg(metavar="N")] = 100
    """number of pictures (test: one for each photo)"""
    fps: Annotated[float, arg(metavar="F")] = 25.0
    """pictures a second"""
    depth: Flag = False
    """also write depth: a video, pictures, and arrays in the world's units"""
    normals: Flag = False
    """also write normals, from the gradient of density: a video and pictures, in world axes"""
    up: Annotated[str | None, told(metavar="AXIS")] = None
    """of a surface: x, y, z, -x, -y or -z; default: y, but z of .stl .glb .xyz .npy .npz"""
    png: Flag = False
    """also keep every picture as PNG"""
    output: Annotated[Path | None, told(aliases=["-o"], metavar="FOLDER")] = None
    """folder to write into, or an .mp4 file; default: RUN/renders/PATH"""

    def run(self, display: Display) -> Result:
        """Render."""
        from rayfield.app.command import answers
        from rayfield.app.learned.opened import open_learned
        from rayfield.app.learned.rendering import Shot, parse_size

        shot = Shot(
            self.path,
            parse_size(self.resolution),
            self.frames,
            self.fps,
            self.depth,
            self.png,
            self.normals,
            self.up,
        )
        learned = open_learned(self.folder, "render")
        return Result(
            *answers.render(
                learned,
                shot,
                scene=self.scene,
                out=self.output,
                progress=lambda done: display.task("rendering", done),
            )
        )
