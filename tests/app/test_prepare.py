"""Kernel preparation, in a process of its own where nothing has been compiled or loaded yet."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import json, sys, torch
from rayfield.data.demo import demo_photos
from rayfield.app.learned.field import method_named, render_view
from rayfield.app.prepare import prepare
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler
from rayfield.train.optim import Adam

def kernels():
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("rayfield.kernels.")]
    values = {id(value): value for module in modules for value in vars(module).values()}
    compiled = [value for value in values.values() if type(value).__name__ == "CPUDispatcher"]
    return {id(kernel): (kernel.__name__, len(kernel.signatures)) for kernel in compiled}

before = torch.get_rng_state()
seconds = prepare("radiance")
drawn = not torch.equal(before, torch.get_rng_state())
ready = kernels()
scene = load_scene(demo_photos(), downscale=4)
method = method_named("instant")
cfg = method.adapt(method.Config(), scene.traits)
generator = torch.Generator().manual_seed(0)
model = method.build(cfg, generator=generator)
optimiser = Adam(method.param_groups(model, cfg))
for step in range(5):  # occupancy is updated at step 4
    batch = PixelSampler(scene).sample(64, generator=generator)
    sum(method.loss(model, batch, cfg, step, generator=generator).values()).backward()
    optimiser.step(1.0)
render_view(method, model, cfg, camera=scene.frames[0].camera, traits=scene.traits)
now = kernels()
late = sorted(now[key][0] for key in now if now[key] != ready[key])
count = sum(signatures > 0 for _, signatures in ready.values())
print(json.dumps({"seconds": seconds, "late": late, "drawn": drawn, "ready": count}))
"""


def test_training_and_rendering_compile_nothing_that_preparation_did_not():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["late"] == []
    assert found["ready"] >= 8  # entry kernels; those they call count only when compiled anew
    assert found["seconds"] > 0
    assert not found["drawn"], "preparation drew from torch's global generator"


SURFACE = (
    SCRIPT.split("seconds = prepare")[0]
    + """
from rayfield.methods import igr
from rayfield.data.points import CloudTraits, PointBatch, guide_of
from rayfield.geometry.guide import make_guide

prepare("surface")
ready = kernels()
cfg, generator = igr.adapt(igr.Config(levels=2), CloudTraits(300, True)), torch.Generator()
points = 0.7 * torch.nn.functional.normalize(torch.randn(300, 3, generator=generator))
guide = make_guide(0.5 * (points.double().numpy() + 1), points.double().numpy() / 0.7)
batch = PointBatch(points, points / 0.7, torch.ones(300), True, lambda x: x.norm(dim=1),
                   torch.arange(300), lambda use: guide)
model = igr.build(cfg, generator=generator)
optimiser = Adam(igr.param_groups(model, cfg))
sum(igr.loss(model, batch, cfg, 0, generator=generator).values()).backward()
optimiser.step(1.0)
igr.surface(model)(points)
now = kernels()
print(json.dumps(sorted(now[key][0] for key in now if now[key] != ready[key])))
"""
)


def test_learning_a_surface_compiles_nothing_that_preparation_did_not():
    done = subprocess.run([sys.executable, "-c", SURFACE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
