"""The network whose zero set is exactly a mesh."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from rayfield.data.solid import read_solid
from rayfield.geometry import mesh as measures
from rayfield.geometry import solids
from rayfield.geometry.exactness import exactness
from rayfield.geometry.marching import extract
from rayfield.geometry.polyhedron import polygon_distance, polyhedron
from rayfield.methods import polytope_net
from rayfield.methods.polytope_net import Config, build, construct, cover, surface

SHAPES = {
    "cube": solids.cube(),
    "l_prism": solids.l_prism(),
    "frame": solids.frame(),
    "star": solids.star(),
}


@pytest.fixture(scope="module")
def networks():
    return {
        name: construct(Config(), polyhedron(mesh), generator=torch.Generator().manual_seed(0))
        for name, mesh in SHAPES.items()
    }


@pytest.mark.parametrize("name", SHAPES)
def test_the_zero_set_is_exactly_the_mesh(name, networks, generator):
    network, _ = networks[name]
    found = exactness(surface(network), SHAPES[name], 6_000, generator=generator)
    assert found.surface_error < 1e-15
    assert found.sign_errors == 0
    assert found.far_errors == 0
    assert found.slope_error < 1e-12


def test_sizes_of_the_simple_ones(networks):
    units = {name: cfg.units for name, (_, cfg) in networks.items()}
    assert units["cube"] == (3, 9, 5, 3, 1)
    assert sum(units["cube"][1:-1]) <= 3 * 5 + 2 * 3
    assert units["l_prism"] == (3, 18, 10, 6, 3, 1)
    assert units["star"] == (3, 12, 6, 3, 1)


def test_inside_a_convex_solid_the_value_is_the_distance(networks):
    """C11."""
    points = (torch.rand(2000, 3, generator=torch.Generator().manual_seed(1)) - 0.5).double() * 1.6
    with torch.no_grad():
        value = surface(networks["cube"][0])(points)
    assert torch.allclose(value, points.abs().amax(dim=1) - 0.8, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", SHAPES)
def test_the_value_is_nowhere_more_than_the_distance(name, networks):
    solid = polyhedron(SHAPES[name])
    points = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    with torch.no_grad():
        value = surface(networks[name][0])(torch.from_numpy(points)).abs().numpy()
    distance = np.array([polygon_distance(solid.corners, point).min() for point in points])
    assert (value <= distance + 1e-12).all()


def test_meshing_the_cube_recovers_its_planes_and_volume(networks):
    mesh = extract(
        surface(networks["cube"][0]),
        level=0.0,
        box_min=(-1.0, -1.0, -1.0),
        box_max=(1.0, 1.0, 1.0),
        resolution=33,
        inside="below",
    )
    size = np.abs(mesh.vertices).max(axis=1)
    flat = np.sort(np.abs(mesh.vertices), axis=1)[:, 1] < 0.7  # off the edges
    assert np.abs(size[flat] - 0.8).max() < 1e-6
    assert measures.volume(mesh) == pytest.approx(1.6**3, rel=0.01)


def test_pieces_that_only_touch_leave_a_sheet_that_the_method_closes(generator):
    """C13: without the search for gaps two boxes may be taken that touch; then f = 0 between."""
    solid = polyhedron(solids.l_prism())
    side = {}
    for name, middle in {"left": [-0.4, 0.0, 0.0], "right": [0.4, -0.4, 0.0]}.items():
        height = solid.planes[:, :3] @ middle + solid.planes[:, 3]
        side[name] = np.where(height < 0, np.arange(8), np.arange(8) + 8)
    bend = (np.abs(solid.planes[:, 1]) > 0.5) & (np.abs(solid.planes[:, 3]) < 0.1)
    touching = [side["left"][~bend], side["right"]]
    between = torch.tensor([[0.0, -0.4, 0.3]], dtype=torch.float64)
    trap = polytope_net.network_of(polytope_net.formula(solid, touching))
    assert float(trap(between).detach()) == 0.0
    pieces = cover(Config(), solid, generator=generator)
    network = polytope_net.network_of(polytope_net.formula(solid, pieces))
    assert float(network(between).detach()) == pytest.approx(-0.4)


def test_a_checkpoint_is_read_into_a_network_of_the_sizes_in_the_config(networks):
    network, cfg = networks["frame"]
    other = build(Config(**asdict(cfg)), generator=torch.Generator())
    other.load_state_dict(network.state_dict())
    points = torch.rand(100, 3, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(other(points), network(points))


def test_the_same_seed_gives_the_same_bits():
    solid = polyhedron(SHAPES["frame"])
    first, second = (
        construct(Config(), solid, generator=torch.Generator().manual_seed(7))[0].state_dict()
        for _ in range(2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_real_mesh_is_exact(data_dir, generator):
    pytest.importorskip("igl")
    solid = read_solid(data_dir / "meshes" / "spot_low_resolution.obj", 40)
    told = []
    network, cfg = construct(
        Config(), solid.polyhedron, generator=generator, report=lambda d, _: told.append(d)
    )
    found = exactness(surface(network), solid.mesh, 4_000, generator=generator)
    assert found.surface_error < 1e-13
    assert (found.sign_errors, found.far_errors) == (0, 0)
    assert sum(cfg.units) < 1000
    assert told == sorted(told)
    assert told[-1] == 1
