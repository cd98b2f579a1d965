"""Which field a Config asks for, and how many numbers it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rayfield.app.catalogue import load_method
from rayfield.fields.surface import SurfaceField
from rayfield.fields.surface_network import SurfaceNetwork
from rayfield.fields.surfaces import sphere

ENCODED, VIEW = 39, 27  # of a point in 6 bands, of a direction in 4
NAMES = ("neus", "volsdf", "unisurf", "idr")
PUBLISHED = {name: (8, 256, 4) for name in NAMES} | {"idr": (8, 512, 4)}
LAPTOP = dict.fromkeys(NAMES, (4, 128, 2))


def layer(inputs: int, outputs: int) -> int:
    """Weights by direction and length, and biases."""
    return inputs * outputs + 2 * outputs


def expected(layers: int, width: int, color_layers: int) -> int:
    """By hand: the encoded point joins before the middle layer, which the one before makes room
    for; a distance, and a code of 256 or as many as there are units."""
    geometry = layer(ENCODED, width) + (layers - 2) * layer(width, width)
    geometry += layer(width, width - ENCODED)
    code = min(width, 256)
    colour = layer(3 + VIEW + 3 + code, width) + (color_layers - 1) * layer(width, width)
    return geometry + layer(width, 1) + layer(width, code) + colour + layer(width, 3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("preset", "sizes"), [("paper", PUBLISHED), ("laptop", LAPTOP)])
def test_presets_have_networks_of_the_sizes_stated(name, preset, sizes):
    cfg = load_method(name).PRESETS[preset]
    layers, width, color_layers = sizes[name]
    assert (cfg.layers, cfg.width, cfg.color_layers) == sizes[name]
    field = sphere(cfg, generator=torch.Generator().manual_seed(0))
    assert isinstance(field, SurfaceNetwork)
    assert sum(p.numel() for p in field.parameters()) == expected(layers, width, color_layers)
    assert field.geometry.skips == {layers // 2}
    assert field.tables() == []


@pytest.mark.parametrize("name", NAMES)
def test_by_default_it_is_a_grid_that_starts_as_a_sphere(name):
    cfg = replace(load_method(name).Config(), entries=1 << 10)
    field = sphere(cfg, generator=torch.Generator().manual_seed(0))
    assert isinstance(field, SurfaceField)
    away = torch.nn.functional.normalize(torch.randn(200, 3))
    assert field.distance(0.5 + 0.5 * cfg.radius * away).abs().max() < 0.02
    assert len(field.tables()[0]) <= cfg.levels * (1 << 10)
