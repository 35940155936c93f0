"""Writes a dataset for `ocelli train`: pictures, clips, and data.jsonl in TRL's form.

    python tools/tiny/make_dataset.py OUT --scenes 100000 --seed 1 --split train --recipe mixed

Each line is one row: {"messages": [...], "images": [...]} or "videos"; paths are relative to OUT.
A row holds up to six questions about its pictures. The same arguments give the same bytes. Rows
are made in shards of 500 by several processes; a run that was cut off goes on after the shards
that are complete.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time

from draw import draw_scene
from files import avi_bytes, png_bytes
from rows import MOST_TURNS, RECIPES, sample_row
from scenes import is_held_out

SHARD = 500


def messages(row, pairs):
    """The first question comes after the pictures; the others are follow-ups."""
    media = [{"type": "video"}] if row.clip else [{"type": "image"} for _ in row.scenes]
    out = []
    for number, pair in enumerate(pairs):
        question = {"type": "text", "text": pair.question}
        out.append({"role": "user", "content": ([] if number else media) + [question]})
        out.append({"role": "assistant", "content": [{"type": "text", "text": pair.answer}]})
    return out


def write_row(job, number):
    """Writes the media of a row; returns its line."""
    row = sample_row(job.recipe, job.split, job.seed, number)
    if any(is_held_out(s.width, s.height) != (job.split == "held-out") for s in row.scenes):
        sys.exit(f"row {number} has a picture of the other split")
    folder = f"media/{number // SHARD:05}"
    name = f"{folder}/{number % SHARD:03}"
    pictures = [draw_scene(scene) for scene in row.scenes]
    if row.clip:
        files = {name + ".avi": avi_bytes(pictures)}
    else:
        files = {f"{name}{'abc'[k]}.png": png_bytes(p) for k, p in enumerate(pictures)}
    for path, data in files.items():
        with open(os.path.join(job.out, path), "wb") as file:
            file.write(data)
    column = "videos" if row.clip else "images"
    line = {"messages": messages(row, row.pairs[:MOST_TURNS]), column: list(files)}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def write_shard(job, shard):
    """A shard is complete when its list of lines is there."""
    done = os.path.join(job.out, "shards", f"{shard:05}.jsonl")
    if os.path.exists(done):
        return 0
    os.makedirs(os.path.join(job.out, f"media/{shard:05}"), exist_ok=True)
    numbers = range(shard * SHARD, min((shard + 1) * SHARD, job.scenes))
    text = "".join(write_row(job, number) + "\n" for number in numbers)
    with open(done + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(done + ".new", done)
    return len(numbers)


def join_shards(job, count):
    path = os.path.join(job.out, "data.jsonl")
    with open(path + ".new", "wb") as out:
        for shard in range(count):
            with open(os.path.join(job.out, "shards", f"{shard:05}.jsonl"), "rb") as file:
                out.write(file.read())
    os.replace(path + ".new", path)


def check_same_job(job):
    """One folder holds one dataset."""
    path, own = os.path.join(job.out, "dataset.json"), {
        key: vars(job)[key] for key in ("recipe", "split", "seed", "scenes")
    }
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if json.load(file) != own:
                sys.exit(f"{job.out} holds another dataset ({path}); choose another folder")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(own, file)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--scenes", type=int, required=True, help="rows")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--split", choices=["train", "held-out"], default="train")
    parser.add_argument("--recipe", choices=list(RECIPES), default="mixed")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    job = parser.parse_args()
    os.makedirs(os.path.join(job.out, "shards"), exist_ok=True)
    check_same_job(job)
    count, began, made = -(-job.scenes // SHARD), time.time(), 0
    with multiprocessing.Pool(job.processes) as pool:
        jobs = [pool.apply_async(write_shard, (job, shard)) for shard in range(count)]
        for one in jobs:
            made += one.get()
    join_shards(job, count)
    seconds = time.time() - began
    print(f"{made} rows in {seconds:.1f} s, {made / max(seconds, 1e-9):.0f} rows/s")


if __name__ == "__main__":
    main()
