"""Pictures as PNG and clips as Motion JPEG in AVI, written without any library but zlib and Pillow.

Pillow's own PNG writer tries every filter on every row, which takes longer than drawing.
"""

import io
import struct
import zlib

import numpy as np


def png_bytes(picture, level=1):
    pixels = np.asarray(picture)
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # filter 0 before each row
    rows[:, 1:] = pixels.reshape(height, 3 * width)

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), level))
        + chunk(b"IEND", b"")
    )


def jpeg_bytes(picture):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def avi_bytes(pictures):
    """A clip of one frame a second."""
    width, height = pictures[0].size
    frames = [jpeg_bytes(picture) for picture in pictures]
    largest = max(map(len, frames))

    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def group(name, data):
        return chunk(b"LIST", name + data)

    main = struct.pack("<14I", 1000000, largest, 0, 0x10, len(frames), 0, 1, largest, width, height,
                       0, 0, 0, 0)  # fmt: skip
    stream = b"vidsMJPG" + struct.pack("<IHHIIIIIIiI4H", 0, 0, 0, 0, 1, 1, 0, len(frames), largest,
                                       -1, 0, 0, 0, width, height)  # fmt: skip
    form = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", 3 * width * height, 0, 0,
                       0, 0)  # fmt: skip
    movie, index = b"", b""
    for frame in frames:
        index += b"00dc" + struct.pack("<III", 0x10, 4 + len(movie), len(frame))
        movie += chunk(b"00dc", frame)
    head = chunk(b"avih", main) + group(b"strl", chunk(b"strh", stream) + chunk(b"strf", form))
    body = group(b"hdrl", head) + group(b"movi", movie) + chunk(b"idx1", index)
    return chunk(b"RIFF", b"AVI " + body)
