"""Images from files that others wrote, as 8-bit gray; what a header says is judged first."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from same_engines.errors import RecordingError

_MAX_PIXELS: Final = 16 << 20
_FORMATS: Final = ("PNG", "JPEG")
_GRAY_MODES: Final = ("1", "LA", "P", "PA", "RGB", "RGBA")
"""Modes beside ``L`` whose pixels Pillow turns into 8-bit gray as the eye sees them."""
_DEEP_MODES: Final = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""16-bit gray PNG, by the names that versions of Pillow give it."""
_FULL_SCALE_16: Final = 65535


def decode_gray(encoded: bytes, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Decode a PNG or JPEG image to (height, width) uint8 gray.

    ``size``: the (width, height) that it must have, None for any up to 16 million pixels. Colour
    becomes luma, transparency is ignored, 16 bits are scaled to 8 with 65535 as white. Raises
    ``RecordingError`` for anything else, before a large image takes memory.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
            width, height = image.size
            if size is not None and (width, height) != size:
                raise RecordingError(
                    f"an image of {width}x{height}, but the rig's cameras have {size[0]}x{size[1]}"
                )
            if width * height > _MAX_PIXELS:
                raise RecordingError(f"an image of {width}x{height}, which is too large")
            return _to_gray(image)
    except RecordingError:
        raise
    except Image.DecompressionBombError:  # Pillow judges the header too, by a limit of its own
        raise RecordingError("an image that is too large") from None
    except Exception as error:  # Pillow raises many kinds on damaged images, SyntaxError among them
        raise RecordingError(
            f"an image that cannot be decoded ({str(error) or type(error).__name__:.100})"
        ) from None


def _to_gray(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode == "L":
        return np.asarray(image)
    if image.mode in _DEEP_MODES and image.format == "PNG":
        deep = np.asarray(image).clip(0, _FULL_SCALE_16).astype(np.uint32)
        # In place: a large image would take several times its size.
        deep *= 255
        deep += _FULL_SCALE_16 // 2
        deep //= _FULL_SCALE_16
        return deep.astype(np.uint8)
    if image.mode in _GRAY_MODES:
        return np.asarray(image.convert("L"))
    raise RecordingError(
        f"an image of mode {image.mode}; expected gray or RGB of 8 bits, or gray of 16"
    )
