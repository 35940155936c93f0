"""Test pictures defined by an integer formula, so that no picture needs a file.

The same formula is implemented in C++ by the tests. All arithmetic is on unsigned 32-bit integers
and wraps; `>>` is a logical shift. A picture is (kind, seed, width, height); its value at column x,
row y, channel c (0 red, 1 green, 2 blue) is:

  mix(v)          v ^= v >> 16; v *= 0x7feb352d; v ^= v >> 15; v *= 0x846ca68b; v ^= v >> 16
  hash(x, y, c)   mix(x * 0x9e3779b1 ^ mix(y * 0x85ebca77 ^ mix(c * 0xc2b2ae3d ^ seed)))
  corner(i, j)    hash(i, j, c) >> 24

  noise     hash(x, y, c) >> 24
  edges     255 if hash(x >> 4, y >> 4, c) >> 31 else 0
  flat      hash(0, 0, c) >> 24
  smooth    bilinear between the corners of cells of 32 x 32 pixels:
            i = x >> 5, j = y >> 5, f = x & 31, g = y & 31
            ((corner(i, j) * (32 - f) + corner(i + 1, j) * f) * (32 - g)
             + (corner(i, j + 1) * (32 - f) + corner(i + 1, j + 1) * f) * g) >> 10
  texture   smooth + (hash(x + 7919, y, c) >> 27) - 16, limited to 0..255
"""

import numpy as np

KINDS = ("noise", "edges", "flat", "smooth", "texture")
U32 = np.uint32


def _mix(v):
    v = v.astype(U32)
    v ^= v >> U32(16)
    v *= U32(0x7FEB352D)
    v ^= v >> U32(15)
    v *= U32(0x846CA68B)
    v ^= v >> U32(16)
    return v


def _hash(x, y, c, seed):
    inner = _mix(np.array([(c * 0xC2B2AE3D & 0xFFFFFFFF) ^ seed], dtype=U32))
    rows = _mix((y.astype(U32) * U32(0x85EBCA77)) ^ inner)
    return _mix((x.astype(U32) * U32(0x9E3779B1))[None, :] ^ rows[:, None])


def _smooth(x, y, c, seed):
    cells = _hash(np.arange(x[-1] // 32 + 2), np.arange(y[-1] // 32 + 2), c, seed) >> U32(24)
    i, f = x >> 5, (x & 31).astype(U32)[None, :]
    j, g = y >> 5, (y & 31).astype(U32)[:, None]
    across = cells[:, i] * (U32(32) - f) + cells[:, i + 1] * f
    return (across[j] * (U32(32) - g) + across[j + 1] * g) >> U32(10)


def _channel(kind, seed, width, height, c):
    x, y = np.arange(width), np.arange(height)
    if kind == "noise":
        return _hash(x, y, c, seed) >> U32(24)
    if kind == "edges":
        return (_hash(x >> 4, y >> 4, c, seed) >> U32(31)) * U32(255)
    if kind == "flat":
        return np.broadcast_to(_hash(x[:1], y[:1], c, seed) >> U32(24), (height, width))
    if kind == "smooth":
        return _smooth(x, y, c, seed)
    if kind == "texture":
        noise = (_hash(x + 7919, y, c, seed) >> U32(27)).astype(np.int64) - 16
        return np.clip(_smooth(x, y, c, seed).astype(np.int64) + noise, 0, 255)
    raise ValueError(kind)


def pixels(kind, seed, width, height):
    """uint8 [height, width, 3]."""
    channels = [_channel(kind, seed, width, height, c).astype(np.uint8) for c in range(3)]
    return np.stack(channels, axis=-1)
