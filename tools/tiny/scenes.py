"""Seeded scene descriptions: what is in a picture, before anything is drawn.

A Scene holds numbers and names only. `draw.py` turns it into a picture and `questions.py` into
questions with answers, so another program can reuse any of the three steps.

Training and held-out scenes are disjoint by construction: a canvas of width w and height h
belongs to the held-out side exactly when (w + 3 h) mod 5 == 0, and each split only ever draws
sizes of its own side. The random streams are separate as well, because the split's name is part
of the seed.
"""

import math
import random
from dataclasses import dataclass, field

from vocabulary import (
    BACKGROUND_COLOURS,
    COLOUR_NAMES,
    COLOURS,
    EMOJI,
    FIRST_EDITION_FONTS,
    FONTS,
    SHAPES,
    WORDS,
)

SPLITS = ["train", "held-out", "demo"]
MIN_CONTRAST = 120  # sRGB distance between an object and what lies behind it


@dataclass
class Thing:
    """One object. Lengths and centre in pixels, angle in degrees counter-clockwise."""

    kind: str  # "emoji", "shape", "word" or "number"
    index: int  # into EMOJI, SHAPES or WORDS; the value of a number
    x: float
    y: float
    size: float  # side of the bounding square (emoji, shape) or the font size (word, number)
    angle: float = 0.0
    colour: str = ""  # a key of COLOURS; empty for emoji
    rgb: tuple = (0, 0, 0)
    flip: bool = False
    font: int = 0
    case: int = 0  # words: 0 lower, 1 upper


@dataclass
class Background:
    style: str  # "plain", "gradient", "stripes" or "noise"
    colour: str  # name of the first colour
    first: tuple
    second: tuple
    angle: float = 0.0
    period: float = 16.0


@dataclass
class Scene:
    kind: str
    width: int
    height: int
    background: Background
    things: list = field(default_factory=list)
    noise: float = 0.0  # standard deviation of pixel noise, 0..255 scale
    seed: int = 0
    # Boards only (boards.py): rows of cells, bars and slices, or the lines of a receipt.
    cells: list = field(default_factory=list)
    font: int = 0
    ink: tuple = (0, 0, 0)


def is_held_out(width, height):
    return (width + 3 * height) % 5 == 0


def jitter(rng, rgb, amount=14):
    return tuple(max(0, min(255, c + rng.randint(-amount, amount))) for c in rgb)


def distance(a, b):
    return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b)))


# Longest sides. Most are small: such pictures are drawn, written and read sooner, and the model
# sees 96 x 96 pixels of any.
SIZES = [(112, 160)] * 4 + [(161, 352)]
FIRST_EDITION_SIZES = [(128, 448)]


def sample_size(rng, split, squarer, sizes):
    """Draws canvas sizes until one lies on the side of the split."""
    while True:
        low, high = (320, 400) if split == "demo" else rng.choice(sizes)
        long = rng.randint(low, high)
        short = max(int(long * rng.uniform(squarer, 1.0)), 240 if split == "demo" else 96)
        width, height = (long, short) if rng.random() < 0.65 else (short, long)
        if split == "demo" and (width < 320 or height < 240):
            continue
        if is_held_out(width, height) == (split != "train"):
            return width, height


def sample_background(rng):
    name = rng.choice(list(BACKGROUND_COLOURS) + ["white"] * 5)
    first = jitter(rng, BACKGROUND_COLOURS[name], 6)
    style = rng.choices(["plain", "gradient", "stripes", "noise"], [5, 2, 1.5, 1.5])[0]
    reach = {"plain": 0, "gradient": 70, "stripes": 45, "noise": 45}[style]
    second = jitter(rng, first, reach) if reach else first
    return Background(style, name, first, second, rng.uniform(0, 180), rng.uniform(10, 40))


def contrasting_colour(rng, background, avoid=()):
    """A colour name and value that stands out from both background colours."""
    names = [n for n in COLOUR_NAMES if n not in avoid]
    rng.shuffle(names)
    for name in names:
        rgb = jitter(rng, COLOURS[name])
        if min(distance(rgb, background.first), distance(rgb, background.second)) > MIN_CONTRAST:
            return name, rgb
    return None


def new_thing(rng, scene, kind, avoid_indices=(), avoid_colours=()):
    """A random object without a place; None when no colour stands out."""
    table = {"emoji": EMOJI, "shape": SHAPES, "word": WORDS}[kind]
    index = rng.choice([i for i in range(len(table)) if i not in avoid_indices])
    thing = Thing(kind, index, 0.0, 0.0, 0.0)
    if kind == "emoji":
        thing.angle = rng.uniform(-22, 22) if rng.random() < 0.6 else 0.0
        thing.flip = rng.random() < 0.3
        return thing
    found = contrasting_colour(rng, scene.background, avoid_colours)
    if found is None:
        return None
    thing.colour, thing.rgb = found
    thing.angle = rng.uniform(-14, 14) if rng.random() < 0.6 else 0.0
    return thing


def place(rng, scene, thing, size):
    """Puts a thing of the given size somewhere fully inside."""
    thing.size = size
    half = size * 0.56
    thing.x = rng.uniform(half, max(scene.width - half, half))
    thing.y = rng.uniform(half, max(scene.height - half, half))


def place_apart(rng, scene, things, sizes):
    """Places all things without overlap; False when it does not fit."""
    placed = []
    for thing, size in zip(things, sizes):
        for _ in range(60):
            place(rng, scene, thing, size)
            if all(
                math.hypot(thing.x - o.x, thing.y - o.y) > 0.62 * (thing.size + o.size)
                for o in placed
            ):
                break
        else:
            return False
        placed.append(thing)
    return True


def fill_single(rng, scene, kind):
    thing = new_thing(rng, scene, kind)
    if thing is None:
        return False
    short = min(scene.width, scene.height)
    place(rng, scene, thing, short * rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        thing.x, thing.y = scene.width / 2, scene.height / 2
    scene.things = [thing]
    return True


def fill_count(rng, scene):
    """One to six equal objects, sometimes with one or two of another kind."""
    kind = "shape" if rng.random() < 0.65 else "emoji"
    number = rng.randint(1, 6)
    proto = new_thing(rng, scene, kind)
    if proto is None:
        return False
    things = []
    for _ in range(number):
        angle = rng.uniform(-14, 14)
        rgb = jitter(rng, COLOURS[proto.colour], 8) if proto.colour else proto.rgb
        things.append(Thing(kind, proto.index, 0, 0, 0, angle, proto.colour, rgb, proto.flip))
    if rng.random() < 0.4:
        for _ in range(rng.randint(1, 2)):
            other = new_thing(
                rng, scene, kind, avoid_indices=(proto.index,), avoid_colours=(proto.colour,)
            )
            if other is not None:
                things.append(other)
    base = min(scene.width, scene.height) * rng.uniform(0.2, 0.28)
    scene.things = things
    return place_apart(rng, scene, things, [base * rng.uniform(0.9, 1.12) for _ in things])


def fill_relation(rng, scene):
    """Two different objects, clearly beside or above each other, one clearly larger."""
    first = new_thing(rng, scene, rng.choice(["shape", "shape", "emoji"]))
    second = new_thing(rng, scene, rng.choice(["shape", "shape", "emoji"]))
    if first is None or second is None or (first.kind, first.index) == (second.kind, second.index):
        return False
    short = min(scene.width, scene.height)
    large = short * rng.uniform(0.42, 0.54)
    small = large * rng.uniform(0.5, 0.66)
    scene.things = [first, second]
    for _ in range(40):
        if not place_apart(rng, scene, scene.things, [large, small]):
            return False
        dx, dy = abs(first.x - second.x), abs(first.y - second.y)
        if max(dx, dy) > 1.8 * min(dx, dy):
            rng.shuffle(scene.things)
            return True
    return False


def letters_of(thing):
    return len(WORDS[thing.index]) if thing.kind == "word" else len(str(thing.index))


def new_text(rng, scene, kind, fonts=len(FONTS)):
    """A word or a number without a place; None when no colour stands out."""
    text = new_thing(rng, scene, "word")
    if text is None:
        return None
    if kind == "number":
        text.kind, text.index = "number", rng.randrange(10 ** rng.randint(1, 3))
    text.font = rng.randrange(fonts)
    text.case = rng.choices([0, 1], [6, 4])[0]
    text.angle = rng.uniform(-7, 7) if rng.random() < 0.4 else 0.0
    return text


def fill_easy_word(rng, scene):
    """A word as hard to read as chance says: from a large black one in one font in the middle of
    white to nearly what fill_text draws. What is learned on the easy ones opens the others.
    """
    hard = rng.random()
    if hard < 0.5:
        scene.background = Background("plain", "white", (250, 250, 250), (250, 250, 250))
        scene.noise = 0.0
    text = new_text(rng, scene, "word", max(1, round(hard * len(FONTS))))
    if text is None:
        return False
    if hard < 0.35:
        text.colour, text.rgb = "black", jitter(rng, COLOURS["black"])
    text.case = int(rng.random() < 0.4 * hard)
    text.angle *= hard
    letters = letters_of(text) + 0.5
    size = scene.width * rng.uniform(0.95 - 0.35 * hard, 0.95) / (0.66 * letters)
    text.size = max(12.0, min(size, scene.height * 0.5))
    slack = [max(scene.width / 2 - text.size * 0.36 * letters, 0.0),
             max(scene.height / 2 - text.size * 0.75, 0.0)]  # fmt: skip
    text.x, text.y = (side / 2 + hard * rng.uniform(-room, room)
                      for side, room in zip((scene.width, scene.height), slack))  # fmt: skip
    scene.things = [text]
    return True


def fill_text(rng, scene, kind, fonts=len(FONTS)):
    text = new_text(rng, scene, kind, fonts)
    if text is None:
        return False
    letters = letters_of(text) + 0.5
    # The drawn width is about 0.62 font sizes a letter; it takes most of the canvas.
    size = scene.width * rng.uniform(0.6, 0.95) / (0.66 * letters)
    text.size = max(12.0, min(size, scene.height * 0.5))
    half_w, half_h = text.size * 0.36 * letters, text.size * 0.75
    text.x = rng.uniform(min(half_w, scene.width / 2), max(scene.width - half_w, scene.width / 2))
    text.y = rng.uniform(
        min(half_h, scene.height / 2), max(scene.height - half_h, scene.height / 2)
    )
    scene.things = [text]
    return True


FILL = {
    "emoji": lambda r, s: fill_single(r, s, "emoji"),
    "shape": lambda r, s: fill_single(r, s, "shape"),
    "count": fill_count,
    "relation": fill_relation,
    "word": lambda r, s: fill_text(r, s, "word"),
    "old word": lambda r, s: fill_text(r, s, "word", FIRST_EDITION_FONTS),
    "easy word": fill_easy_word,
    "number": lambda r, s: fill_text(r, s, "number"),
}


def new_scene(rng, split, kind, fill, squarer=0.62, sizes=SIZES):
    """A scene of its own background and size, filled by fill(rng, scene), which says whether it
    succeeded.
    """
    while True:
        width, height = sample_size(rng, split, squarer, sizes)
        scene = Scene(kind, width, height, sample_background(rng), seed=rng.getrandbits(32))
        scene.noise = rng.uniform(2, 12) if rng.random() < 0.15 and split != "demo" else 0.0
        if fill(rng, scene):
            return scene


def single_scene(rng, split, kind, sizes=SIZES):
    """A picture of one of the kinds of FILL."""
    asked = kind.removeprefix("old ").removeprefix("easy ")
    return new_scene(rng, split, asked, FILL[kind], sizes=sizes)
