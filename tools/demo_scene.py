"""Objects, textures and light of the demo still life (numpy only).

World frame: right-handed, z up, no unit; everything fits into a ball of radius 1.2 around
the origin. Colours are linear RGB, written as sRGB hex strings.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from demo_geometry import GROUND, TAU, Array, Mesh, hoop, join, loft, revolve, rod, spline, tube

SEED = 7
PLINTH_RADIUS = 1.0


@dataclass
class Part:
    """One object: mesh, linear RGB texture (H, W, 3) and parameters of the principled BSDF."""

    name: str
    mesh: Mesh
    texture: Array
    material: dict[str, float] = field(default_factory=dict)


MATTE = {"roughness": 0.9, "specular": 0.2}
SATIN = {"roughness": 0.5, "specular": 0.4}
GLAZE = {"roughness": 0.22, "specular": 0.5}
METAL = {"roughness": 0.34, "metallic": 1.0}


# ---- textures ------------------------------------------------------------------------------


def rgb(code: str) -> Array:
    """Linear RGB (3,) of an sRGB colour such as "c0ffee"."""
    c = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def noise(rng: np.random.Generator, h: int, w: int, fy: float, fx: float) -> Array:
    """Periodic smooth noise (h, w) of unit variance with about fy x fx blobs."""
    y, x = np.fft.fftfreq(h, 1 / h)[:, None] / fy, np.fft.fftfreq(w, 1 / w)[None] / fx
    out = np.fft.ifft2(np.fft.fft2(rng.normal(size=(h, w))) * np.exp(-2 * (x * x + y * y))).real
    return (out - out.mean()) / out.std()


def mottled(rng: np.random.Generator, code: str, amount: float, fy: float, fx: float) -> Array:
    """A colour whose brightness varies by a relative standard deviation `amount`."""
    return rgb(code) * np.exp(amount * noise(rng, 256, 256, fy, fx))[..., None]


def checker(codes: list[str], columns: int, rows: int, cell: int = 32) -> Array:
    """Checkerboard cycling through the colours along u and v."""
    index = np.arange(columns)[None] + np.arange(rows)[:, None]
    table = np.array([rgb(c) for c in codes])
    return np.kron(table[index % len(codes)], np.ones((cell, cell, 1)))


def terrazzo(rng: np.random.Generator, size: int = 1024, chips: int = 400) -> Array:
    """Stone with coloured chips over the plinth's top, seen from above; wood outside of it."""
    colours = [rgb(c) for c in ("b5563c", "2f4858", "7f9c7a", "d9a441", "8d8378", "c98f82")]
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid, grid)
    out = rgb("ddd3c2") * np.exp(0.03 * noise(rng, size, size, 20, 20))[..., None]
    for _ in range(chips):
        centre, radius = rng.uniform(-1, 1, 2), rng.uniform(0.016, 0.05)
        angles = rng.uniform(0, TAU) + np.arange(5) * TAU / 5 + rng.normal(0, 0.25, 5)
        reach = radius * rng.uniform(0.6, 1.1, 5)
        inside = np.ones((size, size), bool)
        for a, r in zip(angles, reach, strict=True):
            inside &= (x - centre[0]) * np.cos(a) + (y - centre[1]) * np.sin(a) < r
        out[inside] = colours[rng.integers(len(colours))]
    rim = np.hypot(x, y) * UV_REACH > PLINTH_RADIUS - 0.012
    out[rim] = rgb("6b452c")
    return out


def leaf(rng: np.random.Generator) -> Array:
    """Snake-plant leaf: dark bands along v, yellow borders at the two edges u=0 and u=1/2."""
    u = np.arange(256)[None] / 256
    bands = np.clip(0.5 + 0.6 * noise(rng, 256, 256, 10, 3), 0, 1)[..., None]
    edge = (np.abs((u * 2 + 0.5) % 1 - 0.5) < 0.13)[..., None] * np.ones((256, 1, 1))
    return np.where(edge, rgb("c9b458"), bands * rgb("2f5d3a") + (1 - bands) * rgb("6f9a5b"))


# ---- objects -------------------------------------------------------------------------------

UV_REACH = 1.04  # half the side of the square which the terrazzo texture covers


def plinth(rng: np.random.Generator) -> Part:
    """Round slab: terrazzo on top, wooden side."""
    r, h, b = PLINTH_RADIUS, 0.12, 0.012
    profile = [(0.5, -h), (r - 0.04, -h), (r - b, -h + b), (r, -h + 3 * b), (r, -b)]
    profile += [(r - 0.3 * b, -0.3 * b), (r - b, 0), (0.55, 0)]
    mesh = revolve(np.array(profile), 144).placed(0, 0)
    p = mesh.vertices[mesh.faces]
    mesh.uv = p[..., :2] / (2 * UV_REACH) + 0.5
    # all but the top face takes its colour from a corner of the texture, which is wood
    mesh.uv[p[..., 2].min(1) < GROUND - 1e-6] = 0.01
    return Part("plinth", mesh, terrazzo(rng), SATIN)


def riser(rng: np.random.Generator) -> Part:
    """Fluted plaster drum which carries the knot."""
    profile = [(0.2, 0), (0.31, 0), (0.32, 0.012), (0.32, 0.288), (0.31, 0.3), (0.2, 0.3)]
    mesh = revolve(np.array(profile), 144, wave=0.022, lobes=24)
    return Part("riser", mesh.placed(-0.36, 0.40), mottled(rng, "d3a096", 0.04, 8, 16), MATTE)


def knot() -> Part:
    """Glazed trefoil knot standing upright on the riser."""
    t = np.arange(200) * TAU / 200
    big, small = 0.225, 0.094
    centre = big * np.stack([np.cos(2 * t), 0 * t, np.sin(2 * t)], 1)
    path = centre * (1 + small / big * np.cos(3 * t))[:, None]
    path[:, 1] = small * np.sin(3 * t)
    path[:, [0, 2]] = path[:, [2, 0]]
    mesh = tube(path, 0.056, 20, path - centre[:, [2, 1, 0]], wrap=True)
    mesh.vertices[:, 2] -= mesh.vertices[:, 2].min()
    return Part("knot", mesh.placed(-0.36, 0.40, 0.299, 40), rgb("e0a02a")[None, None], GLAZE)


def teapot() -> Part:
    """Glazed teapot: turned body with lid, open spout and handle."""
    body = [(0.11, 0), (0.135, 0.006), (0.20, 0.06), (0.245, 0.15), (0.225, 0.25), (0.15, 0.315)]
    body += [(0.128, 0.322), (0.136, 0.334), (0.10, 0.352), (0.045, 0.368), (0.022, 0.385)]
    body += [(0.035, 0.41), (0.03, 0.432), (0.008, 0.442)]
    up = np.array([0.0, 1, 0])
    path = spline([(0.18, 0, 0.10), (0.28, 0, 0.14), (0.335, 0, 0.24), (0.40, 0, 0.315)], 20)
    outer = tube(path, np.linspace(0.062, 0.03, 20), 18, up).vertices[:-2].reshape(20, 18, 3)
    inner = path[:-5:-1, None] + 0.7 * (outer[:-5:-1] - path[:-5:-1, None])
    spout = loft(np.concatenate([outer, inner]))
    bow = [(-0.19, 0, 0.265), (-0.30, 0, 0.30), (-0.375, 0, 0.25), (-0.36, 0, 0.15)]
    bow += [(-0.28, 0, 0.085), (-0.18, 0, 0.08)]
    mesh = join([revolve(spline(body, 52), 64), spout, tube(spline(bow, 32), 0.024, 12, up)])
    return Part("teapot", mesh.placed(-0.42, -0.38, 0, 135), rgb("2f8f8a")[None, None], GLAZE)


def pot(rng: np.random.Generator) -> list[Part]:
    """Terracotta pot with soil and a snake plant."""
    x, y = 0.40, 0.47
    wall = [(0.1, 0), (0.15, 0), (0.157, 0.008), (0.205, 0.27), (0.228, 0.272), (0.232, 0.278)]
    wall += [(0.238, 0.345), (0.232, 0.355), (0.208, 0.355), (0.202, 0.349), (0.19, 0.25)]
    clay = revolve(np.array([*wall, (0.1, 0.25)]), 72)
    soil = revolve(np.array([(0.15, 0.24), (0.197, 0.29), (0.15, 0.31), (0.08, 0.318)]), 48)
    soil.vertices[:, 2] += rng.normal(0, 0.004, len(soil.vertices))
    blades = []
    for k in range(8):
        a = k * 2.4 + rng.uniform(-0.2, 0.2)
        out, length = np.array([np.cos(a), np.sin(a), 0]), rng.uniform(0.38, 0.68)
        lean = rng.uniform(0.08, 0.15)
        t = np.linspace(0, 1, 22)[:, None]
        path = (0.02 + 0.06 * (k % 3) / 2 + lean * t**2) * out + [0, 0, 0.29] + t * [0, 0, length]
        width = 0.045 * np.interp(t[:, 0], [0, 0.4, 0.8, 0.95, 1], [0.7, 1, 0.72, 0.28, 0.06])
        blades.append(tube(path, width, 12, out + np.array([0, 0, 0.1]), flat=0.22))
    return [
        Part("pot", clay.placed(x, y), mottled(rng, "b8623f", 0.07, 6, 5), MATTE),
        Part("soil", soil.placed(x, y), mottled(rng, "4a3526", 0.15, 30, 30), MATTE),
        Part("plant", join(blades).placed(x, y), leaf(rng), SATIN),
    ]


def vase() -> Part:
    """Twisted glossy plastic vase, hollow."""
    outer = spline(
        [(0.10, 0), (0.115, 0.01), (0.17, 0.17), (0.125, 0.44), (0.11, 0.56), (0.14, 0.67)], 50
    )
    inner = outer[:14:-2] - [0.014, 0]
    mesh = revolve(np.concatenate([outer, inner]), 70, wave=0.085, lobes=7, twist=3.2)
    return Part("vase", mesh.placed(0.66, -0.12), rgb("2c4f9e")[None, None], GLAZE)


def ladder(rng: np.random.Generator) -> Part:
    """Small wooden ladder leaning on the riser."""
    along, lean = np.array([1.0, 0, 0]), np.array([0, -0.135, -0.30])
    top = np.array([0, -0.263, 0.455])
    foot = top + lean * (top[2] - 0.008) / 0.30
    rails = [rod(foot + s * 0.085 * along, top + s * 0.07 * along, 0.014) for s in (-1, 1)]
    rungs = []
    for t in np.linspace(0.14, 0.88, 6):
        p, half = foot + t * (top - foot), 0.085 - 0.015 * t
        rungs.append(rod(p - half * along, p + half * along, 0.010))
    mesh = join(rails + rungs).placed(-0.36, 0.40, 0, 40)
    return Part("ladder", mesh, mottled(rng, "a87a4b", 0.12, 3, 12), MATTE)


def small_parts(rng: np.random.Generator) -> list[Part]:
    """Rough copper sphere in two brass wire hoops, striped ring, harlequin cone and gem."""
    lat = np.linspace(-1, 1, 42)[1:-1] * np.pi / 2
    ball = revolve(np.stack([0.17 * np.cos(lat), 0.17 + 0.17 * np.sin(lat)], 1), 64)
    ball.vertices[-2:, 2] = 0, 0.34  # the poles
    wires = [hoop(0.235, 0.011, 96, 10, -42.0), hoop(0.262, 0.011, 96, 10, 36.8)]
    orbit = join([wires[0].placed(0.28, -0.52, 0.17, 60), wires[1].placed(0.28, -0.52, 0.17, 95)])
    ring = hoop(0.20, 0.062, 84, 24, 90.0).placed(0.2, -0.05, 0.261, 40)
    cone = np.array(
        [(0.1, 0), (0.142, 0), (0.15, 0.008), (0.15, 0.02), (0.018, 0.40), (0.008, 0.412)]
    )
    cone = np.concatenate([cone[:4], np.linspace(cone[3], cone[4], 8)[1:], cone[5:]])
    gem = np.array([(0.07, 0), (0.125, 0.075), (0.065, 0.17)])
    cream = "efe6d6"
    return [
        Part("sphere", ball.placed(0.28, -0.52), rgb("d98f6a")[None, None], METAL),
        Part("hoops", orbit, rgb("d9b25f")[None, None], METAL),
        Part("ring", ring, checker([cream, "24365c"], 1, 22), SATIN),
        Part(
            "cone", revolve(cone, 64).placed(0.02, 0.72), checker([cream, "8c2f39"], 12, 10), MATTE
        ),
        Part("gem", revolve(gem, 6).placed(-0.72, 0.02, 0, 10), rgb("8fb89a")[None, None], SATIN),
    ]


def build() -> list[Part]:
    """All parts of the scene, always the same."""
    rng = np.random.default_rng(SEED)
    parts = [plinth(rng), riser(rng), knot(), teapot(), *pot(rng), vase(), ladder(rng)]
    return parts + small_parts(rng)


def sky(height: int = 128) -> Array:
    """Light as a panorama (height, 2*height, 3): soft gradient, a warm and a cool softbox.

    Row and column follow Mitsuba's environment map turned by 90 degrees about x (z up).
    """
    theta = (np.arange(height) + 0.5)[:, None] / height * np.pi
    phi = (np.arange(2 * height) + 0.5)[None] / height * np.pi
    d = np.stack([np.sin(phi) * np.sin(theta), np.cos(phi) * np.sin(theta)], -1)
    d = np.concatenate([d, np.broadcast_to(np.cos(theta), d.shape[:2])[..., None]], -1)
    up = np.clip(d[..., 2:] * 0.5 + 0.5, 0, 1)
    light = (1 - up) * np.array([0.24, 0.21, 0.19]) + up * np.array([0.34, 0.38, 0.44])
    for centre, half, colour in (
        ((-0.45, -0.65, 0.95), 0.42, (5.4, 4.8, 4.05)),
        ((0.85, 0.25, 0.55), 0.36, (1.5, 1.9, 2.4)),
    ):
        c = np.array(centre) / np.linalg.norm(centre)
        a = np.cross([0, 0, 1.0], c) / np.linalg.norm(np.cross([0, 0, 1.0], c))
        depth = d @ c
        reach = np.maximum(np.abs(d @ a), np.abs(d @ np.cross(c, a))) / np.maximum(depth, 1e-3)
        edge = np.clip((half - reach) / 0.06 + 0.5, 0, 1) * (depth > 0)
        light = light + edge[..., None] * np.array(colour)
    return light
