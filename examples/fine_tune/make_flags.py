#!/usr/bin/env python3
"""Draws photographs of signal flags, a thing that the built-in model has never seen.

    python3 make_flags.py OUT

Writes OUT/train (50 pictures) with OUT/train.jsonl, and OUT/test (20 others) with OUT/test.jsonl.
Needs Pillow alone (Debian: python3-pil). The name of a picture's flag is the first word of its
file name.
"""

import json
import os
import random
import sys

from PIL import Image, ImageDraw, ImageFilter

RED, YELLOW, BLUE = (206, 32, 41), (250, 210, 30), (20, 60, 160)
BLACK, WHITE = (20, 20, 20), (245, 245, 245)
QUESTION = "Which flag is this?"
# Polygons on a square of 12 x 12, drawn one over the other, of the International Code of Signals.
ALL = [(0, 0), (12, 0), (12, 12), (0, 12)]
FLAGS = {
    "delta": [(YELLOW, ALL), (BLUE, [(0, 3), (12, 3), (12, 9), (0, 9)])],
    "kilo": [(YELLOW, ALL), (BLUE, [(6, 0), (12, 0), (12, 12), (6, 12)])],
    "lima": [
        (YELLOW, ALL),
        (BLACK, [(6, 0), (12, 0), (12, 6), (6, 6)]),
        (BLACK, [(0, 6), (6, 6), (6, 12), (0, 12)]),
    ],
    "oscar": [(YELLOW, ALL), (RED, [(0, 0), (12, 0), (12, 12)])],
    "victor": [
        (WHITE, ALL),
        (RED, [(0, 0), (2, 0), (12, 10), (12, 12), (10, 12), (0, 2)]),
        (RED, [(12, 0), (10, 0), (0, 10), (0, 12), (2, 12), (12, 2)]),
    ],
}


def flag_picture(name, side):
    picture = Image.new("RGBA", (120, 120))
    draw = ImageDraw.Draw(picture)
    for colour, points in FLAGS[name]:
        draw.polygon([(10 * x, 10 * y) for x, y in points], colour)
    return picture.resize((side, side), Image.Resampling.LANCZOS)


def photograph(name, rng):
    """The flag in front of a sky, a little turned, out of focus and too dark or too bright."""
    width, height = rng.randint(220, 320), rng.randint(180, 260)
    sky = [rng.randint(90, 235) for _ in range(3)]
    picture = Image.new("RGB", (width, height), tuple(sky))
    sea = tuple(max(c - rng.randint(30, 70), 0) for c in sky)
    ImageDraw.Draw(picture).rectangle((0, rng.randint(height // 2, height), width, height), sea)
    side = int(min(width, height) * rng.uniform(0.45, 0.85))
    flag = flag_picture(name, side)
    flag = flag.resize((side, int(side * rng.uniform(0.8, 1.0))))
    flag = flag.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC, expand=True)
    place = [rng.randint(0, max(a - b, 0)) for a, b in zip(picture.size, flag.size)]
    picture.paste(flag, place, flag)
    light = rng.uniform(0.75, 1.15)
    picture = picture.point([min(int(v * light), 255) for v in range(256)] * 3)
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.2)))


def write(out, split, count, seed):
    rng = random.Random(seed)
    os.makedirs(os.path.join(out, split), exist_ok=True)
    with open(os.path.join(out, split + ".jsonl"), "w", encoding="utf-8") as file:
        for number in range(count):
            name = sorted(FLAGS)[number % len(FLAGS)]
            path = f"{split}/{name}-{number:02}.png"
            photograph(name, rng).save(os.path.join(out, path))
            row = {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image"}, {"type": "text", "text": QUESTION}],
                    },
                    {"role": "assistant", "content": [{"type": "text", "text": name}]},
                ],
                "images": [path],
            }
            file.write(json.dumps(row) + "\n")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1], "train", 50, 1)
    write(sys.argv[1], "test", 20, 2)
    print(f"50 pictures in {sys.argv[1]}/train, 20 in {sys.argv[1]}/test")


if __name__ == "__main__":
    main()
