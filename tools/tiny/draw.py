"""Draws a Scene with Pillow."""

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vocabulary import (
    EMOJI,
    EMOJI_FONT,
    EMOJI_FONT_SIZE,
    FONT_FOLDER,
    FONTS,
    SHAPES,
    WORDS,
)

MARGIN = 0.06  # of a board, around charts and receipts


@functools.lru_cache(maxsize=None)
def emoji_picture(index, flip, halvings):
    """The glyph as a square premultiplied RGBa picture, about 136 pixels wide or that halved."""
    font = ImageFont.truetype(EMOJI_FONT, EMOJI_FONT_SIZE)
    glyph = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(glyph).text((20, 20), EMOJI[index], font=font, embedded_color=True)
    box = glyph.getbbox()
    side = max(box[2] - box[0], box[3] - box[1])
    square = Image.new("RGBA", (side, side))
    square.paste(glyph.crop(box), ((side - box[2] + box[0]) // 2, (side - box[3] + box[1]) // 2))
    if flip:
        square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return square.convert("RGBa").reduce(2**halvings)


@functools.lru_cache(maxsize=512)
def word_font(index, size):
    return ImageFont.truetype(FONT_FOLDER + FONTS[index], size)


def shape_points(name):
    """Vertices in the square -1..1, y downwards."""
    ring = lambda n, r, start: [
        (r * math.cos(start + 2 * math.pi * k / n), r * math.sin(start + 2 * math.pi * k / n))
        for k in range(n)
    ]
    up = -math.pi / 2
    if name == "circle":
        return ring(40, 0.95, 0)
    if name == "square":
        return [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)]
    if name == "triangle":
        return [(0, -0.9), (0.98, 0.82), (-0.98, 0.82)]
    if name == "star":
        outer, inner = ring(5, 1.0, up), ring(5, 0.42, up + math.pi / 5)
        return [p for pair in zip(outer, inner) for p in pair]
    if name == "diamond":
        return [(0, -1), (0.66, 0), (0, 1), (-0.66, 0)]
    if name == "hexagon":
        return ring(6, 0.98, 0)
    if name == "cross":
        a, b = 0.3, 0.92
        return [
            (-a, -b),
            (a, -b),
            (a, -a),
            (b, -a),
            (b, a),
            (a, a),
            (a, b),
            (-a, b),
            (-a, a),
            (-b, a),
            (-b, -a),
            (-a, -a),
        ]
    points = []  # heart: the classic 16 sin^3 curve
    for k in range(48):
        t = 2 * math.pi * k / 48
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 17, -(y + 2.5) / 15.5))
    return points


def background_picture(scene, rng):
    bg, w, h = scene.background, scene.width, scene.height
    if bg.style == "plain":
        return Image.new("RGB", (w, h), bg.first)
    first, second = (Image.new("RGB", (w, h), c) for c in (bg.first, bg.second))
    if bg.style == "noise":
        coarse = Image.fromarray(rng.integers(0, 256, (h // 8 + 1, w // 8 + 1), np.uint8))
        return Image.composite(second, first, coarse.resize((w, h), Image.Resampling.BILINEAR))
    a = math.radians(bg.angle)
    along = np.arange(w, dtype=np.float32) * np.float32(math.cos(a))
    along = along + np.arange(h, dtype=np.float32)[:, None] * np.float32(math.sin(a))
    if bg.style == "gradient":
        along -= along.min()
        mix = along * np.float32(255 / max(float(along.max()), 1.0))
    else:
        mix = (along * np.float32(1 / bg.period)).astype(np.int32) % 2 * 255
    return Image.composite(second, first, Image.fromarray(mix.astype(np.uint8)))


def text_of(thing):
    if thing.kind == "number":
        return str(thing.index)
    return (str.lower, str.upper)[thing.case](WORDS[thing.index])


def draw_emoji(picture, thing):
    side = max(int(round(thing.size)), 4)
    halvings = 0 if side > 68 else 1 if side > 34 else 2
    glyph = emoji_picture(thing.index, thing.flip, halvings)
    glyph = glyph.resize((side, side), Image.Resampling.BILINEAR)
    if thing.angle:
        glyph = glyph.rotate(thing.angle, Image.Resampling.BILINEAR, expand=True)
    glyph = glyph.convert("RGBA")
    picture.paste(glyph, (int(thing.x - glyph.width / 2), int(thing.y - glyph.height / 2)), glyph)


def draw_shape(picture, thing):
    side = max(int(round(thing.size * 1.12)), 6)
    mask = Image.new("L", (2 * side, 2 * side))
    c, s = math.cos(-math.radians(thing.angle)), math.sin(-math.radians(thing.angle))
    points = [
        (side + thing.size * (x * c - y * s), side + thing.size * (x * s + y * c))
        for x, y in shape_points(SHAPES[thing.index])
    ]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    picture.paste(thing.rgb, (int(thing.x - side / 2), int(thing.y - side / 2)), mask.reduce(2))


@functools.lru_cache(maxsize=512)
def text_mask(text, font_index, size):
    font = word_font(font_index, size)
    box = font.getbbox(text)
    mask = Image.new("L", (box[2] - box[0] + 4, box[3] - box[1] + 4))
    ImageDraw.Draw(mask).text((2 - box[0], 2 - box[1]), text, font=font, fill=255)
    return mask


def draw_text(picture, thing):
    mask = text_mask(text_of(thing), thing.font, int(round(thing.size)))
    if thing.angle:
        mask = mask.rotate(thing.angle, Image.Resampling.BICUBIC, expand=True)
    picture.paste(thing.rgb, (int(thing.x - mask.width / 2), int(thing.y - mask.height / 2)), mask)


def draw_thing(picture, thing):
    {"emoji": draw_emoji, "shape": draw_shape}.get(thing.kind, draw_text)(picture, thing)


def write(picture, scene, text, size, box, align):
    """Text of a board inside box (x0, y0, x1, y1): on the left, right or in the middle of it."""
    size = max(int(size), 8)
    mask = text_mask(text, scene.font, size)
    while mask.width > box[2] - box[0] and size > 8:
        size = max(size - 2, 8)
        mask = text_mask(text, scene.font, size)
    slack = box[2] - box[0] - mask.width
    x = box[0] + {"left": 0, "middle": slack / 2, "right": slack}[align]
    picture.paste(scene.ink, (int(x), int((box[1] + box[3] - mask.height) / 2)), mask)


def draw_bars(picture, scene):
    """Upright bars; "rows" is the same lying on its side. The value stands at the end of each."""
    w, h = scene.width, scene.height
    upright = scene.kind == "bars"
    count, most = len(scene.cells), max(value for *_, value in scene.cells)
    across, along = (w, h) if upright else (h, w)
    step = across * (1 - 2 * MARGIN) / count
    label = min(step * (0.8 if upright else 0.62), along * 0.18)
    room = along * (1 - 2 * MARGIN) - label * 1.35
    draw = ImageDraw.Draw(picture)
    for number, (_, rgb, value) in enumerate(scene.cells):
        low, high = across * MARGIN + step * (number + 0.1), across * MARGIN + step * (number + 0.9)
        length, base = max(room * value / most, 2), along * MARGIN
        if upright:
            top = h - base - length
            draw.rectangle((low, top, high, h - base), rgb)
            write(picture, scene, str(value), label, (low - 2, top - label * 1.3, high + 2, top),
                  "middle")
        else:
            end = base + length
            draw.rectangle((base, low, end, high), rgb)
            box = (end + label * 0.2, low, end + label * 1.35, high)
            write(picture, scene, str(value), label, box, "left")
    if upright:
        draw.line((w * MARGIN, h * (1 - MARGIN), w * (1 - MARGIN), h * (1 - MARGIN)), scene.ink, 2)


def draw_pie(picture, scene):
    """Twice as large first, for smooth edges."""
    w, h = scene.width, scene.height
    radius = min(w, h) * (1 - 2 * MARGIN)
    mask = Image.new("RGB", (2 * w, 2 * h), scene.background.first)
    draw = ImageDraw.Draw(mask)
    box, start = (w - radius, h - radius, w + radius, h + radius), scene.seed % 360
    for _, rgb, share in scene.cells:
        draw.pieslice(box, start, start + 3.6 * share, fill=rgb)
        start += 3.6 * share
    picture.paste(mask.reduce(2))


def draw_receipt(picture, scene):
    w, h = scene.width, scene.height
    lines = [(text.upper(), None) for text in scene.things] + scene.cells
    step = h * (1 - 2 * MARGIN) / len(lines)
    size = min(step * 0.72, w * 0.13)
    draw = ImageDraw.Draw(picture)
    for number, (text, price) in enumerate(lines):
        top = h * MARGIN + step * number
        if price is None:
            write(picture, scene, text, size, (w * MARGIN, top, w * (1 - MARGIN), top + step),
                  "middle")
            continue
        if text == "total":
            draw.line((w * MARGIN, top + 1, w * (1 - MARGIN), top + 1), scene.ink, 1 + w // 200)
            text = "TOTAL"
        write(picture, scene, text, size, (w * MARGIN, top, w * 0.68, top + step), "left")
        write(picture, scene, str(price), size, (w * 0.7, top, w * (1 - MARGIN), top + step),
              "right")


BOARD_DRAWERS = {"bars": draw_bars, "rows": draw_bars, "pie": draw_pie, "receipt": draw_receipt}


def draw_scene(scene):
    """The RGB picture."""
    rng = np.random.default_rng(scene.seed)
    picture = background_picture(scene, rng)
    if scene.kind in BOARD_DRAWERS:
        BOARD_DRAWERS[scene.kind](picture, scene)
    else:
        for thing in scene.things:
            draw_thing(picture, thing)
    if scene.noise:
        pixels = np.asarray(picture, np.float32)
        pixels = pixels + scene.noise * rng.standard_normal(pixels.shape[:2] + (1,), np.float32)
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return picture
