"""Cells that a surface crosses, from coarse to fine: multiresolution iso-surface extraction.

Occupancy Networks: Learning 3D Reconstruction in Function Space, Mescheder et al. 2019,
arXiv:1812.03828, Sec. 3.3. All nodes of a coarse lattice are asked; a cell is split in eight while
the nodes known of it, those that its finer neighbours brought included, do not agree.
*Departures:* a node at the very level counts as outside instead of as both; the lattice may have
any number of cells, so that the last ones are cut short; a solid that reaches the box's border is
refined there, because the mesh closes there.

What is found is followed to its end: a cell at the last level is missed only if no cell of its
whole connected piece of surface was ever split. That happens to pieces so small or thin that the
coarse nodes do not see them.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from rayfield.core.check import UsageError
from rayfield.geometry.cubes import CORNERS
from rayfield.geometry.nodes import Known, Lattice, Probe, distinct, without

SPLIT = 2**17  # cells split at a time
SLAB = 16  # layers of coarse cells looked at in one go

# Places in the 3x3x3 pattern of nodes of a cell that is being split.
_PATTERN = np.arange(27).reshape(3, 3, 3)
_CHILDREN = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
_CORNERS_OF = [_PATTERN[x : x + 2, y : y + 2, z : z + 2].ravel() for x, y, z in _CHILDREN]
_SIDES = [(axis, side) for axis in range(3) for side in (0, 2)]
_NODES_ON = [_PATTERN.take(side, axis=axis).ravel() for axis, side in _SIDES]

_NONE = np.empty(0, np.int64)


def crossed(
    inside: Bool[np.ndarray, "K N"], exposed: Bool[np.ndarray, "K N"]
) -> Bool[np.ndarray, " N"]:
    """Whether the surface passes among K nodes: not all are inside, or one is where it closes."""
    some = np.asarray(inside.any(axis=0))
    return some & (~inside.all(axis=0) | exposed.any(axis=0))


class Refinement:
    """The search: coarse values of all nodes `step` apart, then ever finer ones at the surface."""

    def __init__(self, lattice: Lattice, probe: Probe, step: int) -> None:
        self.lattice, self.probe, self.step = lattice, probe, step
        self.known = Known()
        self.coarse = self._coarse()

    def _places(self) -> list[Int64[np.ndarray, " n"]]:
        """Places of the coarse nodes along each axis."""
        last = self.lattice.last[:, 0]
        return [np.append(np.arange(1, end, self.step), end) for end in last]

    def _coarse(self) -> Float32[np.ndarray, "X Y Z"]:
        x, y, z = (
            torch.from_numpy(axis[places]).float()
            for axis, places in zip(self.lattice.axes, self._places(), strict=True)
        )
        plane = torch.cartesian_prod(y, z)
        values = np.empty((len(x), len(y), len(z)), np.float32)
        slab = max(1, 2**18 // len(plane))
        for begin in range(0, len(x), slab):
            some = x[begin : begin + slab]
            points = torch.empty(len(some), len(plane), 3)
            points[..., 0], points[..., 1:] = some[:, None], plane
            found = self.probe(points.flatten(0, 1))
            values[begin : begin + slab] = found.reshape(len(some), len(y), len(z))
        return values

    def start(self) -> Int64[np.ndarray, " N"]:
        """The coarse cells that the surface crosses."""
        places, found = self._places(), []
        end = len(places[0]) - 1
        for begin in range(0, end, SLAB):
            stop = min(begin + SLAB, end)
            inside = self.coarse[begin : stop + 1] > 0
            borders = [(1, 0), (1, -1), (2, 0), (2, -1)]
            borders += [(0, 0)] * (begin == 0) + [(0, -1)] * (stop == end)
            x, y, z = np.nonzero(_crossed_cells(inside, borders))
            place = np.stack([places[0][begin + x], places[1][y], places[2][z]])
            found.append(self.lattice.number(place))
        return np.concatenate(found)

    def learn(self, keys: Int64[np.ndarray, " N"]) -> None:
        """Ask for those of some nodes that are not known yet."""
        new = without(distinct(keys), self.known.keys)
        place = self.lattice.place(new)
        is_coarse = ((place - 1) % self.step == 0) | (place == self.lattice.last)
        asked = is_coarse.all(axis=0)
        values = np.empty(len(new), np.float32)
        x, y, z = -(-(place[:, asked] - 1) // self.step)  # rounded up: the last is cut short
        values[asked] = self.coarse[x, y, z]
        points = torch.empty(int((~asked).sum()), 3)
        for k, axis in enumerate(self.lattice.axes):
            points[:, k] = torch.from_numpy(axis[place[k, ~asked]])
        values[~asked] = self.probe(points)
        self.known.add(new, values)

    def split(
        self, cells: Int64[np.ndarray, " N"], step: int
    ) -> tuple[Int64[np.ndarray, " C"], Int64[np.ndarray, " B"]]:
        """Halve cells of this size: the crossed ones of their parts, and the neighbours, of their
        own size, that the surface passes on to."""
        low, last = self.lattice.place(cells), self.lattice.last
        x, y, z = np.stack(
            [low, np.minimum(low + step // 2, last), np.minimum(low + step, last)], 1
        )
        place = np.stack(
            np.broadcast_arrays(x[:, None, None], y[None, :, None], z[None, None]), axis=0
        ).reshape(3, 27, -1)
        keys = self.lattice.number(place)
        self.learn(keys.ravel())
        inside = self.known.take(keys) > 0
        exposed = inside & self.lattice.on_border(place)
        children, neighbours = [], []
        for corners in _CORNERS_OF:
            first = corners[0]
            real = (place[:, first] < last).all(axis=0)
            children.append(keys[first, real & crossed(inside[corners], exposed[corners])])
        for (axis, side), nodes in zip(_SIDES, _NODES_ON, strict=True):
            there = place[axis, nodes[0]] if side else low[axis] - step
            real = (there >= 1) & (there < last[axis])
            on = real & crossed(inside[nodes], exposed[nodes])
            neighbours.append(cells[on] + (step if side else -step) * self.lattice.strides[axis])
        return np.concatenate(children), np.concatenate(neighbours)

    def run(self, limit: int) -> Int64[np.ndarray, " N"]:
        """The unit cells that the surface crosses, sorted; `UsageError` if more than `limit`."""
        levels = self.step.bit_length() - 1
        start = self.start()
        _check(len(start) * 4**levels, limit)
        if not levels:
            return start
        todo, done, leaves = [start] + [_NONE] * (levels - 1), [_NONE] * levels, [_NONE]
        while any(len(cells) for cells in todo):
            level = next(k for k, cells in enumerate(todo) if len(cells))
            cells = without(distinct(todo[level]), done[level])
            todo[level], done[level] = _NONE, np.sort(np.concatenate([done[level], cells]))
            children, fresh = self._split(cells, self.step >> level)
            fresh = without(fresh, done[level])
            for k in range(level + 1):
                size = self.step >> k
                above = self.lattice.place(fresh)
                parents = self.lattice.number((above - 1) // size * size + 1)
                todo[k] = np.concatenate([todo[k], parents])
            if level + 1 < levels:
                todo[level + 1] = np.concatenate([todo[level + 1], children])
            else:
                leaves.append(children)
            _check(sum(map(len, leaves)) + len(children) * 4 ** (levels - level - 1), limit)
        return np.sort(np.concatenate(leaves))

    def _split(
        self, cells: Int64[np.ndarray, " N"], step: int
    ) -> tuple[Int64[np.ndarray, " C"], Int64[np.ndarray, " B"]]:
        parts = [self.split(cells[k : k + SPLIT], step) for k in range(0, len(cells), SPLIT)]
        children, neighbours = zip(*parts, strict=True) if parts else ([_NONE], [_NONE])
        return np.concatenate(children), np.concatenate(neighbours)


def _crossed_cells(
    inside: Bool[np.ndarray, "X Y Z"], borders: list[tuple[int, int]]
) -> Bool[np.ndarray, "x y z"]:
    """The cells whose corners do not agree, or that have one inside on a border (axis, side)."""
    some: np.ndarray = inside
    every: np.ndarray = inside
    for axis in range(3):
        low, high = (_at(axis, part) for part in (slice(-1), slice(1, None)))
        some, every = some[low] | some[high], every[low] & every[high]
    found: np.ndarray = some & ~every
    for axis, side in borders:
        face = inside.take(side, axis=axis)
        face = face[:-1] | face[1:]
        found[_at(axis, side)] |= face[:, :-1] | face[:, 1:]
    return found


def _at(axis: int, part: slice | int) -> tuple[slice | int, ...]:
    return tuple(part if k == axis else slice(None) for k in range(3))


def _check(expected: int, limit: int) -> None:
    if expected > limit:
        raise UsageError(
            f"the surface crosses about {expected:.3g} cells, more than the {limit:.3g} that are "
            "kept in memory; use a lower resolution"
        )


def with_values(
    refinement: Refinement, cells: Int64[np.ndarray, " N"]
) -> tuple[Int64[np.ndarray, " M"], Float32[np.ndarray, "8 M"]]:
    """Sorted unit cells that the surface crosses, those of the closing layer included, and the
    values of their corners; `cells` are those that `run` found.
    """
    lattice, known = refinement.lattice, refinement.known
    cells = np.sort(np.concatenate([cells, _closing(lattice, cells)]))
    values = np.empty((8, len(cells)), np.float32)
    for first in range(0, len(cells), SPLIT):
        place = lattice.place(cells[first : first + SPLIT])
        corners = place[:, None] + CORNERS.T[:, :, None]
        own = np.clip(corners, 1, lattice.last[:, None])
        keys = lattice.number(own)
        if refinement.step == 1:  # else the search has met them all
            refinement.learn(keys.ravel())
        found = known.take(keys)
        # As far below the level as its neighbour is above: the surface passes half-way between.
        beyond = (own != corners).any(axis=0)
        values[:, first : first + SPLIT] = np.where(beyond, -np.abs(found), found)
    inside = values > 0
    mixed = inside.any(axis=0) & ~inside.all(axis=0)
    return cells[mixed], values[:, mixed]


def _closing(lattice: Lattice, cells: Int64[np.ndarray, " N"]) -> Int64[np.ndarray, " M"]:
    """The cells between the box's border and these."""
    place, found = lattice.place(cells), [_NONE]
    first, last = place == 1, place + 1 == lattice.last
    for offset in product((-1, 0, 1), repeat=3):
        ways = [first[k] if step < 0 else last[k] for k, step in enumerate(offset) if step]
        if ways:
            beyond = np.logical_and.reduce(ways)
            found.append(cells[beyond] + int(np.dot(offset, lattice.strides)))
    return np.concatenate(found)
