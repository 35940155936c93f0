"""Draws a Scene with Pillow, and says for each cell of a grid what is seen there (for the
auxiliary loss).
"""

import functools
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vocabulary import (
    COLOUR_NAMES,
    EMOJI,
    EMOJI_FONT,
    EMOJI_FONT_SIZE,
    FONT_FILES,
    FONT_FOLDER,
    SHAPES,
    WORDS,
)

# Cell classes: 0 background, then emoji, shapes, letters a-z.
SHAPE_BASE = 1 + len(EMOJI)
LETTER_BASE = SHAPE_BASE + len(SHAPES)
CELL_CLASSES = LETTER_BASE + 26
COLOUR_CLASSES = 1 + len(COLOUR_NAMES)


@functools.lru_cache(maxsize=None)
def emoji_picture(index, flip):
    """The glyph as a square premultiplied RGBa picture."""
    font = ImageFont.truetype(EMOJI_FONT, EMOJI_FONT_SIZE)
    glyph = Image.new("RGBA", (200, 200))
    ImageDraw.Draw(glyph).text((20, 20), EMOJI[index], font=font, embedded_color=True)
    box = glyph.getbbox()
    side = max(box[2] - box[0], box[3] - box[1])
    square = Image.new("RGBA", (side, side))
    square.paste(glyph.crop(box), ((side - box[2] + box[0]) // 2, (side - box[3] + box[1]) // 2))
    if flip:
        square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return square.convert("RGBa")


@functools.lru_cache(maxsize=512)
def word_font(index, size):
    return ImageFont.truetype(FONT_FOLDER + FONT_FILES[index], size)


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
    first, second = np.array(bg.first, np.float32), np.array(bg.second, np.float32)
    if bg.style == "noise":
        coarse = rng.random((h // 8 + 1, w // 8 + 1, 1), dtype=np.float32)
        small = (first + (second - first) * coarse).astype(np.uint8)
        return Image.fromarray(small).resize((w, h), Image.Resampling.BILINEAR)
    a = math.radians(bg.angle)
    y, x = np.ogrid[0:h, 0:w]
    along = (x * math.cos(a) + y * math.sin(a)).astype(np.float32)
    if bg.style == "gradient":
        mix = (along - along.min()) / max(float(along.max() - along.min()), 1.0)
    else:
        mix = (np.floor(along / bg.period) % 2).astype(np.float32)
    return Image.fromarray((first + (second - first) * mix[..., None]).astype(np.uint8))


def word_text(thing):
    return (str.lower, str.upper)[thing.case](WORDS[thing.index])


def draw_thing(picture, thing):
    """Draws one object onto the picture; returns (half width, half height) of its unrotated
    box.
    """
    if thing.kind == "emoji":
        side = max(int(round(thing.size)), 4)
        glyph = emoji_picture(thing.index, thing.flip).resize(
            (side, side), Image.Resampling.BILINEAR
        )
        if thing.angle:
            glyph = glyph.rotate(thing.angle, Image.Resampling.BILINEAR, expand=True)
        glyph = glyph.convert("RGBA")
        picture.paste(
            glyph, (int(thing.x - glyph.width / 2), int(thing.y - glyph.height / 2)), glyph
        )
        return side * 0.44, side * 0.44
    if thing.kind == "shape":
        side = max(int(round(thing.size * 1.12)), 6)
        mask = Image.new("L", (2 * side, 2 * side))
        c, s = math.cos(-math.radians(thing.angle)), math.sin(-math.radians(thing.angle))
        points = [
            (side + thing.size * (x * c - y * s), side + thing.size * (x * s + y * c))
            for x, y in shape_points(SHAPES[thing.index])
        ]
        ImageDraw.Draw(mask).polygon(points, fill=255)
        picture.paste(thing.rgb, (int(thing.x - side / 2), int(thing.y - side / 2)), mask.reduce(2))
        return thing.size * 0.42, thing.size * 0.42
    text, font = word_text(thing), word_font(thing.font, int(round(thing.size)))
    box = font.getbbox(text)
    mask = Image.new("L", (box[2] - box[0] + 4, box[3] - box[1] + 4))
    ImageDraw.Draw(mask).text((2 - box[0], 2 - box[1]), text, font=font, fill=255)
    half = (mask.width / 2, mask.height / 2)
    if thing.angle:
        mask = mask.rotate(thing.angle, Image.Resampling.BICUBIC, expand=True)
    picture.paste(thing.rgb, (int(thing.x - mask.width / 2), int(thing.y - mask.height / 2)), mask)
    return half


def cell_labels(scene, halves, grid):
    """(3, grid*grid): class, colour and whole word (-100 outside words) of what lies at each
    cell's centre.
    """
    kinds, colours = np.zeros((grid, grid), np.int64), np.zeros((grid, grid), np.int64)
    words = np.full((grid, grid), -100)
    ys, xs = np.mgrid[0:grid, 0:grid]
    px, py = (xs + 0.5) / grid * scene.width, (ys + 0.5) / grid * scene.height
    for thing, (half_w, half_h) in zip(scene.things, halves):
        a = math.radians(thing.angle)
        dx, dy = px - thing.x, py - thing.y
        u = dx * math.cos(a) - dy * math.sin(a)
        v = dx * math.sin(a) + dy * math.cos(a)
        if thing.kind == "word":
            inside = (abs(u) < half_w) & (abs(v) < half_h + 0.5 * scene.height / grid)
            text, font = word_text(thing), word_font(thing.font, int(round(thing.size)))
            edges = np.array([font.getlength(text[:k]) for k in range(1, len(text))])
            which = np.searchsorted(edges, u + half_w)
            codes = np.array([LETTER_BASE + ord(c) - ord("a") for c in text.lower()])
            kinds = np.where(inside, codes[np.clip(which, 0, len(codes) - 1)], kinds)
        else:
            inside = u * u + v * v < half_w * half_w * 1.1
            # A small object covers at least the cell of its centre.
            inside |= (abs(dx) < 0.5 * scene.width / grid) & (abs(dy) < 0.5 * scene.height / grid)
            base = 1 if thing.kind == "emoji" else SHAPE_BASE
            kinds = np.where(inside, base + thing.index, kinds)
        colour = 1 + COLOUR_NAMES.index(thing.colour) if thing.colour else 0
        colours = np.where(inside, colour, colours)
        words = np.where(inside, thing.index if thing.kind == "word" else -100, words)
    return np.stack([kinds, colours, words]).reshape(3, -1)


def draw_scene(scene, grid=None):
    """The RGB picture; with `grid` also the cell labels."""
    rng = np.random.default_rng(scene.seed)
    picture = background_picture(scene, rng)
    halves = [draw_thing(picture, thing) for thing in scene.things]
    if scene.noise:
        pixels = np.asarray(picture, np.float32)
        pixels = pixels + rng.normal(0, scene.noise, pixels.shape[:2] + (1,)).astype(np.float32)
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return picture if grid is None else (picture, cell_labels(scene, halves, grid))
