#!/usr/bin/env python3
"""LoRA steps of a vision-language model: ocelli train beside transformers + PEFT, on the CPU.

    python3 benchmarks/peers/train.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        --python VENV/bin/python [--threads 1] [--rounds 2] [--steps 3] [--size 512x512] [--json FILE]

CHECKPOINT is a random one of the true dimensions (random_checkpoint 256M). VENV has torch,
transformers and peft (train-requirements.txt). Both sides train the same rows (one picture of noise
and one question each), the same modules and rank, in float32, one row a step; the programs take
turns in the same minutes. The first step of each run is warm-up and does not count. Rows:

    tower trained too     adapters in the vision tower and in the text model
    tower frozen          adapters in the text model alone; pictures are encoded in every step
    the same, 8 bits      ours with --frozen_vision q8: the tower in 8 bits, the rest in float32
    second epoch          tower frozen and its features kept on disk: ours alone, never a ratio

Memory is the highest resident size of the process. Losses are printed side by side: both begin with
B = 0, so that the first is the same number; A is drawn by different generators.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

import machine
from programs import ProgramError, execute, write_noise_png

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = "down_proj,o_proj,k_proj,q_proj,gate_proj,up_proj,v_proj"


def write_rows(folder, count, pictures, width, height):
    """JSONL of `count` rows with `pictures` each; returns its path."""
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        for i in range(count):
            # Another height each: no two pictures are equal, none is found in a cache.
            names = [f"{i}-{j}.png" for j in range(pictures)]
            for j, name in enumerate(names):
                write_noise_png(os.path.join(folder, name), width, height - i * pictures - j)
            question = [{"type": "image"}] * pictures
            question.append({"type": "text", "text": "What is in the picture?"})
            answer = [{"type": "text", "text": f"Noise of every colour, number {i}."}]
            out.write(json.dumps({"messages": [{"role": "user", "content": question},
                                               {"role": "assistant", "content": answer}],
                                  "images": names}) + "\n")
    return path


def ours(options, data, frozen, cache=None, vision="f32"):
    """One run of ocelli train: {"seconds": per step, "losses", "peak_mb"}."""
    modules = NAMES
    with tempfile.TemporaryDirectory() as out:
        command = [options.ocelli, "train", options.model, data, "-o", os.path.join(out, "o"),
                   "--lora_r", str(options.rank), "--lora_alpha", str(options.rank),
                   "--lora_dropout", "0", "--target_modules", modules,
                   "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "1",
                   "--learning_rate", "1e-4", "--lr_scheduler_type", "constant",
                   "--max_grad_norm", "1", "--no-shuffle", "--logging_steps", "1",
                   "--max_steps", str(options.steps * (2 if cache else 1)),
                   "--no-train-vision" if frozen else "--train_vision", "--no-train-connector",
                   "--max_length", "0", "--no-split", "-t", str(options.threads), "-q"]
        if options.checkpointing:
            command.append("--gradient_checkpointing")
        if vision != "f32":
            command += ["--frozen_vision", vision]
        if cache is None:
            command.append("--no-feature-cache")
        old = os.environ.get("XDG_CACHE_HOME")
        if cache:
            os.environ["XDG_CACHE_HOME"] = cache
        try:
            _, _, _, share, memory = execute(command)
        finally:
            if cache:
                os.environ.pop("XDG_CACHE_HOME")
                if old is not None:
                    os.environ["XDG_CACHE_HOME"] = old
        with open(os.path.join(out, "o", "metrics.jsonl"), encoding="utf-8") as lines:
            steps = [json.loads(line) for line in lines]
    steps = [s for s in steps if "train/samples_per_second" in s]
    return {"seconds": [1 / s["train/samples_per_second"] for s in steps],
            "losses": [s["train/loss"] for s in steps], "peak_mb": memory, "cpus": share}


def theirs(options, data, frozen):
    command = [options.python, os.path.join(HERE, "train_peer.py"), "--model", options.model,
               "--data", data, "--steps", str(options.steps), "--rank", str(options.rank),
               "--threads", str(options.threads), "--no-splitting"]
    command += ["--freeze-vision"] if frozen else []
    command += ["--checkpointing"] if options.checkpointing else []
    text, _, _, share, memory = execute(command)
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {"seconds": [s["seconds"] for s in lines if "seconds" in s],
            "losses": [s["loss"] for s in lines if "loss" in s], "peak_mb": memory, "cpus": share}


def summary(runs, share):
    """Of several runs: the median step without each run's first, and the highest memory.

    With `share`, seconds are of the processor: those of the clock times the CPUs that the run got.
    """
    return {"seconds": statistics.median(s * (run["cpus"] if share else 1)
                                         for run in runs for s in run["seconds"][1:]),
            "peak_mb": max(run["peak_mb"] for run in runs),
            "cpus": statistics.mean(run["cpus"] for run in runs), "losses": runs[0]["losses"]}


def row(name, mine, peer=None):
    out = {"row": name, "ocelli": mine}
    if peer:
        out["peft"] = peer
        out["samples_per_second_ratio"] = peer["seconds"] / mine["seconds"]
        out["memory_ratio"] = mine["peak_mb"] / peer["peak_mb"]
        out["largest_loss_difference"] = max(abs(a - b) for a, b in
                                             zip(mine["losses"], peer["losses"]))
    return out


def show(rows):
    print("| | ocelli s/sample | PEFT s/sample | samples/s ratio | ocelli MB | PEFT MB | "
          "memory ratio | loss differs by |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for r in rows:
        mine, peer = r["ocelli"], r.get("peft")
        if peer:
            print(f"| {r['row']} | {mine['seconds']:.2f} | {peer['seconds']:.2f} | "
                  f"{r['samples_per_second_ratio']:.2f} | {mine['peak_mb']:.0f} | "
                  f"{peer['peak_mb']:.0f} | {r['memory_ratio']:.2f} | "
                  f"{r['largest_loss_difference']:.4f} |")
        else:
            print(f"| {r['row']} | {mine['seconds']:.2f} | | | {mine['peak_mb']:.0f} | | | |")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ocelli", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--python", required=True, help="an interpreter with torch and peft")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--size", default="512x512", help="of the pictures")
    parser.add_argument("--pictures", type=int, default=1, help="in each row, one tile each")
    parser.add_argument("--checkpointing", action="store_true", help="recompute on both sides")
    parser.add_argument("--processor-time", action="store_true",
                        help="count the processor's seconds: for one thread on a busy machine")
    parser.add_argument("--json", help="write everything to this file")
    return parser.parse_args()


def main():
    options = arguments()
    width, height = (int(n) for n in options.size.split("x"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = write_rows(folder, options.steps, options.pictures, width, height)
        for name, frozen in (("tower trained too, f32", False), ("tower frozen, f32", True)):
            mine, packed, peer = [], [], []
            for turn in range(options.rounds):
                mine.append(ours(options, data, frozen))
                peer.append(theirs(options, data, frozen))
                if frozen:
                    packed.append(ours(options, data, frozen, vision="q8"))
                for run in mine[-1:] + packed[-1:] + peer[-1:]:
                    print(f"  {name}, round {turn + 1}: {run['losses']}", file=sys.stderr)
            peer = summary(peer, options.processor_time)
            rows.append(row(name, summary(mine, options.processor_time), peer))
            if packed:
                rows.append(row("tower frozen, ours in 8 bits",
                                summary(packed, options.processor_time), peer))
        with tempfile.TemporaryDirectory() as cache:
            run = ours(options, data, True, cache)
        second = {**run, "seconds": run["seconds"][options.steps - 1:]}
        rows.append(row("second epoch, features kept (not a ratio)", summary([second], options.processor_time)))
    show(rows)
    machine.finish(rows, options.json)


if __name__ == "__main__":
    try:
        main()
    except ProgramError as error:
        sys.exit(str(error))
