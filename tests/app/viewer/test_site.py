"""The files of the page."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest

from rayfield.app.viewer import site
from rayfield.core.check import RayfieldError

MARKUP = ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(")


def test_the_page_and_all_it_names_are_there():
    files = site.load_site()
    page = files["/"].body.decode()
    named = set(re.findall(r'(?:href|src)="(/[^"]*)"', page))
    assert len(named) >= 3
    for name, answer in files.items():
        if name.endswith(".js"):
            text = answer.body.decode()
            named |= {"/js/" + part for part in re.findall(r'from "\./([\w.]+)"', text)}
    assert named <= set(files), named - set(files)


def test_kinds_come_from_our_own_table():
    files = site.load_site()
    assert files["/"].kind.startswith("text/html")
    assert files["/js/main.js"].kind.startswith("text/javascript")
    assert files["/style.css"].kind.startswith("text/css")


def test_the_page_makes_no_markup_of_texts():
    """Names of runs and photos are put in as text: nothing in the scripts parses markup."""
    for name, answer in site.load_site().items():
        text = answer.body.decode()
        for way in MARKUP:
            assert way not in text, f"{name}: {way}"
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), name
        assert "https://" not in text, name  # nothing from elsewhere


def test_links_out_of_the_folder_are_left_out(tmp_path):
    (tmp_path / "secret.js").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "index.html").write_text("page")
    (root / "a.js").write_text("1")
    (root / "link.js").symlink_to(tmp_path / "secret.js")
    (root / "folder").symlink_to(tmp_path)
    (root / "notes.txt").write_text("no kind that is served")
    assert set(site.load_site(root)) == {"/", "/a.js"}


def test_an_installation_without_the_page_says_so(tmp_path):
    with pytest.raises(RayfieldError, match="page is missing; install rayfield again"):
        site.load_site(tmp_path)


def test_refusals_say_what_to_do():
    assert b"whole link that rayfield printed" in site.refused(HTTPStatus.UNAUTHORIZED).body
    assert site.refused(HTTPStatus.NOT_FOUND).kind.startswith("text/plain")
