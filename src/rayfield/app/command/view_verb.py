"""The verb `view` of the command line; see verbs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rayfield.app.command.display import Display
from rayfield.app.command.options import (
    HOST,
    PORT,
    Common,
    Flag,
    Host,
    Port,
    Result,
    RunArg,
    Seconds,
    told,
)


@dataclass(frozen=True)
class View(Common):
    """Look at a trained field in the browser, from wherever you like."""

    folder: RunArg
    """the run's folder"""
    mesh: Annotated[Path | None, told(metavar="FILE")] = None
    """show this mesh too, in the frame of the poses; default: the newest in RUN/meshes"""
    scene: Annotated[str | None, told(metavar="NAME")] = None
    """which scene, where several were learned; default: the first"""
    port: Port = PORT
    """where to listen; if it is taken, at the next one that is free"""
    host: Host = HOST
    """address to listen at; any but the default lets other machines in"""
    open: Flag = False
    """open the browser"""
    seconds: Seconds = None
    """end after so long; default: with Ctrl-C"""

    def run(self, display: Display) -> Result:
        """Show it until Ctrl-C."""
        from rayfield.app.viewer.address import Door
        from rayfield.app.viewer.show import show

        door = Door(self.host, self.port, self.open, self.mesh)
        return Result(
            *show(self.folder, door, scene=self.scene, seconds=self.seconds, display=display)
        )
