# mypy: ignore-errors
# numba infers the types of these functions from their first call.
"""Compiled inner loops of the renderer: motion blur, lens shading and read-out."""

import numba as nb

from same_model.synth.render._raster import BLOCK, OPTIONS


@nb.njit(**OPTIONS)
def _smeared(linear, x, y, vx, vy, speed):
    """Mean brightness along the motion (vx, vy) of a pixel."""
    H, W = linear.shape
    taps = min(12, int(speed) + 2)
    value = 0.0
    for k in range(taps):
        s = (k + 0.5) / taps - 0.5
        qx = min(W - 1, max(0, int(x + s * vx + 0.5)))
        qy = min(H - 1, max(0, int(y + s * vy + 0.5)))
        value += linear[qy, qx]
    return value / taps


@nb.njit(**OPTIONS)
def expose(
    linear,
    triangle,
    bary,
    faces,
    pixels,
    pixels_before,
    flow,
    vignette,
    tone_curve,
    gain,
    shutter,
    factor,
    out,
):
    """Motion blur, lens shading, exposure and 8-bit read-out of one view.

    ``flow``: as ``camera_flow`` gives it. ``shutter``: exposure over frame time; 0 for no blur.
    ``factor``: box-downsampling of the read-out.
    """
    H, W = linear.shape
    for oy in range(H // factor):
        for ox in range(W // factor):
            total = 0.0
            for sy in range(factor):
                for sx in range(factor):
                    y, x = oy * factor + sy, ox * factor + sx
                    shading = vignette[y, x]
                    if shading <= 0.0:
                        continue
                    value = linear[y, x]
                    if shutter > 0:
                        f = triangle[y, x]
                        if f >= 0:
                            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                            w1, w2 = bary[y, x, 0], bary[y, x, 1]
                            w0 = 1.0 - w1 - w2
                            vx = (
                                w0 * (pixels[a, 0] - pixels_before[a, 0])
                                + w1 * (pixels[b, 0] - pixels_before[b, 0])
                                + w2 * (pixels[c, 0] - pixels_before[c, 0])
                            ) * shutter
                            vy = (
                                w0 * (pixels[a, 1] - pixels_before[a, 1])
                                + w1 * (pixels[b, 1] - pixels_before[b, 1])
                                + w2 * (pixels[c, 1] - pixels_before[c, 1])
                            ) * shutter
                        else:
                            vx = flow[y // BLOCK, x // BLOCK, 0]
                            vy = flow[y // BLOCK, x // BLOCK, 1]
                        speed = max(abs(vx), abs(vy))
                        if 0.7 < speed < 0.25 * W:
                            value = _smeared(linear, x, y, vx, vy, speed)
                    total += value * shading
            total *= gain / (factor * factor)
            last = len(tone_curve) - 1
            out[oy, ox] = tone_curve[min(last, max(0, int(total * last)))]
