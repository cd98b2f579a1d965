"""rayfield: scenes as neural fields, on an ordinary CPU.

    run = rayfield.train("instant", "photos", "run", seconds=60)
    run = rayfield.open("run")                # the same, any time later
    picture = run.render(pose)                # height, width, 3 in [0, 1]
    run.evaluate()["psnr"]
    run.film("interpolate", frames=240)
    run.export("scene.glb")

Arrays in and out are numpy; poses, depths and meshes are in the world's frame and units.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# Bound first: the verb below then keeps the name that it shares with the package.
from rayfield import train as _train  # noqa: F401

if TYPE_CHECKING:
    from rayfield.app.learned.opened import Learned

__version__ = "0.1.0"
__all__ = ["__version__", "demo_photos", "open", "resume", "train"]


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
) -> Learned:
    """Train a method on posed photos into the new run folder `out`.

    `preset` names one of the method's configurations. `steps`, `seconds` of training: whichever
    ends first; neither: the method's own number of steps. `downscale` averages pixels over
    squares; `settings` changes fields of the method's Config. `masks` of photos cut the subject
    out, or only skip their black pixels, or are off; None: as is usual for their format. Raises
    what rayfield.core.check defines: UsageError, DataError, RayfieldError.
    """
    from rayfield.app import training

    limit = None if seconds is None else float(seconds)
    texts = training.settings_of(settings or {})
    plan = training.Plan(preset, steps, limit, downscale, seed, texts, masks=masks)
    return training.train(method, data, out, plan=plan)


def resume(run: str | Path) -> Learned:
    """Go on with a training that was stopped. Raises DataError if its data has changed."""
    from rayfield.app import training

    return training.resume(run)


def open(run: str | Path) -> Learned:
    """The field that a run folder holds, as its newest checkpoint has it."""
    from rayfield.app.learned.opened import open_learned

    return open_learned(run)


def demo_photos() -> Path:
    """The folder of the posed photos that come with rayfield, and of their exact mesh."""
    from rayfield.data import demo

    return demo.demo_photos()
