"""HTML made of pieces, in which whatever is not ours is escaped."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


class Markup(str):
    """HTML that may stand in a page as it is. Everything else is escaped by `escaped`."""

    __slots__ = ()


NOTHING = Markup("")


def escaped(value: object) -> Markup:
    """A value as text of a page, or of an attribute in double quotes."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def fill(template: str, values: Mapping[str, object]) -> Markup:
    """The template with every $name replaced by its value, escaped unless it is Markup.

    Raises KeyError for a name without a value.
    """
    return Markup(re.sub(r"\$(\w+)", lambda match: escaped(values[match[1]]), template))


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """Parts one after the other."""
    return Markup(between.join(escaped(part) for part in parts))


def tag(name: str, content: object = "", attributes: Mapping[str, object] | None = None) -> Markup:
    """An element; attributes that are None are left out."""
    given = {key: value for key, value in (attributes or {}).items() if value is not None}
    words = "".join(f' {key}="{escaped(value)}"' for key, value in given.items())
    return Markup(f"<{name}{words}>{escaped(content)}</{name}>")


def rows_of(pairs: Iterable[tuple[object, object]]) -> Markup:
    """Names and values as a table; a value that is None has no row."""
    rows = [
        tag("tr", joined((tag("th", name, {"scope": "row"}), tag("td", value))))
        for name, value in pairs
        if value is not None
    ]
    return tag("table", tag("tbody", joined(rows)), {"class": "facts"}) if rows else NOTHING


def embedded_json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def sentences(texts: Iterable[str]) -> Markup:
    """Remarks as a list; nothing where there are none."""
    items = [tag("li", text) for text in texts]
    return tag("ul", joined(items), {"class": "remarks"}) if items else NOTHING
