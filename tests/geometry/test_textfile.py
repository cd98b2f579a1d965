"""Lines and rows of numbers: the blocks in which they are read never show."""

from __future__ import annotations

import numpy as np
import pytest

from rayfield.core.check import DataError
from rayfield.geometry import textfile as t


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A file of 23 rows, read 5 lines at a time, and its numbers."""
    monkeypatch.setattr(t, "CHUNK", 5)
    values = np.arange(69.0).reshape(23, 3)
    path = tmp_path / "rows.txt"
    path.write_text("# head\n\n" + "\n".join(" ".join(map(str, row)) for row in values))
    return path, values


@pytest.mark.parametrize("every", [1, 2, 3, 7, 30])
def test_every_nth_row_is_taken_across_blocks(table, every):
    path, values = table
    source = t.filled(t.lines(path))
    found = t.all_rows(path, source, 3, count=23, every=every, what="rows")
    np.testing.assert_array_equal(found, values[::every])


def test_no_more_rows_are_taken_than_asked_for(table):
    path, values = table
    source = t.filled(t.lines(path))
    np.testing.assert_array_equal(t.all_rows(path, source, 3, count=7, what="rows"), values[:7])
    assert next(source)[1].startswith(b"21.0")
    with pytest.raises(DataError, match="ends after 15 of 99 rows"):
        t.all_rows(path, source, 3, count=99, what="rows")


def test_lines_are_numbered_from_where_reading_starts(table):
    path, _ = table
    assert next(iter(t.lines(path, start=8, number=2))) == (3, b"0.0 1.0 2.0")


def test_a_mark_of_utf_8_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_text("1 2 3\n\ufeff4\n", encoding="utf-8-sig")
    assert list(t.lines(path)) == [(1, b"1 2 3"), (2, "\ufeff4".encode())]


def test_a_large_file_is_mapped_and_reads_the_same(table, monkeypatch):
    path, _ = table
    small = t.contents(path)
    monkeypatch.setattr(t, "MAPPED", 10)
    assert isinstance(t.contents(path), np.memmap)
    np.testing.assert_array_equal(t.contents(path), small)


@pytest.mark.parametrize("text", [b"1.0", b"1_0", b"", b"-", b"12345678901234567890", b"x"])
def test_what_is_no_whole_number_is_named(tmp_path, text):
    for read in (t.whole_in, lambda p, n, w, what: t.wholes_in(p, n, [b"1", w], what=what)):
        with pytest.raises(DataError, match=r"line 4: .* is no index"):
            read(tmp_path / "f", 4, text, what="index")


def test_whole_numbers_are_read_with_their_signs(tmp_path):
    assert t.wholes_in(tmp_path, 1, [b"-3", b"+4", b"0"], what="index") == [-3, 4, 0]
    assert t.whole_in(tmp_path, 1, b"-3", what="index") == -3
