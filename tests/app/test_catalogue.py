"""The catalogue of methods."""

from __future__ import annotations

import pytest

from rayfield.app.catalogue import METHODS, load_method
from rayfield.core.check import UsageError

CONTRACT = [
    "Config",
    "adapt",
    "build",
    "loss",
    "rays_per_step",
    "param_groups",
    "lr_factor",
    "render",
    "density",
    "color",
]


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_entry_loads_and_keeps_the_contract(name):
    method = load_method(name)
    missing = [part for part in CONTRACT if part not in vars(method)]
    assert not missing
    assert method.__doc__
    assert METHODS[name].summary


def test_an_unknown_method_is_answered_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean 'instant'"):
        load_method("instnat")
    with pytest.raises(UsageError, match="there are: instant"):
        load_method("zzz")
