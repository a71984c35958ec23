"""Symmetric float32 systems of two and three unknowns by column-pivoted Householder QR.

The reference solves its QEFs this way in float32. Where several places in a voxel are almost
equally good, rounding alone decides between them, so a better solver would give other dual
vertices: steps and their order are kept (Golub and Van Loan, Matrix Computations, 5.4.2, with norm
down-dating after LAPACK working note 176). Written out in scalars, which stay in registers: the
generic loops took five times as long.
"""

import numpy as np

from engine.kernels import tight

_EPS = np.float32(np.finfo(np.float32).eps)
_TINY = np.float32(np.finfo(np.float32).tiny)
_DOWNDATE_LIMIT = np.sqrt(_EPS)
_ZERO = np.float32(0)
_ONE = np.float32(1)


@tight
def solve3(a00, a01, a02, a11, a12, a22, b0, b1, b2):
    """Solve a x = b; a rank below 3 leaves the least important unknowns at zero.

    Returns:
        (x0, x1, x2) float32.
    """
    # Columns p, q, r of the matrix, each (x, y, z), their norms, and which unknown each stands for.
    px, py, pz, ip = a00, a01, a02, 0
    qx, qy, qz, iq = a01, a11, a12, 1
    rx, ry, rz, ir = a02, a12, a22, 2
    n_p, nq, nr = _norm3(px, py, pz), _norm3(qx, qy, qz), _norm3(rx, ry, rz)
    largest = max(n_p, nq, nr)
    threshold = (largest * _EPS) * (largest * _EPS) / np.float32(3)
    rank = 3
    if nq > n_p and nq >= nr:
        px, py, pz, ip, n_p, qx, qy, qz, iq, nq = qx, qy, qz, iq, nq, px, py, pz, ip, n_p
    elif nr > n_p and nr > nq:
        px, py, pz, ip, n_p, rx, ry, rz, ir, nr = rx, ry, rz, ir, nr, px, py, pz, ip, n_p
    if n_p * n_p < threshold * np.float32(3):
        rank = 0
    beta, tau, scale = _reflection(px, py * py + pz * pz)
    if tau != _ZERO:
        vy, vz = py / scale, pz / scale
        ty, tz = tau * vy, tau * vz
        along = vy * qy + vz * qz + qx
        qx, qy, qz = qx - tau * along, qy - ty * along, qz - tz * along
        along = vy * ry + vz * rz + rx
        rx, ry, rz = rx - tau * along, ry - ty * along, rz - tz * along
        along = vy * b1 + vz * b2 + b0
        b0, b1, b2 = b0 - tau * along, b1 - ty * along, b2 - tz * along
    px = beta
    mq = _downdated(qx, nq, _norm2(qy, qz))
    mr = _downdated(rx, nr, _norm2(ry, rz))
    if mr > mq:
        qx, qy, qz, iq, mq, rx, ry, rz, ir = rx, ry, rz, ir, mr, qx, qy, qz, iq
    if rank == 3 and mq * mq < threshold * np.float32(2):
        rank = 1
    beta, tau, scale = _reflection(qy, qz * qz)
    if tau != _ZERO:
        vz = qz / scale
        tz = tau * vz
        along = vz * rz + ry
        ry, rz = ry - tau * along, rz - tz * along
        if rank > 1:
            along = vz * b2 + b1
            b1, b2 = b1 - tau * along, b2 - tz * along
    qy = beta
    if rank == 3 and rz * rz < threshold:
        rank = 2

    c0, c1, c2 = _ZERO, _ZERO, _ZERO
    if rank > 2:
        c2 = b2 / rz
        b0, b1 = b0 - rx * c2, b1 - ry * c2
    if rank > 1:
        c1 = b1 / qy
        b0 = b0 - qx * c1
    if rank > 0:
        c0 = b0 / px
    x0 = c0 if ip == 0 else (c1 if iq == 0 else c2)
    x1 = c0 if ip == 1 else (c1 if iq == 1 else c2)
    x2 = c0 if ip == 2 else (c1 if iq == 2 else c2)
    return x0, x1, x2


@tight
def solve2(a00, a01, a11, b0, b1):
    """As ``solve3`` for two unknowns: (x0, x1) float32."""
    px, py, qx, qy = a00, a01, a01, a11
    n_p, nq = _norm2(px, py), _norm2(qx, qy)
    largest = max(n_p, nq)
    threshold = (largest * _EPS) * (largest * _EPS) / np.float32(2)
    swapped = nq > n_p
    if swapped:
        px, py, qx, qy = qx, qy, px, py
    if largest * largest < threshold * np.float32(2):
        return _ZERO, _ZERO
    beta, tau, scale = _reflection(px, py * py)
    if tau != _ZERO:
        vy = py / scale
        ty = tau * vy
        along = vy * qy + qx
        qx, qy = qx - tau * along, qy - ty * along
        along = vy * b1 + b0
        b0, b1 = b0 - tau * along, b1 - ty * along
    second = _ZERO
    if qy * qy >= threshold:
        second = b1 / qy
        b0 = b0 - qx * second
    first = b0 / beta
    if swapped:
        return second, first
    return first, second


@tight
def _norm3(x, y, z):
    return np.sqrt(x * x + (y * y + z * z))


@tight
def _norm2(x, y):
    return np.sqrt(x * x + y * y)


@tight
def _reflection(head, tail_squares):
    """Householder reflection of (head, tail): (new head, tau, divisor of the tail)."""
    if tail_squares <= _TINY:
        return head, _ZERO, _ONE
    beta = np.sqrt(head * head + tail_squares)
    if head >= _ZERO:
        beta = -beta
    return beta, (beta - head) / beta, head - beta


@tight
def _downdated(removed, norm, fresh):
    """Norm of what remains of a column, recomputed where the difference would lose its digits."""
    if norm == _ZERO:
        return _ZERO
    share = abs(removed) / norm
    left = max((_ONE + share) * (_ONE - share), _ZERO)
    if left <= _DOWNDATE_LIMIT:
        return fresh
    return norm * np.sqrt(left)
