"""Learn a scene and save a picture of it from a place where no photo was taken.

python examples/01_train_and_look.py OUT [--photos FOLDER] [--seconds 30]
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import rayfield

parser = argparse.ArgumentParser()
parser.add_argument("out", type=Path, help="new folder for the run")
parser.add_argument("--photos", type=Path, default=rayfield.demo_photos())
parser.add_argument("--seconds", type=float, default=30)
parser.add_argument("--downscale", type=int, default=1)
args = parser.parse_args()

run = rayfield.train(
    "instant", args.photos, args.out, seconds=args.seconds, downscale=args.downscale
)

# Half-way between two training cameras; the third column of a pose is the way the camera looks.
first, second = (named.camera.pose for named in run.split("train")[:2])
place = 0.5 * (first[:3, 3] + second[:3, 3])
forward = first[:3, 2] + second[:3, 2]
forward /= np.linalg.norm(forward)
right = np.cross(forward, -first[:3, 1])
right /= np.linalg.norm(right)
pose = np.eye(4)
pose[:3] = np.stack([right, np.cross(forward, right), forward, place], axis=1)

picture = run.render(pose)
Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).save(args.out / "new_view.png")
print(f"a view of {picture.shape[1]}x{picture.shape[0]} pixels: {args.out / 'new_view.png'}")
