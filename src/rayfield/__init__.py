"""rayfield: scenes as neural fields, on an ordinary CPU.

    run = rayfield.train("instant", "photos", "run", seconds=60)
    run = rayfield.open("run")                # the same, any time later
    picture = run.render(pose)                # height, width, 3 in [0, 1]
    run.evaluate()["psnr"]
    run.film("interpolate", frames=240)
    run.export("scene.glb", rayfield.Meshing(faces=50_000))
    rayfield.convert("photos", "for-colmap", "colmap")

Arrays in and out are numpy; poses, depths and meshes are in the world's frame and units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# Bound first: the verb below then keeps the name that it shares with the package.
from rayfield import train as _train  # noqa: F401

if TYPE_CHECKING:
    from rayfield.app.learned.opened import Learned
    from rayfield.app.meshes.meshing import Meshing

__version__ = "0.1.0"
__all__ = ["Meshing", "__version__", "convert", "demo_photos", "open", "resume", "train"]


def train(
    method: str,
    data: str | Path,
    out: str | Path,
    *,
    preset: str | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    downscale: int = 1,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    masks: Literal["cut", "skip", "off"] | None = None,
    exif: Literal["apply", "ignore"] = "ignore",
    report: bool = True,
) -> Learned:
    """Train a method on posed photos into the new run folder `out`.

    `preset` names one of the method's configurations. `steps`, `seconds` of training: whichever
    ends first; neither: the method's own number of steps. `downscale` averages pixels over
    squares; `settings` changes fields of the method's Config. `masks` of photos cut the subject
    out, or only skip their black pixels, or are off; None: as is usual for their format. `exif`:
    whether photos are turned where EXIF alone asks for it. At the end a page about the run is
    written, out/report.html, if `report`. Raises what rayfield.core.check defines: UsageError,
    DataError, RayfieldError.
    """
    from rayfield.app import training
    from rayfield.app.plan import Plan
    from rayfield.app.settings import settings_of

    limit = None if seconds is None else float(seconds)
    turn: Literal["apply"] | None = "apply" if exif == "apply" else None
    texts = settings_of(settings or {})
    plan = Plan(preset, steps, limit, downscale, seed, texts, masks=masks, report=report, exif=turn)
    return training.train(method, data, out, plan=plan)


def resume(run: str | Path) -> Learned:
    """Go on with a training that was stopped. Raises DataError if its data has changed."""
    from rayfield.app import training

    return training.resume(run)


def convert(
    data: str | Path,
    out: str | Path,
    to: Literal["blender", "ngp", "nerfstudio", "colmap", "colmap-text", "llff", "neus"],
    *,
    masks: Literal["cut", "skip", "off"] | None = None,
    link: bool = False,
    exif: Literal["apply", "ignore"] = "ignore",
    force: bool = False,
) -> dict[str, Any]:
    """Write a data set of posed photos into the new folder `out` in another format.

    `data` is its folder, or a file of cameras in it. The other arguments are those of `rayfield
    convert`, as is what is returned: with `--json`. Raises what rayfield.core.check defines.
    """
    from rayfield.app import convert as converting

    how = converting.How(masks, link, force, exif == "apply")
    return converting.convert(Path(data), Path(out), to, how=how)[0]


def open(run: str | Path) -> Learned:
    """The field that a run folder holds, as its newest checkpoint has it."""
    from rayfield.app.learned.opened import open_learned

    return open_learned(run)


def demo_photos() -> Path:
    """The folder of the posed photos that come with rayfield, and of their exact mesh."""
    from rayfield.data import demo

    return demo.demo_photos()


def __getattr__(name: str) -> Any:
    """`Meshing`, the choices of `export`, once it is asked for: it brings much along."""
    if name == "Meshing":
        from rayfield.app.meshes.meshing import Meshing

        return Meshing
    raise AttributeError(f"module 'rayfield' has no attribute {name!r}")
