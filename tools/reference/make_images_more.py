#!/usr/bin/env python3
"""Makes the GIF, BMP, TIFF, HEIC and AVIF pictures and rare JPEG and PNG kinds of tests/fixtures/media, and what Pillow says about them.

    python3 tools/reference/make_images_more.py [--out tests/fixtures/media]

As make_images.py (whose drawing and description of a picture it uses); writes the pictures,
decode_more.tsv (the columns of decode.tsv), heif.tsv and ../fuzz/image_FORMAT/. HEIC and AVIF are not compared bit
for bit: heif.tsv has file, width, height, has alpha, and the drawn colours at the middle of the quarters (top left, top
right, bottom left, bottom right) of the upright picture. HEIC needs heif-enc (package libheif-examples).
"""
import argparse
import io
import pathlib
import struct
import subprocess
import tempfile
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

from make_images import MEDIA, PILLOW, alpha_plane, decode_row, drawing, png, rgb, saved, tiff, xmp

WIDTH, HEIGHT = 61, 37


def grey(width=WIDTH, height=HEIGHT, seed=1):
    return drawing(width, height, seed).mean(-1).astype(np.uint8)


def palette(entries, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (entries, 3)).astype(np.uint8)


# ---------------------------------------------------------------------------------- GIF by hand


def lzw(indices, bits):
    """GIF's compression of a flat list of indices, with a growing table and a clear when it is full."""
    clear, end = 1 << bits, (1 << bits) + 1
    out, held, count = bytearray(), 0, 0

    def put(code, size):
        nonlocal held, count
        held |= code << count
        count += size
        while count >= 8:
            out.append(held & 255)
            held >>= 8
            count -= 8

    table, size = {(i,): i for i in range(clear)}, bits + 1
    put(clear, size)
    run = ()
    following = end + 1
    for index in indices:
        if run + (index,) in table:
            run += (index,)
            continue
        put(table[run], size)
        if following < 4096:
            table[run + (index,)] = following
            following += 1
            if following > 1 << size and size < 12:
                size += 1
        else:
            put(clear, size)
            table, size, following = {(i,): i for i in range(clear)}, bits + 1, end + 1
        run = (index,)
    put(table[run], size)
    put(end, size)
    if count:
        out.append(held & 255)
    return bytes(out)


def blocks(data):
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def colour_table(colours):
    """(flag bits, bytes) of a palette, or nothing."""
    if colours is None:
        return 0, b""
    size = max(1, (len(colours) - 1).bit_length())
    padded = np.zeros((1 << size, 3), np.uint8)
    padded[:len(colours)] = colours
    return 0x80 | (size - 1), padded.tobytes()


def frame(indices, bits, *, at=(0, 0), local=None, interlaced=False):
    height, width = indices.shape
    flags, table = colour_table(local)
    rows = indices
    if interlaced:
        rows = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
    return (b"," + struct.pack("<HHHHB", *at, width, height, flags | (0x40 if interlaced else 0)) + table
            + bytes([bits]) + blocks(lzw(rows.reshape(-1).tolist(), bits)))


def gif(frames, *, screen=(WIDTH, HEIGHT), colours=None, before=b"", background=0, end=b";"):
    flags, table = colour_table(colours)
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, flags | 0x70, background, 0)
    return head + table + before + b"".join(frames) + end


def control(transparent=None, disposal=0):
    return b"!\xf9\x04" + bytes([disposal << 2 | (transparent is not None), 5, 0, transparent or 0, 0])


def gifs():
    im, g = rgb(120, 90), grey()
    yield "plain.gif", saved(im.quantize(256), format="GIF")
    yield "grey.gif", saved(im.convert("L"), format="GIF")
    yield "two_colours.gif", saved(im.convert("1"), format="GIF")
    yield "interlaced.gif", gif([frame(g, 8, interlaced=True)], colours=palette(256))
    for bits in (1, 2, 4):
        yield f"palette{bits}.gif", gif([frame(g >> (8 - bits), max(2, bits))], colours=palette(1 << bits))
    yield "local_palette.gif", gif([frame(g >> 3, 5, local=palette(32, 7))], colours=palette(32))
    yield "only_local_palette.gif", gif([frame(g >> 3, 5, local=palette(32, 7), interlaced=True)])
    yield "no_palette.gif", gif([frame(g, 8)])
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    yield "grey_ramp.gif", gif([frame(g, 8)], colours=ramp)
    yield "grey_ramp_local.gif", gif([frame(g, 8, local=ramp)], colours=palette(256))
    yield "index_beyond.gif", gif([frame(g, 8)], colours=palette(64))
    yield "transparent.gif", gif([control(9), frame(g >> 3, 5)], colours=palette(32))
    yield "transparent_grey.gif", gif([control(200), frame(g, 8)], colours=ramp)
    inside = g[:20, :30] >> 3
    yield "inside.gif", gif([frame(inside, 5, at=(11, 7))], colours=palette(32), background=3)
    yield "inside_transparent.gif", gif([control(5, 2), frame(inside, 5, at=(11, 7))], colours=palette(32), background=3)
    yield "inside_local.gif", gif([frame(inside, 5, at=(31, 17), local=palette(32, 9), interlaced=True)],
                                  colours=palette(32))
    yield "outside.gif", gif([frame(g >> 3, 5, at=(20, 10))], screen=(30, 20), colours=palette(32))
    yield "no_screen.gif", gif([frame(g >> 3, 5)], screen=(0, 0), colours=palette(32))
    for width, height in [(1, 1), (1, 3), (3, 1), (9, 2)]:
        small = grey(width, height) >> 4
        yield f"size_{width}x{height}.gif", gif([frame(small, 4, interlaced=True)], screen=(width, height),
                                                colours=palette(16))
    yield "animated.gif", gif([control(1, 2), frame(g >> 3, 5), control(), frame(inside, 5, at=(3, 3))],
                              colours=palette(32), before=b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0")
    yield "comments.gif", gif([b"!\xfe" + blocks(b"a comment " * 60), b"!\x01\x0c" + bytes(12) + blocks(b"text"),
                               frame(g >> 3, 5), b"!\xfe" + blocks(b"behind")], colours=palette(32))
    yield "unfinished.gif", gif([frame(g >> 3, 5)[:-1]], colours=palette(32), end=b"")
    noise = np.random.default_rng(4).integers(0, 256, (150, 120)).astype(np.uint8)
    yield "full_table.gif", gif([frame(noise, 8)], screen=(120, 150), colours=palette(256))


# ---------------------------------------------------------------------------------- BMP by hand


def bmp_rows(samples, bits):
    """Rows padded to 4 bytes: indices [h, w], or bytes [h, w, n]."""
    out = b""
    for row in samples:
        if bits < 8:
            planes = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits:]
            packed = np.packbits(planes.reshape(-1)).tobytes()
        else:
            packed = row.astype(np.uint8).tobytes()
        out += packed + bytes(-len(packed) % 4)
    return out


def bmp(pixels, width, height, bits, *, header=40, compression=0, colours=b"", count=0, masks=(), gap=0):
    """`pixels` as stored; height negative where the first row is the top one."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(pixels), 2835, 2835,
                           count, 0)
        fields = struct.pack(f"<{len(masks)}I", *masks)
        info += (fields + bytes(header))[:header - 40] if header > 40 else fields
    at = 14 + len(info) + len(colours) + gap
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + colours + bytes(gap) + pixels


def quads(colours):
    return np.concatenate([colours[:, ::-1], np.zeros((len(colours), 1), np.uint8)], 1).tobytes()


def runs8(rows, literal_from):
    """RLE8: runs, and from row `literal_from` on literals, a skip and ends of rows left out."""
    out = b""
    for y, row in enumerate(rows):
        row = row.tolist()
        if y >= literal_from:
            for i in range(0, len(row), 31):
                part = row[i:i + 31]
                out += (bytes([0, len(part)]) + bytes(part) + b"\0" * (len(part) % 2) if len(part) > 2
                        else b"".join(bytes([1, v]) for v in part))
        else:
            x = 0
            while x < len(row):
                n = 1
                while x + n < len(row) and n < 255 and row[x + n] == row[x]:
                    n += 1
                out += bytes([n, row[x]])
                x += n
        out += b"\0\0"
    return out + b"\0\1"


def runs4(rows):
    out = b""
    for y, row in enumerate(rows):
        row = row.tolist()
        for i in range(0, len(row), 21):
            part = row[i:i + 21]
            if y % 2 == 0 and len(part) > 2:
                half = [a << 4 | b for a, b in zip(part[0::2], part[1::2] + [0] * (len(part) % 2))]
                out += bytes([0, len(part)]) + bytes(half) + b"\0" * (len(half) % 2)
            else:
                out += b"".join(bytes([min(2, len(part) - j), part[j] << 4 | part[min(j + 1, len(part) - 1)]])
                                for j in range(0, len(part), 2))
        out += b"\0\0"
    return out + b"\0\1"


def bmps():
    w, h = WIDTH, HEIGHT
    g, colour, alpha = grey(), drawing(w, h), alpha_plane(w, h)[:, :, None]
    up = lambda a: a[::-1]  # noqa: E731: rows as stored
    for bits in (1, 4, 8):
        index = g >> (8 - bits)
        yield f"palette{bits}.bmp", bmp(bmp_rows(up(index), bits), w, h, bits, colours=quads(palette(1 << bits)))
        yield f"core{bits}.bmp", bmp(bmp_rows(up(index), bits), w, h, bits, header=12,
                                     colours=palette(1 << bits)[:, ::-1].tobytes())
    yield "top_down.bmp", bmp(bmp_rows(g, 8), w, -h, 8, colours=quads(palette(256)))
    yield "fewer_colours.bmp", bmp(bmp_rows(up(g), 8), w, h, 8, colours=quads(palette(100)), count=100, gap=6)
    yield "black_white.bmp", saved(rgb(w, h).convert("1"), format="BMP")
    yield "grey.bmp", saved(rgb(w, h).convert("L"), format="BMP")
    yield "grey_few.bmp", bmp(bmp_rows(up(g), 8), w, h, 8, count=50,
                              colours=quads(np.repeat(np.arange(50, dtype=np.uint8)[:, None], 3, 1)))
    yield "white_black.bmp", bmp(bmp_rows(up(g >> 7), 1), w, h, 1, colours=quads(np.array([[255] * 3, [0] * 3], np.uint8)))
    yield "rgb24.bmp", saved(rgb(w, h), format="BMP")
    yield "core24.bmp", bmp(bmp_rows(up(colour[:, :, ::-1]), 24), w, h, 24, header=12)
    yield "rgb24_top_down.bmp", bmp(bmp_rows(colour[:, :, ::-1], 24), w, -h, 24)
    bgrx = np.concatenate([colour[:, :, ::-1], alpha], 2)
    yield "rgb32.bmp", bmp(bmp_rows(up(bgrx), 32), w, h, 32)
    five = (colour >> 3).astype(np.uint16)
    short555 = five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]
    short565 = five[..., 0] << 11 | (colour[..., 1] >> 2).astype(np.uint16) << 5 | five[..., 2]
    rows555 = bmp_rows(up(short555.astype("<u2").view(np.uint8).reshape(h, w, 2)), 16)
    rows565 = bmp_rows(up(short565.astype("<u2").view(np.uint8).reshape(h, w, 2)), 16)
    yield "rgb555.bmp", bmp(rows555, w, h, 16)
    yield "rgb555_fields.bmp", bmp(rows555, w, h, 16, compression=3, masks=(0x7C00, 0x3E0, 0x1F))
    yield "rgb565.bmp", bmp(rows565, w, h, 16, compression=3, masks=(0xF800, 0x7E0, 0x1F))
    yield "rgb565_v5.bmp", bmp(rows565, w, h, 16, header=124, compression=3, masks=(0xF800, 0x7E0, 0x1F, 0))
    rgba = np.concatenate([colour, alpha], 2)
    for name, order, masks, header in [
        ("bgra", (2, 1, 0, 3), (0xFF0000, 0xFF00, 0xFF, 0xFF000000), 108),
        ("rgba", (0, 1, 2, 3), (0xFF, 0xFF00, 0xFF0000, 0xFF000000), 124),
        ("abgr", (3, 2, 1, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF), 56),
        ("bgar", (2, 1, 3, 0), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), 108),
        ("xbgr", (3, 2, 1, 0), (0xFF000000, 0xFF0000, 0xFF00), 52),
        ("bgrx", (2, 1, 0, 3), (0xFF0000, 0xFF00, 0xFF), 40),
        ("zero_masks", (2, 1, 0, 3), (0, 0, 0, 0), 108),
    ]:  # fmt: skip
        if name == "bgar":  # red is the highest byte, alpha the next
            order = (2, 1, 3, 0)
        yield f"{name}.bmp", bmp(bmp_rows(up(rgba[:, :, list(order)]), 32), w, h, 32, header=header, compression=3,
                                 masks=masks)
    yield "rle8.bmp", bmp(runs8(up(g >> 4), 20), w, h, 8, compression=1, colours=quads(palette(16)), count=16)
    yield "rle8_top_down.bmp", bmp(runs8(g >> 5, 99), w, -h, 8, compression=1, colours=quads(palette(256)))
    yield "rle4.bmp", bmp(runs4(up(g >> 4)), w, h, 4, compression=2, colours=quads(palette(16)))
    skip = runs8(up(g)[:5], 0)[:-2] + b"\0\2\7\3" + bytes([54, 9]) + b"\0\0" + runs8(up(g)[9:], 0)
    yield "rle8_skip.bmp", bmp(skip, w, h, 8, compression=1, colours=quads(palette(256)))
    for width, height in [(1, 1), (1, 3), (3, 1), (5, 2)]:
        yield f"size_{width}x{height}.bmp", saved(rgb(width, height), format="BMP")


# ---------------------------------------------------------------------------------- TIFF by hand

SHORT, LONG, LONG8, BYTE = 3, 4, 16, 1
CODES = {SHORT: "H", LONG: "I", LONG8: "Q", BYTE: "B"}


def tiff_samples(samples, bits, big):
    """[h, w, n] -> rows as stored."""
    kind = samples.dtype.kind
    if bits >= 16 and kind != "V":
        wide = samples.astype(f"{'>' if big else '<'}{'f4' if kind == 'f' else f'{kind}{bits // 8}'}")
        return [row.tobytes() for row in wide]
    if bits == 12:
        out = []
        for row in samples.reshape(samples.shape[0], -1).astype(int):
            text = "".join(f"{v:012b}" for v in row)
            text += "0" * (-len(text) % 8)
            out.append(int(text, 2).to_bytes(len(text) // 8, "big"))
        return out
    out = []
    for row in samples:
        planes = np.unpackbits(row.reshape(-1).astype(np.uint8)[:, None], axis=1)[:, 8 - bits:]
        out.append(np.packbits(planes.reshape(-1)).tobytes())
    return out


def tiff_file(samples, bits, photometric, *, big=False, wide=False, rows=None, tile=None, deflate=False, extra=None,
              form=None, colours=None, orientation=None, packet=None, separate=False, predictor=False, second=False,
              drop=()):
    """Any TIFF: samples [h, w, n], in strips of `rows` rows or tiles (width, height)."""
    height, width, count = samples.shape
    e = ">" if big else "<"
    layers = [samples[:, :, i:i + 1] for i in range(count)] if separate else [samples]
    chunks = []
    for layer in layers:
        if tile:
            padded = np.zeros((-(-height // tile[1]) * tile[1], -(-width // tile[0]) * tile[0], layer.shape[2]),
                              layer.dtype)
            padded[:height, :width] = layer
            parts = [padded[y:y + tile[1], x:x + tile[0]] for y in range(0, height, tile[1])
                     for x in range(0, width, tile[0])]
        else:
            parts = [layer[y:y + (rows or height)] for y in range(0, height, rows or height)]
        for part in parts:
            if predictor:
                part = np.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], 1)
            data = b"".join(tiff_samples(part, bits, big))
            chunks.append(zlib.compress(data, 9) if deflate else data)
    at = 16 if wide else 8
    offsets = []
    body = b""
    for data in chunks:
        offsets.append(at + len(body))
        body += data + b"\0" * (len(data) % 2)
    entries = [(256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [bits] * count),
               (259, SHORT, [8 if deflate else 1]), (262, SHORT, [photometric]), (277, SHORT, [count]),
               (284, SHORT, [2 if separate else 1])]
    if tile:
        entries += [(322, LONG, [tile[0]]), (323, LONG, [tile[1]]), (324, LONG, offsets),
                    (325, LONG, [len(c) for c in chunks])]
    else:
        entries += [(273, LONG, offsets), (278, LONG, [rows or height]), (279, LONG, [len(c) for c in chunks])]
    if extra is not None:
        entries.append((338, SHORT, extra))
    if form is not None:
        entries.append((339, SHORT, [form] * count))
    if colours is not None:
        entries.append((320, SHORT, [int(v) * 257 for v in np.asarray(colours).T.reshape(-1)]))
    if orientation is not None:
        entries.append((274, SHORT, [orientation]))
    if packet is not None:
        entries.append((700, BYTE, list(packet)))
    if predictor:
        entries.append((317, SHORT, [2]))
    entries = sorted(entry for entry in entries if entry[0] not in drop)
    word = "Q" if wide else "I"
    size, directory_at = struct.calcsize(e + word), at + len(body)
    directory = struct.pack(e + ("Q" if wide else "H"), len(entries))
    beyond_at = directory_at + len(directory) + len(entries) * (4 + 2 * size) + size
    beyond = b""
    for tag, kind, values in entries:
        data = struct.pack(f"{e}{len(values)}{CODES[kind]}", *values)
        if len(data) > size:
            place, beyond = struct.pack(e + word, beyond_at + len(beyond)), beyond + data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(size, b"\0")
        directory += struct.pack(e + "HH" + word, tag, kind, len(values)) + place
    directory += struct.pack(e + word, directory_at if second else 0)
    head = (b"MM" if big else b"II") + struct.pack(e + "H", 43 if wide else 42)
    head += struct.pack(e + "HHQ", 8, 0, directory_at) if wide else struct.pack(e + "I", directory_at)
    return head + body + directory + beyond


def tiffs():
    w, h = WIDTH, HEIGHT
    colour, alpha = drawing(w, h), alpha_plane(w, h)[:, :, None]
    g = grey()[:, :, None]
    im, rgba = rgb(w, h), np.concatenate([colour, alpha], 2)
    wide = ((colour.astype(np.uint32) * 257 + 91 * np.arange(w)[None, :, None]) & 0xFFFF).astype(np.uint16)
    deep = np.where(np.arange(w)[None, :, None] < 20, g // 2, (g.astype(np.uint32) * 263) & 0xFFFF).astype(np.uint16)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"rgb_{compression}.tiff", saved(im, format="TIFF", compression=compression)
    for compression in ("group3", "group4"):
        yield f"bilevel_{compression}.tiff", saved(im.convert("1"), format="TIFF", compression=compression)
    yield "jpeg_ycc.tiff", saved(im, format="TIFF", compression="jpeg", quality=80)
    yield "jpeg_grey.tiff", saved(im.convert("L"), format="TIFF", compression="jpeg", quality=80)
    yield "jpeg_cmyk.tiff", saved(im.convert("CMYK"), format="TIFF", compression="jpeg", quality=80)
    yield "lzw_predictor.tiff", saved(im, format="TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "cmyk.tiff", saved(im.convert("CMYK"), format="TIFF", compression="tiff_lzw")
    yield "palette.tiff", saved(im.quantize(200), format="TIFF", compression="packbits")
    for bits in (1, 2, 4):
        step = g >> (8 - bits)
        yield f"grey{bits}.tiff", tiff_file(step, bits, 1)
        yield f"white_is_zero{bits}.tiff", tiff_file(step, bits, 0, rows=10)
        yield f"palette{bits}.tiff", tiff_file(step, bits, 3, colours=palette(1 << bits), big=True)
    yield "white_is_zero8.tiff", tiff_file(g, 8, 0)
    yield "la8.tiff", tiff_file(np.concatenate([g, alpha], 2), 8, 1, extra=[2])
    yield "lx8.tiff", tiff_file(np.concatenate([g, alpha], 2), 8, 1, extra=[0])
    yield "pa8.tiff", tiff_file(np.concatenate([g, alpha], 2), 8, 3, extra=[2], colours=palette(256))
    yield "grey12.tiff", tiff_file(deep >> 4, 12, 1)
    yield "grey16.tiff", tiff_file(deep, 16, 1, deflate=True)
    yield "grey16_big.tiff", tiff_file(deep, 16, 1, big=True, rows=7)
    yield "grey16_signed.tiff", tiff_file((g.astype(np.int16) - 100) * 3, 16, 1, form=2)
    yield "int32.tiff", tiff_file(g.astype(np.int32) * 3 - 200, 32, 1, form=2, big=True)
    yield "float32.tiff", tiff_file(g.astype(np.float32) * 1.7 - 40, 32, 1, form=3, deflate=True)
    yield "rgb16.tiff", tiff_file(wide, 16, 2, deflate=True)
    yield "rgb16_big.tiff", tiff_file(wide, 16, 2, big=True)
    yield "rgb16_predictor.tiff", tiff_file(wide, 16, 2, deflate=True, predictor=True)
    yield "rgba16.tiff", tiff_file(np.concatenate([wide, alpha.astype(np.uint16) * 257], 2), 16, 2, extra=[2], deflate=True)
    yield "rgba_raw.tiff", tiff_file(rgba, 8, 2, extra=[2])
    yield "rgba_unsaid.tiff", tiff_file(rgba, 8, 2, deflate=True)
    yield "rgbx.tiff", tiff_file(rgba, 8, 2, extra=[0], deflate=True)
    yield "rgba_premultiplied.tiff", tiff_file(rgba, 8, 2, extra=[1], deflate=True)
    yield "strips.tiff", tiff_file(colour, 8, 2, rows=5)
    yield "tiles.tiff", tiff_file(colour, 8, 2, tile=(32, 16))
    yield "tiles_deflate.tiff", tiff_file(rgba, 8, 2, tile=(16, 32), extra=[2], deflate=True)
    yield "tiles_bits.tiff", tiff_file(g >> 7, 1, 1, tile=(16, 16), deflate=True)
    yield "planes.tiff", tiff_file(colour, 8, 2, separate=True, rows=9)
    yield "planes_deflate.tiff", tiff_file(colour, 8, 2, separate=True, deflate=True, tile=(32, 32))
    yield "bigtiff.tiff", tiff_file(colour, 8, 2, wide=True, rows=20)
    yield "no_rows_per_strip.tiff", tiff_file(colour, 8, 2, drop=(278,))
    yield "second_page.tiff", tiff_file(colour, 8, 2, second=True)
    small = drawing(30, 20)
    for n in (2, 5, 6, 8):
        yield f"exif_{n}.tiff", tiff_file(small, 8, 2, orientation=n, big=n == 6, deflate=n == 8)
    yield "xmp_3.tiff", tiff_file(small, 8, 2, packet=xmp(3))
    for width, height in [(1, 1), (1, 3), (3, 1)]:
        yield f"size_{width}x{height}.tiff", saved(rgb(width, height), format="TIFF")


# ---------------------------------------------------------------------------------- HEIC, AVIF


def quarters(width, height):
    """Four flat colours, which no codec gets far wrong."""
    out = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    out[:h, :w], out[:h, w:], out[h:, :w], out[h:, w:] = (220, 40, 30), (30, 180, 60), (40, 60, 210), (230, 210, 40)
    return Image.fromarray(out)


def heif_enc(im, suffix, *options):
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder) / "in.png", pathlib.Path(folder) / f"out{suffix}"
        im.save(source)
        subprocess.run(["heif-enc", *options, "-o", target, source], check=True, capture_output=True)
        return target.read_bytes()


def without_times(data):
    """A sequence without the moment of its making."""
    out = bytearray(data)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        at = out.index(name) + 4
        size = 16 if out[at] == 1 else 8
        out[at + 4:at + 4 + size] = bytes(size)
    return bytes(out)


def heifs():
    """(file, bytes, upright drawing)"""
    im = quarters(64, 48)
    grey, seen = im.convert("L"), quarters(64, 48)
    seen.putalpha(Image.fromarray(alpha_plane(64, 48), "L"))
    yield "plain.heic", heif_enc(im, ".heic", "-q", "90"), im
    yield "lossless.heic", heif_enc(im, ".heic", "-L", "-p", "chroma=444"), im
    yield "grey.heic", heif_enc(grey, ".heic", "-q", "90"), grey
    yield "alpha.heic", heif_enc(seen, ".heic", "-q", "90"), seen
    yield "odd.heic", heif_enc(quarters(75, 35), ".heic", "-q", "90"), quarters(75, 35)
    yield "plain.avif", saved(im, format="AVIF", quality=90), im
    yield "full_chroma.avif", saved(im, format="AVIF", quality=100, subsampling="4:4:4"), im
    yield "half_chroma.avif", saved(im, format="AVIF", quality=90, subsampling="4:2:2"), im
    yield "grey.avif", saved(grey, format="AVIF", quality=90, subsampling="4:0:0"), grey
    yield "alpha.avif", saved(seen, format="AVIF", quality=90), seen
    yield "narrow_range.avif", saved(im, format="AVIF", quality=90, range="limited"), im
    yield "ten_bits.avif", heif_enc(im, ".avif", "-A", "-q", "90", "-b", "10"), im
    yield "odd.avif", saved(quarters(35, 75), format="AVIF", quality=90), quarters(35, 75)
    moving = saved(im, format="AVIF", quality=90, save_all=True, append_images=[im.rotate(180)])
    yield "sequence.avif", without_times(moving), im
    for n in range(2, 9):
        exif = Image.Exif()
        exif[274] = n
        turned = im.copy()
        turned.getexif()[274] = n
        yield f"exif_{n}.avif", saved(im, format="AVIF", quality=90, exif=exif), ImageOps.exif_transpose(turned)


def heif_row(name, data, drawn):
    colours = drawn.convert("RGB")
    places = [(x, y) for y in (drawn.height // 4, drawn.height * 3 // 4)
              for x in (drawn.width // 4, drawn.width * 3 // 4)]
    if name.endswith(".avif"):  # the drawing is what Pillow sees
        theirs = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        assert theirs.size == drawn.size, name
        for place in places:
            far = max(abs(a - b) for a, b in zip(theirs.getpixel(place), colours.getpixel(place)))
            assert far <= 6, (name, place, far)
    alpha = "A" in drawn.getbands()
    return "\t".join(map(str, [name, drawn.width, drawn.height, int(alpha),
                               *("%02x%02x%02x" % colours.getpixel(p) for p in places)]))


# ---------------------------------------------------------------------------------- rare JPEG and PNG


def adobe(data, transform):
    """The JPEG with the colour transform of its Adobe segment changed; None removes the segment."""
    at = data.index(b"\xff\xee\0\x0eAdobe")
    return data[:at] + (b"" if transform is None else data[at:at + 15] + bytes([transform])) + data[at + 16:]


def jpegs():
    cmyk = rgb(WIDTH, HEIGHT).convert("CMYK")
    yield "ycck.jpg", adobe(saved(cmyk, format="JPEG", quality=85), 2)
    yield "ycck_progressive.jpg", adobe(saved(cmyk, format="JPEG", quality=85, progressive=True), 2)
    yield "cmyk_no_adobe.jpg", adobe(saved(cmyk, format="JPEG", quality=85), None)
    yield "exif_then_xmp.jpg", saved(rgb(30, 20), format="JPEG", exif=b"Exif\0\0" + tiff(3), xmp=xmp(6))


def pngs():
    g = grey()[:, :, None].astype(np.uint32)
    some = [(b"tRNS", bytes(range(0, 200, 2)))]
    yield "palette_trns_interlaced.png", png(g // 2, 8, 3, interlaced=True, plte=palette(256).tobytes(), before=some)
    yield "palette4_trns.png", png(g >> 4, 4, 3, plte=palette(16).tobytes(), before=[(b"tRNS", b"\xff\0\x80")])
    for depth in (1, 2, 4):
        for value in (0, 1):
            yield f"grey{depth}_trns{value}.png", png(g >> (8 - depth), depth, 0,
                                                      before=[(b"tRNS", struct.pack(">H", value))])
    yield "grey16_trns0.png", png(g // 64 * 256, 16, 0, before=[(b"tRNS", struct.pack(">H", 256))])
    yield "rgb16_trns.png", png(np.repeat(g // 64 * 257, 3, 2), 16, 2, before=[(b"tRNS", struct.pack(">HHH", 257, 257, 257))])
    yield "palette_trns_two.png", png(g // 2, 8, 3, plte=palette(256).tobytes(), before=[(b"tRNS", b"\xff\0\xff\0")])
    yield "grey16_trns.png", png(g * 257, 16, 0, before=[(b"tRNS", struct.pack(">H", int(g[5, 5, 0]) * 257))])
    yield "rgb16_trns_interlaced.png", png(np.repeat(g * 257, 3, 2), 16, 2, interlaced=True,
                                           before=[(b"tRNS", struct.pack(">HHH", 0, 0, 0))])


FORMATS = {"jpeg": jpegs, "png": pngs, "gif": gifs, "bmp": bmps, "tiff": tiffs}
MOST_SEED_BYTES = 1400
# Pillow compares the transparent colour of these with samples of another depth; over white we do not follow ("?").
MISREAD = {"grey2_trns1.png", "grey4_trns1.png", "grey16_trns0.png"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=MEDIA, type=pathlib.Path)
    out = parser.parse_args().out
    if PIL.__version__ != PILLOW:
        raise SystemExit(f"error: Pillow is {PIL.__version__}, the contract is {PILLOW}; pip install pillow=={PILLOW}")
    warnings.simplefilter("ignore")
    rows, total = [], 0
    for name, pictures in FORMATS.items():
        seeds = out.parent / "fuzz" / f"image_{name}"
        seeds.mkdir(parents=True, exist_ok=True)
        for file, data in pictures():
            (out / file).write_bytes(data)
            if len(data) <= MOST_SEED_BYTES:
                (seeds / file).write_bytes(data)
            row = decode_row(file, data)
            rows.append(row.rsplit("\t", 1)[0] + "\t?" if file in MISREAD else row)
            total += len(data)
    head = f"# tools/reference/make_images_more.py, Pillow {PILLOW}\n"
    lines = []
    for file, data, drawn in heifs():
        seeds = out.parent / "fuzz" / ("image_" + file.rsplit(".", 1)[1])
        seeds.mkdir(parents=True, exist_ok=True)
        for folder in (out, seeds):
            (folder / file).write_bytes(data)
        lines.append(heif_row(file, data, drawn))
        total += len(data)
    (out / "heif.tsv").write_text(f"# tools/reference/make_images_more.py, Pillow {PILLOW}\n" + "\n".join(lines) + "\n")
    (out / "decode_more.tsv").write_text(head + "\n".join(rows) + "\n")
    print(f"{len(rows) + len(lines)} pictures ({total} bytes)")


if __name__ == "__main__":
    main()
