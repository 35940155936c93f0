"""Turns scenes into training batches.

One picture carries several questions. Each question is its own branch after the shared picture
prefix: a branch sees the prefix and itself only and its positions start right after the prefix,
so every branch is exactly a first-turn conversation. Some branches hold two turns.
"""

import functools
import os
import random

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

from checkpoint import GRID, PREFIX, TILE
from draw import draw_scene
from questions import ask
from scenes import sample_scene

MAX_BRANCHES = 5
TWO_TURNS = 0.12  # chance that a branch goes on to a second question


def fit_picture(picture):
    """The uint8 pixels that SmolVLM's Pillow processor makes when it does not split; (TILE,
    TILE, 3).
    """
    width, height = picture.size
    edge = 2 * TILE
    if width >= height:
        size = (edge, max(int(edge / (width / height)), 1))
        size = (edge, size[1] + size[1] % 2)
    else:
        size = (max(int(edge * (width / height)), 1), edge)
        size = (size[0] + size[0] % 2, edge)
    picture = picture.resize(size, Image.Resampling.LANCZOS).resize(
        (TILE, TILE), Image.Resampling.LANCZOS
    )
    return np.asarray(picture)


class Encoder:
    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.ids = functools.lru_cache(maxsize=100000)(lambda text: self.tokenizer.encode(text).ids)
        self.prefix = self.ids(PREFIX)

    def turn(self, pair, first):
        """Ids of one question with its answer, and the labels (-100 where nothing is learnt)."""
        question = self.ids(
            ("" if first else "\nUser: ") + pair.question + "<end_of_utterance>\nAssistant:"
        )
        answer = self.ids(" " + pair.answer + "<end_of_utterance>")
        return question + answer, [-100] * len(question) + answer

    def sample(self, pairs, rng):
        """Token ids, labels, branch numbers (0 prefix) and positions of one picture's
        questions.
        """
        ids, labels = list(self.prefix), [-100] * len(self.prefix)
        branch, position = [0] * len(ids), list(range(len(ids)))
        pairs, number = list(pairs[:MAX_BRANCHES]), 0
        while pairs:
            number += 1
            turn_ids, turn_labels = self.turn(pairs.pop(), True)
            if pairs and rng.random() < TWO_TURNS:
                more_ids, more_labels = self.turn(pairs.pop(), False)
                turn_ids, turn_labels = turn_ids + more_ids, turn_labels + more_labels
            ids += turn_ids
            labels += turn_labels
            branch += [number] * len(turn_ids)
            position += range(len(self.prefix), len(self.prefix) + len(turn_ids))
        return ids, labels, branch, position


class Batches(torch.utils.data.Dataset):
    """Endless training batches; number i >= 0 has questions, a negative number is for the
    vision tower alone.

    Only every REUSE-th picture of a batch is drawn anew, the others are taken from the latest
    POOL pictures (with new questions): drawing would otherwise cost as much as a third of the
    training itself.
    """

    REUSE = 3
    POOL = 6000

    def __init__(self, folder, seed, batch):
        self.folder, self.seed, self.batch = folder, seed, batch
        self.encoder, self.pool = None, []

    def drawn(self, number):
        """`batch` triples (scene, pixels, cell labels)."""
        rng = random.Random(f"pool/{self.seed}/{number}")
        new = self.batch if len(self.pool) < 8 * self.batch else -(-self.batch // self.REUSE)
        old = rng.sample(self.pool, self.batch - new)
        fresh = []
        for index in range(abs(number) * self.batch, abs(number) * self.batch + new):
            collage = number < 0 and index % 4
            scene, _ = sample_scene("train", self.seed, index, "collage" if collage else None)
            picture, labels = draw_scene(scene, GRID)
            fresh.append((scene, fit_picture(picture), labels))
        self.pool = (self.pool + fresh)[-self.POOL :]
        return fresh + old

    def __getitem__(self, number):
        """pictures (B, TILE, TILE, 3) uint8, cells (B, 3, GRID^2), and ids, labels, branch,
        position, each (B, T).
        """
        members = self.drawn(number)
        pictures = torch.from_numpy(np.stack([pixels for _, pixels, _ in members]))
        cells = torch.from_numpy(np.stack([labels for _, _, labels in members]))
        if number < 0:
            return pictures, cells
        self.encoder = self.encoder or Encoder(self.folder)
        rng = random.Random(f"questions/{self.seed}/{number}")
        rows = [self.encoder.sample(ask(scene, rng), rng) for scene, _, _ in members]
        length = max(len(row[0]) for row in rows)
        fill = [2, -100, -1, 0]
        columns = [
            torch.tensor([row[k] + [fill[k]] * (length - len(row[0])) for row in rows])
            for k in range(4)
        ]
        return pictures, cells, *columns


def attention_mask(branch):
    """(B, T) branch numbers to a boolean (B, 1, T, T) mask, true where the row may look."""
    length = branch.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    return (same & causal)[:, None]
