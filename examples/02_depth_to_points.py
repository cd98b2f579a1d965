"""Turn the depth that a trained field sees into a point cloud in the world's frame.

python examples/02_depth_to_points.py RUN POINTS.xyz [--views 8]

Each line of the file: x y z red green blue, in your units and 0 to 255.
"""

import argparse
from pathlib import Path

import numpy as np

import rayfield

parser = argparse.ArgumentParser()
parser.add_argument("run", type=Path)
parser.add_argument("points", type=Path)
parser.add_argument("--views", type=int, default=8)
args = parser.parse_args()

run = rayfield.open(args.run)
photos = run.split("train")
rows = []
for named in photos[:: max(1, len(photos) // args.views)][: args.views]:
    camera = named.camera
    view = run.view(camera)
    # A pixel's ray: its centre on the plane z = 1, of unit length; depth is counted along it.
    row, column = np.nonzero(view.opacity > 0.9)
    x = (column + 0.5 - camera.cx) / camera.fx
    y = (row + 0.5 - camera.cy) / camera.fy
    rays = np.stack([x, y, np.ones_like(x)], axis=1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    seen = rays * view.depth[row, column, None]
    world = seen @ camera.pose[:3, :3].T + camera.pose[:3, 3]
    rows.append(np.hstack([world, np.round(255 * view.color[row, column])]))

cloud = np.concatenate(rows)
np.savetxt(args.points, cloud, fmt=["%.6g"] * 3 + ["%d"] * 3)
print(f"{len(cloud):,} points from {len(rows)} views: {args.points}")
