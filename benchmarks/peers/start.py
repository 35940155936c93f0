#!/usr/bin/env python3
"""A start: from exec to the end of a one-token prefill, whole process, files in the page cache.

    python3 benchmarks/peers/start.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        [--weights q8,q4] [--gguf FILE ...] [--llama-bench PROGRAM] [--threads 1,2] [--rounds 5] \\
        [--json FILE]

`ocelli run --raw -p hi -n 1`, a prompt of one token: once to convert the weights, once more so that
everything is in the page cache, then --rounds times, in turns with `llama-bench -p 1 -n 0` of each
--gguf file. Printed: seconds by the clock, processor time, page faults and peak memory; medians, and
of the clock also the least: a busy machine only adds. Then two of ours at the same time, and what
they share (Pss of /proc/PID/smaps_rollup). CHECKPOINT is a random one of the true dimensions
(random_checkpoint). Needs only Python's own library.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import machine
from programs import ProgramError, peak_mb, run_child

FIELDS = {"seconds": "s", "cpu": "CPU s", "system": "of it system", "faults": "faults",
          "peak": "peak MB"}


def start(command):
    """Seconds, processor time, page faults and peak memory of one process that ends by itself."""
    _, _, seconds, used = run_child(command)
    return {"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "system": used.ru_stime,
            "faults": used.ru_minflt, "peak": peak_mb(used)}


def memory_of(pid):
    """Of a running process, MB: all that it touches, its share of it, and what is its own."""
    names = {"Rss": "rss", "Pss": "share", "Anonymous": "own", "Shared_Clean": "shared"}
    out = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            key = line.split(":")[0]
            if key in names:
                out[names[key]] = int(line.split()[1]) * 1024 / 1e6
    return out


def settled(pid, limit=120):
    """memory_of() once all weights have been read: what grows then is the cache of the answer."""
    last, end = {"rss": -1}, time.monotonic() + limit
    while time.monotonic() < end:
        time.sleep(1)
        now = memory_of(pid)
        if now["rss"] - last["rss"] < 16:
            return now
        last = now
    return last


def together(command):
    """Two processes that answer at length: the memory of the first alone, then of both. None where
    the answer ends before its memory can be read, as that of a small model does."""
    def run():
        return subprocess.Popen(command + ["-n", "100000", "--ignore-eos"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    children = [run()]
    try:
        alone = settled(children[0].pid)
        children.append(run())
        settled(children[1].pid)
        return {"alone": alone, "two": [memory_of(c.pid) for c in children]}
    except (ProcessLookupError, FileNotFoundError):
        return None
    finally:
        for child in children:
            child.kill()
            child.wait()


def print_table(rows):
    print("| program | threads | " + " | ".join(FIELDS.values()) + " | least s |")
    print("|---" * (len(FIELDS) + 3) + "|")
    for (label, threads), runs in rows.items():
        medians = [statistics.median(r[f] for r in runs) for f in FIELDS]
        print(f"| {label} | {threads} | " + " | ".join(f"{m:.4g}" for m in medians) +
              f" | {min(r['seconds'] for r in runs):.4g} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ocelli", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--weights", default="q8,q4", help="comma-separated; 'stored': as it is")
    parser.add_argument("--gguf", nargs="*", default=[])
    parser.add_argument("--llama-bench", default="llama-bench")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="")
    o = parser.parse_args()

    def ours(weights):
        how = [] if weights == "stored" else ["--weights", weights]
        return [o.ocelli, "run", "-m", o.model, "--raw", "-p", "hi", "-q", "-c", "2048", *how]

    rows, first, shared = {}, {}, {}
    for weights in o.weights.split(","):
        once = [*ours(weights), "-n", "1"]
        first[weights] = start(once)
        start(once)
    for threads in o.threads.split(","):
        for _ in range(o.rounds):
            for weights in o.weights.split(","):
                run = start([*ours(weights), "-n", "1", "-t", threads])
                rows.setdefault((f"ocelli {weights}", threads), []).append(run)
            for file in o.gguf:
                run = start([o.llama_bench, "-m", file, "-t", threads, "-p", "1", "-n", "0", "-r", "1",
                             "--no-warmup"])
                rows.setdefault((f"llama.cpp {os.path.basename(file)}", threads), []).append(run)
    for weights in o.weights.split(","):
        shared[weights] = together([*ours(weights), "-t", "1"])

    about = machine.describe()
    print(f"{about['cpu']} ({about['cpu_family_model']}), {about['cpus']} CPUs, {about['date']}, "
          f"{o.rounds} rounds\n")
    print_table(rows)
    print()
    for weights, memory in shared.items():
        if memory is None:
            print(f"{weights}: the answer ended before its memory could be read")
            continue
        alone, two = memory["alone"], memory["two"]
        print(f"{weights}: one process {alone['rss']:.0f} MB, {alone['own']:.0f} MB of it its own; "
              f"two at once {sum(m['share'] for m in two):.0f} MB together")
    if o.json:
        with open(o.json, "w", encoding="utf-8") as file:
            json.dump({"machine": about, "first": first, "shared": shared,
                       "runs": [{"program": k[0], "threads": k[1], "runs": v}
                                for k, v in rows.items()]}, file, indent=1)


if __name__ == "__main__":
    try:
        main()
    except ProgramError as error:
        sys.exit(f"start.py: {error}")
