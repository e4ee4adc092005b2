# mypy: ignore-errors
# numba infers the types of these functions from their first call.
"""Compiled inner loops of the renderer. Only ``renderer`` imports this (numba starts slowly)."""

import math

import numba as nb
import numpy as np

_OPTIONS = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
}
# Triangles that reach beyond this incidence are dropped: no lens here sees so far.
_MAX_THETA = 2.2
_EDGE_MARGIN = 0.05


@nb.njit(**_OPTIONS)
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


@nb.njit(**_OPTIONS)
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


@nb.njit(**_OPTIONS)
def rasterise(pixels, faces, rays, targets, depth, triangle, bary):
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


@nb.njit(**_OPTIONS)
def first_box(ox, oy, oz, dx, dy, dz, boxes, limit):
    """Distance, index and face axis of the nearest box along a ray, nearer than ``limit``."""
    best, which, face = limit, -1, 0
    for i in range(len(boxes)):
        rx, ry, rz = ox - boxes[i, 0], oy - boxes[i, 1], oz - boxes[i, 2]
        hx, hy, hz = boxes[i, 3], boxes[i, 4], boxes[i, 5]
        along = -(rx * dx + ry * dy + rz * dz)
        far2 = rx * rx + ry * ry + rz * rz
        bound2 = hx * hx + hy * hy + hz * hz
        # Cheap miss: the ray passes outside the box's bounding sphere.
        if far2 > bound2 and (along < 0 or far2 - along * along > bound2):
            continue
        c, s = boxes[i, 6], boxes[i, 7]
        px, pz = c * rx + s * rz, -s * rx + c * rz
        vx, vz = c * dx + s * dz, -s * dx + c * dz
        near, far, axis = -np.inf, np.inf, 0
        for k in range(3):
            p = px if k == 0 else (ry if k == 1 else pz)
            v = vx if k == 0 else (dy if k == 1 else vz)
            h = hx if k == 0 else (hy if k == 1 else hz)
            if abs(v) < 1e-9:
                if abs(p) > h:
                    near = np.inf
                continue
            t0, t1 = (-h - p) / v, (h - p) / v
            if t0 > t1:
                t0, t1 = t1, t0
            if t0 > near:
                near, axis = t0, k
            far = min(far, t1)
        if near <= far and near > 1e-4 and near < best:
            best, which, face = near, i, axis
    return best, which, face


@nb.njit(**_OPTIONS)
def _texel(mips, material, s, t, texels_per_m, footprint_m):
    """Bilinear texture lookup at (s, t) metres in the mip level that fits the footprint."""
    size = 256
    start = 0
    wanted = footprint_m * texels_per_m
    scale = texels_per_m
    while wanted > 1.5 and size > 4:
        start += size * size
        size //= 2
        wanted *= 0.5
        scale *= 0.5
    x, y = s * scale, t * scale
    fx, fy = math.floor(x), math.floor(y)
    u, v = x - fx, y - fy
    i0, j0 = int(fx) & (size - 1), int(fy) & (size - 1)
    i1, j1 = (i0 + 1) & (size - 1), (j0 + 1) & (size - 1)
    tex = mips[material]
    low = tex[start + j0 * size + i0] * (1 - u) + tex[start + j0 * size + i1] * u
    high = tex[start + j1 * size + i0] * (1 - u) + tex[start + j1 * size + i1] * u
    return low * (1 - v) + high * v


@nb.njit(**_OPTIONS)
def shade(
    rays,
    usable,
    R_world_cam,
    origin,
    pixel_angle,
    depth,
    triangle,
    bary,
    faces,
    face_materials,
    face_covers,
    rest,
    lit,
    materials,
    mips,
    room,
    boxes,
    light,
    ambient,
    diffuse,
    shadow_map,
    shadow_origin,
    shadow_cell,
    shadow,
    out,
):
    """Linear brightness of every pixel into ``out`` (H, W); fills ``depth`` with the room too."""
    H, W = out.shape
    ox, oy, oz = origin[0], origin[1], origin[2]
    cells = len(shadow_map)
    wall_light = ambient * 0.7 + diffuse * 0.35
    for y in range(H):
        for x in range(W):
            if not usable[y, x]:
                out[y, x] = 0.0
                depth[y, x] = 0.0
                continue
            rx, ry, rz = rays[y, x, 0], rays[y, x, 1], rays[y, x, 2]
            dx = R_world_cam[0, 0] * rx + R_world_cam[0, 1] * ry + R_world_cam[0, 2] * rz
            dy = R_world_cam[1, 0] * rx + R_world_cam[1, 1] * ry + R_world_cam[1, 2] * rz
            dz = R_world_cam[2, 0] * rx + R_world_cam[2, 1] * ry + R_world_cam[2, 2] * rz
            body = depth[y, x]
            limit = body
            wall = 0
            if triangle[y, x] < 0:
                tx = ((room[1] if dx > 0 else room[0]) - ox) / dx if abs(dx) > 1e-9 else np.inf
                ty = ((room[3] if dy > 0 else room[2]) - oy) / dy if abs(dy) > 1e-9 else np.inf
                tz = ((room[5] if dz > 0 else room[4]) - oz) / dz if abs(dz) > 1e-9 else np.inf
                limit = min(tx, ty, tz)
                wall = 1 if limit == ty else (0 if limit == tx else 2)
            r, box, axis = first_box(ox, oy, oz, dx, dy, dz, boxes, limit)
            footprint = r * pixel_angle
            px, py, pz = ox + r * dx, oy + r * dy, oz + r * dz
            if box >= 0:
                depth[y, x] = r
                triangle[y, x] = -2
                m = int(boxes[box, 8])
                c, s = boxes[box, 6], boxes[box, 7]
                lx, lz = px - boxes[box, 0], pz - boxes[box, 2]
                qx, qz = c * lx + s * lz, -s * lx + c * lz
                if axis == 0:
                    u, v = qz, py
                    sign = 1.0 if qx > 0 else -1.0
                    toward = sign * (c * light[0] + s * light[2])
                elif axis == 1:
                    u, v = qx, qz
                    toward = light[1] if py > boxes[box, 1] else -light[1]
                else:
                    u, v = qx, py
                    sign = 1.0 if qz > 0 else -1.0
                    toward = sign * (-s * light[0] + c * light[2])
                bright = ambient * 0.8 + diffuse * max(0.0, toward)
                # Furniture darkens where it meets the floor.
                bright *= 0.7 + 0.3 * min(1.0, py / 0.25)
                tone = _texel(mips, m, u, v, materials[m, 1], footprint)
                out[y, x] = materials[m, 0] * tone * bright
            elif triangle[y, x] >= 0:
                f = triangle[y, x]
                w1, w2 = bary[y, x, 0], bary[y, x, 1]
                w0 = 1.0 - w1 - w2
                cover = w0 * face_covers[f, 0] + w1 * face_covers[f, 1] + w2 * face_covers[f, 2]
                m = face_materials[f, 0 if cover > 0 else 1]
                a, b, c3 = faces[f, 0], faces[f, 1], faces[f, 2]
                u = (
                    w0 * (rest[a, 0] + 0.7 * rest[a, 2])
                    + w1 * (rest[b, 0] + 0.7 * rest[b, 2])
                    + w2 * (rest[c3, 0] + 0.7 * rest[c3, 2])
                )
                v = w0 * rest[a, 1] + w1 * rest[b, 1] + w2 * rest[c3, 1]
                bright = w0 * lit[a] + w1 * lit[b] + w2 * lit[c3]
                # What is close to the floor gets less light.
                bright *= 0.75 + 0.25 * min(1.0, max(0.0, py) / 0.3)
                tone = _texel(mips, m, u, v, materials[m, 1], footprint)
                out[y, x] = materials[m, 0] * tone * bright
            else:
                depth[y, x] = r
                if wall == 1:
                    m = 7 if dy < 0 else 9
                    u, v = px, pz
                    if dy < 0:
                        bright = ambient * 0.8 + diffuse * light[1]
                        gx = (px - shadow_origin[0]) / shadow_cell
                        gz = (pz - shadow_origin[1]) / shadow_cell
                        if 0 <= gx < cells - 1 and 0 <= gz < cells - 1:
                            ix, iz = int(gx), int(gz)
                            fx, fz = gx - ix, gz - iz
                            dark = (shadow_map[iz, ix] * (1 - fx) + shadow_map[iz, ix + 1] * fx) * (
                                1 - fz
                            ) + (
                                shadow_map[iz + 1, ix] * (1 - fx) + shadow_map[iz + 1, ix + 1] * fx
                            ) * fz
                            bright *= 1.0 - shadow * dark
                    else:
                        bright = ambient * 0.6 + diffuse * 0.3
                else:
                    m = 8
                    u, v = (pz if wall == 0 else px), py
                    bright = wall_light * (0.75 + 0.25 * min(1.0, py / 0.5))
                # Rooms darken into their corners.
                gap = min(px - room[0], room[1] - px, pz - room[4], room[5] - pz)
                if wall == 1:
                    bright *= 0.7 + 0.3 * min(1.0, gap / 0.6)
                tone = _texel(mips, m, u, v, materials[m, 1], footprint)
                out[y, x] = materials[m, 0] * tone * bright


@nb.njit(**_OPTIONS)
def cast_shadow(world, light, origin, cell, cells, contact_height):
    """Soft shadow (cells, cells) of the body on the floor, 0 lit … 1 dark.

    The lamp's shadow is blurred more the higher its caster; contact darkening is on top.
    """
    soft = np.zeros((cells, cells), np.float32)
    contact = np.zeros((cells, cells), np.float32)
    for v in range(len(world)):
        h = world[v, 1]
        if h <= 0.0:
            h = 0.0
        gx = int((world[v, 0] - light[0] / light[1] * h - origin[0]) / cell)
        gz = int((world[v, 2] - light[2] / light[1] * h - origin[1]) / cell)
        if 0 <= gx < cells and 0 <= gz < cells:
            soft[gz, gx] += 0.6
        if h < contact_height:
            gx = int((world[v, 0] - origin[0]) / cell)
            gz = int((world[v, 2] - origin[1]) / cell)
            if 0 <= gx < cells and 0 <= gz < cells:
                contact[gz, gx] += 0.5 * (1.0 - h / contact_height)
    for g in range(cells):
        for k in range(cells):
            soft[g, k] = min(1.0, soft[g, k])
            contact[g, k] = min(1.0, contact[g, k])
    for _ in range(2):
        soft = _box_blur(soft, 2)
    contact = _box_blur(contact, 1)
    for g in range(cells):
        for k in range(cells):
            soft[g, k] = min(1.0, soft[g, k] + contact[g, k])
    return soft


@nb.njit(**_OPTIONS)
def _box_blur(field, radius):
    n = len(field)
    once = np.empty_like(field)
    out = np.empty_like(field)
    scale = 1.0 / (2 * radius + 1)
    for y in range(n):
        for x in range(n):
            total = 0.0
            for k in range(-radius, radius + 1):
                total += field[y, min(n - 1, max(0, x + k))]
            once[y, x] = total * scale
    for y in range(n):
        for x in range(n):
            total = 0.0
            for k in range(-radius, radius + 1):
                total += once[min(n - 1, max(0, y + k)), x]
            out[y, x] = total * scale
    return out


@nb.njit(**_OPTIONS)
def expose(
    linear,
    depth,
    triangle,
    bary,
    faces,
    pixels,
    pixels_before,
    rays,
    vignette,
    tone_curve,
    gain,
    R_before_now,
    t_before_now,
    lens,
    shutter,
    factor,
    out,
):
    """Motion blur, lens shading, exposure and 8-bit read-out of one view.

    ``shutter``: exposure over frame time; 0 for no blur. R, t_before_now: camera points now to
    the previous frame's camera. ``factor``: box-downsampling of the read-out.
    """
    H, W = linear.shape
    block = 8
    rows, columns = (H + block - 1) // block, (W + block - 1) // block
    flow = np.zeros((rows, columns, 2), np.float32)
    point = np.empty((1, 3))
    if shutter > 0:
        for by in range(rows):
            for bx in range(columns):
                y, x = min(H - 1, by * block + block // 2), min(W - 1, bx * block + block // 2)
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
                            vx = flow[y // block, x // block, 0]
                            vy = flow[y // block, x // block, 1]
                        speed = max(abs(vx), abs(vy))
                        if 0.7 < speed < 0.25 * W:
                            taps = min(12, int(speed) + 2)
                            value = 0.0
                            for k in range(taps):
                                s = (k + 0.5) / taps - 0.5
                                qx = min(W - 1, max(0, int(x + s * vx + 0.5)))
                                qy = min(H - 1, max(0, int(y + s * vy + 0.5)))
                                value += linear[qy, qx]
                            value /= taps
                    total += value * shading
            total *= gain / (factor * factor)
            last = len(tone_curve) - 1
            out[oy, ox] = tone_curve[min(last, max(0, int(total * last)))]
