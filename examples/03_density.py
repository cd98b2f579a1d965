"""Ask a trained field for its density: a map of a horizontal slice through the scene.

python examples/03_density.py RUN SLICE.png [--height 0]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import rayfield

parser = argparse.ArgumentParser()
parser.add_argument("run", type=Path)
parser.add_argument("picture", type=Path)
parser.add_argument("--height", type=float, default=0.0, help="z of the slice, world units")
parser.add_argument("--pixels", type=int, default=400)
args = parser.parse_args()

run = rayfield.open(args.run)
# The cube [-1, 1]^3 of the scene's frame, seen from above, in the world.
corners = np.array([[-1, -1, 0, 1], [1, 1, 0, 1]]) @ run.world_from_scene.T
x = np.linspace(corners[0, 0], corners[1, 0], args.pixels)
y = np.linspace(corners[1, 1], corners[0, 1], args.pixels)
grid = np.stack([*np.meshgrid(x, y), np.full((args.pixels, args.pixels), args.height)], axis=-1)

density = run.density(grid.reshape(-1, 3)).reshape(args.pixels, args.pixels)
pixel = x[1] - x[0]
opacity = 1 - np.exp(-density * pixel)  # of a layer one pixel thick
Image.fromarray((255 * (1 - opacity)).astype(np.uint8)).save(args.picture)
print(f"densest: {density.max():.3g} per unit; dark is dense: {args.picture}")
