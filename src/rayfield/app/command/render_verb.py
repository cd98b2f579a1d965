"""The verb `render` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from rayfield.app.command.display import Display
from rayfield.app.command.options import Common, Count, Flag, Result, RunArg, Size, told


@dataclass(frozen=True)
class Render(Common):
    """Make a video of a trained field, with depth maps if wanted; or draw the picture."""

    folder: RunArg
    """the run's folder"""
    path: Annotated[str, arg(metavar="PATH")] = "turntable"
    """turntable, interpolate (through the photos), test (their views), or a FILE.json that `view`
    recorded"""
    scene: Annotated[str | None, told(metavar="NAME")] = None
    """which scene, where several were learned; default: the first"""
    resolution: Size = None
    """size of the pictures; default: as the photos, or what takes about a minute"""
    frames: Count = None
    """number of pictures; default: 100, as many as FILE.json lasts (test: one for each photo)"""
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
        from rayfield.app.learned.rendering import Shot, parse_size, route

        name, frames, recorded = route(self.path, self.frames, self.fps)
        shot = Shot(
            name,
            parse_size(self.resolution),
            frames,
            self.fps,
            self.depth,
            self.png,
            self.normals,
            self.up,
            recorded,
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
