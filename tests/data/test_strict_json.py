"""JSON from strangers (the refusals are in tests/hostile)."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rayfield.data.strict_json import read_json_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e200, 1e200) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(document=st.dictionaries(st.text(), values, max_size=4), bom=st.booleans())
def test_what_json_writes_is_read_back(document, bom, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "document.json"
    path.write_text(json.dumps(document), encoding="utf-8-sig" if bom else "utf-8")
    assert read_json_object(path) == document
