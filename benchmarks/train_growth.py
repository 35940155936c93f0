#!/usr/bin/env python3
"""How training grows: measured time and memory beside the arithmetic, as the work doubles.

    python3 benchmarks/train_growth.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        [--threads 1] [--steps 3] [--full] [--json FILE]

CHECKPOINT is a random one of the true dimensions (random_checkpoint 256M). Each line doubles one
thing: the tokens of a sample, the samples that go through together, or the pictures of a sample (one
tile each, the tower trained). The arithmetic is what `ocelli plan --train` prints before anything
runs: multiply-adds and bytes. Time is of the processor, the fastest step after the first (whatever
else runs only slows it down); memory is the highest resident size of the process. "of what was
planned" above 1.1 means that something grows faster than it should; status 1 says so.
"""

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import machine  # noqa: E402
from programs import ProgramError, execute, write_noise_png  # noqa: E402

ALLOWED = 1.1


def write_rows(folder, count, pictures):
    """Rows that are longer than any length asked for; with pictures, short ones."""
    path = os.path.join(folder, f"rows{pictures}.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        for i in range(count):
            names = [f"{pictures}-{i}-{j}.png" for j in range(pictures)]
            for j, name in enumerate(names):
                write_noise_png(os.path.join(folder, name), 512, 512 - i * pictures - j)
            answer = "A short answer." if pictures else f"word {i} " * 6000
            row = {"messages": [
                {"role": "user", "content": [{"type": "image"}] * pictures +
                 [{"type": "text", "text": "Say something."}]},
                {"role": "assistant", "content": [{"type": "text", "text": answer}]}]}
            out.write(json.dumps({**row, "images": names} if names else row) + "\n")
    return path


class Case:
    """One run: most tokens of a sample, samples of a batch, pictures of a sample."""

    def __init__(self, tokens, samples, pictures):
        self.tokens, self.samples, self.pictures = tokens, samples, pictures

    def options(self, full):
        return ["--method", "full" if full else "lora", "--gradient_accumulation_steps", "1",
                "--per_device_train_batch_size", str(self.samples),
                "--max_length", str(self.tokens), "--no-split", "--no-train-connector",
                "--train_vision" if self.pictures else "--no-train-vision"]


def planned(options, case):
    command = [options.ocelli, "plan", options.model, "--train", "--json"]
    command += ["--picture", "512x512"] * case.pictures + case.options(options.full)
    text, *_ = execute(command)
    plan = json.loads(text)
    return plan["macs"], plan["memory"]["peak"]


def measured(options, case, data):
    with tempfile.TemporaryDirectory() as folder:
        command = [options.ocelli, "train", options.model, data, "-o", os.path.join(folder, "o"),
                   "--max_steps", str(options.steps), "--logging_steps", "1", "--no-shuffle",
                   "--truncation", "keep_start", "--mask", "all", "--no-feature-cache", "-q",
                   "-t", str(options.threads)] + case.options(options.full)
        _, _, _, cpus, memory = execute(command)
        with open(os.path.join(folder, "o", "metrics.jsonl"), encoding="utf-8") as lines:
            steps = [json.loads(line) for line in lines]
    seconds = [case.samples / s["train/samples_per_second"]
               for s in steps if "train/samples_per_second" in s]
    return min(seconds[1:]) * cpus, memory


LINES = [  # name, cases that double
    ("tokens of a sample", [Case(n, 1, 0) for n in (256, 512, 1024, 2048)]),
    ("samples of a batch", [Case(256, n, 0) for n in (1, 2, 4)]),
    ("pictures of a sample", [Case(48 + 67 * n, 1, n) for n in (1, 2, 4)]),  # 64 + 3 tokens each
]


def run_line(options, name, cases, folder):
    rows = []
    for case in cases:
        data = write_rows(folder, options.steps * case.samples, case.pictures)
        macs, peak = planned(options, case)
        seconds, memory = measured(options, case, data)
        rows.append({"line": name, "case": vars(case), "macs": macs, "planned_mb": peak / 1e6,
                     "seconds": seconds, "peak_mb": memory})
        if len(rows) > 1:
            now, before = rows[-1], rows[-2]
            for what, plan in (("seconds", "macs"), ("peak_mb", "planned_mb")):
                now[what + "_growth"] = now[what] / before[what]
                now[what + "_of_planned"] = now[what + "_growth"] / (now[plan] / before[plan])
    return rows


def show(rows):
    print("| doubled | tokens | samples | pictures | GMAC planned | s/step | time grows | "
          "of what was planned | MB planned | MB | memory grows | of what was planned |")
    print("|---|" + "---:|" * 11)
    for r in rows:
        c = r["case"]
        grown = "seconds_growth" in r
        time = [f"{r['seconds_growth']:.2f}", f"{r['seconds_of_planned']:.2f}"] if grown else ["", ""]
        size = [f"{r['peak_mb_growth']:.2f}", f"{r['peak_mb_of_planned']:.2f}"] if grown else ["", ""]
        print("| " + " | ".join(
            [r["line"], str(c["tokens"]), str(c["samples"]), str(c["pictures"]),
             f"{r['macs'] / 1e9:.0f}", f"{r['seconds']:.2f}", *time, f"{r['planned_mb']:.0f}",
             f"{r['peak_mb']:.0f}", *size]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ocelli", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--full", action="store_true", help="the whole model instead of adapters")
    parser.add_argument("--json", help="write everything to this file")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        # The first run reads the model from the disk: much of its time is not the processor's.
        first = LINES[0][1][0]
        measured(options, first, write_rows(folder, options.steps * first.samples, first.pictures))
        for name, cases in LINES:
            rows += run_line(options, name, cases, folder)
    show(rows)
    machine.finish(rows, options.json)
    worst = max(r[key] for r in rows for key in ("seconds_of_planned", "peak_mb_of_planned")
                if key in r)
    return int(worst > ALLOWED)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProgramError as error:
        sys.exit(str(error))
