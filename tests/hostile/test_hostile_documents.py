"""The tests that docs/inputs.md and docs/promises.md name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["inputs.md", "promises.md"])
def test_every_test_that_a_page_names_exists(page):
    text = (TESTS.parent / "docs" / page).read_text("utf-8")
    named = re.findall(r"`([\w/.]+\.py)::(\w+)`", text)
    assert len(named) > 30
    for file, function in named:
        path = TESTS / re.sub(r"^hostile/(?!test_)", "hostile/test_hostile_", file)
        assert path.is_file(), file
        assert re.search(rf"^def {function}\(", path.read_text("utf-8"), re.M), (file, function)
