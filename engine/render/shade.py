"""Light that a surface sends to the eye: GGX reflection and diffuse light of a studio.

Lamps are spherical Gaussians (engine/render/lights.py). Where a lobe of GGX (Walter et al. 2007) is
narrower than a lamp it is taken as another one around the mirror direction, whose product with the
lamp has a closed integral (Wang et al. 2009); where it is wider, the lamp is a point, and the lobe
as much wider as the lamp is (after Karis 2013, Real Shading in Unreal Engine 4). Surroundings are
weighted by Karis' fit of the split sum (Karis 2014, Physically Based Shading on Mobile). Rough
metals get back what they lose by single scattering (Turquin 2019, Practical Multiple Scattering
Compensation for Microfacet Models). The picture is made by the Khronos PBR Neutral tone mapper,
which preserves base colours.
"""

import numpy as np
from numba import njit

from engine.kernels import tight
from engine.render.raster import BAND_ROWS, View, corner_weights
from engine.render.surface import Surface, material_at, normal_at
from engine.render.surroundings import radiance, reflected

_WIDENED = 0.3
"""Of the width of a lamp, that is added to a lobe: fitted to integrals of GGX, see
docs/decisions/0051-light-of-the-studio.md."""
_SOFT = 0.36
"""How far behind the terminator a soft lamp reaches (see ``_arriving``)."""
_LEAST_ALPHA = 0.03 * 0.03
_DONE = 1e-3
"""What is behind a point that lets through less than this is not seen."""
_SAME_WAY = 0.98
"""Cosine between the normals of two points of a pixel that may share their light,"""
_SAME_VALUE = 0.01
"""how much their materials may differ,"""
_SAME_DEPTH = 4.0
"""and how far apart they may lie along the view, in widths of a pixel."""
_REACH = 3
"""Looks at the lamp's view go so far to each side, 1.5 of its points apart."""


@njit(inline="always")
def _linear(x):
    """Linear light of an sRGB-coded value."""
    x = min(max(x, 0.0), 1.0)
    return x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4


@njit(inline="always")
def _overlap(cosine, s0, s1):
    """Integral of the product of two spherical Gaussians of height 1."""
    length = np.sqrt(max(s0 * s0 + s1 * s1 + 2 * s0 * s1 * cosine, 1e-12))
    whole = np.exp(length - s0 - s1)
    if length < 9.0:  # beyond, the far side of the sphere has less than 1e-7 of it
        whole -= np.exp(-length - s0 - s1)
    return 2 * np.pi / length * whole


@njit(inline="always")
def _arriving(cosine, s):
    """Mean of the clamped cosine over a lamp of sharpness s, a fit (Hill 2016)."""
    near = np.exp(-s)
    far = near * near
    scale = 1 + 2 * far - 1 / s
    bias = (near - far) / s - far
    edge = np.sqrt(1 - scale)
    a, b = _SOFT * cosine, edge / (4 * _SOFT)
    clamped = (a + b) ** 2 / edge if abs(a) <= b else max(cosine, 0.0)
    return scale * clamped + bias


@njit(inline="always")
def _visible(x, alpha2):
    return 1.0 / (x + np.sqrt(alpha2 + (1 - alpha2) * x * x))


@njit(inline="always")
def _wide_lobe(nh, vh, nl, nv, alpha2, s):
    """GGX with its visibility and cosine for a lamp of sharpness s and power 1, as a point."""
    wide = alpha2 + _WIDENED / (s * vh)
    d = wide / (np.pi * (nh * nh * (wide - 1) + 1) ** 2)
    seen = nl * np.sqrt(nv * nv * (1 - alpha2) + alpha2)
    lit = nv * np.sqrt(nl * nl * (1 - alpha2) + alpha2)
    return d * nl * 0.5 / max(seen + lit, 1e-9)


@tight
def shade(value, n, v, up, lamps, sky, ground, around, shadow, out):
    """Linear radiance towards the eye.

    Args:
        value: (6,) base colour (sRGB-coded), metallic, roughness, alpha.
        n, v, up: (3,) unit normal, direction to the eye, direction of the object's Z; camera space.
        lamps: (L, 7) of ``Studio.table``.
        sky, ground: (3,) radiance.
        around: of ``Surroundings.seen_by``, instead of sky and ground; those where it has no maps.
        shadow: how much of the first lamp arrives, 0..1.
        out: (3,), receives the radiance.
    """
    nv = max(n[0] * v[0] + n[1] * v[1] + n[2] * v[2], 1e-3)
    metallic, roughness = min(max(value[3], 0.0), 1.0), min(max(value[4], 0.0), 1.0)
    alpha = max(roughness * roughness, _LEAST_ALPHA)
    alpha2 = alpha * alpha
    rx, ry, rz = 2 * nv * n[0] - v[0], 2 * nv * n[1] - v[1], 2 * nv * n[2] - v[2]
    # Halving an angle makes a lobe four times as sharp, looking along the surface less so.
    lobe = min(2.0 / alpha2 / (4 * max(nv, 0.1)), 1e5)
    height = 1.0 / (np.pi * alpha2)
    # With r the mirror of v both make the same angle with n.
    geometry = _visible(nv, alpha2) ** 2 * nv
    grazing = (1 - nv) ** 5 * (1 - roughness)
    diffuse_r = diffuse_g = diffuse_b = 0.0
    mirror_r = mirror_g = mirror_b = 0.0
    edge_r = edge_g = edge_b = 0.0  # what Schlick's rise of reflection at an angle is times
    for i in range(len(lamps)):
        lx, ly, lz, s = lamps[i, 0], lamps[i, 1], lamps[i, 2], lamps[i, 3]
        part = shadow if i == 0 else 1.0
        cosine = n[0] * lx + n[1] * ly + n[2] * lz
        power = part * 2 * np.pi / s * (1 - np.exp(-2 * s))
        nl = _arriving(cosine, s)
        d = power * nl / np.pi
        narrow = part * height * geometry * _overlap(rx * lx + ry * ly + rz * lz, lobe, s)
        # Lamps behind the surface light it neither way; a soft edge keeps it from showing.
        narrow *= min(max(cosine * 2 + 1, 0.0), 1.0)
        # The half vector between eye and lamp, whose length is twice its cosine to either.
        vh = np.sqrt(max(0.5 + 0.5 * (v[0] * lx + v[1] * ly + v[2] * lz), 0.0025))
        nh = min(max((nv + cosine) / (2 * vh), 0.0), 1.0)
        wide = power * _wide_lobe(nh, vh, nl, nv, alpha2, s)
        is_narrow = lobe / (lobe + 2 * s)
        narrow, wide = is_narrow * narrow, (1 - is_narrow) * wide
        m, e = narrow + wide, narrow * grazing + wide * (1 - vh) ** 5
        diffuse_r += d * lamps[i, 4]
        diffuse_g += d * lamps[i, 5]
        diffuse_b += d * lamps[i, 6]
        mirror_r += m * lamps[i, 4]
        mirror_g += m * lamps[i, 5]
        mirror_b += m * lamps[i, 6]
        edge_r += e * lamps[i, 4]
        edge_g += e * lamps[i, 5]
        edge_b += e * lamps[i, 6]
    n_up = n[0] * up[0] + n[1] * up[1] + n[2] * up[2]
    r_up = rx * up[0] + ry * up[1] + rz * up[2]
    # A shiny surface shows a horizon, a rough one a gradient.
    steep = 1 + 5 * (1 - roughness) ** 2
    share_r = 0.5 + 0.5 * np.tanh(steep * r_up) * (1 - 0.4 * roughness)
    share_n = 0.5 + n_up / 3
    matt_r = matt_g = matt_b = 0.0
    room_r = room_g = room_b = 0.0
    in_room = around.shape[0] > 0
    if in_room:
        matt_r, matt_g, matt_b = radiance(around, around.shape[0] - 1, n[0], n[1], n[2])
        room_r, room_g, room_b = reflected(around, roughness, rx, ry, rz)
    x, y = 1 - roughness, 0.0425 - 0.0275 * roughness
    z, w = 1.04 - 0.572 * roughness, 0.022 * roughness - 0.04
    first = min(x * x, 2.0 ** (-9.28 * nv)) * x + y
    scale, bias = z - 1.04 * first, w + 1.04 * first
    # Light that one bounce among the facets loses comes out after more of them (Turquin 2019).
    lost = 1.0 / (scale + bias) - 1.0
    # What the clear coat of a dielectric reflects does not reach its colour.
    matt = (1 - metallic) * (1 - max(0.04 * scale + bias, 0.0) * (1 + 0.04 * lost))
    for c in range(3):
        base = _linear(value[c])
        f0 = 0.04 * (1 - metallic) + base * metallic
        d = diffuse_r if c == 0 else (diffuse_g if c == 1 else diffuse_b)
        m = mirror_r if c == 0 else (mirror_g if c == 1 else mirror_b)
        e = edge_r if c == 0 else (edge_g if c == 1 else edge_b)
        if in_room:
            around_n = matt_r if c == 0 else (matt_g if c == 1 else matt_b)
            around_r = room_r if c == 0 else (room_g if c == 1 else room_b)
        else:
            around_n = ground[c] + (sky[c] - ground[c]) * share_n
            around_r = ground[c] + (sky[c] - ground[c]) * share_r
        out[c] = base * matt * (d + around_n) + (1 + f0 * lost) * (
            f0 * m + (1 - f0) * e + max(f0 * scale + bias, 0.0) * around_r
        )


@njit(inline="always")
def tone_map(out):
    """Khronos PBR Neutral: linear radiance to linear light of a display, in place."""
    start, desaturation = 0.8 - 0.04, 0.15
    least = min(out[0], out[1], out[2])
    offset = least - 6.25 * least * least if least < 0.08 else 0.04
    peak = max(out[0], out[1], out[2]) - offset
    for c in range(3):
        out[c] -= offset
    if peak > start:
        d = 1 - start
        pressed = 1 - d * d / (peak + d - start)
        mix = 1 - 1 / (desaturation * (peak - pressed) + 1)
        for c in range(3):
            out[c] = out[c] * pressed / peak * (1 - mix) + pressed * mix


def shade_band(
    view: View,
    surface: Surface,
    axes: np.ndarray,
    lamps: np.ndarray,
    sky: np.ndarray,
    ground: np.ndarray,
    around: np.ndarray,
    band: int,
    face: np.ndarray,
    through: np.ndarray,
    light: np.ndarray,
    layer: np.ndarray,
    seen: np.ndarray,
    shadow_view: View,
    shadow_near: np.ndarray,
    samples: int,
) -> None:
    """Shade one layer of a band and put it behind the layers before.

    Points of one pixel that see much the same place of a surface share the light of the first.

    Args:
        band: which one.
        samples: points per side of a pixel.
        face: the layer, from ``raster_band``; becomes -1 where no more layers can be seen.
        through: (R, W) share of light that earlier layers let through; updated.
        light: (R, W, 3) tone-mapped linear light so far; updated.
        layer: (R, W, 10) depth, normal (3), base colour (3), metallic, roughness, alpha of the
            front-most surface; written where ``seen`` is false, which becomes true.
        shadow_view, shadow_near: the first lamp's view and nearness buffer (no rows: no shadow).
    """
    texel, value = np.empty(4, np.float32), np.empty(6, np.float32)
    n_object, n, v, out = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    _shade_points(
        *(view, surface, axes, lamps, sky, ground, around, band, face, through, light, layer),
        *(seen, shadow_view, shadow_near, _slack_of(shadow_view), axes[:, 2].copy()),
        *(texel, value, n_object, n, v, out, np.empty(6, np.float32), np.empty(3), samples),
    )


@tight
def _shade_points(
    view,
    surface,
    axes,
    lamps,
    sky,
    ground,
    around,
    band,
    face,
    through,
    light,
    layer,
    seen,
    shadow_view,
    shadow_near,
    slack,
    up,
    texel,
    value,
    n_object,
    n,
    v,
    out,
    first_value,
    first_n,
    samples,
):
    points = view.points
    for block in range(0, face.shape[0] * face.shape[1], samples * samples):
        top = block // (face.shape[1] * samples) * samples
        left = block % (face.shape[1] * samples) // samples
        first_depth = np.inf  # of the pixel's point whose light is in ``out``
        for point in range(samples * samples):
            r, x = top + point // samples, left + point % samples
            f = face[r, x]
            if f < 0:
                continue
            px, py = x + 0.5, band * BAND_ROWS + r + 0.5
            wa, wb, wc = corner_weights(view, f, px, py)
            size = _points_in(view, f)
            u, w, length = material_at(surface, f, wa, wb, wc, size, texel, value)
            alpha = min(max(np.float64(value[5]), 0.0), 1.0)
            if alpha <= 0:
                continue  # a hole: what is behind it is the front
            normal_at(surface, f, wa, wb, wc, u, w, length, texel, n_object)
            a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
            depth = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
            v[0], v[1], v[2] = 0.0, 0.0, -1.0
            if view.perspective:
                v[0], v[1] = (
                    (view.width * 0.5 - px) / view.focal,
                    (py - view.height * 0.5) / view.focal,
                )
                _scale(v, 1 / np.sqrt(v[0] * v[0] + v[1] * v[1] + 1))
            if _faces_away(view, f, v):
                _scale(n_object, -1.0)
            width = samples / view.focal * (depth if view.perspective else 1.0)
            if not (
                abs(depth - first_depth) < _SAME_DEPTH * width
                and _much_the_same(value, n_object, first_value, first_n)
            ):
                for i in range(3):
                    first_n[i] = n_object[i]
                    n[i] = (
                        axes[i, 0] * n_object[0]
                        + axes[i, 1] * n_object[1]
                        + axes[i, 2] * n_object[2]
                    )
                for i in range(6):
                    first_value[i] = value[i]
                first_depth = depth
                # Smooth normals may lean away from the eye at a rim: bend them back.
                lean = n[0] * v[0] + n[1] * v[1] + n[2] * v[2]
                if lean < 0.02:
                    for i in range(3):
                        n[i] += (0.02 - lean) * v[i]
                    _scale(n, 1 / np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]))
                shadow = 1.0
                if shadow_near.shape[0] > 0:
                    shadow = _unshadowed(view, f, wa, wb, wc, shadow_view, shadow_near, slack)
                shade(value, n, v, up, lamps, sky, ground, around, shadow, out)
                tone_map(out)
            for i in range(3):
                light[r, x, i] += through[r, x] * alpha * out[i]
            if not seen[r, x]:
                seen[r, x] = True
                layer[r, x, 0] = depth
                for i in range(3):
                    layer[r, x, 1 + i] = n_object[i]
                    layer[r, x, 4 + i] = value[i]
                layer[r, x, 7], layer[r, x, 8], layer[r, x, 9] = value[3], value[4], alpha
            through[r, x] *= 1 - alpha
            if through[r, x] < _DONE:
                through[r, x] = 0.0
                face[r, x] = -1


@njit(inline="always")
def _much_the_same(value, n, other_value, other_n):
    """Whether two points may share their light."""
    if n[0] * other_n[0] + n[1] * other_n[1] + n[2] * other_n[2] < _SAME_WAY:
        return False
    farthest = 0.0
    for i in range(5):
        farthest = max(farthest, abs(value[i] - other_value[i]))
    return farthest <= _SAME_VALUE


@njit(inline="always")
def _scale(vector, factor):
    for i in range(3):
        vector[i] *= factor


@njit(inline="always")
def _faces_away(view, f, v):
    """Whether the back of a triangle is seen, from its own plane rather than its normals."""
    points = view.points
    a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
    ex, ey, ez = (
        points[b, 0] - points[a, 0],
        points[b, 1] - points[a, 1],
        points[b, 2] - points[a, 2],
    )
    gx, gy, gz = (
        points[c, 0] - points[a, 0],
        points[c, 1] - points[a, 1],
        points[c, 2] - points[a, 2],
    )
    # Right, up, forward is a left-handed frame, hence the sign.
    x, y, z = ey * gz - ez * gy, ez * gx - ex * gz, ex * gy - ey * gx
    return x * v[0] + y * v[1] + z * v[2] > 0


@njit(inline="always")
def _points_in(view, f):
    """Points that a triangle covers in the picture."""
    points = view.points
    a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
    za = zb = zc = 1.0
    if view.perspective:
        za, zb, zc = (
            max(points[a, 2], view.near),
            max(points[b, 2], view.near),
            max(points[c, 2], view.near),
        )
    ax, ay = points[a, 0] / za, points[a, 1] / za
    bx, by = points[b, 0] / zb, points[b, 1] / zb
    cx, cy = points[c, 0] / zc, points[c, 1] / zc
    return 0.5 * abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) * view.focal * view.focal


@tight
def _unshadowed(view, f, wa, wb, wc, lamp, nearness, slack):
    """Share of the first lamp's light that arrives, from the lamp's view around the point."""
    a, b, c = view.faces[f, 0], view.faces[f, 1], view.faces[f, 2]
    # The lamp sees the same vertices, so the same weights give the place in its space.
    points = lamp.points
    x = wa * points[a, 0] + wb * points[b, 0] + wc * points[c, 0]
    y = wa * points[a, 1] + wb * points[b, 1] + wc * points[c, 1]
    z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
    px, py = lamp.width * 0.5 + x * lamp.focal, lamp.height * 0.5 - y * lamp.focal
    lit, total = 0, 0
    for j in range(-_REACH, _REACH + 1):
        row = int(py + j * 1.5)
        inside = 0 <= row < lamp.height
        for i in range(-_REACH, _REACH + 1):
            weight = 16 - i * i - j * j
            if weight <= 0:
                continue
            total += weight
            column = int(px + i * 1.5)
            outside = not (inside and 0 <= column < lamp.width)
            if outside or -nearness[row, column] > z - slack[j + _REACH, i + _REACH]:
                lit += weight
    return lit / total


def _slack_of(lamp: View) -> np.ndarray:
    """(7, 7) float64: how much nearer to the lamp something must be to cast a shadow on a point,
    by rows and columns away; more further away, as slanted surfaces need."""
    i = np.arange(-_REACH, _REACH + 1)
    return 1.0 / lamp.focal * (2.5 + 1.5 * np.sqrt(i * i + (i * i)[:, None]))
