"""HTML in which nothing of a run's own can become markup."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayfield.app.report.markup import (
    Markup,
    embedded_json,
    escaped,
    fill,
    joined,
    rows_of,
    sentences,
    tag,
)

EVIL = "</script><script>alert(\"1\")</script><img src=x onerror='alert(1)'>&"


@given(st.text())
def test_text_stays_text(text):
    found = escaped(text)
    assert not set(found) & set("<>\"'")
    assert html.unescape(found) == text


def test_markup_stays_markup():
    assert escaped(Markup("<b>")) == "<b>"
    assert joined([Markup("<b>"), "<i>"], ", ") == "<b>, &lt;i&gt;"


def test_a_template_takes_values_by_name_and_escapes_them():
    found = fill("<p title='$a'>$b$a</p>", {"a": EVIL, "b": Markup("<b>x</b>")})
    assert found.startswith("<p title='&lt;/script&gt;")
    assert "<b>x</b>" in found
    assert "<script" not in found
    with pytest.raises(KeyError):
        fill("$missing", {})


def test_a_value_is_not_a_template():
    assert fill("$a", {"a": "$b \\1 \\g<0>", "b": "no"}) == "$b \\1 \\g&lt;0&gt;"


def test_attributes_are_escaped_and_none_is_left_out():
    found = tag("a", EVIL, {"href": EVIL, "title": None})
    assert found.count("<") == 2
    assert "title" not in found


def test_rows_without_a_value_are_left_out():
    found = rows_of([("a", 1), ("b", None), ("<", "<")])
    assert found.count("<tr>") == 2
    assert "&lt;" in found
    assert rows_of([("b", None)]) == ""
    assert sentences([]) == ""
    assert sentences([EVIL]).count("<li>") == 1


@given(st.recursive(st.text() | st.integers() | st.booleans(), st.lists))
def test_embedded_json_is_the_same_value_and_ends_no_script(value):
    found = embedded_json({"value": value})
    assert "<" not in found
    assert json.loads(found) == {"value": value}


def test_numbers_that_json_has_not_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        embedded_json(float("nan"))
