"""Settings of a method from text (`--set field=value`) and from run.json, checked by type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rayfield.app.catalogue import suggestion
from rayfield.core.check import DataError, UsageError
from rayfield.core.types import FROM_DATA, File

C = TypeVar("C")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def apply_settings(config: C, settings: Iterable[str]) -> C:
    """The config with `field=value` texts applied.

    Values are read as the field's type: numbers, true/false, text, none, and comma-separated
    tuples. Raises UsageError naming the field: an unknown one, with the nearest name, one that
    follows from the data, one that is given something else than its type, or a negative number
    where the default is none.
    """
    hints = typing.get_type_hints(type(config))
    marks = typing.get_type_hints(type(config), include_extras=True)
    changes: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if not equals:
            raise UsageError(f"--set {setting!r} is not of the form field=value")
        if name not in hints:
            raise UsageError(f"--set: there is no field {name!r}{suggestion(name, list(hints))}")
        if FROM_DATA in typing.get_args(marks[name]):
            raise UsageError(f"--set {name}: it {FROM_DATA}; leave it out")
        try:
            changes[name] = parse_value(text.strip(), hints[name])
            _check_sign(changes[name], vars(config)[name])
        except ValueError as error:
            raise UsageError(f"--set {name}: {error}") from None
    return _replace(config, changes)


def parse_value(text: str, kind: Any) -> Any:
    """`text` as a value of the type `kind`. Raises ValueError saying what was expected."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if type(None) in args and text.lower() == "none":
            return None
        return parse_value(text, next(a for a in args if a is not type(None)))
    if origin is typing.Literal:
        if text not in args:
            raise ValueError(f"expected one of {', '.join(map(str, args))}, got {text!r}")
        return text
    if origin is tuple:
        return _parse_tuple(text, args)
    if kind is bool:
        if text.lower() not in TRUE + FALSE:
            raise ValueError(f"expected true or false, got {text!r}")
        return text.lower() in TRUE
    if kind is File:
        return str(Path(text).absolute()) if text else ""
    if kind is str:
        return text
    return _parse_number(text, kind)


def _check_sign(value: object, default: object) -> None:
    numbers = isinstance(value, int | float) and isinstance(default, int | float)
    if numbers and value < 0 <= default:  # type: ignore[operator]
        raise ValueError(f"expected 0 or more, got {value}")


def _parse_number(text: str, kind: type) -> int | float:
    what = "a whole number" if kind is int else "a number"
    try:
        value = float(text) if kind is float else _whole(text)
    except (ValueError, OverflowError):
        raise ValueError(f"expected {what}, got {text!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {text!r}")
    return value


def _whole(text: str) -> int:
    """An int, also written 2**17, 1e4 or 16_384."""
    base, power, exponent = text.partition("**")
    if power:
        if int(exponent) > 64:
            raise ValueError
        return int(base) ** int(exponent)
    value = float(text) if "e" in text.lower() else int(text)
    if value != int(value):
        raise ValueError
    return int(value)


def _parse_tuple(text: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    parts = [part.strip() for part in text.strip("()[] ").split(",") if part.strip()]
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(parse_value(part, args[0]) for part in parts)
    if len(parts) != len(args):
        raise ValueError(f"expected {len(args)} values separated by commas, got {text!r}")
    return tuple(parse_value(part, arg) for part, arg in zip(parts, args, strict=True))


def config_from_json(kind: type[C], values: dict[str, Any], file: Path) -> C:
    """The config of a run from its run.json. Raises DataError on fields that do not fit."""
    hints = typing.get_type_hints(kind)
    fix = "the run was made by another version of rayfield: train it anew"
    for name in values:
        if name not in hints:
            raise DataError(file, f"config.{name} is not known to this version", fix)
    try:
        found = {name: _from_json(value, hints[name]) for name, value in values.items()}
        return kind(**found)
    except (TypeError, ValueError, UsageError) as error:
        raise DataError(file, f"config: {error}", fix) from None


def _from_json(value: Any, kind: Any) -> Any:
    """A JSON value as a value of the type `kind`, by the same rules as text."""
    if value is None or isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, list):
        if "tuple" not in str(kind):
            raise ValueError(f"expected one value, got {value}")
        text = ",".join(str(v).lower() if isinstance(v, bool) else str(v) for v in value)
    else:
        text = value if isinstance(value, str) else repr(value)
    return parse_value(text, kind)


def _replace(config: C, changes: dict[str, Any]) -> C:
    try:
        return dataclasses.replace(config, **changes)  # type: ignore[type-var]
    except ValueError as error:  # a check in the config's __post_init__
        raise UsageError(f"--set: {error}") from None


def settings_of(pairs: Sequence[str] | dict[str, Any]) -> tuple[str, ...]:
    """Settings given as a dict, as the texts that `--set` takes."""
    if isinstance(pairs, dict):
        return tuple(f"{name}={_text(value)}" for name, value in pairs.items())
    return tuple(pairs)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
