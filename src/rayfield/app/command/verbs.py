"""The verbs of the command line: their arguments, and what each does with them.

Only light modules are imported here, so that `--help` is quick; each verb imports its work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from rayfield.app.command.check_verb import Check
from rayfield.app.command.convert_verb import Convert
from rayfield.app.command.display import Display
from rayfield.app.command.export_verb import Export
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
from rayfield.app.command.process_verb import Process
from rayfield.app.command.render_verb import Render
from rayfield.app.command.report_verb import Report
from rayfield.app.command.study_verb import Study
from rayfield.app.command.view_verb import View
from rayfield.core.check import UsageError


@dataclass(frozen=True)
class Train(Common):
    """Learn a scene from posed photos, or a picture, a signal, a shape from itself."""

    method: Annotated[Positional[str], arg(metavar="METHOD")]
    """the method, e.g. instant; `rayfield methods` lists them"""
    folder: Annotated[Positional[Path | None], told(metavar="DATA")] = None
    """what to learn from, as the method takes it: posed photos, a picture, ...; see `methods`"""
    data: Annotated[Path | None, told(metavar="DATA")] = None
    """the same, as an option"""
    output: Annotated[Path | None, told(aliases=["-o", "--output-dir"], metavar="RUN")] = None
    """new folder for the run; default: runs/METHOD-DATA"""
    preset: Annotated[str | None, told(metavar="NAME")] = None
    """one of the method's configurations, e.g. paper; `rayfield methods` lists them"""
    steps: Annotated[int | None, told(metavar="N", aliases=["--max-num-iterations"])] = None
    """training steps; default: the number in the method's Config"""
    seconds: Seconds = None
    """seconds of training; with --steps: whichever ends first"""
    downscale: Annotated[int, arg(metavar="N", aliases=["--downscale-factor"])] = 1
    """average photos over NxN pixels"""
    drop_invalid: Flag = False
    """leave out points and vertices of the data that are not finite numbers"""
    masks: Annotated[Literal["cut", "skip", "off"] | None, told()] = None
    """masks of photos: cut the subject out, skip black pixels, or off; default: as their format"""
    exif: Annotated[Literal["apply", "ignore"] | None, told()] = None
    """orientation that EXIF asks for where sizes do not tell: turn the photos, or leave them;
    default: ignore"""
    seed: Annotated[int, arg(metavar="N")] = 0
    """seed of all randomness"""
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="FIELD=VALUE")] = ()
    """change a field of the method's Config"""
    no_report: Flag = False
    """write no page about the run at the end"""
    view: Flag = False
    """watch it learn in the browser"""
    port: Port = PORT
    """of --view: where to listen; if it is taken, at the next one that is free"""
    host: Host = HOST
    """of --view: address to listen at; any but the default lets other machines in"""

    def run(self, display: Display) -> Result:
        """Train, and say what to do next."""
        data = self.folder or self.data
        if data is None or (self.folder and self.data):
            raise UsageError("give the data once: rayfield train METHOD DATA -o RUN")
        from rayfield.app.command import summary
        from rayfield.app.plan import Plan
        from rayfield.app.training import train
        from rayfield.app.viewer.show import looked_at

        budget = (self.preset, self.steps, self.seconds, self.downscale, self.seed)
        plan = Plan(*budget, self.set, self.drop_invalid, self.masks, not self.no_report, self.exif)
        out = self.output or Path("runs") / f"{self.method}-{data.resolve().name}"
        door = (self.host, self.port) if self.view else None
        with looked_at(door, self.method, display) as watch:
            learned = train(self.method, data, out, plan=plan, display=display, onlooker=watch)
            watch.linger()
        return Result(*summary.of_training(learned))


@dataclass(frozen=True)
class Resume(Common):
    """Go on with a training that was stopped."""

    folder: RunArg
    """the run's folder"""
    no_report: Flag = False
    """write no page about the run at the end"""
    view: Flag = False
    """watch it learn in the browser"""
    port: Port = PORT
    """of --view: where to listen; if it is taken, at the next one that is free"""
    host: Host = HOST
    """of --view: address to listen at; any but the default lets other machines in"""

    def run(self, display: Display) -> Result:
        """Resume, and say what to do next."""
        from rayfield.app.command import summary
        from rayfield.app.training import resume
        from rayfield.app.viewer.show import looked_at

        door = (self.host, self.port) if self.view else None
        report = not self.no_report
        with looked_at(door, None, display) as watch:
            learned = resume(self.folder, report=report, display=display, onlooker=watch)
            watch.linger()
        return Result(*summary.of_training(learned))


@dataclass(frozen=True)
class Eval(Common):
    """Compare what was learned with data: PSNR and SSIM on photos not seen, or of the picture."""

    folder: RunArg
    """the run's folder"""
    split: Literal["test", "val", "train"] = "test"
    """which photos"""
    save_renders: Flag = False
    """keep the rendered views in RUN/renders/"""
    reference: Annotated[Path | None, told(metavar="FILE")] = None
    """compare with this picture, e.g. the clean one, instead of the data, or with this mesh too"""

    def run(self, display: Display) -> Result:
        """Evaluate."""
        from rayfield.app.command import answers
        from rayfield.app.learned.opened import open_learned

        return Result(
            *answers.evaluate(
                open_learned(self.folder, "eval"),
                split=self.split,
                save_renders=self.save_renders,
                reference=self.reference,
                progress=lambda done: display.task("evaluating", done),
            )
        )


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
        from rayfield.app.catalogue import listing

        return Result(*listing())


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
    "process": Process,
    "check": Check,
    "train": Train,
    "resume": Resume,
    "eval": Eval,
    "render": Render,
    "view": View,
    "export": Export,
    "report": Report,
    "convert": Convert,
    "study": Study,
    "info": Info,
    "methods": Methods,
    "doctor": Doctor,
}
