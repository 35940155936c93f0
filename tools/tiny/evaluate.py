r"""Measures models on held-out scenes and prints the accuracy of every question type, side by side.

    python tools/tiny/evaluate.py --program build/release/bin/ocelli              # the built-in one
    python tools/tiny/evaluate.py --program build/release/bin/ocelli --models FIRST SECOND
    python tools/tiny/evaluate.py --models FIRST SECOND                           # transformers
    python tools/tiny/evaluate.py --program build/release/bin/ocelli --exact-first \
      --models assets/ocelli-tiny tiny-q8 tiny-q4 --names float32 q8 q4 --rows 2600

Held-out pictures have canvas sizes that training never draws (scenes.py) and a seed of their own.
Each question is put alone, as the first turn, with greedy decoding; an answer counts only when it
equals the expected text. `--recipe first` asks only what the first edition was trained on.
"""

import argparse
import os
import sys
import tempfile

from answerers import Program, Reference
from draw import draw_scene
from files import avi_bytes, png_bytes
from questions import TYPES
from rows import RECIPES, sample_row
from scenes import is_held_out

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.normpath(os.path.join(HERE, "../../assets/ocelli-tiny"))
SEED = 20261  # never used for anything else
PER_ROW = 2  # questions kept of each row, the first of its random order


def write_media(row, stem, level=1):
    """The files of a row."""
    pictures = [draw_scene(scene) for scene in row.scenes]
    marks = ["-a", "-b", "-c"] if len(pictures) > 1 else [""]
    files = {stem + ".avi": avi_bytes(pictures)} if row.clip else {
        f"{stem}{mark}.png": png_bytes(picture, level) for mark, picture in zip(marks, pictures)
    }  # fmt: skip
    for path, data in files.items():
        with open(path, "wb") as file:
            file.write(data)
    return list(files)


def held_out_cases(recipe, seed, count, folder):
    """(files, pair) of the questions about `count` held-out rows."""
    cases = []
    for number in range(count):
        row = sample_row(recipe, "held-out", seed, number)
        if not all(is_held_out(scene.width, scene.height) for scene in row.scenes):
            sys.exit(f"row {number} is not held out")
        files = write_media(row, os.path.join(folder, f"{number:06}"))
        cases += [(files, pair) for pair in row.pairs[:PER_ROW]]
    return cases


def tally(cases, answers, show_errors=0):
    """{type: [right, asked]}"""
    counts = {t: [0, 0] for t in TYPES}
    for (files, pair), answer in zip(cases, answers, strict=True):
        right = answer == pair.answer
        counts[pair.type][0] += right
        counts[pair.type][1] += 1
        if not right and show_errors > 0:
            show_errors -= 1
            print(f"  {pair.type}: {pair.question!r}: expected {pair.answer!r}, got {answer!r}")
    return counts


def table(names, tallies):
    """The result as Markdown, one column of accuracy for each model."""
    percent = lambda right, asked: f"{100 * right / max(asked, 1):.1f} %"
    lines = ["| question type | asked | " + " | ".join(names) + " |",
             "|---|---:|" + "---:|" * len(names)]  # fmt: skip
    for name in [t for t in TYPES if tallies[0][t][1]]:
        cells = " | ".join(percent(*counts[name]) for counts in tallies)
        lines.append(f"| {name} | {tallies[0][name][1]} | {cells} |")
    total = [[sum(c[k] for c in counts.values()) for k in (0, 1)] for counts in tallies]
    lines.append(f"| **all** | {total[0][1]} | " + " | ".join(percent(*t) for t in total) + " |")
    return "\n".join(lines)


def paired(names, cases, answers):
    """What the other models differ from the first, on the same questions: points of accuracy with
    intervals of 95 % (normal, over files: questions about one picture are not independent).
    """
    lines = []
    for name, others in zip(names[1:], answers[1:], strict=True):
        groups = {}
        for (files, pair), first, other in zip(cases, answers[0], others, strict=True):
            difference = (other == pair.answer) - (first == pair.answer)
            groups.setdefault(tuple(files), []).append(difference)
        count = len(cases)
        mean = sum(map(sum, groups.values())) / count
        squares = sum((sum(g) - mean * len(g)) ** 2 for g in groups.values())
        half = 1.96 * (squares * len(groups) / max(len(groups) - 1, 1)) ** 0.5 / count
        lines.append(
            f"{name} against {names[0]}: {100 * mean:+.2f} points "
            f"[{100 * (mean - half):+.2f}, {100 * (mean + half):+.2f}] "
            f"on {count} questions about {len(groups)} files"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=[MODEL], help="model directories")
    parser.add_argument("--names", nargs="+", help="what the columns are called")
    parser.add_argument("--program", help="the built ocelli program; without it, transformers")
    parser.add_argument("--exact-first", action="store_true",
                        help="the program computes the first model in float32 (--exact)")  # fmt: skip
    parser.add_argument("--recipe", choices=list(RECIPES), default="mixed")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--errors", type=int, default=0, help="print the first N wrong answers")
    args = parser.parse_args()
    names = args.names or [os.path.basename(os.path.normpath(m)) for m in args.models]
    with tempfile.TemporaryDirectory() as folder:
        cases = held_out_cases(args.recipe, args.seed, args.rows, folder)
        tallies, answers = [], []
        for i, model in enumerate(args.models):
            extra = ["--exact"] if args.exact_first and i == 0 else []
            who = (Program(args.program, model, extra) if args.program
                   else Reference(model, args.threads))  # fmt: skip
            answers.append(who.answer_all([(files, pair.question) for files, pair in cases]))
            tallies.append(tally(cases, answers[-1], args.errors))
    print(table(names, tallies))
    if len(names) > 1:
        print(paired(names, cases, answers))


if __name__ == "__main__":
    main()
