"""Triangles of the cells that a surface crosses, sharing vertices: marching cubes (see cubes.py).

Every cut edge of the lattice is the lowest-cornered one of exactly one crossed cell, which owns
its vertex; the other three cells around the edge look it up there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int32, Int64
from torch import Tensor

from rayfield.geometry.cubes import AMBIGUOUS, CENTRE, CORNERS, EDGES, FACES, cuts
from rayfield.geometry.nodes import Lattice, Probe
from rayfield.math.roots import secant

ON_NODE = 1e-6  # of an edge: a vertex this close to the outer node counts as on it


class Cut(NamedTuple):
    """The cut edges: from `node` one step along `axis`, with the values of both ends."""

    node: Int64[np.ndarray, " V"]
    axis: Int[np.ndarray, " V"]
    values: Float[np.ndarray, "2 V"]


def cut_edges(
    cells: Int64[np.ndarray, " N"], values: Float32[np.ndarray, "8 N"]
) -> tuple[Cut, Int32[np.ndarray, "3 N"]]:
    """The cut edges, and which of them start along each axis at a cell's lowest corner (or -1)."""
    upper = [1 << axis for axis in range(3)]
    cut = np.stack([(values[0] > 0) != (values[up] > 0) for up in upper])
    axis, owner = np.nonzero(cut)
    numbers = np.full(cut.shape, -1, np.int32)
    numbers[cut] = np.arange(len(owner))
    ends = np.stack([values[0, owner], values[np.array(upper)[axis], owner]]).astype(float)
    return Cut(cells[owner], axis, ends), numbers


def shares(cut: Cut) -> Float[np.ndarray, " V"]:
    """How far along its edge each vertex is, 0 to 1: linear interpolation."""
    low, high = cut.values
    return low / (low - high)


def sharpened(lattice: Lattice, cut: Cut, probe: Probe, *, steps: int) -> Float[np.ndarray, " V"]:
    """Like `shares`, after steps of the bracketed secant method (`roots.secant`).

    One more question to the field per vertex and step. A vertex stays on its edge, between points
    of different sides. Edges that end on the box keep their share.
    """
    ends = lattice.place(cut.node)[cut.axis, np.arange(len(cut.axis))]
    free = np.nonzero((ends >= 1) & (ends + 1 <= lattice.last[cut.axis, 0]))[0]
    some = Cut(cut.node[free], cut.axis[free], cut.values[:, free])

    def along(share: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
        points = torch.from_numpy(positions(lattice, some, share.numpy())).float()
        return torch.from_numpy(probe(points)).double()

    low, high = torch.from_numpy(some.values)
    ends = torch.zeros_like(low), torch.ones_like(low)
    result = shares(cut)
    result[free] = secant(along, *ends, values=(low, high), steps=steps).numpy()
    return result


def positions(
    lattice: Lattice, cut: Cut, share: Float[np.ndarray, " V"]
) -> Float[np.ndarray, "V 3"]:
    """Where the vertices are."""
    place = lattice.place(cut.node)
    found = np.stack([axis[at] for axis, at in zip(lattice.axes, place, strict=True)], axis=1)
    for k, axis in enumerate(lattice.axes):
        own = cut.axis == k
        at = place[k, own]
        found[own, k] += share[own] * (axis[at + 1] - axis[at])
    return found


def on_nodes(lattice: Lattice, cut: Cut) -> Int64[np.ndarray, " V"]:
    """The outer nodes that vertices lie on, -1 for the others."""
    low, high = cut.values
    step = np.array(lattice.strides)[cut.axis]
    upper = (high <= 0) & (-high <= ON_NODE * low)
    lower = (low <= 0) & (-low <= ON_NODE * high)
    return np.where(lower, cut.node, np.where(upper, cut.node + step, -1))


class Triangles(NamedTuple):
    """`outlines` list the vertices whose mean each vertex beyond those on edges is, -1 for none."""

    faces: Int32[np.ndarray, "F 3"]
    outlines: Int32[np.ndarray, "C 12"]


def triangles(
    lattice: Lattice,
    cells: Int64[np.ndarray, " N"],
    values: Float32[np.ndarray, "8 N"],
    *,
    numbers: Int32[np.ndarray, "3 N"],
) -> Triangles:
    """Triangles of all cells, in their order, counter-clockwise from outside."""
    rows = cuts().row[_case(values)]
    of_edge = np.full((len(cells), CENTRE + 1), -1, np.int32)
    for edge, (low, high) in enumerate(EDGES):
        cut = (values[low] > 0) != (values[high] > 0)
        shift = int(CORNERS[low] @ lattice.strides)
        owner = np.searchsorted(cells, cells[cut] + shift)
        of_edge[cut, edge] = numbers[(high - low).bit_length() - 1, owner]
    outline = cuts().outline[rows]
    centred = outline.any(axis=1)
    of_edge[centred, CENTRE] = numbers.max(initial=-1) + 1 + np.arange(centred.sum())
    count = cuts().size[rows]
    cell = np.repeat(np.arange(len(cells)), count)
    slot = np.arange(len(cell)) - np.repeat(np.cumsum(count) - count, count)
    faces = of_edge[cell[:, None], cuts().triangles[rows[cell], slot]]
    return Triangles(faces, np.where(outline, of_edge[:, :CENTRE], np.int32(-1))[centred])


def centres(
    vertices: Float[np.ndarray, "V 3"], outlines: Int32[np.ndarray, "C 12"]
) -> Float[np.ndarray, "C 3"]:
    """Means of the vertices that each row lists."""
    used = outlines >= 0
    return (vertices[outlines] * used[..., None]).sum(axis=1) / used.sum(axis=1, keepdims=True)


def _case(values: Float32[np.ndarray, "8 N"]) -> Int64[np.ndarray, " N"]:
    """Which corners are inside and, on ambiguous faces, where the solid holds together."""
    code = np.zeros(values.shape[1], np.int64)
    for corner in range(8):
        code |= (values[corner] > 0).astype(np.int64) << corner
    doubtful: Bool[np.ndarray, " N"] = AMBIGUOUS[code]
    some = values[:, doubtful].astype(float)
    joined = np.zeros(some.shape[1], np.int64)
    for f, (a, b, c, d) in enumerate(FACES):
        inside = some > 0
        alternate = (inside[a] == inside[c]) & (inside[b] == inside[d]) & (inside[a] != inside[b])
        # The bilinear interpolant is inside at its saddle where the inner product is greater.
        one, other = some[a] * some[c], some[b] * some[d]
        holds = np.where(inside[a], one > other, other > one)
        joined |= (alternate & holds).astype(np.int64) << f
    code[doubtful] |= joined << 8
    return code
