"""Writes tests/fixtures/tiny: demonstration pictures and clips, questions about them, and what
transformers answers.

    python tools/tiny/demo.py media       # the files and demo.json; needs no model
    python tools/tiny/demo.py expected    # expected.json from the model in assets/ocelli-tiny

The scenes come from a split and seed of their own: for each question type (and each kind of
clip) the first row of its own stretch of numbers that offers such a question. No row is chosen by
looking at answers, but the last three clips were added after seeing some (docs/ocelli-tiny.md).
"""

import glob
import hashlib
import json
import os
import sys

import numpy as np

from answerers import Reference
from evaluate import HERE, MODEL, write_media
from rows import sample_row

FOLDER = os.path.normpath(os.path.join(HERE, "../../tests/fixtures/tiny"))
SEED = 2
# Question type, and the kinds of rows it is taken from.
ASKED = [
    ("emoji", ["emoji"]),
    ("shape", ["shape"]),
    ("colour", ["shape"]),
    ("background", ["emoji", "shape", "word"]),
    ("count", ["count"]),
    ("position", ["emoji", "shape"]),
    ("relation", ["relation"]),
    ("size", ["relation"]),
    ("word", ["word"]),
    ("yes/no", ["emoji", "shape"]),
    ("number", ["number"]),
    ("lines", ["lines"]),
    ("chart", ["bars"]),
    ("price", ["receipt"]),
    ("same", ["same"]),
    ("more", ["more"]),
    ("change", ["change"]),
    ("clip", ["motion"]),
    ("order", ["order"]),
    # The other kinds of clips.
    ("clip", ["growth"]),
    ("clip", ["order"]),
    ("clip", ["parade"]),
]
IN_DETAIL = [0, 4, 7, 14, 17]  # rows whose ids and logits are recorded
TOP = 8


def write_json(name, value):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def make_media():
    os.makedirs(FOLDER, exist_ok=True)
    for old in glob.glob(os.path.join(FOLDER, "[0-9]*.*")):
        os.remove(old)
    rows = []
    for number, (wanted, kinds) in enumerate(ASKED):
        for index in range(2000 * number, 2000 * number + 2000):
            row = sample_row("mixed", "demo", SEED, index)
            # One of a thing is no counting.
            pair = next((p for p in row.pairs if p.type == wanted and p.answer != "one"), None)
            if pair and row.kind in kinds:
                break
        stem = os.path.join(FOLDER, f"{number:02}-{wanted.replace('/', '-')}")
        files = [os.path.basename(file) for file in write_media(row, stem, 9)]
        rows.append(
            {"files": " ".join(files), "type": wanted, "question": pair.question,
             "answer": pair.answer}
        )  # fmt: skip
    write_json("demo.json", rows)


def detail_of(reference, row, inputs, ids):
    with reference.torch.inference_mode():
        logits = reference.model(**inputs).logits[0, -1].double()
    top = logits.topk(TOP)
    pixels = np.ascontiguousarray(inputs["pixel_values"][0].numpy())
    return {
        "files": row["files"],
        "question": row["question"],
        "prompt": reference.tokenizer.decode(inputs["input_ids"][0]),
        "prompt_ids": inputs["input_ids"][0].tolist(),
        "generated_ids": ids,
        "pixel_shape": list(pixels.shape),
        "pixel_sha256": hashlib.sha256(pixels.astype("<f4").tobytes()).hexdigest(),
        "logits": {
            "top_ids": top.indices.tolist(),
            "top_values": [round(v, 6) for v in top.values.tolist()],
            "minimum": round(logits.min().item(), 6),
            "mean": round(logits.mean().item(), 6),
        },
    }


def make_expected():
    reference = Reference(MODEL)
    with open(os.path.join(FOLDER, "demo.json"), encoding="utf-8") as file:
        rows = json.load(file)
    answers, detail, right = [], [], 0
    for number, row in enumerate(rows):
        files = [os.path.join(FOLDER, file) for file in row["files"].split()]
        inputs = reference.inputs(files, row["question"])
        ids = reference.generate(inputs)
        text = reference.tokenizer.decode(ids, skip_special_tokens=True).strip()
        good = text == row["answer"]
        right += good
        answers.append({"files": row["files"], "ids": ids, "text": text})
        print("right" if good else "WRONG", row["files"], row["question"], text, sep="  ")
        if number in IN_DETAIL:
            detail.append(detail_of(reference, row, inputs, ids))
    with open(os.path.join(MODEL, "model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    write_json(
        "expected.json",
        {
            "about": "transformers, float32, greedy, Pillow and torchvision processors",
            "weights_sha256": digest,
            "answers": answers,
            "detail": detail,
        },
    )
    print(f"{right} of {len(rows)} right")


if __name__ == "__main__":
    {"media": make_media, "expected": make_expected}[sys.argv[1]]()
