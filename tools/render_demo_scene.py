"""Render the demo data set of rayfield: photos, poses, exact depth and normals, mesh.

    pip install mitsuba==3.9.1 numpy pillow
    python tools/render_demo_scene.py            # writes src/rayfield/assets/demo

Mitsuba is needed by this script alone. Its variant `llvm_ad_rgb` is taken if it works; it
needs a libLLVM of recent make (19 does, 14 is too old; DRJIT_LIBLLVM_PATH picks one).
`--variant scalar_rgb` needs no LLVM. All seeds are fixed; images made by the two variants
differ by the remaining noise only. README.md and LICENSE.txt of the output are kept by hand.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
from demo_geometry import Array, Mesh, join
from demo_scene import Part, build, sky
from PIL import Image

RADIUS = 4.0  # distance of every camera from the origin
ANGLE_X = 0.57  # horizontal field of view [rad]
LOW, HIGH = np.radians(-5.0), np.radians(85.0)  # elevation of the cameras
CREASE = np.cos(np.radians(35.0))  # faces meeting at a larger angle are shaded with a sharp edge
DEPTH_SCALE = 6.0 / 65535  # depth quantum; a ray never travels 6 before it leaves the scene
OUT = Path(__file__).resolve().parents[1] / "src" / "rayfield" / "assets" / "demo"


def pose(azimuth: float, elevation: float) -> Array:
    """Camera-to-world matrix (4, 4), OpenGL axes, of a camera looking at the origin."""
    ce, se = np.cos(elevation), np.sin(elevation)
    back = np.array([ce * np.cos(azimuth), ce * np.sin(azimuth), se])
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    c2w = np.eye(4)
    c2w[:3] = np.stack([right, np.cross(back, right), back, RADIUS * back], 1)
    return c2w


def train_poses(n: int) -> list[Array]:
    """Fibonacci lattice: n poses evenly spread over the sphere between LOW and HIGH."""
    height = np.sin(LOW) + (np.sin(HIGH) - np.sin(LOW)) * (np.arange(n) + 0.5) / n
    golden = np.pi * (3 - np.sqrt(5))
    return [pose(i * golden, np.arcsin(h)) for i, h in enumerate(height)]


def test_poses(n: int) -> list[Array]:
    """Smooth spiral: n poses on two and a half turns from 2 to 75 degrees of elevation."""
    # the spiral starts at 5.65 rad, where its 16 views keep 5 degrees away from 72 training views
    t = (np.arange(n) + 0.5) / n
    height = np.sin(np.radians(2.0)) * (1 - t) + np.sin(np.radians(75.0)) * t
    return [pose(5.65 + 5 * np.pi * s, np.arcsin(h)) for s, h in zip(t, height, strict=True)]


def rays(c2w: Array, size: int) -> tuple[Array, Array]:
    """Centre (3,) and unit directions (size*size, 3) of the rays through pixel centres."""
    x = (np.arange(size) + 0.5 - size / 2) * (2 * np.tan(ANGLE_X / 2) / size)
    u, v = (g.ravel() for g in np.meshgrid(x, -x))
    d = np.stack([u, v, -np.ones_like(u)], 1) @ c2w[:3, :3].T
    return c2w[:3, 3], d / np.linalg.norm(d, axis=1, keepdims=True)


def corner_normals(mesh: Mesh) -> Array:
    """Shading normals (F, 3, 3): per face corner, mean over the faces within CREASE."""
    p = mesh.vertices[mesh.faces]
    area = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    unit = area / np.linalg.norm(area, axis=1, keepdims=True)
    vertex = mesh.faces.ravel()
    order = np.argsort(vertex, kind="stable")
    count = np.bincount(vertex, minlength=len(mesh.vertices))
    start = np.cumsum(count) - count
    # all pairs (a, b) of face corners which share a vertex
    reps = count[vertex]
    a = np.repeat(np.arange(len(vertex)), reps)
    b = order[np.arange(len(a)) - np.repeat(np.cumsum(reps) - reps, reps) + start[vertex[a]]]
    near = np.einsum("ni,ni->n", unit[a // 3], unit[b // 3]) > CREASE
    total = np.zeros((len(vertex), 3))
    for k in range(3):
        total[:, k] = np.bincount(a[near], area[b[near] // 3, k], len(vertex))
    return (total / np.linalg.norm(total, axis=1, keepdims=True)).reshape(-1, 3, 3)


def mitsuba_mesh(part: Part) -> Any:
    """Mitsuba shape of the very same triangles, with its own vertices for every face corner."""
    texture = {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(part.texture, np.float32)),
        "raw": True,
        "wrap_mode": "repeat",
    }
    bsdf = {"type": "principled", "base_color": texture, **part.material}
    props = mi.Properties()
    props["bsdf"] = mi.load_dict(bsdf)
    n = part.mesh.faces.size
    shape = mi.Mesh(part.name, n, n // 3, props, True, True)
    params = mi.traverse(shape)
    params["vertex_positions"] = part.mesh.vertices[part.mesh.faces].astype(np.float32).ravel()
    params["vertex_normals"] = corner_normals(part.mesh).astype(np.float32).ravel()
    params["vertex_texcoords"] = part.mesh.uv.astype(np.float32).ravel()
    params["faces"] = np.arange(n, dtype=np.uint32)
    params.update()
    return shape


def mitsuba_scene(parts: list[Part]) -> Any:
    """Whole scene, lit by the panorama alone, so that nothing but the objects is opaque."""
    t = mi.ScalarTransform4f
    light = {
        "type": "envmap",
        "bitmap": mi.Bitmap(sky().astype(np.float32)),
        "to_world": t().rotate([1, 0, 0], 90),
    }
    return mi.load_dict(
        {"type": "scene", "light": light, **{p.name: mitsuba_mesh(p) for p in parts}}
    )


def photo(scene: Any, c2w: Array, size: int, spp: int, seed: int) -> Array:
    """Render one RGBA view (size, size, 4) uint8: sRGB, straight alpha."""
    # Mitsuba's camera looks along +z and its x axis points to the left
    to_world = c2w @ np.diag([-1.0, 1.0, -1.0, 1.0])
    sensor = mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.degrees(ANGLE_X)),
            "fov_axis": "x",
            "to_world": mi.ScalarTransform4f(to_world),
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "pixel_format": "rgba",
                "rfilter": {"type": "box"},
            },
            "sampler": {"type": "multijitter", "sample_count": spp},
        }
    )
    integrator = mi.load_dict({"type": "path", "max_depth": 6, "hide_emitters": True})
    image = np.array(mi.render(scene, sensor=sensor, integrator=integrator, spp=spp, seed=seed))
    alpha = np.clip(image[..., 3:], 0, 1)
    colour = np.clip(image[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    colour = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055)
    rgba = np.round(np.concatenate([colour, alpha], 2) * 255).astype(np.uint8)
    rgba[rgba[..., 3] == 0] = 0
    return rgba


def truth(scene: Any, c2w: Array, size: int) -> tuple[Array, Array]:
    """Depth (size, size) uint16 and facet normals (size, size, 3) int8 by exact ray casting."""
    origin, d = rays(c2w, size)
    depth, normal = np.zeros(len(d)), np.zeros((len(d), 3))
    if "scalar" in mi.variant():
        for k, direction in enumerate(d):
            si = scene.ray_intersect(mi.Ray3f(mi.Point3f(origin), mi.Vector3f(direction)))
            if si.is_valid():
                depth[k], normal[k] = si.t, np.array(si.n)
    else:
        ray = mi.Ray3f(mi.Point3f(origin), mi.Vector3f(d.T.astype(np.float32)))
        si = scene.ray_intersect(ray)
        hit = np.array(si.is_valid())
        depth[hit], normal[hit] = np.array(si.t)[hit], np.array(si.n).T[hit]
    depth = np.round(depth / DEPTH_SCALE).astype(np.uint16)
    normal = np.round(normal * 127).astype(np.int8)
    return depth.reshape(size, size), normal.reshape(size, size, 3)


def write_mesh(mesh: Mesh, path: Path) -> None:
    """Write a binary little-endian PLY with float32 vertices."""
    faces = np.zeros(len(mesh.faces), [("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, mesh.faces
    header = f"""ply
format binary_little_endian 1.0
element vertex {len(mesh.vertices)}
property float x
property float y
property float z
element face {len(faces)}
property list uchar int vertex_indices
end_header
"""
    path.write_bytes(header.encode() + mesh.vertices.astype("<f4").tobytes() + faces.tobytes())


def write_views(
    scene: Any, out: Path, split: str, poses: list[Array], args: Any, seed: int
) -> None:
    """Render all views of one split and write its PNG and JSON files."""
    (out / split).mkdir(parents=True, exist_ok=True)
    frames, begin = [], time.perf_counter()
    for i, c2w in enumerate(poses):
        image = photo(scene, c2w, args.size, args.spp, seed + i)
        Image.fromarray(image).save(out / split / f"r_{i}.png", optimize=True)
        frames.append({"file_path": f"./{split}/r_{i}", "transform_matrix": c2w.tolist()})
        spent = time.perf_counter() - begin
        left = spent / (i + 1) * (len(poses) - i - 1)
        print(f"{split} {i + 1}/{len(poses)}: {spent:.0f} s spent, {left:.0f} s left", flush=True)
    text = json.dumps({"camera_angle_x": ANGLE_X, "frames": frames}, indent=1)
    (out / f"transforms_{split}.json").write_text(text + "\n")


def main() -> None:
    """Parse the command line, build the scene and write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--size", type=int, default=200, help="image side [pixels]")
    parser.add_argument("--spp", type=int, default=576, help="samples per pixel")
    parser.add_argument("--train", type=int, default=72, help="number of training views")
    parser.add_argument("--test", type=int, default=16, help="number of test views")
    parser.add_argument("--variant", help="Mitsuba variant, default: the fastest which loads")
    args = parser.parse_args()
    if args.variant:
        mi.set_variant(args.variant)
    else:
        mi.set_variant("llvm_ad_rgb", "scalar_rgb")
    parts = build()
    scene = mitsuba_scene(parts)
    args.out.mkdir(parents=True, exist_ok=True)
    mesh = join([p.mesh for p in parts])
    write_mesh(mesh, args.out / "mesh.ply")
    print(
        f"{mi.variant()}: {len(parts)} parts, {len(mesh.faces)} faces, radius",
        round(float(np.linalg.norm(mesh.vertices, axis=1).max()), 4),
    )
    tests = test_poses(args.test)
    write_views(scene, args.out, "test", tests, args, seed=100_000)
    depth, normal = zip(*(truth(scene, c2w, args.size) for c2w in tests), strict=True)
    np.savez_compressed(
        args.out / "test_truth.npz",
        depth=np.stack(depth),
        depth_scale=DEPTH_SCALE,
        normal=np.stack(normal),
    )
    write_views(scene, args.out, "train", train_poses(args.train), args, seed=0)


if __name__ == "__main__":
    main()
