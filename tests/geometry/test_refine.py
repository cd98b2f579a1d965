"""The search against looking everywhere: same cells for any shape that it can find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.geometry.marching import Search, extract
from rayfield.geometry.mesh import report
from rayfield.geometry.nodes import Lattice, Probe
from rayfield.geometry.refine import Refinement, with_values

CUBE = {"box_min": (-1.0, -1.0, -1.0), "box_max": (1.0, 1.0, 1.0)}
FLAT = {"box_min": (-1.0, -0.4, 0.0), "box_max": (1.0, 0.3, 0.2)}


def wavy(p):
    """A solid with hollows and handles that leaves the box on all sides."""
    x, y, z = (4 * p).unbind(1)
    return torch.sin(x) * torch.cos(y) + torch.sin(y) * torch.cos(z) + torch.sin(z) * torch.cos(x)


def rod_on_a_ball(p):
    """A slanted rod, thinner than a coarse cell, that only its end gives away."""
    along = torch.tensor([0.8, 0.5, 0.33])
    x, y, z = p.unbind(1)  # no matrix product: its rounding depends on how many points there are
    t = ((0.8 * x + 0.5 * y + 0.33 * z) / along.square().sum()).clamp(0, 1)
    return torch.minimum(p.norm(dim=1) - 0.3, (p - t[:, None] * along).norm(dim=1) - 0.05)


def touching_the_border(p):
    """A ball whose cap beyond the box is narrower than a coarse cell, and a corner of one."""
    cap = (p - torch.tensor([0.0, 0.13, 0.57])).norm(dim=1) - 0.44
    corner = (p - torch.tensor([1.0, 1.0, -1.0])).norm(dim=1) - 0.07
    return torch.minimum(cap, corner)


@pytest.mark.parametrize(
    ("field", "resolution", "coarse"),
    [
        (wavy, 24, 6),
        (wavy, 29, 7),  # the last cells are cut short
        (rod_on_a_ball, 50, 12),
        (rod_on_a_ball, 61, 7),
        (touching_the_border, 40, 5),
        (touching_the_border, 43, 10),
    ],
)
def test_the_mesh_is_that_of_looking_everywhere(field, resolution, coarse):
    assert_same_as_everywhere(field, resolution, coarse, CUBE)


@pytest.mark.parametrize("field", [wavy, rod_on_a_ball])
def test_the_same_in_a_flat_box(field):
    assert_same_as_everywhere(field, 60, 15, FLAT)


def assert_same_as_everywhere(field, resolution, coarse, box):
    few, all_ = (
        extract(
            field, level=0.0, resolution=resolution, inside="below", search=Search(coarse=n), **box
        )
        for n in (coarse, resolution)
    )
    np.testing.assert_array_equal(few.faces, all_.faces)
    np.testing.assert_array_equal(few.vertices, all_.vertices)
    found = report(few)
    assert found["boundary_edges"] == found["nonmanifold_edges"] == 0


def refinement(field, cells, step):
    lattice = Lattice.of_box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (cells, cells, cells))
    probe = Probe(field, level=0.0, inside="below", where="", tell=lambda _: None)
    return Refinement(lattice, probe, step)


def test_noise_stays_closed_though_pieces_are_missed():
    """Nothing may leave a hole, whatever the field does between the nodes that were asked."""
    values = torch.randn(33**3, generator=torch.Generator().manual_seed(0)) + 1.2

    def noise(p):
        x, y, z = (32 * p).round().long().clamp(0, 32).unbind(1)
        return values[(x * 33 + y) * 33 + z]

    for coarse in (8, 16, 32):
        box = {"box_min": (0.0, 0.0, 0.0), "box_max": (1.0, 1.0, 1.0)}
        mesh = extract(
            noise, level=0.0, resolution=32, inside="below", search=Search(coarse=coarse), **box
        )
        found = report(mesh)
        assert found["boundary_edges"] == found["nonmanifold_edges"] == 0
        assert found["faces"] > 1000


def test_cells_found_are_those_whose_corners_differ():
    """Brute force over all cells of the lattice with its closing layer."""
    search = refinement(lambda p: touching_the_border(2 * p - 1), 12, 2)
    cells, values = with_values(search, search.run(10**6))
    lattice = search.lattice
    x, y, z = (torch.from_numpy(axis[1:-1]).float() for axis in lattice.axes)
    own = -touching_the_border(2 * torch.cartesian_prod(x, y, z) - 1).reshape(13, 13, 13).numpy()
    outer = np.pad(own, 1, mode="edge")
    core = np.zeros(outer.shape, bool)
    core[1:-1, 1:-1, 1:-1] = True
    outer = np.where(core, outer, -np.abs(outer))
    corners = np.stack(
        [outer[i : i + 14, j : j + 14, k : k + 14] for k, j, i in np.ndindex(2, 2, 2)]
    )
    inside = corners > 0
    place = np.nonzero(inside.any(axis=0) & ~inside.all(axis=0))
    np.testing.assert_array_equal(cells, np.sort(lattice.number(np.stack(place))))
    np.testing.assert_array_equal(values, corners[:, *place])


def test_no_node_is_asked_twice():
    seen = []

    def field(p):
        seen.append(p)
        return wavy(p)

    extract(field, level=0.0, resolution=40, inside="below", search=Search(coarse=10), **CUBE)
    points = torch.cat(seen)
    assert len(points.unique(dim=0)) == len(points) < 41**3


def test_a_surface_that_fills_space_is_refused_before_memory_runs_out():
    with pytest.raises(UsageError, match=r"crosses about \S+ cells, more than the 100 "):
        refinement(lambda p: torch.sin(40 * p).prod(dim=1), 16, 2).run(100)
