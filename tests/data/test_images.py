"""Image files of every kind become 8-bit RGB or RGBA."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from rayfield.core.check import DataError
from rayfield.data import imagefile
from rayfield.data.images import image_info, mask_pixels, read_image, read_mask, shrink

RED = (200, 30, 40)


def saved(tmp_path, image, name="x.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
        ("LA", (77, 100), (77, 77, 77, 100)),
        ("RGB", RED, RED),
        ("RGBA", (*RED, 9), (*RED, 9)),
        ("I;16", 257 * 77, (77, 77, 77)),
        ("I", 65535, (255, 255, 255)),
    ],
)
def test_every_mode_has_its_defined_conversion(mode, color, expected, tmp_path):
    suffix = "x.tif" if mode == "I" else "x.png"
    path = saved(tmp_path, Image.new(mode, (3, 2), color), suffix)
    pixels = read_image(path)
    assert pixels.shape == (2, 3, len(expected))
    assert tuple(pixels[0, 0]) == expected
    assert image_info(path).alpha == (len(expected) == 4)


def test_palettes_keep_their_transparency(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, *RED] + [0] * 762)
    image.putpixel((0, 0), 0)
    assert read_image(saved(tmp_path, image, "opaque.png")).shape == (4, 4, 3)
    path = saved(tmp_path, image, "holes.png", transparency=0)
    assert image_info(path).alpha
    pixels = read_image(path)
    assert pixels[0, 0, 3] == 0
    assert tuple(pixels[1, 1]) == (*RED, 255)


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "x.jpg")
    assert np.abs(read_image(path)[4, 4].astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo"),
        ("a.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC photo"),
        ("a.NEF", b"MM\0*\0\0\0\x08 whatever", "a raw photo"),
        ("a.exr", b"v/1\x01\x02\0\0\0channels", "an EXR picture"),
    ],
)
def test_photos_of_phones_and_raw_ones_are_told_what_to_become(name, head, kind, tmp_path):
    path = tmp_path / name
    path.write_bytes(head)
    with pytest.raises(DataError, match=f"is {kind}, which is not read; save it as JPEG or PNG"):
        read_image(path)


def test_sixteen_bit_greys_with_alpha_keep_it(tmp_path):
    """As PNG has them; Pillow gives 8 bits of each."""
    raw = np.array([[[0x8000, 0x4000], [0xFFFF, 0xFFFF]]], dtype=">u2")
    head = b"IHDR" + struct.pack(">IIBBBBB", 2, 1, 16, 4, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" + raw.tobytes())
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (head, data, b"IEND")
    )
    path = tmp_path / "la16.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    pixels = read_image(path)
    assert np.abs(pixels[0].astype(int) - [[128, 128, 128, 64], [255] * 4]).max() <= 1


def test_sixteen_bits_a_colour_are_rounded_to_eight(tmp_path):
    raw = np.array([[[0x8000, 0x4000, 0xFFFF]]], dtype=">u2")
    head = b"IHDR" + struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" + raw.tobytes())
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (head, data, b"IEND")
    )
    path = tmp_path / "rgb16.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert np.abs(read_image(path)[0, 0].astype(int) - (128, 64, 255)).max() <= 1


def test_a_colour_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = saved(tmp_path, Image.new("RGB", (3, 3), RED), "p.png", icc_profile=profile)
    assert tuple(read_image(path)[0, 0]) == RED


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (5, 5), c) for c in ((255, 0, 0), (0, 255, 0))]
    path = saved(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    assert tuple(read_image(path)[2, 2, :3]) == (255, 0, 0)


def test_the_content_counts_and_not_the_suffix(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (5, 4), RED), "x.jpg", format="PNG")
    assert tuple(read_image(path)[0, 0]) == RED


def turned(tmp_path, orientation, name="x.jpg"):
    """A stored picture of 6x4 whose EXIF asks for a quarter turn."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(tmp_path, Image.new("RGB", (6, 4), RED), name, exif=exif)


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
def test_exif_turns_a_picture_only_where_the_poses_need_it(name, tmp_path):
    path = turned(tmp_path, 6, name)
    assert image_info(path) == (6, 4, False, True, 6)
    assert read_image(path).shape == (4, 6, 3)
    assert read_image(path, size=(6, 4)).shape == (4, 6, 3)
    assert read_image(path, size=(4, 6)).shape == (6, 4, 3)
    assert read_image(path, size=(2, 3), downscale=2).shape == (3, 2, 3)


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 9])
def test_other_exif_orientations_do_not_turn(orientation, tmp_path):
    path = turned(tmp_path, orientation)
    info = image_info(path)
    assert not info.swapped
    assert info.orientation == (orientation if orientation < 9 and orientation else 1)
    with pytest.raises(DataError, match="is 6x4 pixels where 4x6 are expected"):
        read_image(path, size=(4, 6))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_pixels_are_turned_and_mirrored_as_exif_asks(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(stored), "x.png", exif=exif)
    flips = {2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1]}
    quarter = stored.swapaxes(0, 1)
    flips |= {5: quarter, 6: quarter[:, ::-1], 7: quarter[::-1, ::-1], 8: quarter[::-1]}
    assert np.array_equal(read_image(path, upright=True), flips.get(orientation, stored))
    assert np.array_equal(read_image(path), stored)


def test_a_damaged_exif_block_is_ignored(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (6, 4), RED), "x.jpg", exif=b"Exif\0\0MM\0*\xff\xff")
    assert read_image(path).shape == (4, 6, 3)
    assert not image_info(path).swapped


def test_shrinking_averages_blocks_and_drops_the_rest(generator):
    image = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    expected = image[:6, :9].reshape(2, 3, 3, 3, 3).mean(axis=(1, 3))
    assert np.abs(shrink(image, 3) - expected).max() <= 0.5 + 1e-4


def test_shrinking_weights_colour_by_alpha():
    image = np.zeros((2, 2, 4), np.uint8)
    image[0, 0] = (200, 100, 50, 255)  # the rest is black and transparent
    assert tuple(shrink(image, 2)[0, 0]) == (200, 100, 50, 64)


def test_shrinking_a_transparent_block_is_transparent():
    assert shrink(np.zeros((4, 4, 4), np.uint8), 2).max() == 0


def test_masks_keep_what_is_not_black_and_shrink_conservatively(tmp_path):
    keep = np.full((4, 6), 255, np.uint8)
    keep[0, 0] = 0
    path = saved(tmp_path, Image.fromarray(keep))
    assert np.array_equal(read_mask(path, size=(6, 4)), keep > 0)
    half = read_mask(path, size=(3, 2), downscale=2)
    assert not half[0, 0]
    assert half.sum() == 5


@pytest.mark.parametrize("alpha", [True, False])
def test_masks_with_alpha_are_what_it_leaves_or_itself(alpha, tmp_path):
    left, top = np.zeros((4, 6), np.uint8), np.zeros((4, 6), np.uint8)
    left[:, :3] = top[:2] = 255
    path = tmp_path / "mask.png"
    for color, opaque, wanted in (
        (left, top, np.minimum(left, top)),
        (np.full_like(left, 255), top, top),  # all white, or all black: alpha alone tells
        (np.zeros_like(left), top, top),
        (left, np.full_like(left, 255), left),
        (np.zeros_like(left), np.full_like(left, 255), np.zeros_like(left)),
    ):
        Image.fromarray(np.dstack([color] * 3 + [opaque]), "RGBA").save(path)
        assert np.array_equal(mask_pixels(path), wanted)
        if alpha:
            Image.new("RGB", (6, 4)).save(tmp_path / "image.png")
            found = read_image(tmp_path / "image.png", cutout=path)
            assert np.array_equal(found[..., 3], wanted)
        else:
            assert np.array_equal(read_mask(path, size=(6, 4)), wanted >= 128)


def test_a_mask_of_another_size_is_refused(tmp_path):
    path = saved(tmp_path, Image.new("L", (5, 5)))
    with pytest.raises(DataError, match="5x5 mask for a 6x4 picture"):
        read_mask(path, size=(6, 4))


def test_the_pixel_budget_is_enforced_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(imagefile, "MAX_PIXELS", 1_000_000)
    path = saved(tmp_path, Image.new("1", (1001, 1000)))
    with pytest.raises(DataError, match="more than 1 million pixels"):
        image_info(path)
