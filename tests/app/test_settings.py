"""Settings from text and JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfield.app.catalogue import load_method
from rayfield.app.settings import apply_settings, config_from_json
from rayfield.core.check import DataError, UsageError
from rayfield.core.types import FromData


@dataclasses.dataclass(frozen=True)
class Config:
    steps: int = 100
    rate: float = 0.01
    exposure: bool = False
    name: str = "plain"
    kind: Literal["a", "b"] = "a"
    radius: float | None = None
    sizes: tuple[int, ...] = (1, 2)
    betas: tuple[float, float] = (0.9, 0.99)
    width: FromData[int] = 3
    shape: FromData[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError("steps must be at least 1")


@pytest.mark.parametrize(
    ("setting", "field", "value"),
    [
        ("steps=7", "steps", 7),
        ("steps=2**10", "steps", 1024),
        ("steps=1e4", "steps", 10_000),
        ("steps=16_384", "steps", 16_384),
        ("rate=1e-3", "rate", 1e-3),
        ("rate=2", "rate", 2.0),
        ("exposure=true", "exposure", True),
        ("exposure=No", "exposure", False),
        ("name=a=b", "name", "a=b"),
        ("kind=b", "kind", "b"),
        ("radius=0.5", "radius", 0.5),
        ("radius=none", "radius", None),
        ("sizes=3,4,5", "sizes", (3, 4, 5)),
        ("sizes=(3, 4)", "sizes", (3, 4)),
        ("betas=0.8,0.9", "betas", (0.8, 0.9)),
    ],
)
def test_a_text_becomes_a_value_of_the_fields_type(setting, field, value):
    changed = dataclasses.asdict(apply_settings(Config(), [setting]))
    assert changed[field] == value
    assert type(changed[field]) is type(value)
    assert changed | {field: None} == dataclasses.asdict(Config()) | {field: None}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("stpes=7", "did you mean 'steps'"),
        ("qqq=7", "there are: steps, rate"),
        ("steps", "not of the form field=value"),
        ("steps=x", "expected a whole number, got 'x'"),
        ("steps=1.5", "expected a whole number"),
        ("steps=2**999999", "expected a whole number"),
        ("steps=0", "steps must be at least 1"),
        ("steps=-3", "--set steps: expected 0 or more, got -3"),
        ("rate=-1e-3", "--set rate: expected 0 or more, got -0.001"),
        ("rate=x", "expected a number"),
        ("rate=nan", "expected a finite number"),
        ("rate=inf", "expected a finite number"),
        ("exposure=perhaps", "expected true or false"),
        ("kind=c", "expected one of a, b"),
        ("sizes=1,x", "expected a whole number, got 'x'"),
        ("betas=0.5", "expected 2 values"),
        ("width=4", "--set width: it follows from the data; leave it out"),
        ("shape=4,4", "--set shape: it follows from the data; leave it out"),
    ],
)
def test_what_cannot_be_used_is_named(setting, said):
    with pytest.raises(UsageError, match="--set") as error:
        apply_settings(Config(), [setting])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(
    st.integers(1, 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.integers(-100, 100), max_size=4),
)
def test_a_config_survives_its_way_through_json(steps, rate, exposure, sizes):
    config = Config(steps=steps, rate=rate, exposure=exposure, sizes=tuple(sizes))
    values = json.loads(json.dumps(dataclasses.asdict(config)))
    assert config_from_json(Config, values, Path("run.json")) == config


@pytest.mark.parametrize(
    "values",
    [
        {"steps": "many"},
        {"steps": None},
        {"steps": [1]},
        {"steps": -1},
        {"rate": True},
        {"unknown": 1},
        {"betas": [1.0]},
    ],
)
def test_a_damaged_config_is_bad_data(values):
    with pytest.raises(DataError, match=r"run\.json: config"):
        config_from_json(Config, values, Path("run.json"))


def test_a_file_is_found_again_from_another_folder(tmp_path, monkeypatch):
    method = load_method("deep_image_prior")
    monkeypatch.chdir(tmp_path)
    cfg = apply_settings(method.Config(), ["mask=holes.png"])
    assert cfg.mask == str(tmp_path / "holes.png")
    assert apply_settings(cfg, ["mask="]).mask == ""
    again = config_from_json(method.Config, dataclasses.asdict(cfg), tmp_path / "run.json")
    assert again == cfg
