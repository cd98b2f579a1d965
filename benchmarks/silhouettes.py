"""How well the silhouettes of a mesh are those of the photos that were held out of a training.

Mean IoU of the pixels that the mesh covers and those that the photos' alpha or masks keep. Without
a mesh, that of the scene inside rayfield in its own photos: as good as can be.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import Figure, parser, report, scene_path

from rayfield.data.demo import demo_photos
from rayfield.data.load import load_scene
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import read_mesh
from rayfield.studies.level_meshes import Judge


def main() -> None:
    """Measure and report."""
    arguments = parser(__doc__)
    arguments.add_argument("scene", nargs="?", default="demo", help="demo, chair, ...")
    arguments.add_argument("--mesh", type=Path, help="in the frame of the poses")
    arguments.add_argument("--downscale", type=int, default=1, help="of the photos")
    args = arguments.parse_args()
    scene = load_scene(scene_path(args.scene), downscale=args.downscale)
    mesh = read_mesh(args.mesh or demo_photos() / "mesh.ply")
    mesh = transform(mesh, np.linalg.inv(scene.world_from_scene))
    frames = scene.split("test")[: 2 if args.quick else None]
    found = Judge(None, frames, samples=1, photos=[])(mesh)
    report([Figure(f"IoU, {len(frames)} views", found["silhouette_iou"], "", 0.96)], args)


if __name__ == "__main__":
    main()
