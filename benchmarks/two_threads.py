#!/usr/bin/env python3
"""Two threads against one, on a quiet machine and with one of its CPUs busy with something else.

    python3 benchmarks/two_threads.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        [--rounds 3] [--json FILE] [-- more options of ocelli bench, as --weights q4]

Runs of `ocelli bench` with one and with two threads take turns, first as the machine is, then beside
a loop that keeps CPU 0 busy. "CPUs" is what two busy workers got at that moment, in best processor
seconds a second (peers/machine.py): two threads cannot gain more than that over one. Status 1 where
two threads were slower than one by more than the runs of one thread differ from each other.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers"))
import machine  # noqa: E402
from programs import ProgramError, execute  # noqa: E402

# Title, place in the output of ocelli bench, True where more is better.
WORK = [
    ("vision tile", ("picture", "encode_seconds_per_tile"), False),
    ("prefill 512", ("text", "prefill_tokens_per_second"), True),
    ("decode", ("text", "decode_tokens_per_second"), True),
]


def spin(cpu):
    os.sched_setaffinity(0, {cpu})
    while True:
        sum(range(10000))


class Busy:
    """One CPU that somebody else uses."""

    def __init__(self, wanted):
        self.job = None
        if wanted:
            self.job = multiprocessing.get_context("fork").Process(
                target=spin, args=(min(os.sched_getaffinity(0)),), daemon=True)

    def __enter__(self):
        if self.job:
            self.job.start()

    def __exit__(self, *_):
        if self.job:
            self.job.kill()
            self.job.join()


def measure(options, threads):
    """Work per second under the names of WORK."""
    command = [options.ocelli, "bench", options.model, "--json", "--no-cache", "-t", str(threads),
               "-r", "1", "--width", "512", "--height", "512", "--no-split", *options.more]
    out = json.loads(execute(command)[0])
    speeds = {}
    for title, path, more_is_better in WORK:
        value = out
        for key in path:
            value = value.get(key, {}) if isinstance(value, dict) else {}
        if value:
            speeds[title] = value if more_is_better else 1 / value
    return speeds


def condition(options, name, busy, probe):
    """Rows of one state of the machine."""
    runs = {1: [], 2: []}
    cpus = []
    with Busy(busy):
        for _ in range(options.rounds):
            cpus.append(probe(2))
            for threads in (1, 2):
                runs[threads].append(measure(options, threads))
    rows = []
    for title, *_ in WORK:
        if title not in runs[1][0]:
            continue
        one, two = ([run[title] for run in runs[n]] for n in (1, 2))
        ratio = statistics.median(b / a for a, b in zip(one, two))
        rows.append({"machine": name, "work": title, "cpus": statistics.median(cpus),
                     "one": one, "two": two, "ratio": ratio,
                     "spread": max(one) / min(one), "slower": ratio * max(one) / min(one) < 1})
    return rows


def show(rows):
    print("| machine | CPUs | work | one thread, 1/s | two threads, 1/s | ratio | one thread varies |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for r in rows:
        one, two = statistics.median(r["one"]), statistics.median(r["two"])
        print(f"| {r['machine']} | {r['cpus']:.2f} | {r['work']} | {one:.4g} | {two:.4g} | "
              f"{r['ratio']:.2f}{' SLOWER' if r['slower'] else ''} | {r['spread']:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ocelli", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write everything to this file")
    parser.add_argument("more", nargs="*", help="options of ocelli bench, behind --")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("this process may use one CPU only; there is nothing to compare")
    probe = machine.Probe()
    measure(options, 1)  # the model is read from the disk
    rows = []
    for name, busy in (("as it is", False), ("one CPU busy", True)):
        rows += condition(options, name, busy, probe)
    show(rows)
    machine.finish(rows, options.json)
    return int(any(r["slower"] for r in rows))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProgramError as error:
        sys.exit(str(error))
