"""Measures ocelli-tiny on held-out scenes and prints the accuracy of every question type.

    python tools/tiny/evaluate.py                              # with transformers
    python tools/tiny/evaluate.py --program build/release/ocelli   # with the built program

Held-out pictures have canvas sizes that training never draws (see scenes.py) and a seed of
their own. Each question is put alone, as the first turn, with greedy decoding; an answer counts
only when it equals the expected text.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

from questions import TYPES, ask
from draw import draw_scene
from scenes import is_held_out, sample_scene

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.normpath(os.path.join(HERE, "../../assets/ocelli-tiny"))
SEED = 20260
PER_PICTURE = 2  # questions kept of each picture, the first of its random order
MAX_NEW_TOKENS = 24


def held_out_cases(count, seed=SEED):
    """(picture, pairs) of `count` held-out scenes."""
    for index in range(count):
        scene, rng = sample_scene("held-out", seed, index)
        assert is_held_out(scene.width, scene.height)
        yield draw_scene(scene), ask(scene, rng)[:PER_PICTURE]


class Reference:
    """The model in transformers, float32, with the real image processor (Pillow)."""

    def __init__(self, folder, threads=1):
        import torch
        from transformers import AutoTokenizer, SmolVLMForConditionalGeneration
        from transformers.models.smolvlm.image_processing_pil_smolvlm import (
            SmolVLMImageProcessorPil,
        )

        torch.set_num_threads(threads)
        self.torch = torch
        self.images = SmolVLMImageProcessorPil.from_pretrained(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = SmolVLMForConditionalGeneration.from_pretrained(
            folder, dtype=torch.float32
        ).eval()
        with open(os.path.join(folder, "processor_config.json"), encoding="utf-8") as file:
            self.image_tokens = json.load(file)["image_seq_len"]

    def prompt(self, question):
        """The text the processor would build for one picture followed by one question."""
        turn = [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        ]
        text = self.tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
        return text.replace(
            "<image>",
            "<fake_token_around_image><global-img>"
            + "<image>" * self.image_tokens
            + "<fake_token_around_image>",
        )

    def inputs(self, picture, question):
        pixels = self.images(picture, return_tensors="pt")
        ids = self.tokenizer(self.prompt(question), return_tensors="pt", add_special_tokens=False)
        return dict(
            input_ids=ids["input_ids"],
            attention_mask=ids["attention_mask"],
            pixel_values=pixels["pixel_values"],
            pixel_attention_mask=pixels["pixel_attention_mask"],
        )

    def generate(self, inputs, tokens=MAX_NEW_TOKENS):
        with self.torch.inference_mode():
            out = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        return out[0, inputs["input_ids"].shape[1] :].tolist()

    def answer_all(self, cases):
        for picture, pairs in cases:
            for pair in pairs:
                ids = self.generate(self.inputs(picture, pair.question))
                yield pair, self.tokenizer.decode(ids, skip_special_tokens=True).strip()


class Program:
    """The built program: `ocelli run FILE... -p QUESTION --jsonl` prints one JSON object a line, with
    `files` (here always one) and `answer`.
    """

    def __init__(self, program, model=None, extra=()):
        self.command = [program, "run"] + (["-m", model] if model else [])
        self.extra = list(extra)

    def ask_files(self, files, question):
        command = self.command + files + ["-p", question, "--jsonl"] + self.extra
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return {row["files"][0]: row["answer"].strip() for row in rows if "answer" in row}

    def answer_all(self, cases):
        """Groups the pictures by question, so that one process answers many."""
        with tempfile.TemporaryDirectory() as folder:
            groups = collections.defaultdict(list)
            for number, (picture, pairs) in enumerate(cases):
                file = os.path.join(folder, f"{number:06}.png")
                picture.save(file)
                for pair in pairs:
                    groups[pair.question].append((file, pair))
            for question, members in groups.items():
                answers = self.ask_files([file for file, _ in members], question)
                for file, pair in members:
                    yield pair, answers.get(file, "")


def tally(answered, show_errors=0):
    """Counts per type: {type: [right, asked]}."""
    counts = {t: [0, 0] for t in TYPES}
    for pair, answer in answered:
        right = answer == pair.answer
        counts[pair.type][0] += right
        counts[pair.type][1] += 1
        if not right and show_errors > 0:
            show_errors -= 1
            print(f"  {pair.question!r}: expected {pair.answer!r}, got {answer!r}")
    return counts


def table(counts):
    """The result as Markdown."""
    lines = ["| question type | asked | right | accuracy |", "|---|---:|---:|---:|"]
    rows = [(t, *counts[t]) for t in TYPES if counts[t][1]]
    rows.append(("**all**", sum(r for _, r, _ in rows), sum(n for _, _, n in rows)))
    for name, right, asked in rows:
        lines.append(f"| {name} | {asked} | {right} | {100 * right / max(asked, 1):.1f} % |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=None, help="model directory (default: the built-in one)")
    parser.add_argument(
        "--program", help="the built ocelli program; without it transformers answers"
    )
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--errors", type=int, default=0, help="print the first N wrong answers")
    args = parser.parse_args()
    answerer = (
        Program(args.program, args.model)
        if args.program
        else Reference(args.model or MODEL, args.threads)
    )
    print(table(tally(answerer.answer_all(held_out_cases(args.pictures, args.seed)), args.errors)))


if __name__ == "__main__":
    main()
