#!/usr/bin/env python3
"""How the cost of answers grows: measured beside the arithmetic, as the work doubles.

    python3 benchmarks/growth.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        [--rounds 2] [--json FILE] [-- more options of ocelli, as --weights q8]

Each line doubles one thing: the tokens of a prompt, the tokens behind which one is decoded, the
tiles of a picture, the pictures of a request, or the threads. The arithmetic is what `ocelli plan`
prints before anything runs: multiply-adds, or bytes of weights for decoding. Time is of the clock,
the best of the rounds; "of what was planned" is its growth over that of the arithmetic.
"""

import argparse
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import machine  # noqa: E402
from programs import ProgramError, execute, write_noise_png  # noqa: E402

DECODED = 32


def macs(work):
    return work["product_macs"] + work["attention_macs"]


class Ocelli:
    def __init__(self, options):
        self.options = options

    def call(self, command, *arguments, threads=1):
        out, _, _, _, memory = execute(
            [self.options.ocelli, command, "-m", self.options.model, *arguments, "--json", "-q",
             "-t", str(threads), *self.options.more])
        return json.loads(out), memory

    def prompt(self, tokens, threads=1):
        """Seconds of reading a prompt of text."""
        out, memory = self.call("bench", "--no-picture", "--no-cache", "-r", "2", "--n-prompt",
                                str(tokens), "--n-gen", "1", threads=threads)
        return tokens / out["text"]["prefill_tokens_per_second"], memory

    def decode(self, depth):
        """Seconds of one token behind `depth` others."""
        out, memory = self.call("bench", "--no-picture", "--no-cache", "-r", "1", "--n-prompt", "1",
                                "--depth", str(depth), "--n-gen", str(DECODED))
        return 1 / out["text"]["decode_tokens_per_second"], memory

    def pictures(self, files):
        """Seconds from decoded pictures to the first token."""
        named = [word for file in files for word in ("--image", file)]
        out, memory = self.call("run", *named, "-p", "What is it?", "-n", "1", "--no-cache")
        return out["seconds"]["encode"] + out["seconds"]["prefill"], memory

    def plan(self, files):
        """Multiply-adds of the same, and its tiles."""
        plan, _ = self.call("plan", *files, "-p", "What is it?")
        return macs(plan["vision"]) + macs(plan["prefill"]), plan["tiles"]


def line(name, unit, cases):
    """Rows of one line; a case is (number, arithmetic, (seconds, MB))."""
    rows = []
    for number, planned, (seconds, memory) in cases:
        rows.append({"line": name, "number": number, "unit": unit, "planned": planned,
                     "seconds": seconds, "peak_mb": memory})
        if len(rows) > 1:
            now, before = rows[-1], rows[-2]
            now["growth"] = now["seconds"] / before["seconds"]
            now["of_planned"] = now["growth"] / (now["planned"] / before["planned"])
    return rows


def best(rounds, measure, *arguments):
    """The fastest of some runs, each (seconds, MB)."""
    return min((measure(*arguments) for _ in range(rounds)), key=lambda run: run[0])


def text_lines(program, rounds):
    """A token of text costs the same arithmetic; attention grows with the square, a few percent."""
    context = program.call("plan", "-p", "a")[0]["context"] - 2 * DECODED - 2
    rows = line("prompt", "tokens", [(n, n, best(rounds, program.prompt, n))
                                     for n in (128, 256, 512, 1024, 2048) if n <= context])
    rows += line("one token", "tokens before", [(n, 1, best(rounds, program.decode, n))
                                                for n in (128, 512, 2048, 4096) if n <= context])
    cpus = len(os.sched_getaffinity(0))
    return rows + line("prompt of 512", "threads", [
        (n, 1 / n, best(rounds, program.prompt, 512, n)) for n in (1, 2, 4, 8) if n <= cpus])


PICTURES = [  # name, what doubles, sizes of the pictures of each case
    ("picture", "tiles", [["512x512"], ["1024x512"], ["1024x1024"], ["2048x1024"], ["2048x2048"]]),
    ("pictures of 512x512", "pictures", [["512x512"] * n for n in (1, 2, 4)]),
]


def picture_lines(program, folder, rounds):
    rows = []
    for name, unit, cases in PICTURES:
        measured = []
        for i, sizes in enumerate(cases):
            files = []
            for j, size in enumerate(sizes):
                files.append(os.path.join(folder, f"{unit}-{i}-{j}.png"))
                width, height = (int(n) for n in size.split("x"))
                write_noise_png(files[-1], width, height - j)  # another one each
            planned, tiles = program.plan(files)
            measured.append((tiles if unit == "tiles" else len(files), planned,
                             best(rounds, program.pictures, files)))
        rows += line(name, unit, measured)
    return rows


def show(rows):
    print("| work | | s | grows | of what was planned | MB at most |")
    print("|---|---:|---:|---:|---:|---:|")
    for r in rows:
        grown = [f"{r[key]:.2f}" if key in r else "" for key in ("growth", "of_planned")]
        print(f"| {r['line']} | {r['number']} {r['unit']} | {r['seconds']:.4g} | {grown[0]} | "
              f"{grown[1]} | {r['peak_mb']:.0f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ocelli", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", help="write everything to this file")
    parser.add_argument("more", nargs="*", help="options of ocelli, behind --")
    options = parser.parse_args()
    program = Ocelli(options)
    program.prompt(1)  # the model is read from the disk
    rows = text_lines(program, options.rounds)
    with open(os.path.join(options.model, "config.json"), encoding="utf-8") as config:
        sees = "vision_config" in json.load(config)
    if sees:
        with tempfile.TemporaryDirectory() as folder:
            rows += picture_lines(program, folder, options.rounds)
    show(rows)
    machine.finish(rows, options.json)


if __name__ == "__main__":
    try:
        main()
    except ProgramError as error:
        sys.exit(str(error))
