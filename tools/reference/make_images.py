#!/usr/bin/env python3
"""Makes tests/fixtures/media: pictures drawn here, and what Pillow says about them.

    python3 tools/reference/make_images.py [--out tests/fixtures/media]

Needs numpy and Pillow 13.0.0 (pinned: its pixels are the contract). Writes

  *.jpg *.png *.webp  small pictures of every kind that media::decode accepts
  decode.tsv          per picture: file, width, height, Pillow mode, orientation, has alpha,
                      SHA-256 of exif_transpose(im).convert("RGB") with a single transparent colour
                      made white, SHA-256 over white or "-"
  ../fuzz/image_*/    copies of a few small ones, to start a fuzzer from
  resize.tsv          per case: filter, source size, target size, SHA-256 of the result, x, y and
                      the 12 bytes of a 2x2 crop there (or as much as fits) in hexadecimal

Sources of resize.tsv are not stored: source_pixels() below and in resample_test.cpp are one formula.
"""
import argparse
import hashlib
import io
import pathlib
import struct
import warnings
import zlib

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageOps

PILLOW = "13.0.0"
MEDIA = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "media"
FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
}
SEEDS = ["exif_6.jpg", "progressive_grey.jpg", "cmyk.jpg", "size_7x5.jpg", "restart_blocks.jpg", "xmp_6.jpg",
         "chunks.png", "exif_after_data.png", "palette4_interlaced.png", "palette_trns.png", "raw_profile_6.png",
         "size_5x4.png", "xmp_5.png", "grey1.png", "lossless_alpha.webp", "animated.webp", "exif_6.webp",
         "size_17x13.webp"]
FOLDERS = {".jpg": "jpeg", ".png": "png", ".webp": "webp"}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def sha(data):
    return hashlib.sha256(bytes(data)).hexdigest()


# ---------------------------------------------------------------------------------- drawing


def drawing(width, height, seed=1):
    """A picture with gradients, shapes, letters and faint noise; uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    base = np.stack([255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1),
                     255 * (x + y) / max(width + height - 2, 1)], -1)
    im = Image.fromarray(base.astype(np.uint8), "RGB")
    d = ImageDraw.Draw(im)
    d.ellipse([width * 0.1, height * 0.15, width * 0.5, height * 0.7], fill=(230, 40, 30))
    d.rectangle([width * 0.55, height * 0.2, width * 0.9, height * 0.5], fill=(20, 60, 220))
    d.polygon([(width * 0.3, height * 0.95), (width * 0.6, height * 0.5), (width * 0.9, height * 0.9)],
              fill=(30, 200, 80))
    d.text((2, height // 2), "Ocelli 123", fill=(255, 255, 255))
    noise = np.random.default_rng(seed).integers(-2, 3, (height, width, 3))
    return np.clip(np.asarray(im).astype(int) + noise, 0, 255).astype(np.uint8)


def alpha_plane(width, height):
    """Opaque, half and fully transparent areas; uint8 [height, width]."""
    y, x = np.mgrid[0:height, 0:width]
    return np.where(x < width // 3, 255, np.where(x < 2 * width // 3, 96, (y * 7) % 64)).astype(np.uint8)


# ---------------------------------------------------------------------------------- PNG by hand


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_rows(samples, depth):
    """samples [h, w, channels] -> filter-0 rows of big-endian packed samples."""
    height = samples.shape[0]
    rows = b""
    for y in range(height):
        row = samples[y].reshape(-1)
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        elif depth == 8:
            packed = row.astype(np.uint8).tobytes()
        else:
            bits = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - depth:]
            packed = np.packbits(bits.reshape(-1)).tobytes()
        rows += b"\0" + packed
    return rows


def png(samples, depth, colour, *, interlaced=False, before=(), after=(), plte=None):
    """Any PNG: samples [h, w, channels] of `depth` bits, colour type as in the standard."""
    height, width = samples.shape[:2]
    out = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced)))
    if plte is not None:
        out += chunk(b"PLTE", bytes(plte))
    for name, data in before:
        out += chunk(name, data)
    if interlaced:
        raw = b"".join(pack_rows(samples[y0::dy, x0::dx], depth) for x0, y0, dx, dy in ADAM7
                       if samples[y0::dy, x0::dx].size)
    else:
        raw = pack_rows(samples, depth)
    data = zlib.compress(raw, 9)
    half = len(data) // 2
    out += chunk(b"IDAT", data[:half]) + chunk(b"IDAT", data[half:])
    for name, extra in after:
        out += chunk(name, extra)
    return out + chunk(b"IEND", b"")


# ---------------------------------------------------------------------------------- JPEG by hand


def flat_jpeg(width, height, across, down, seed=5):
    """A baseline JPEG of 8x8 blocks of one colour each, luma `across` x `down` finer than chroma.

    Pillow writes 4:4:4, 4:2:2 and 4:2:0 only; cameras and rotated files have others.
    """
    rng = np.random.default_rng(seed)
    bits, last = "", [0, 0, 0]
    for _ in range(-(-width // (8 * across)) * -(-height // (8 * down))):
        for component, blocks in enumerate([across * down, 1, 1]):
            for _ in range(blocks):
                value = int(rng.integers(-100, 100))  # in units of 8 grey levels / 8
                diff, last[component] = value - last[component], value
                size = abs(diff).bit_length()
                bits += f"{size:04b}"  # twelve codes of four bits
                if size:
                    bits += f"{diff if diff > 0 else diff + (1 << size) - 1:0{size}b}"
                bits += "0"  # end of block: the only AC code
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker, data):
        return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data

    frame = struct.pack(">BHHB", 8, height, width, 3)
    frame += bytes([1, across * 16 + down, 0, 2, 0x11, 0, 3, 0x11, 0])
    return (b"\xff\xd8" + segment(0xDB, b"\0" + b"\x08" * 64) + segment(0xC0, frame)
            + segment(0xC4, b"\x00" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
            + segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0")
            + segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])) + scan + b"\xff\xd9")


# ---------------------------------------------------------------------------------- metadata


def tiff(orientation, *, big=False, kind=3, extra=True):
    """A TIFF directory with the orientation tag (type `kind`: 3 SHORT, 4 LONG)."""
    e = ">" if big else "<"
    value = struct.pack(e + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3 else [orientation]))
    entries = [struct.pack(e + "HHI", 274, kind, 1) + value]
    if extra:  # neighbours on both sides: image width before, resolution unit after
        entries.insert(0, struct.pack(e + "HHII", 256, 4, 1, 77))
        entries.append(struct.pack(e + "HHIHH", 296, 3, 1, 2, 0))
    head = b"MM\0*" if big else b"II*\0"
    return head + struct.pack(e + "I", 8) + struct.pack(e + "H", len(entries)) + b"".join(entries) + bytes(4)


def xmp(orientation):
    return (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="%d"/>'
            b"</rdf:RDF></x:xmpmeta>" % orientation)


def raw_profile(orientation):
    hexed = (b"Exif\0\0" + tiff(orientation)).hex()
    lines = "\n".join(hexed[i:i + 72] for i in range(0, len(hexed), 72))
    return b"Raw profile type exif\0" + f"\nexif\n{len(hexed) // 2:8d}\n{lines}\n".encode()


# ---------------------------------------------------------------------------------- the pictures


def saved(im, **options):
    buffer = io.BytesIO()
    im.save(buffer, **options)
    return buffer.getvalue()


def rgb(width, height, seed=1):
    return Image.fromarray(drawing(width, height, seed), "RGB")


def jpegs():
    im = rgb(120, 90)
    yield "444.jpg", saved(im, format="JPEG", quality=85, subsampling=0)
    yield "422.jpg", saved(im, format="JPEG", quality=85, subsampling=1)
    yield "420.jpg", saved(im, format="JPEG", quality=85, subsampling=2)
    yield "grey.jpg", saved(im.convert("L"), format="JPEG", quality=80)
    yield "progressive.jpg", saved(im, format="JPEG", quality=80, progressive=True, optimize=True)
    yield "progressive_grey.jpg", saved(im.convert("L"), format="JPEG", progressive=True)
    yield "cmyk.jpg", saved(im.convert("CMYK"), format="JPEG", quality=85)
    yield "cmyk_progressive.jpg", saved(im.convert("CMYK"), format="JPEG", progressive=True)
    yield "stored_rgb.jpg", saved(im, format="JPEG", quality=85, keep_rgb=True)
    yield "restart.jpg", saved(im, format="JPEG", quality=75, restart_marker_rows=1)
    yield "restart_blocks.jpg", saved(im, format="JPEG", quality=75, restart_marker_blocks=3)
    yield "quality1.jpg", saved(im, format="JPEG", quality=1)
    yield "quality100.jpg", saved(rgb(64, 48), format="JPEG", quality=100, subsampling=2)
    yield "large.jpg", saved(rgb(1000, 701), format="JPEG", quality=40)
    for width, height in [(1, 1), (1, 2), (2, 1), (3, 1), (7, 5), (17, 13), (33, 16), (200, 3), (3, 200)]:
        yield f"size_{width}x{height}.jpg", saved(rgb(width, height), format="JPEG", quality=90)
    yield "size_15x17_422.jpg", saved(rgb(15, 17), format="JPEG", quality=90, subsampling=1)
    for name, across, down in [("440", 1, 2), ("411", 4, 1), ("410", 4, 2), ("441", 1, 4), ("420", 2, 2)]:
        yield f"flat_{name}.jpg", flat_jpeg(151, 133, across, down)
    for n in range(1, 9):
        yield f"exif_{n}.jpg", saved(rgb(33, 21), format="JPEG", quality=90, exif=b"Exif\0\0" + tiff(n))
    small = rgb(30, 20)
    yield "exif_big_endian.jpg", saved(small, format="JPEG", exif=b"Exif\0\0" + tiff(6, big=True))
    yield "exif_long.jpg", saved(small, format="JPEG", exif=b"Exif\0\0" + tiff(8, kind=4))
    yield "exif_0.jpg", saved(small, format="JPEG", exif=b"Exif\0\0" + tiff(0))
    yield "exif_9.jpg", saved(small, format="JPEG", exif=b"Exif\0\0" + tiff(9))
    yield "xmp_6.jpg", saved(small, format="JPEG", xmp=xmp(6))
    yield "comment_icc.jpg", saved(small, format="JPEG", comment=b"a comment", icc_profile=bytes(range(256)) * 300)


def pngs():
    w, h = 61, 37
    colour, alpha = drawing(w, h).astype(np.uint32), alpha_plane(w, h).astype(np.uint32)[:, :, None]
    grey = colour.mean(-1).astype(np.uint32)[:, :, None]
    # 16-bit samples whose low bytes differ from their high bytes, small values included.
    wide = (colour * 257 + 91 * np.arange(w)[None, :, None]) & 0xFFFF
    grey16 = np.where(np.arange(w)[None, :, None] < 20, grey // 2, (grey * 263) & 0xFFFF)
    alpha16 = alpha * 257
    plte = np.random.default_rng(3).integers(0, 256, (256, 3)).astype(np.uint8)
    indexed = (grey // 2) % 200
    for interlaced in (False, True):
        tag = "_interlaced" if interlaced else ""
        for depth in (1, 2, 4):
            yield f"grey{depth}{tag}.png", png(grey >> (8 - depth), depth, 0, interlaced=interlaced)
            yield f"palette{depth}{tag}.png", png(grey >> (8 - depth), depth, 3, interlaced=interlaced,
                                                  plte=plte[:1 << depth].tobytes())
        yield f"grey8{tag}.png", png(grey, 8, 0, interlaced=interlaced)
        yield f"grey16{tag}.png", png(grey16, 16, 0, interlaced=interlaced)
        yield f"palette8{tag}.png", png(indexed, 8, 3, interlaced=interlaced, plte=plte.tobytes())
        yield f"rgb8{tag}.png", png(colour, 8, 2, interlaced=interlaced)
        yield f"rgb16{tag}.png", png(wide, 16, 2, interlaced=interlaced)
        yield f"la8{tag}.png", png(np.concatenate([grey, alpha], 2), 8, 4, interlaced=interlaced)
        yield f"la16{tag}.png", png(np.concatenate([grey * 261 & 0xFFFF, alpha16], 2), 16, 4, interlaced=interlaced)
        yield f"rgba8{tag}.png", png(np.concatenate([colour, alpha], 2), 8, 6, interlaced=interlaced)
        yield f"rgba16{tag}.png", png(np.concatenate([wide, alpha16], 2), 16, 6, interlaced=interlaced)
    for width, height in [(1, 1), (1, 2), (2, 1), (3, 1), (5, 4), (9, 3)]:
        yield f"size_{width}x{height}.png", png(drawing(width, height), 8, 2)
        yield f"size_{width}x{height}_interlaced.png", png(drawing(width, height), 8, 2, interlaced=True)
    yield "palette_trns.png", png(indexed, 8, 3, plte=plte.tobytes(),
                                  before=[(b"tRNS", bytes(range(0, 200, 2)))])
    yield "palette_trns_one.png", png(indexed, 8, 3, plte=plte.tobytes(),
                                      before=[(b"tRNS", b"\xff" * 20 + b"\0")])
    yield "palette_index_beyond.png", png(indexed, 8, 3, plte=plte[:60].tobytes())
    yield "grey_trns.png", png(grey, 8, 0, before=[(b"tRNS", struct.pack(">H", int(grey[5, 5, 0])))])
    yield "rgb_trns.png", png(colour // 64 * 64, 8, 2, before=[(b"tRNS", struct.pack(">HHH", 128, 64, 64))])
    small = drawing(30, 20)
    for n in (3, 6, 7):
        yield f"exif_{n}.png", png(small, 8, 2, before=[(b"eXIf", tiff(n))])
    yield "exif_after_data.png", png(small, 8, 2, after=[(b"eXIf", tiff(8, big=True))])
    yield "raw_profile_6.png", png(small, 8, 2, before=[(b"tEXt", raw_profile(6))])
    yield "xmp_5.png", png(small, 8, 2, before=[(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(5))])
    yield "chunks.png", png(small, 8, 2, before=[(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0hello"),
                                                  (b"zTXt", b"Note\0\0" + zlib.compress(b"x" * 5000)),
                                                  (b"bKGD", struct.pack(">HHH", 9, 9, 9)), (b"prVt", b"abc")])
    yield "filters.png", saved(rgb(150, 101), format="PNG", optimize=True)
    yield "animated.png", saved(rgb(24, 16), format="PNG", save_all=True, append_images=[rgb(24, 16, 2)])


def webps():
    im = rgb(120, 90)
    rgba = im.convert("RGBA")
    rgba.putalpha(Image.fromarray(alpha_plane(120, 90), "L"))
    yield "lossy.webp", saved(im, format="WEBP", quality=80)
    yield "lossy_q5.webp", saved(im, format="WEBP", quality=5)
    yield "lossless.webp", saved(im.quantize(64).convert("RGB"), format="WEBP", lossless=True)
    yield "lossy_alpha.webp", saved(rgba, format="WEBP", quality=80)
    yield "lossless_alpha.webp", saved(rgba.resize((40, 30)), format="WEBP", lossless=True)
    yield "lossless_exact.webp", saved(rgba.resize((40, 30)), format="WEBP", lossless=True, exact=True)
    for width, height in [(1, 1), (1, 2), (3, 1), (17, 13)]:
        yield f"size_{width}x{height}.webp", saved(rgb(width, height), format="WEBP", quality=90)
    for n in (3, 5, 6, 8):
        yield f"exif_{n}.webp", saved(rgb(30, 20), format="WEBP", quality=90, exif=b"Exif\0\0" + tiff(n))
    yield "xmp_6.webp", saved(rgb(30, 20), format="WEBP", quality=90, xmp=xmp(6))
    frames = [rgb(40, 30, n) for n in (1, 2)]
    yield "animated.webp", saved(frames[0], format="WEBP", save_all=True, append_images=frames[1:], quality=70)


def decode_row(name, data):
    im = Image.open(io.BytesIO(data))
    mode = im.mode
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = im.getexif().get(274, 1)  # loading turns a TIFF upright and forgets it
        im.load()
        orientation = before if im.format == "TIFF" else im.getexif().get(274, 1)
        alpha = mode in ("LA", "PA", "RGBA") or "transparency" in im.info
        upright = ImageOps.exif_transpose(im)
        pixels = upright.convert("RGB")  # transformers' load_image
        if pixels.info.get("transparency") is not None:  # its convert_to_rgb: one colour is transparent
            backdrop = Image.new("RGBA", pixels.size, "white")
            pixels = Image.alpha_composite(backdrop, pixels.convert("RGBA")).convert("RGB")
        white = "-"
        if alpha:
            over = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
            white = sha(over.convert("RGB").tobytes())
    return "\t".join(map(str, [name, pixels.width, pixels.height, mode, orientation, int(alpha),
                               sha(pixels.tobytes()), white]))


# ---------------------------------------------------------------------------------- resizing


def source_pixels(width, height):
    """uint8 [height, width, 3]; noise and ramps in alternating 8x8 squares. Same in resample_test.cpp."""
    y, x, c = np.meshgrid(np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32),
                          np.arange(3, dtype=np.uint32), indexing="ij")
    with np.errstate(over="ignore"):
        h = x * np.uint32(0x9E3779B1) + y * np.uint32(0x85EBCA77) + c * np.uint32(0xC2B2AE3D)
        h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
        h = (h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
        ramp = (x * np.uint32(7) + y * np.uint32(3) + c * np.uint32(50)) & np.uint32(255)
    noisy = ((x // 8) ^ (y // 8)) & 1
    return np.where(noisy == 1, h >> np.uint32(24), ramp).astype(np.uint8)


# (source, target): the sizes of SmolVLM's processor, odd ones, enlargements, extreme shapes.
SIZES = [
    ((1, 1), (1, 1)), ((1, 1), (512, 512)), ((1, 2), (2, 1)), ((2, 1), (7, 5)), ((3, 1), (384, 128)),
    ((2, 2), (3, 3)), ((5, 7), (5, 7)), ((5, 7), (5, 3)), ((5, 7), (2, 7)), ((17, 13), (16, 12)),
    ((64, 64), (63, 65)), ((100, 1), (50, 1)), ((1, 100), (1, 50)), ((100, 100), (1, 1)),
    ((333, 217), (512, 512)), ((640, 480), (512, 384)), ((640, 480), (512, 512)), ((800, 600), (2048, 1536)),
    ((1024, 768), (384, 384)), ((1000, 701), (2048, 1436)), ((1920, 1080), (2048, 1152)),
    ((1920, 1080), (224, 224)), ((2048, 1536), (512, 512)), ((511, 513), (512, 512)),
    ((1536, 1152), (1456, 1092)), ((3000, 2), (512, 512)), ((2, 3000), (512, 512)), ((3000, 10), (2048, 7)),
    ((10, 3000), (7, 2048)), ((20, 2001), (20, 1000)), ((20, 2000), (10, 1000)), ((10, 3000), (364, 364)),
    ((32768, 1), (2048, 1)), ((1, 32768), (1, 2048)), ((20000, 1), (512, 512)), ((1, 20000), (512, 512)),
    ((5000, 40), (3, 40)), ((40, 5000), (40, 3)), ((997, 991), (13, 11)), ((13, 11), (997, 991)),
    # either side of Pillow 13's rule: rows first where the height loses more than twice the columns
    ((101, 131), (91, 112)), ((101, 131), (91, 111)), ((101, 131), (91, 110)), ((101, 131), (102, 130)),
    ((101, 131), (90, 132)), ((768, 1024), (384, 257)), ((768, 1024), (384, 255)),
]
LARGE = [((4000, 3000), (2048, 1536)), ((3000, 4000), (1536, 2048))]
SMALL = 700_000  # pixels; larger cases use one filter each, in turn


def resize_row(source, name, target):
    out = np.asarray(Image.fromarray(source, "RGB").resize(target, FILTERS[name]))
    x, y = max(0, target[0] * 2 // 3 - 1), max(0, target[1] // 3 - 1)
    crop = out[y:y + 2, x:x + 2].tobytes().hex()
    return "\t".join(map(str, [name, source.shape[1], source.shape[0], *target, sha(out.tobytes()), x, y, crop]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=MEDIA, type=pathlib.Path)
    out = parser.parse_args().out
    if PIL.__version__ != PILLOW:
        raise SystemExit(f"error: Pillow is {PIL.__version__}, the contract is {PILLOW}; pip install pillow=={PILLOW}")
    warnings.simplefilter("ignore", DeprecationWarning)
    out.mkdir(parents=True, exist_ok=True)
    head = f"# tools/reference/make_images.py, Pillow {PILLOW}\n"
    rows, total = [], 0
    for name, data in [*jpegs(), *pngs(), *webps()]:
        (out / name).write_bytes(data)
        if name in SEEDS:
            seeds = out.parent / "fuzz" / ("image_" + FOLDERS[pathlib.Path(name).suffix])
            seeds.mkdir(parents=True, exist_ok=True)
            (seeds / name).write_bytes(data)
        rows.append(decode_row(name, data))
        total += len(data)
    (out / "decode.tsv").write_text(head + "\n".join(rows) + "\n")
    cases = []
    for number, (source_size, target) in enumerate(SIZES + LARGE):
        source = source_pixels(*source_size)
        small = max(source_size[0] * source_size[1], target[0] * target[1]) < SMALL
        names = list(FILTERS) if small else [list(FILTERS)[number % 3]]
        if (source_size, target) in LARGE:
            names = ["lanczos"]
        cases += [resize_row(source, name, target) for name in names]
    (out / "resize.tsv").write_text(head + "\n".join(cases) + "\n")
    print(f"{len(rows)} pictures ({total} bytes), {len(cases)} resize cases")


if __name__ == "__main__":
    main()
