"""Binary glTF 2.0 (GLB) of one mesh, in a matte material: colours in linear light, or a texture.

A mesh that single precision would blur where it lies is stored about the origin, under a node that
moves it to its place.
"""

from __future__ import annotations

import json
import struct

import numpy as np
from jaxtyping import Float, UInt8

from rayfield.core.types import Mesh

# glTF's numbers for element types (uint32, float32, uint16) and buffer targets.
KINDS = {"<u4": 5125, "<f4": 5126, "<u2": 5123}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
INDICES, ATTRIBUTES = 34963, 34962
SAMPLER = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}  # smooth, clamped


def encode_glb(
    mesh: Mesh,
    *,
    origin: Float[np.ndarray, " 3"] | None = None,
    coordinates: Float[np.ndarray, "V 2"] | None = None,
    picture: bytes = b"",
) -> bytes:
    """The bytes of a GLB file of a y-up mesh, stored about `origin` if one is given.

    `coordinates` of its vertices on the PNG file `picture` (origin at the lower left) replace
    colours.
    """
    arrays = _arrays(mesh, np.zeros(3) if origin is None else origin)
    if coordinates is not None:
        arrays.pop("COLOR_0", None)
        arrays["TEXCOORD_0"] = (coordinates * [1, -1] + [0, 1]).astype("<f4")
    views, accessors = _described(arrays)
    attributes = {name: i for i, name in enumerate(arrays) if name != "indices"}
    surface: dict = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    node = {"mesh": 0} | ({} if origin is None else {"translation": origin.tolist()})
    document = {
        "asset": {"version": "2.0", "generator": "rayfield"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 0, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True}],
        "bufferViews": views,
        "accessors": accessors,
    }
    binary = b"".join(array.tobytes() for array in arrays.values())
    if coordinates is not None:
        surface["baseColorTexture"] = {"index": 0}
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(picture)})
        document["images"] = [{"bufferView": len(views) - 1, "mimeType": "image/png"}]
        document["samplers"] = [SAMPLER]
        document["textures"] = [{"source": 0, "sampler": 0}]
        binary += picture
    document["buffers"] = [{"byteLength": len(binary)}]
    return _container(document, binary)


def _described(arrays: dict[str, np.ndarray]) -> tuple[list[dict], list[dict]]:
    """The views of the buffer, one for each array, and what each of them holds."""
    views: list[dict] = []
    accessors: list[dict] = []
    for index, (name, array) in enumerate(arrays.items()):
        start = sum(view["byteLength"] for view in views)
        target = INDICES if name == "indices" else ATTRIBUTES
        views.append({"buffer": 0, "byteOffset": start, "byteLength": array.nbytes})
        views[-1]["target"] = target
        accessors.append({"bufferView": index, "count": len(array), "type": SHAPES[array[0].size]})
        accessors[-1]["componentType"] = KINDS[array.dtype.str]
        if name == "POSITION":
            accessors[-1] |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        if name == "COLOR_0":
            accessors[-1]["normalized"] = True
    return views, accessors


def linear_light(colors: UInt8[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """sRGB bytes as linear light (IEC 61966-2-1)."""
    c = colors / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def srgb_bytes(light: Float[np.ndarray, "V 3"]) -> UInt8[np.ndarray, "V 3"]:
    """The inverse: linear light in [0, 1] as sRGB bytes."""
    light = np.nan_to_num(light).clip(0, 1)
    c = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (c * 255).round().astype(np.uint8)


def _arrays(mesh: Mesh, origin: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a glTF primitive by their standard names, indices first."""
    positions = (mesh.vertices - origin).astype("<f4")
    arrays = {"indices": mesh.faces.astype("<u4").ravel(), "POSITION": positions}
    if mesh.normals is not None:
        arrays["NORMAL"] = mesh.normals.astype("<f4")
    if mesh.colors is not None:
        linear = np.hstack([linear_light(mesh.colors), np.ones((len(mesh.colors), 1))])
        arrays["COLOR_0"] = (linear * 65535).round().astype("<u2")
    return arrays


def _container(document: dict, binary: bytes) -> bytes:
    """A glTF document and its buffer in one file; chunks are padded to four bytes."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
