"""The programs that are compared: how each is called, and what is read from its output.

Every call returns a Run; `values` has seconds or tokens per second under the names of METRICS.
"""

import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import zlib
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))

# name: (title, unit, True if more is better)
METRICS = {
    "tile": ("vision encode, per tile", "s", False),
    "first_token": ("picture and question to first token, whole process", "s", False),
    "prefill_128": ("prefill 128", "tokens/s", True),
    "prefill_512": ("prefill 512", "tokens/s", True),
    "decode": ("decode at depth 128", "tokens/s", True),
    "load": ("start, load and first token of text, whole process", "s", False),
    "memory_text": ("peak memory, text", "MB", False),
    "memory_picture": ("peak memory, picture", "MB", False),
}


class ProgramError(Exception):
    pass


@dataclass
class Run:
    values: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)


def run_child(command, limit=1200):
    """Output, errors, seconds by the clock and resources (getrusage) of one process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        # wait4 gives the resources of exactly this child; a timer ends it if it hangs.
        timer = threading.Timer(limit, child.kill)
        timer.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:  # interrupted: leave nothing running
            child.kill()
            child.wait()
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text, errors = (f.read().decode("utf-8", "replace") for f in (out, err))
    if child.returncode != 0:
        last = "\n".join(errors.strip().splitlines()[-5:])
        raise ProgramError(f"{' '.join(command)}: status {child.returncode}\n{last}")
    return text, errors, seconds, used


def execute(command, limit=1200):
    """Output, errors, seconds by the clock, CPUs used on average, and peak memory in MB."""
    text, errors, seconds, used = run_child(command, limit)
    return text, errors, seconds, (used.ru_utime + used.ru_stime) / seconds, peak_mb(used)


def peak_mb(used):
    return used.ru_maxrss * 1024 / 1e6


@dataclass
class Settings:
    threads: int
    repeat: int = 3
    generate: int = 32
    picture: str = ""
    tiles: int = 0
    picture_tokens: int = 0  # of all tiles together
    text_tokens: int = 0     # beside them: question and template
    context: int = 2048
    question: str = "What is in the picture?"
    one_tile: bool = False


class Ocelli:
    """Ours; `weights` as the option --weights, empty for the checkpoint as it is, or "exact"."""

    def __init__(self, binary, model, weights=""):
        self.binary, self.model = binary, model
        self.label = "ocelli " + (weights or "as stored")
        self.options = {"": [], "exact": ["--exact"]}.get(weights, ["--weights", weights])

    def version(self):
        return execute([self.binary, "--version"])[0].strip()

    def plan(self, width, height, question, one_tile=False):
        """Tiles and tokens of the question about a picture, as fields of Settings."""
        command = [self.binary, "plan", self.model, "--picture", f"{width}x{height}",
                   "-p", question, "--json", *(["--no-split"] if one_tile else [])]
        plan = json.loads(execute(command)[0])
        return {name: plan[name] for name in ("tiles", "picture_tokens", "text_tokens")}

    def _bench(self, s, prompt, generate, repeat):
        command = [self.binary, "bench", self.model, "--json", "--no-picture", "-t", str(s.threads),
                   "--n-prompt", str(prompt), "--n-gen", str(generate), "-r", str(repeat),
                   "-c", str(s.context), "-q", *self.options]
        text, _, seconds, share, memory = execute(command)
        return json.loads(text), seconds, share, memory

    def text_128(self, s):
        out, _, share, _ = self._bench(s, 128, s.generate, s.repeat)
        return Run({"prefill_128": out["text"]["prefill_tokens_per_second"],
                    "decode": out["text"]["decode_tokens_per_second"]},
                   {"cpus": share, "kernels": out["kernels"]})

    def text_512(self, s):
        out, _, share, memory = self._bench(s, 512, 1, s.repeat)
        return Run({"prefill_512": out["text"]["prefill_tokens_per_second"],
                    "memory_text": memory}, {"cpus": share})

    def load(self, s):
        out, seconds, share, _ = self._bench(s, 1, 1, 1)
        return Run({"load": seconds}, {"cpus": share, "load_seconds": out["load_seconds"]})

    def picture(self, s):
        command = [self.binary, "run", "-m", self.model, "--image", s.picture, "-p", s.question,
                   "-n", "1", "--ignore-eos", "--json", "-t", str(s.threads), "-c", str(s.context),
                   "-q", "--no-cache", *self.options, *(["--no-split"] if s.one_tile else [])]
        text, _, seconds, share, memory = execute(command)
        times = json.loads(text)["seconds"]
        return Run({"tile": times["encode"] / s.tiles, "first_token": seconds,
                    "memory_picture": memory}, {"cpus": share, **times})


class LlamaCpp:
    """llama.cpp's own tools on a text file and, for pictures, an mmproj file."""

    def __init__(self, bench, cli, text, mmproj):
        self.bench, self.cli, self.text, self.mmproj = bench, cli, text, mmproj
        names = [os.path.basename(f).removesuffix(".gguf") for f in (text, mmproj) if f]
        types = dict.fromkeys(name.split("-")[-1] for name in names)  # text-F16, mmproj-F16
        self.label = "llama.cpp " + "+".join(types)

    def version(self):
        """Of both programs, as each prints it (the stream differs between versions)."""
        lines = []
        for program in (self.bench, self.cli):
            done = subprocess.run([program, "--version"], capture_output=True, text=True,
                                  timeout=60, check=False)
            found = re.search(r"(?:version|build)\S*\s.*", done.stdout + done.stderr)
            lines.append(f"{os.path.basename(program)} {found.group(0) if found else 'unknown'}")
        return "; ".join(lines)

    def _bench(self, s, *arguments, repeat):
        command = [self.bench, "-m", self.text, "-t", str(s.threads), "-r", str(repeat),
                   "-o", "json", *arguments]
        text, _, seconds, share, memory = execute(command)
        return json.loads(text), seconds, share, memory

    @staticmethod
    def _rate(entry):
        return (entry["n_prompt"] + entry["n_gen"]) * 1e9 / statistics.median(entry["samples_ns"])

    def text_128(self, s):
        prompt, _, share, _ = self._bench(s, "-p", "128", "-n", "0", repeat=s.repeat)
        decode, _, share2, _ = self._bench(s, "-p", "0", "-n", str(s.generate), "-d", "128",
                                           repeat=s.repeat)
        return Run({"prefill_128": self._rate(prompt[0]), "decode": self._rate(decode[0])},
                   {"cpus": min(share, share2)})

    def text_512(self, s):
        out, _, share, memory = self._bench(s, "-p", "512", "-n", "0", repeat=s.repeat)
        return Run({"prefill_512": self._rate(out[0]), "memory_text": memory}, {"cpus": share})

    def load(self, s):
        _, seconds, share, _ = self._bench(s, "-p", "1", "-n", "0", "--no-warmup", repeat=1)
        return Run({"load": seconds}, {"cpus": share})

    def picture(self, s):
        command = [self.cli, "-m", self.text, "--mmproj", self.mmproj, "--image", s.picture, "-p",
                   s.question, "-n", "1", "-t", str(s.threads), "-c", str(s.context), "--no-warmup"]
        text, errors, seconds, share, memory = execute(command)
        slices = slice_seconds(text + errors)
        if len(slices) != s.tiles + s.one_tile:
            raise ProgramError(f"{self.label}: {len(slices)} slices (ours: {s.tiles} tiles)\n" +
                               errors[-2000:])
        if s.one_tile:  # it adds the whole picture to its only tile
            seconds -= statistics.mean(slices) + statistics.mean(decode_seconds(text + errors))
        return Run({"tile": statistics.median(slices), "first_token": seconds,
                    "memory_picture": memory}, {"cpus": share, "slices": slices})


class OpenVino:
    """OpenVINO on what openvino_export.py wrote, through openvino_peer.py and a Python that has it."""

    def __init__(self, python, folder, vision, text, precision=""):
        self.python, self.precision = python, precision
        self.mmproj, self.text = (os.path.join(folder, name + ".xml") for name in (vision, text))
        types = dict.fromkeys(name.split("-")[-1] for name in (text, vision))
        self.label = "OpenVINO " + (precision or "+".join(types))

    def _run(self, s, *arguments):
        command = [self.python, os.path.join(HERE, "openvino_peer.py"), "--text", self.text,
                   "--threads", str(s.threads), *arguments]
        command += ["--precision", self.precision] if self.precision else []
        text, _, _, share, memory = execute(command)
        return json.loads(text.strip().splitlines()[-1]), share, memory

    def version(self):
        code = "import openvino; print('OpenVINO', openvino.__version__)"
        return execute([self.python, "-c", code])[0].strip()

    def _prompt(self, s, tokens):
        return self._run(s, "--prompt", str(tokens), "--repeat", str(s.repeat))

    def text_128(self, s):
        out, share, _ = self._prompt(s, 128)
        return Run({"prefill_128": out["prefill"]}, {"cpus": share})

    def text_512(self, s):
        out, share, memory = self._prompt(s, 512)
        return Run({"prefill_512": out["prefill"], "memory_text": memory}, {"cpus": share})

    def picture(self, s):
        out, share, memory = self._run(s, "--vision", self.mmproj, "--tiles", str(s.tiles))
        return Run({"tile": out["tile"], "first_token": out["first_token"],
                    "memory_picture": memory}, {"cpus": share})


class Transformers:
    """transformers on our own checkpoint, through transformers_peer.py and a Python that has it;
    `dtype` bf16 or f32."""

    def __init__(self, python, model, dtype):
        self.python, self.model, self.dtype = python, model, dtype
        self.text = self.mmproj = (model, dtype)  # one file has both
        self.label = "transformers " + dtype

    def _run(self, s, *arguments):
        """Figures, notes and memory. CPUs are of the measured part alone: to import torch waits for
        files, and whatever is not measured must not count in figures by processor time."""
        command = [self.python, os.path.join(HERE, "transformers_peer.py"), "--model", self.model,
                   "--dtype", self.dtype, "--threads", str(s.threads), *arguments]
        text, _, _, _, memory = execute(command)
        out = json.loads(text.strip().splitlines()[-1])
        return out, {"cpus": out["cpus"]}, memory

    def version(self):
        code = ("import torch, transformers; "
                "print('transformers', transformers.__version__, 'torch', torch.__version__)")
        return execute([self.python, "-c", code])[0].strip()

    def text_128(self, s):
        out, notes, _ = self._run(s, "--prompt", "128", "--generate", str(s.generate),
                                  "--repeat", str(s.repeat))
        return Run({"prefill_128": out["prefill"], "decode": out["decode"]}, notes)

    def text_512(self, s):
        out, notes, memory = self._run(s, "--prompt", "512", "--repeat", str(s.repeat))
        return Run({"prefill_512": out["prefill"], "memory_text": memory}, notes)

    def picture(self, s):
        out, notes, memory = self._run(s, "--tiles", str(s.tiles),
                                       "--picture-tokens", str(s.picture_tokens),
                                       "--text-tokens", str(s.text_tokens))
        return Run({"tile": out["tile"], "first_token": out["first_token"],
                    "memory_picture": memory}, notes)


def slice_seconds(log):
    """Seconds of each picture slice: one line per slice, or (since 2026) one per batch of them."""
    single = re.findall(r"image slice encoded in (\d+) ms", log)
    if single:
        return [int(ms) / 1000 for ms in single]
    out = []
    for count, ms in re.findall(r"encoding mtmd batch, n_chunks = (\d+).*?"
                                r"mtmd batch encoding done in (\d+) ms", log, re.DOTALL):
        out += [int(ms) / 1000 / int(count)] * int(count)
    return out


def decode_seconds(log):
    """Seconds in which the text model read the embeddings of a slice: as printed, or (since 2026)
    from the end of one slice's encoding to the start of the next, a few tokens of text among it."""
    found = [int(ms) / 1000 for ms in re.findall(r"image decoded \(batch \S+ in (\d+) ms", log)]
    if found:
        return found
    stamps = re.findall(r"(\d+)\.(\d+)\.(\d+)\.(\d+) \w "
                        r"(encoding mtmd|mtmd batch encoding done)", log)
    times = [(60 * int(m) + int(s) + int(ms) / 1e3 + int(us) / 1e6, what.startswith("encoding"))
             for m, s, ms, us, what in stamps]
    found = [then - now for (now, starts), (then, begins) in zip(times, times[1:])
             if begins and not starts]
    if not found:
        raise ProgramError("llama-mtmd-cli does not say how long it decoded a slice")
    return found


def find_llama_cpp(folder):
    """Paths of llama-bench and llama-mtmd-cli in the folder or its bin/, else on PATH; or None."""
    places = [folder, os.path.join(folder, "bin")] if folder else []
    found = []
    for name in ("llama-bench", "llama-mtmd-cli"):
        path = shutil.which(name, path=os.pathsep.join(places)) if folder else shutil.which(name)
        if not path:
            return None
        found.append(path)
    return found


def write_noise_png(path, width, height):
    """Coloured noise by a fixed formula: no tile is empty, and both sides read the same file."""
    state, rows = 1, bytearray()
    for _ in range(height):
        rows.append(0)  # no filter
        for _ in range(width * 3):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            rows.append(state >> 24)

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
                   chunk(b"IDAT", zlib.compress(bytes(rows), 1)) + chunk(b"IEND", b""))
