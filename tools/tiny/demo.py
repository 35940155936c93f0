"""Writes tests/fixtures/tiny: ten demonstration pictures, their questions, and what
transformers answers.

    python tools/tiny/demo.py pictures    # the pictures and demo.json; needs no model
    python tools/tiny/demo.py expected    # expected.json from the model in assets/ocelli-tiny

The pictures come from a split and seed of their own: for each question type the first scene of
its own stretch of numbers that offers such a question. Nothing is chosen by looking at answers.
"""

import hashlib
import json
import os
import sys

import numpy as np
from PIL import Image

from draw import draw_scene
from evaluate import HERE, MODEL, Reference
from questions import ask
from scenes import sample_scene

FOLDER = os.path.normpath(os.path.join(HERE, "../../tests/fixtures/tiny"))
SEED = 1
ASKED = [
    "emoji",
    "shape",
    "colour",
    "background",
    "count",
    "position",
    "relation",
    "size",
    "word",
    "yes/no",
]
IN_DETAIL = [0, 4, 7]  # pictures whose ids and logits are recorded
TOP = 8


def write_json(name, value):
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def make_pictures():
    os.makedirs(FOLDER, exist_ok=True)
    rows = []
    for number, wanted in enumerate(ASKED):
        for index in range(1000 * number, 1000 * number + 1000):
            scene, rng = sample_scene("demo", SEED, index)
            pair = next((p for p in ask(scene, rng) if p.type == wanted), None)
            if pair:
                break
        file = f"{number:02}-{wanted.replace('/', '-')}.png"
        draw_scene(scene).save(os.path.join(FOLDER, file), optimize=True)
        rows.append(
            {"file": file, "type": wanted, "question": pair.question, "answer": pair.answer}
        )
    write_json("demo.json", rows)


def make_expected():
    reference = Reference(MODEL)
    with open(os.path.join(FOLDER, "demo.json"), encoding="utf-8") as file:
        rows = json.load(file)
    answers, detail, right = [], [], 0
    for number, row in enumerate(rows):
        inputs = reference.inputs(Image.open(os.path.join(FOLDER, row["file"])), row["question"])
        ids = reference.generate(inputs)
        text = reference.tokenizer.decode(ids, skip_special_tokens=True).strip()
        good = text == row["answer"]
        right += good
        answers.append({"file": row["file"], "ids": ids, "text": text})
        print("right" if good else "WRONG", row["file"], row["question"], text, sep="  ")
        if number not in IN_DETAIL:
            continue
        with reference.torch.inference_mode():
            logits = reference.model(**inputs).logits[0, -1].double()
        top = logits.topk(TOP)
        pixels = np.ascontiguousarray(
            inputs["pixel_values"].numpy().reshape(3, *inputs["pixel_values"].shape[-2:])
        )
        detail.append(
            {
                "file": row["file"],
                "question": row["question"],
                "prompt": reference.prompt(row["question"]),
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
        )
    with open(os.path.join(MODEL, "model.safetensors"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    write_json(
        "expected.json",
        {
            "about": "transformers, float32, greedy, Pillow image processor; bfloat16 weights",
            "weights_sha256": digest,
            "answers": answers,
            "detail": detail,
        },
    )
    print(f"{right} of {len(rows)} right")


if __name__ == "__main__":
    {"pictures": make_pictures, "expected": make_expected}[sys.argv[1]]()
