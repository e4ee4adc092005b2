# mypy: ignore-errors
# numba infers the types of these functions from their first call.
"""Compiled inner loops of the renderer: light, textures, furniture and shadow."""

import math

import numba as nb
import numpy as np

from same_model.synth.render._raster import OPTIONS


@nb.njit(**OPTIONS)
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


@nb.njit(**OPTIONS)
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


@nb.njit(**OPTIONS)
def shade(  # long: the kinds of surface share the ray, the light and the textures
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


@nb.njit(**OPTIONS)
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


@nb.njit(**OPTIONS)
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
