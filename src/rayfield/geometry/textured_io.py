"""Textured meshes to files: GLB with the picture inside, OBJ with an .mtl and a .png beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from rayfield.core.check import RayfieldError, UsageError
from rayfield.geometry.glb_write import encode_glb
from rayfield.geometry.mesh import transform
from rayfield.geometry.meshio import Y_UP, check_target, decimals_of, middle_of
from rayfield.geometry.obj import encode_materials, encode_textured_obj
from rayfield.geometry.textured import Textured, split_at_seams
from rayfield.geometry.wholefile import write_whole

SUFFIXES = (".glb", ".obj")


class Companions(NamedTuple):
    """The files that an OBJ file names: its materials, and the picture that they name."""

    materials: Path
    picture: Path


def companions(path: Path) -> Companions:
    """The files beside a textured OBJ; their names have no spaces, which readers stumble over."""
    stem = re.sub(r"[^\w.-]", "_", path.stem)
    return Companions(path.with_name(f"{stem}.mtl"), path.with_name(f"{stem}.png"))


def check_textured_target(path: Path, *, force: bool = False) -> None:
    """Refuse, before any work, a file name that `write_textured` would refuse.

    As `meshio.check_target`; UsageError also for a format that keeps no texture, RayfieldError also
    for files beside it that exist, unless `force`.
    """
    check_target(path, force=force)
    if path.suffix.lower() not in SUFFIXES:
        known = " or ".join(SUFFIXES)
        raise UsageError(f"{path}: a texture is kept in {known}; end the name so")
    if path.suffix.lower() == ".obj" and not force:
        for file in companions(path):
            if file.exists():
                raise RayfieldError(f"{file}: exists already; choose another name, or --force")


def write_textured(path: Path, textured: Textured, *, force: bool = False) -> None:
    """Write a textured mesh. Every file appears complete or not at all, the OBJ after those it
    names; where one is refused, those that were not there before are gone again. Raises as
    `check_textured_target` does, and RayfieldError when the disk refuses."""
    check_textured_target(path, force=force)
    mesh = textured.mesh
    if path.suffix.lower() == ".glb":
        split = split_at_seams(textured)
        turned = transform(split.mesh, Y_UP)
        data = encode_glb(
            turned,
            origin=middle_of(turned),
            coordinates=split.coordinates,
            picture=textured.picture,
        )
        write_whole(path, data)
        return
    beside = companions(path)
    data = encode_textured_obj(
        mesh, textured.corners, digits=decimals_of(mesh), materials=beside.materials.name
    )
    contents = {
        beside.picture: textured.picture,
        beside.materials: encode_materials(beside.picture.name),
        path: data,
    }
    new = [file for file in contents if not file.exists()]
    try:
        for file, content in contents.items():
            write_whole(file, content)
    except RayfieldError:
        for file in new:
            file.unlink(missing_ok=True)
        raise
