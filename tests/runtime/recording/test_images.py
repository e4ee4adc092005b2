"""Images from strangers: every mode is scaled to 8-bit gray or refused by name."""

import struct
import zlib

import numpy as np
import pytest
from foreign_mcap import encoded, gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from same_engines.errors import RecordingError
from same_runtime.recording.images import decode_gray

GRAY = gradient()
SIZE = (128, 96)


def test_16_bit_gray_is_scaled() -> None:
    deep = Image.fromarray(GRAY.astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode_gray(encoded(deep), SIZE), GRAY)
    between = Image.fromarray(np.full((2, 2), 257 * 100 + 200, np.uint16))
    assert (decode_gray(encoded(between), (2, 2)) == 101).all()


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA", "P"])
def test_other_modes_keep_their_brightness(mode: str) -> None:
    came = decode_gray(encoded(Image.fromarray(GRAY).convert(mode)), SIZE)
    np.testing.assert_allclose(came.astype(int), GRAY, atol=1)


def test_a_palette_is_looked_up_not_read_as_gray() -> None:
    image = Image.fromarray((GRAY > 127).astype(np.uint8), "P")
    image.putpalette([200, 200, 200, 10, 10, 10])
    came = decode_gray(encoded(image), SIZE)
    np.testing.assert_array_equal(came, np.where(GRAY > 127, 10, 200))


def test_one_bit_images_are_black_and_white() -> None:
    came = decode_gray(encoded(Image.fromarray(GRAY > 127)), SIZE)
    np.testing.assert_array_equal(came, np.where(GRAY > 127, 255, 0))


def test_a_mode_without_a_meaning_is_named() -> None:
    with pytest.raises(RecordingError, match="mode CMYK"):
        decode_gray(encoded(Image.new("CMYK", (8, 8)), "JPEG"), None)


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size in less than a hundred bytes, whose pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


@pytest.mark.parametrize("side", [2000, 9000, 12000, 20000, 2**31 - 1])
def test_sizes_are_judged_by_the_header(side: int) -> None:
    with pytest.raises(RecordingError, match="128x96|too large"):
        decode_gray(png_header(side, side), SIZE)
    with pytest.raises(RecordingError, match="too large|cannot be decoded"):
        decode_gray(png_header(side, side), None)


def test_another_size_than_the_rigs_is_named() -> None:
    with pytest.raises(RecordingError, match="128x96, but the rig's cameras have 640x480"):
        decode_gray(encoded(Image.fromarray(GRAY)), (640, 480))


def test_another_format_is_refused() -> None:
    with pytest.raises(RecordingError, match="cannot be decoded"):
        decode_gray(encoded(Image.fromarray(GRAY), "BMP"), SIZE)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(("PNG", "JPEG")),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    keep=st.integers(0, 10_000),
)
def test_damage_raises_a_recording_error_or_nothing(
    kind: str, changes: list[tuple[int, int]], keep: int
) -> None:
    content = bytearray(encoded(Image.fromarray(GRAY[:24, :32]), kind))
    for at, value in changes:
        content[at % len(content)] = value
    try:
        came = decode_gray(bytes(content[: max(keep, 1)]), (32, 24))
    except RecordingError:
        return
    assert came.shape == (24, 32) and came.dtype == np.uint8
