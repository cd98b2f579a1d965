"""The verbs of the command line: their arguments, and what each does with them.

Only light modules are imported here, so that `--help` is quick; each verb imports its work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from rayfield.app.display import Display
from rayfield.app.options import Common, Flag, Result, RunArg, Seconds, Size, told
from rayfield.core.check import UsageError


@dataclass(frozen=True)
class Train(Common):
    """Learn a scene from posed photos."""

    method: Annotated[Positional[str], arg(metavar="METHOD")]
    """the method, e.g. instant; `rayfield methods` lists them"""
    folder: Annotated[Positional[Path | None], told(metavar="DATA")] = None
    """folder of photos with poses; its format is detected"""
    data: Annotated[Path | None, told(metavar="DATA")] = None
    """the same, as an option"""
    output: Annotated[Path | None, told(aliases=["-o", "--output-dir"], metavar="RUN")] = None
    """new folder for the run; default: runs/METHOD-DATA"""
    steps: Annotated[int | None, told(metavar="N", aliases=["--max-num-iterations"])] = None
    """training steps; default: the number in the method's Config"""
    seconds: Seconds = None
    """seconds of training; with --steps: whichever ends first"""
    downscale: Annotated[int, arg(metavar="N", aliases=["--downscale-factor"])] = 1
    """average photos over NxN pixels"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """seed of all randomness"""
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FIELD=VALUE")] = ()
    """change a field of the method's Config"""

    def run(self, display: Display) -> Result:
        """Train, and say what to do next."""
        data = self.folder or self.data
        if data is None or (self.folder and self.data):
            raise UsageError("give the folder of photos once: rayfield train METHOD DATA -o RUN")
        from rayfield.app import summary
        from rayfield.app.training import Plan, train

        plan = Plan(self.steps, self.seconds, self.downscale, self.seed, self.set)
        out = self.output or Path("runs") / f"{self.method}-{data.resolve().name}"
        return Result(
            *summary.of_training(train(self.method, data, out, plan=plan, display=display))
        )


@dataclass(frozen=True)
class Resume(Common):
    """Go on with a training that was stopped."""

    folder: RunArg
    """the run's folder"""

    def run(self, display: Display) -> Result:
        """Resume, and say what to do next."""
        from rayfield.app import summary
        from rayfield.app.training import resume

        return Result(*summary.of_training(resume(self.folder, display=display)))


@dataclass(frozen=True)
class Eval(Common):
    """Compare a trained field with photos it has not seen: PSNR and SSIM."""

    folder: RunArg
    """the run's folder"""
    split: Literal["test", "val", "train"] = "test"
    """which photos"""
    save_renders: Flag = False
    """keep the rendered views in RUN/renders/"""

    def run(self, display: Display) -> Result:
        """Evaluate."""
        from rayfield.app import summary
        from rayfield.app.evaluate import evaluate
        from rayfield.app.field import open_field

        field = open_field(self.folder)
        found = evaluate(
            field,
            split=self.split,
            save_renders=self.save_renders,
            progress=lambda done: display.task("evaluating", done),
        )
        return Result(found, summary.of_evaluation(found, field.run))


@dataclass(frozen=True)
class Render(Common):
    """Make a video of a trained field, with depth maps if wanted."""

    folder: RunArg
    """the run's folder"""
    path: Literal["turntable", "interpolate", "test"] = "turntable"
    """round the subject, through the training cameras, or the test photos' views"""
    resolution: Size = None
    """size of the pictures; default: as the photos"""
    frames: Annotated[int, arg(metavar="N")] = 120
    """number of pictures (test: one for each photo)"""
    fps: Annotated[float, arg(metavar="F")] = 30.0
    """pictures a second"""
    depth: Flag = False
    """also write depth: a video, pictures, and arrays in the world's units"""
    png: Flag = False
    """also keep every picture as PNG"""
    output: Annotated[Path | None, told(aliases=["-o"], metavar="FOLDER")] = None
    """folder to write into, or an .mp4 file; default: RUN/renders/PATH"""

    def run(self, display: Display) -> Result:
        """Render."""
        from rayfield.app.field import open_field
        from rayfield.app.rendering import Shot, parse_size, render

        shot = Shot(
            self.path, parse_size(self.resolution), self.frames, self.fps, self.depth, self.png
        )
        found = render(
            open_field(self.folder),
            shot,
            out=self.output,
            progress=lambda done: display.task("rendering", done),
        )
        seconds = found["seconds"]
        return Result(found, f"{found['frames']} pictures in {seconds:.1f} s: {found['video']}")


@dataclass(frozen=True)
class Export(Common):
    """Write the surface of a trained field as a closed, coloured mesh."""

    folder: RunArg
    """the run's folder"""
    output: Annotated[Path, arg(aliases=["-o"], metavar="FILE")]
    """file to write: .glb .ply .obj .stl .off"""
    resolution: Annotated[int, arg(metavar="N")] = 192
    """cells along the longest side"""
    threshold: Annotated[float | None, told(metavar="D")] = None
    """density of the surface, 1 / world unit; default: half opaque at 1.25 % of the scene's side"""
    frame: Literal["world", "scene"] = "world"
    """coordinates: those of the camera poses given, or those of training"""
    force: Flag = False
    """overwrite the file"""

    def run(self, display: Display) -> Result:
        """Export."""
        from rayfield.app import summary
        from rayfield.app.export import Meshing, export
        from rayfield.app.field import open_field

        found = export(
            open_field(self.folder),
            self.output,
            Meshing(self.resolution, self.threshold, self.frame),
            force=self.force,
            progress=lambda done: display.task("meshing", done),
        )
        return Result(found, summary.of_mesh(found))


@dataclass(frozen=True)
class Info(Common):
    """Tell what a run or a data set holds."""

    folder: Annotated[Positional[Path], arg(metavar="RUN|DATA")]
    """folder of a run or of photos"""

    def run(self, display: Display) -> Result:
        """Look."""
        from rayfield.app.info import info

        return Result(*info(self.folder))


@dataclass(frozen=True)
class Methods(Common):
    """List the methods and what each is for."""

    def run(self, display: Display) -> Result:
        """List."""
        from rayfield.app.catalogue import METHODS

        text = "\n".join(f"{name:10} {entry.summary}" for name, entry in METHODS.items())
        return Result({name: entry._asdict() for name, entry in METHODS.items()}, text)


@dataclass(frozen=True)
class Doctor(Common):
    """Check the installation and this machine."""

    warm: Flag = False
    """compile the kernels now"""

    def run(self, display: Display) -> Result:
        """Examine."""
        from rayfield.app.info import doctor

        return Result(*doctor(warm=self.warm))


@dataclass(frozen=True)
class Demo(Common):
    """Train on the scene that comes with rayfield, and make everything from it."""

    output: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")] = Path("demo-run")
    """new folder for all results"""
    seconds: Annotated[float, arg(metavar="S")] = 60.0
    """seconds of training"""

    def run(self, display: Display) -> Result:
        """Do it all."""
        from rayfield.app.demo import demo

        return Result(*demo(self.output, seconds=self.seconds, display=display))


VERBS: dict[str, type[Common]] = {
    "demo": Demo,
    "train": Train,
    "resume": Resume,
    "eval": Eval,
    "render": Render,
    "export": Export,
    "info": Info,
    "methods": Methods,
    "doctor": Doctor,
}
