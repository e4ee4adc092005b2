# mypy: ignore-errors
# numba infers the types of these functions from their first call.
"""Compiled inner loops of the renderer: pose, projection and z-buffer. numba starts slowly."""

import math

import numba as nb
import numpy as np

# A cached function is compiled anew only when its own file changes, so compiled functions call
# none of another file.
OPTIONS = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
}
# Triangles that reach beyond this incidence are dropped: no lens here sees so far.
_MAX_THETA = 2.2
_EDGE_MARGIN = 0.05
BLOCK = 8
"""Pixels a side that share one flow of the camera's motion."""


@nb.njit(**OPTIONS)
def pose_and_light(rest, frames_of, weights, matrices, faces, light, ambient, diffuse):
    """World vertices (V, 3) and their lit brightness (V,) by linear blend skinning."""
    count = len(rest)
    world = np.empty((count, 3), np.float32)
    for v in range(count):
        x, y, z = rest[v, 0], rest[v, 1], rest[v, 2]
        wx = wy = wz = 0.0
        for k in range(4):
            w = weights[v, k]
            if w == 0.0:
                continue
            m = matrices[frames_of[v, k]]
            wx += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
            wy += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
            wz += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        world[v, 0], world[v, 1], world[v, 2] = wx, wy, wz
    normal = np.zeros((count, 3), np.float32)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            world[b, 0] - world[a, 0],
            world[b, 1] - world[a, 1],
            world[b, 2] - world[a, 2],
        )
        vx, vy, vz = (
            world[c, 0] - world[a, 0],
            world[c, 1] - world[a, 1],
            world[c, 2] - world[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in range(3):
            i = faces[f, k]
            normal[i, 0] += nx
            normal[i, 1] += ny
            normal[i, 2] += nz
    lit = np.empty(count, np.float32)
    for v in range(count):
        nx, ny, nz = normal[v, 0], normal[v, 1], normal[v, 2]
        norm = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
        toward = (nx * light[0] + ny * light[1] + nz * light[2]) / norm
        # Wrapped diffuse: skin and cloth scatter, and a room's walls fill in.
        wrapped = max(0.0, (toward + 0.25) / 1.25)
        lit[v] = ambient * (0.62 + 0.38 * ny / norm) + diffuse * wrapped
    return world, lit


@nb.njit(**OPTIONS)
def project(world, R, t, lens):
    """Pixels, range and camera-frame position (V, 6) of world points; range 0 behind the lens.

    R, t: world to camera. lens: fx, fy, cx, cy, k1..k4, max_incidence.
    """
    out = np.empty((len(world), 6), np.float32)
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    # The polynomial need not increase beyond the lens's edge; its tangent does.
    edge = lens[8] + _EDGE_MARGIN
    e2 = edge * edge
    k1, k2, k3, k4 = lens[4], lens[5], lens[6], lens[7]
    edge_radius = edge * (1 + e2 * (k1 + e2 * (k2 + e2 * (k3 + e2 * k4))))
    edge_slope = 1 + e2 * (3 * k1 + e2 * (5 * k2 + e2 * (7 * k3 + e2 * 9 * k4)))
    edge_slope = max(edge_slope, 0.1)
    for v in range(len(world)):
        px, py, pz = world[v, 0], world[v, 1], world[v, 2]
        x = R[0, 0] * px + R[0, 1] * py + R[0, 2] * pz + t[0]
        y = R[1, 0] * px + R[1, 1] * py + R[1, 2] * pz + t[1]
        z = R[2, 0] * px + R[2, 1] * py + R[2, 2] * pz + t[2]
        out[v, 3], out[v, 4], out[v, 5] = x, y, z
        rho = math.sqrt(x * x + y * y)
        theta = math.atan2(rho, z)
        if theta > _MAX_THETA or rho * rho + z * z < 1e-6:
            out[v, 0] = out[v, 1] = out[v, 2] = 0.0
            continue
        if theta < edge:
            t2 = theta * theta
            radius = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        else:
            radius = edge_radius + edge_slope * (theta - edge)
        s = radius / rho if rho > 1e-9 else 1.0
        out[v, 0] = fx * s * x + cx
        out[v, 1] = fy * s * y + cy
        out[v, 2] = math.sqrt(rho * rho + z * z)
    return out


@nb.njit(**OPTIONS)
def rasterise(  # long: both inner loops read the triangle's set-up, some thirty numbers
    pixels, faces, rays, targets, depth, triangle, bary
):
    """Z-buffer all triangles and, exactly, the surface in front of each of ``targets``.

    pixels, targets: as ``project`` gives them; rays (H, W, 3): unit, camera frame.
    Writes depth (H, W) range in metres, triangle (H, W) index or -1, bary (H, W, 2).
    Returns for each point the first surface's range (inf: none) and its triangle (-1).
    """
    H, W = depth.shape
    depth[:] = np.inf
    triangle[:] = -1
    count = len(targets)
    hit_range = np.full(count, np.inf, np.float32)
    hit_face = np.full(count, -1, np.int32)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ra, rb, rc = pixels[a, 2], pixels[b, 2], pixels[c, 2]
        if ra <= 0.0 or rb <= 0.0 or rc <= 0.0:
            continue
        ax, ay = pixels[a, 0], pixels[a, 1]
        bx, by = pixels[b, 0], pixels[b, 1]
        cx, cy = pixels[c, 0], pixels[c, 1]
        low_x, high_x = min(ax, bx, cx), max(ax, bx, cx)
        low_y, high_y = min(ay, by, cy), max(ay, by, cy)
        if high_x < 0 or high_y < 0 or low_x > W - 1 or low_y > H - 1:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-7:
            continue
        inverse = 1.0 / area
        # The triangle's plane, for exact depth along a ray; kept within its corners' range.
        pax, pay, paz = pixels[a, 3], pixels[a, 4], pixels[a, 5]
        ux, uy, uz = pixels[b, 3] - pax, pixels[b, 4] - pay, pixels[b, 5] - paz
        vx, vy, vz = pixels[c, 3] - pax, pixels[c, 4] - pay, pixels[c, 5] - paz
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        offset = nx * pax + ny * pay + nz * paz
        nearest, farthest = 0.97 * min(ra, rb, rc), 1.01 * max(ra, rb, rc)
        for p in range(count):
            x, y = targets[p, 0], targets[p, 1]
            if x < low_x or x > high_x or y < low_y or y > high_y or targets[p, 2] <= 0.0:
                continue
            w1 = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) * inverse
            w2 = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * inverse
            w0 = 1.0 - w1 - w2
            if w0 >= 0 and w1 >= 0 and w2 >= 0:
                slope = (nx * targets[p, 3] + ny * targets[p, 4] + nz * targets[p, 5]) / targets[
                    p, 2
                ]
                r = min(farthest, max(nearest, offset / slope)) if slope != 0 else nearest
                if r < hit_range[p]:
                    hit_range[p] = r
                    hit_face[p] = f
        x0, x1 = max(0, math.ceil(low_x)), min(W - 1, math.floor(high_x))
        y0, y1 = max(0, math.ceil(low_y)), min(H - 1, math.floor(high_y))
        if x1 < x0 or y1 < y0:
            continue
        d1x, d1y = (cy - ay) * inverse, -(cx - ax) * inverse
        d2x, d2y = -(by - ay) * inverse, (bx - ax) * inverse
        for y in range(y0, y1 + 1):
            w1 = (x0 - ax) * d1x + (y - ay) * d1y
            w2 = (x0 - ax) * d2x + (y - ay) * d2y
            for x in range(x0, x1 + 1):
                w0 = 1.0 - w1 - w2
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    slope = nx * rays[y, x, 0] + ny * rays[y, x, 1] + nz * rays[y, x, 2]
                    r = min(farthest, max(nearest, offset / slope)) if slope != 0 else nearest
                    if r < depth[y, x]:
                        depth[y, x] = r
                        triangle[y, x] = f
                        bary[y, x, 0] = w1
                        bary[y, x, 1] = w2
                w1 += d1x
                w2 += d2x
    return hit_range, hit_face


@nb.njit(**OPTIONS)
def camera_flow(depth, rays, R_before_now, t_before_now, lens, shutter):
    """Pixels (rows, columns, 2) by which the cameras' motion blurs each block of an image.

    R, t_before_now: camera points now to the previous frame's camera.
    """
    H, W = depth.shape
    rows, columns = (H + BLOCK - 1) // BLOCK, (W + BLOCK - 1) // BLOCK
    flow = np.zeros((rows, columns, 2), np.float32)
    point = np.empty((1, 3))
    if shutter > 0:
        for by in range(rows):
            for bx in range(columns):
                y, x = min(H - 1, by * BLOCK + BLOCK // 2), min(W - 1, bx * BLOCK + BLOCK // 2)
                r = depth[y, x]
                if r <= 0.0 or not r < 1e6:
                    continue
                point[0, 0], point[0, 1], point[0, 2] = (
                    rays[y, x, 0] * r,
                    rays[y, x, 1] * r,
                    rays[y, x, 2] * r,
                )
                before = project(point, R_before_now, t_before_now, lens)
                if before[0, 2] > 0:
                    flow[by, bx, 0] = (x - before[0, 0]) * shutter
                    flow[by, bx, 1] = (y - before[0, 1]) * shutter
    return flow
