"""Scenes that fill the whole canvas: grids of objects, lines of text, charts and receipts.

`Scene.cells` holds what questions are asked about:
    grid     rows of Things, None for an empty cell
    lines    rows of Things (words and numbers)
    bars     (colour name, rgb, value); values from 1 to 20
    pie      (colour name, rgb, share); shares in per cent, told apart by at least 8
    receipt  (item, price); the last one is ("total", sum)
"""

from scenes import Background, contrasting_colour, jitter, letters_of, new_scene, new_text
from scenes import new_thing
from vocabulary import COLOURS, FONTS, GOODS, SHOPS

LARGEST_VALUE = 20
PAPER = [(255, 255, 255), (252, 250, 240), (244, 244, 244), (255, 250, 225)]


def fill_grid(rng, scene):
    rows, columns = rng.choice([(1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 3), (3, 4), (4, 4)])
    if rng.random() < 0.3:
        rows, columns = columns, rows
    high, wide = scene.height / rows, scene.width / columns
    empty = rng.choice([0, 0, 0.15])
    scene.cells = []
    for row in range(rows):
        line = []
        for column in range(columns):
            if rng.random() < empty:
                line.append(None)
                continue
            thing = new_thing(rng, scene, rng.choice(["emoji", "emoji", "shape"]))
            if thing is None:
                return False
            thing.size = min(wide, high) * rng.uniform(0.7, 0.97)
            thing.x = (column + 0.5) * wide + rng.uniform(-0.5, 0.5) * (wide - thing.size)
            thing.y = (row + 0.5) * high + rng.uniform(-0.5, 0.5) * (high - thing.size)
            line.append(thing)
        scene.cells.append(line)
    scene.things = [thing for line in scene.cells for thing in line if thing]
    return bool(scene.things)


def fill_lines(rng, scene):
    rows = rng.choices([1, 2, 3, 4], [2, 4, 4, 3])[0]
    high = scene.height / rows
    scene.cells = []
    font = rng.randrange(len(FONTS)) if rng.random() < 0.5 else None
    for row in range(rows):
        line = []
        columns = 2 if scene.width > 3.2 * high and rng.random() < 0.5 else 1
        for column in range(columns):
            text = new_text(rng, scene, "number" if rng.random() < 0.3 else "word")
            if text is None:
                return False
            text.font = text.font if font is None else font
            text.angle *= 0.4
            wide = scene.width / columns
            letters = letters_of(text) + 0.5
            text.size = min(wide * rng.uniform(0.65, 0.95) / (0.66 * letters), high * 0.62)
            if text.size < 10:
                return False
            slack = max(wide - 0.72 * text.size * letters, 0) / 2
            text.x, text.y = (column + 0.5) * wide + rng.uniform(-slack, slack), (row + 0.5) * high
            line.append(text)
        scene.cells.append(line)
    scene.things = [text for line in scene.cells for text in line]
    return True


def parts(rng, scene, values):
    """(colour name, rgb, value) of each value, with colours that differ; None where there are not
    enough.
    """
    out, used = [], []
    for value in values:
        found = contrasting_colour(rng, scene.background, used)
        if found is None:
            return None
        used.append(found[0])
        out.append((*found, value))
    return out


def on_paper(rng, scene):
    colour = rng.choice(PAPER)
    scene.background = Background("plain", "white", colour, colour)
    scene.noise = min(scene.noise, 6.0)
    scene.ink = jitter(rng, COLOURS["black"], 30)
    scene.font = rng.randrange(len(FONTS))


def fill_bars(rng, scene):
    """Bars side by side (kind "bars") or one above the other ("rows"), their value at their end."""
    on_paper(rng, scene)
    scene.kind = rng.choice(["bars", "bars", "rows"])
    values = rng.sample(range(1, rng.choice([9, LARGEST_VALUE]) + 1), rng.randint(2, 5))
    found = parts(rng, scene, values)
    scene.cells = found or []
    return found is not None


def fill_pie(rng, scene):
    on_paper(rng, scene)
    count = rng.randint(2, 5)
    for _ in range(100):
        cuts = sorted(rng.sample(range(1, 100), count - 1))
        shares = [b - a for a, b in zip([0] + cuts, cuts + [100])]
        ordered = sorted(shares)
        if ordered[0] >= 8 and all(b - a >= 8 for a, b in zip(ordered, ordered[1:])):
            break
    else:
        return False
    found = parts(rng, scene, shares)
    scene.cells = found or []
    return found is not None


def fill_receipt(rng, scene):
    on_paper(rng, scene)
    most = rng.choice([9, 9, 15])
    goods = rng.sample(GOODS, rng.randint(1, 4))
    prices = [rng.randint(1, most) for _ in goods]
    scene.cells = list(zip(goods, prices)) + [("total", sum(prices))]
    scene.things = [rng.choice(SHOPS)] if len(goods) < 4 and rng.random() < 0.5 else []
    return True


FILL = {
    "grid": fill_grid,
    "lines": fill_lines,
    "bars": fill_bars,
    "pie": fill_pie,
    "receipt": fill_receipt,
}


def board_scene(rng, split, kind):
    return new_scene(rng, split, kind, FILL[kind], 0.75)
