"""Rows of a dataset: one picture, several, or a clip, with questions and answers.

A row is a function of (recipe, split, seed, number) alone. A recipe says how often each kind of
row comes; `first` holds what the first edition was trained on and nothing else.
"""

import random
from dataclasses import dataclass

import board_questions
import group_questions
import questions
from boards import FILL as BOARDS
from boards import board_scene
from groups import MAKE as GROUPS
from scenes import FIRST_EDITION_SIZES, SIZES, single_scene

RECIPES = {
    "cells": {"grid": 45, "lines": 35, "shape": 8, "emoji": 6, "count": 6},
    "mixed": {
        "emoji": 12, "shape": 7, "count": 13, "relation": 13, "word": 10, "number": 4,
        "grid": 5, "lines": 5, "bars": 6, "pie": 4, "receipt": 9,
        "same": 3, "odd": 2, "which": 3, "more": 4, "change": 5,
        "motion": 5, "growth": 2, "order": 4, "parade": 3,
    },
    "words": {
        "easy word": 55, "word": 10, "number": 4, "emoji": 5, "shape": 5, "count": 6,
        "relation": 6, "bars": 2, "receipt": 2, "which": 2, "motion": 2, "order": 1,
    },
    "settle": {
        "emoji": 10, "shape": 9, "count": 13, "relation": 14, "word": 20, "easy word": 6,
        "number": 4, "grid": 2, "lines": 2, "bars": 6, "pie": 4, "receipt": 8,
        "same": 3, "odd": 2, "which": 3, "more": 4, "change": 5,
        "motion": 5, "growth": 2, "order": 4, "parade": 3,
    },
    "clips": {
        "emoji": 10, "shape": 12, "count": 9, "relation": 12, "word": 22, "easy word": 4,
        "number": 3, "bars": 4, "pie": 2, "receipt": 4,
        "same": 4, "odd": 2, "which": 3, "more": 3, "change": 4,
        "motion": 18, "growth": 3, "order": 4, "parade": 3,
    },
    "first": {"emoji": 34, "shape": 14, "count": 18, "relation": 14, "old word": 20},
}  # fmt: skip
MOST_TURNS = 6


@dataclass
class Row:
    kind: str
    scenes: list
    clip: bool
    pairs: list  # in random order, but for grids and lines


def finish(pairs, rng):
    for pair in pairs:
        pair.question = questions.careless(rng, questions.american(rng, pair.question))
    return pairs


def sample_row(recipe, split, seed, number):
    rng = random.Random(f"ocelli-tiny/2/{recipe}/{split}/{seed}/{number}")
    weights = RECIPES[recipe]
    kind = rng.choices(list(weights), list(weights.values()))[0]
    if kind in GROUPS:
        group = GROUPS[kind](rng, split)
        pairs = group_questions.ABOUT[kind](rng, group)
        rng.shuffle(pairs)
        return Row(kind, group.scenes, group.clip, finish(pairs, rng))
    if kind in BOARDS:
        scene = board_scene(rng, split, kind)
        pairs = board_questions.ABOUT[scene.kind](rng, scene)
        if kind not in ("grid", "lines"):
            rng.shuffle(pairs)
        return Row(kind, [scene], False, finish(pairs, rng))
    sizes = FIRST_EDITION_SIZES if recipe == "first" else SIZES
    scene = single_scene(rng, split, kind, sizes)
    return Row(scene.kind, [scene], False, questions.ask(scene, rng))
