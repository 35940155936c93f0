"""The machine: what it is, what it can do at best, and how much of it is ours at this moment."""

import json
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import time

# Instruction sets that kernels choose between; all other flags are left out.
SETS = ("sse4_2 avx f16c fma avx2 avx512f avx512bw avx512_vnni avx512_bf16 avx512_fp16 avx_vnni "
        "amx_int8 amx_bf16 asimd asimdhp asimddp i8mm bf16 sve").split()


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def describe():
    """Facts that belong above every table of speeds."""
    cpuinfo = _read("/proc/cpuinfo")

    def field(*names):
        for name in names:
            found = re.search(rf"^{name}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
            if found:
                return found.group(1)
        return ""

    flags = set(field("flags", "Features").split())
    memory = re.search(r"MemTotal:\s*(\d+)", _read("/proc/meminfo"))
    return {
        "cpu": field("model name") or platform.machine(),
        "cpu_family_model": "/".join((field("cpu family"), field("model"))),
        "instruction_sets": [s for s in SETS if s in flags],
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_quota": _read("/sys/fs/cgroup/cpu.max").strip() or "none",
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def finish(rows, path):
    """What a script ends with: the facts on stderr, and with the rows in a file if one is asked for."""
    facts = describe()
    print(json.dumps(facts), file=sys.stderr)
    if path:
        with open(path, "w", encoding="utf-8") as out:
            json.dump({"machine": facts, "rows": rows}, out, indent=1)


def limits(micro):
    """Lines of measured limits (f32, 8-bit, memory) of the micro-benchmarks, if they are built."""
    if not micro or not os.access(micro, os.X_OK):
        return []
    # A filter that nothing matches: only the limits are measured and printed.
    done = subprocess.run([micro, "--benchmark_filter=^none$"], capture_output=True, text=True,
                          timeout=120, check=False)
    return [line for line in done.stdout.splitlines() if "one thread:" in line]


def _count(seconds, out):
    """Rounds of work done in this time, and processor time used. Other programs take processor time
    away; what is held back outside of the machine shows in the rounds alone."""
    rounds, end, used = 0, time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < end:
        sum(range(2000))
        rounds += 1
    out[0], out[1] = rounds, time.process_time() - used


def _rounds(workers, seconds):
    """Per second by the clock, all workers together; per second of processor time, the fastest."""
    context = multiprocessing.get_context("fork")
    counts = [context.Array("d", 2, lock=False) for _ in range(workers)]
    jobs = [context.Process(target=_count, args=(seconds, c)) for c in counts]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    return sum(c[0] for c in counts) / seconds, max(c[0] / c[1] for c in counts if c[1] > 0)


class Probe:
    """How many CPUs this moment gives to `threads` busy workers: 2.0 is two whole CPUs, where one
    is the speed of the best processor second seen so far."""

    def __init__(self, seconds=0.2):
        self.seconds = seconds
        self.best = max(_rounds(1, seconds)[1] for _ in range(3))

    def __call__(self, threads):
        by_clock, by_processor = _rounds(threads, self.seconds)
        self.best = max(self.best, by_processor)
        return by_clock / self.best
