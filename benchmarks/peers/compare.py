#!/usr/bin/env python3
"""Ocelli beside llama.cpp, OpenVINO and transformers, same dimensions and minutes; prints ratios.

    python3 benchmarks/peers/compare.py --ocelli build/release/bin/ocelli --model CHECKPOINT \\
        --gguf FOLDER [--llama-cpp FOLDER] [--threads 1,2] [--rounds 3] [--json FILE]

CHECKPOINT is a random one of the true dimensions (random_checkpoint), FOLDER what write_gguf.py
made of it. llama-bench and llama-mtmd-cli are looked for in --llama-cpp or on PATH; none of
llama.cpp is kept or built here. --openvino names a folder of openvino_export.py, and --python an
interpreter with OpenVINO. --transformers names an interpreter with torch and transformers, which
reads CHECKPOINT itself, in bf16 and f32. The times of these two leave the start of Python out.
Needs only Python's own library itself.

Programs take turns (ours, theirs, ours, theirs ...) with the same number of threads. Pairs are
dropped where either run got fewer than 0.9 CPUs per thread (--min-cpus), because a ratio won while
the other program waits for a thread that is not running counts for nothing: on one thread by the
run's own processor time, on several by a probe before and after each run. Each row names the peer's
fastest format.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import defaultdict

import machine
import report
from programs import (LlamaCpp, METRICS, Ocelli, OpenVino, ProgramError, Settings, Transformers,
                      find_llama_cpp, write_noise_png)

STEPS = {  # which call of a program gives which metrics
    "picture": ("tile", "first_token", "memory_picture"),
    "text_128": ("prefill_128", "decode"),
    "text_512": ("prefill_512", "memory_text"),
    "load": ("load",),
}
UNAFFECTED = ("memory_text", "memory_picture")  # by a busy machine


def peers(options, tools):
    """[(ours, [theirs by format])]: 8-bit against 8-bit and so on; 32 is float32 throughout."""
    def file(kind, name):
        if not options.gguf:
            return None
        path = os.path.join(options.gguf, f"{kind}-{name}.gguf")
        return path if os.path.exists(path) else None

    def theirs(text, mmproj):
        if tools and file("text", text):
            return LlamaCpp(*tools, file("text", text), file("mmproj", mmproj))
        return None

    groups = {"32": ("exact", []),
              "16": ("", [theirs("F16", "F16"), theirs("BF16", "BF16")]),
              "8": ("q8", [theirs("Q8_0", "Q8_0"), theirs("Q8_0", "F16"),
                            theirs("Q8_0", "BF16")]),
              "4": ("q4", [theirs("Q4_0", "Q8_0"), theirs("Q4_0", "F16"),
                            theirs("Q4_0", "BF16")])}
    if options.openvino:
        python, folder = options.python, options.openvino
        for bits, precision in (("32", "f32"), ("16", "bf16"), ("16", "f32")):
            groups[bits][1].append(OpenVino(python, folder, "vision-f32", "text-f32", precision))
        groups["8"][1].append(OpenVino(python, folder, "vision-i8", "text-i8"))
        groups["4"][1].append(OpenVino(python, folder, "vision-i8", "text-i4"))
    if options.transformers:
        groups["16"][1].extend(Transformers(options.transformers, options.model, dtype)
                               for dtype in ("bf16", "f32"))
        groups["32"][1].append(Transformers(options.transformers, options.model, "f32"))
        for bits in "84":  # it has nothing smaller on a CPU
            groups[bits][1].append(Transformers(options.transformers, options.model, "bf16"))
    wanted = [groups[bits] for bits in options.bits.split(",")]
    return [(Ocelli(options.ocelli, options.model, weights), [o for o in others if o])
            for weights, others in wanted if any(others)]


class Comparison:
    def __init__(self, options, groups, settings):
        self.options, self.groups, self.settings = options, groups, settings
        self.probe = machine.Probe()
        self.log, self.failures = [], []

    def turn(self, program, step, threads):
        """One run of one program, with the CPUs that the machine gave before and after it."""
        before = self.probe(threads)
        run = getattr(program, step)(self.settings(threads))
        cpus = min(before, self.probe(threads))
        self.log.append({"program": program.label, "step": step, "threads": threads,
                         "cpus_probed": round(cpus, 2), "values": run.values, **run.notes})
        values = ", ".join(f"{k} {v:.4g}" for k, v in run.values.items())
        print(f"  {program.label}, {threads} thr., {step}: {values}; CPUs used "
              f"{run.notes['cpus']:.2f}, probed {cpus:.2f}", file=sys.stderr)

    def round(self):
        for threads in self.options.threads:
            for ours, others in self.groups:
                for step in self.options.steps:
                    # A text file that goes with several mmproj files is measured once; one without
                    # any is left out where pictures are.
                    use = list({other.text: other for other in reversed(others)}.values())[::-1]
                    if step == "picture":
                        use = [other for other in others if other.mmproj]
                    if step == "load":  # of OpenVINO and transformers it would be Python's
                        use = [other for other in use if hasattr(other, "load")]
                    try:
                        for other in use:  # ours before each of theirs: A B A B
                            self.turn(ours, step, threads)
                            self.turn(other, step, threads)
                    except (ProgramError, KeyError, ValueError) as error:
                        self.failures.append(f"{ours.label}, {step}: {error}")
                        print(f"  failed: {self.failures[-1]}", file=sys.stderr)


def table_rows(log, options):
    """One row for each metric, threads and width: against the peer's fastest format."""
    rows = pairs(log, options.min_cpus, options.processor_time)
    together = defaultdict(list)
    for row in rows:
        program = row.peer_label.split()[0]
        key = (list(METRICS).index(row.metric), row.threads, row.ours_label, program)
        together[key].append(row)
    return [report.strongest(together[key]) for key in sorted(together)]


def quiet(run, min_cpus):
    if run["threads"] == 1:
        # Such a run says itself what it got; probes of 0.2 s said 0.7 around runs with 0.97.
        # What is held back outside of the machine shows in the spread.
        return run["cpus"] >= min_cpus
    return run["cpus_probed"] >= min_cpus * run["threads"]


def pairs(log, min_cpus, processor_time):
    """Rows of every metric and format, from runs of ours each followed by one of theirs."""
    rows = {}
    for mine, other in zip(log, log[1:]):
        same = all(mine[k] == other[k] for k in ("step", "threads"))
        ours = [run["program"].startswith("ocelli") for run in (mine, other)]
        if not same or ours != [True, False]:
            continue
        for metric in STEPS[mine["step"]]:
            if metric not in mine["values"] or metric not in other["values"]:
                continue
            key = (metric, mine["threads"], mine["program"], other["program"])
            row = rows.setdefault(key, report.Row(*key, [], []))
            if metric in UNAFFECTED:
                row.ours.append(mine["values"][metric])
                row.peer.append(other["values"][metric])
            elif processor_time and mine["threads"] == 1:
                row.ours.append(per_processor(mine, metric))
                row.peer.append(per_processor(other, metric))
            elif quiet(mine, min_cpus) and quiet(other, min_cpus):
                row.ours.append(mine["values"][metric])
                row.peer.append(other["values"][metric])
            else:
                row.dropped += 1
    return list(rows.values())


def per_processor(run, metric):
    """By the processor time that the run got, instead of by the clock."""
    value = run["values"][metric]
    return value / run["cpus"] if METRICS[metric][2] else value * run["cpus"]


def numbers(text):
    return [int(n) for n in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ocelli", help="the program")
    parser.add_argument("--model", help="checkpoint in Hugging Face layout")
    parser.add_argument("--gguf", help="folder written by write_gguf.py")
    parser.add_argument("--llama-cpp", help="folder of llama-bench and llama-mtmd-cli")
    parser.add_argument("--openvino", help="folder written by openvino_export.py")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with openvino")
    parser.add_argument("--transformers", metavar="PYTHON",
                        help="an interpreter with torch and transformers")
    parser.add_argument("--micro", help="micro-benchmark program, for the machine's limits")
    parser.add_argument("--threads", type=numbers, default=[1], help="for example 1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=3, help="measurements in one run")
    parser.add_argument("--n-gen", type=int, default=32, help="tokens decoded")
    parser.add_argument("--picture", default="1024x256", help="WIDTHxHEIGHT of the noise picture")
    parser.add_argument("--one-tile", action="store_true",
                        help="the picture as one tile (--no-split). llama.cpp has no such way: a "
                        "--gguf folder of write_gguf.py --longest-edge makes it two, of which one "
                        "is taken off again; its memory is that of two")
    parser.add_argument("--min-cpus", type=float, default=0.9, help="CPUs per thread, or dropped")
    parser.add_argument("--processor-time", action="store_true",
                        help="one thread by the processor time that each run got: for a machine "
                        "that is never quiet; nothing is dropped then")
    parser.add_argument("--again", nargs="+", metavar="JSON",
                        help="measure nothing: the table of runs that --json wrote before")
    parser.add_argument("--bits", default="16,8,4",
                        help="widths of the weights to compare: 32 (float32 throughout, ours with "
                        "--exact), 16 (as stored), 8, 4")
    parser.add_argument("--steps", default=",".join(STEPS), help="of " + ", ".join(STEPS))
    parser.add_argument("--json", help="write everything measured to this file")
    options = parser.parse_args()
    options.steps = options.steps.split(",")
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"no such step ({', '.join(unknown)})")
    if not options.again and not (options.ocelli and options.model and
                                  (options.gguf or options.openvino or options.transformers)):
        parser.error("--ocelli, --model and one of --gguf, --openvino and --transformers "
                     "are needed")
    return options


def again(options):
    log = []
    for path in options.again:
        with open(path, encoding="utf-8") as file:
            written = json.load(file)
        log += written["runs"]
        finish(options, written["machine"], [], written["failures"])
    print_table(options, log)


def main():
    options = arguments()
    if options.again:
        return again(options)
    tools = find_llama_cpp(options.llama_cpp)
    if not tools and not options.openvino and not options.transformers:
        sys.exit("llama-bench and llama-mtmd-cli not found; put them on PATH or give --llama-cpp")
    groups = peers(options, tools)
    if not groups:
        sys.exit(f"nothing to compare --bits {options.bits} with" +
                 (f": no text-F16.gguf or the like in {options.gguf}" if options.gguf else ""))
    facts = machine.describe()
    facts["limits"] = machine.limits(options.micro)
    programs = {other.label.split()[0]: other for _, others in groups for other in others}
    facts["versions"] = [groups[0][0].version(), *(p.version() for p in programs.values())]
    width, height = (int(n) for n in options.picture.split("x"))
    with open(os.path.join(options.model, "config.json"), encoding="utf-8") as file:
        config = json.load(file)

    with tempfile.TemporaryDirectory() as folder:
        picture = os.path.join(folder, "noise.png")
        write_noise_png(picture, width, height)
        plan = {"tiles": 0}
        if "vision_config" in config:
            plan = groups[0][0].plan(width, height, Settings.question, options.one_tile)
        if not plan["tiles"] and "picture" in options.steps:
            options.steps.remove("picture")

        def settings(threads):
            return Settings(threads, options.repeat, options.n_gen, picture, **plan,
                            one_tile=options.one_tile)

        facts["dimensions"] = dimensions(config) + (
            f"; picture {width}x{height} = {plan['tiles']} tiles" if plan["tiles"] else "")
        comparison = Comparison(options, groups, settings)
        try:
            for i in range(options.rounds):
                print(f"round {i + 1} of {options.rounds}", file=sys.stderr)
                comparison.round()
        except KeyboardInterrupt:
            comparison.failures.append("interrupted; the table holds what was measured before")
    facts["date"] += " to " + machine.describe()["date"][-9:]
    finish(options, facts, comparison.log, comparison.failures)
    if options.json:
        rows = pairs(comparison.log, options.min_cpus, options.processor_time)
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "rows": [report.as_json(r) for r in rows],
                       "runs": comparison.log, "failures": comparison.failures}, file, indent=1)
    sys.exit(1 if comparison.failures else 0)


def finish(options, facts, log, failures):
    for key, value in facts.items():
        for line in value if isinstance(value, list) and key != "instruction_sets" else [value]:
            text = " ".join(line) if isinstance(line, list) else line
            print(f"{key.replace('_', ' ')}: {text}")
    print()
    if log:
        print_table(options, log)
    for failure in failures:
        print("failed:", failure)


def print_table(options, log):
    print(report.table(table_rows(log, options)))
    print("\nRatio above 1: ours is faster or smaller; median (and range) over pairs of runs taken "
          "one after the other.")
    alone = [run["cpus"] for run in log if run["threads"] == 1]
    if alone:
        print(f"Runs on one thread got {min(alone):.2f} to {max(alone):.2f} CPUs." +
              (" Their figures are by that processor time." if options.processor_time else ""))


def dimensions(config):
    text = {**config, **config.get("text_config", {})}
    out = (f"text {text['num_hidden_layers']} layers, width {text['hidden_size']}, "
           f"MLP {text['intermediate_size']}, heads {text['num_attention_heads']}:"
           f"{text['num_key_value_heads']}, vocabulary {text['vocab_size']}")
    vision = config.get("vision_config")
    if vision:
        out += (f"; vision {vision.get('num_hidden_layers', 12)} layers, width "
                f"{vision.get('hidden_size', 1152)}, MLP {vision.get('intermediate_size', 3072)}, "
                f"{vision['image_size']}/{vision['patch_size']}")
    return out


if __name__ == "__main__":
    main()
