"""Whether we accept a safetensors file that the original refuses: 10,000 changed files given to both.

    python tools/reference/check_safetensors.py build/release/bin/ocelli [--count 10000] [--seed 1]

The original is the Rust crate, through the Python package `safetensors`. What we refuse and it accepts is
counted by reason: duplicate keys, odd names and limits of ours are on purpose.
"""

import argparse
import collections
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

from safetensors import deserialize

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests/fixtures/models/smollm2"
NUMBERS = [0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 255, 2**31, 2**32, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -1, -8, 1.5, 1e3]
VALUES = NUMBERS + [None, True, "", "F32", "BF16", "F4", "I64", "f32", [], {}, [0], [0, 8], [8, 0]]


def entries(rng):
    """A good header of a few tensors, and its data."""
    header, at = {}, 0
    if rng.random() < 0.5:
        header["__metadata__"] = {"format": "pt"}
    for i in range(rng.randint(0, 5)):
        dtype, size = rng.choice([("F32", 4), ("BF16", 2), ("F16", 2), ("U8", 1), ("I64", 8), ("BOOL", 1), ("F64", 8)])
        shape = [rng.randint(0, 4) for _ in range(rng.randint(0, 4))]
        count = size
        for n in shape:
            count *= n
        header[f"t{i}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + count]}
        at += count
    return header, bytes(at)


def change_tree(rng, header):
    """Changes one value, somewhere."""
    path, node = [], header
    while isinstance(node, (dict, list)) and node and (not path or rng.random() < 0.8):
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        path.append((node, key))
        node = node[key]
    if not path:
        header["x"] = rng.choice(VALUES)
        return
    parent, key = path[-1]
    kind = rng.randrange(4)
    if kind == 0:
        parent[key] = rng.choice(VALUES)
    elif kind == 1 and isinstance(node, int):
        parent[key] = node + rng.choice([-8, -4, -1, 1, 4, 8])
    elif kind == 2:
        del parent[key]
    elif isinstance(parent, dict):
        parent[rng.choice(["w", "t1", "dtype", "shape", "__metadata__", "\u00e9", "a/b", ""])] = node
    else:
        parent.append(rng.choice(VALUES))


def change_bytes(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(4)
        if kind == 0 and data:
            data[at] = rng.choice([rng.randrange(256), ord("0"), ord(","), ord('"'), ord("["), ord("{"), ord(" "), 0, 0xFF])
        elif kind == 1:
            del data[at : at + rng.choice([1, 1, 4, 30])]
        elif kind == 2:
            data[at:at] = bytes(rng.choice([b"0", b" ", b'"', b"\0", b",", b"}", b"1e2", b"\xef\xbb\xbf", b"\\u0000"]))
        elif data:
            data[at:at] = data[at : at + rng.randrange(40)]
    return bytes(data)


def mutant(rng):
    header, data = entries(rng)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        change_tree(rng, header)
    text = json.dumps(header, separators=rng.choice([(",", ":"), (", ", ": ")])).encode()
    if rng.random() < 0.4:
        text = change_bytes(rng, text)
    if rng.random() < 0.2:
        text += b" " * rng.randrange(9)
    length = len(text)
    if rng.random() < 0.1:
        length = rng.choice([length + rng.randint(-9, 9), rng.choice([0, 1, 2**32, 2**63, 2**64 - 1])]) % 2**64
    if rng.random() < 0.15:
        data = rng.choice([data[:-1], data + b"x", data + bytes(8), b""])
    out = struct.pack("<Q", length) + text + data
    return change_bytes(rng, out) if rng.random() < 0.1 else out


def ours(program, folder, blob):
    """None where the file is accepted (the model's own tensors are then missing), or the refusal."""
    (folder / "model.safetensors").write_bytes(blob)
    done = subprocess.run([program, "show", "-q", folder], capture_output=True, timeout=20)
    line = done.stderr.decode("utf-8", "strict").strip()
    if done.returncode not in (0, 3, 4) or (done.returncode and not line.startswith("error: ")):
        sys.exit(f"status {done.returncode}: {line}")
    return line.split("model.safetensors: ", 1)[1] if "model.safetensors: " in line else None


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program")
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    rng = random.Random(options.seed)
    counts, reasons, wrong = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for file in MODEL.glob("*.json"):
            shutil.copy(file, folder)
        for i in range(options.count):
            blob = mutant(rng)
            try:
                deserialize(blob)
                original = True
            except Exception:  # the package raises several kinds
                original = False
            refusal = ours(options.program, folder, blob)
            counts[original, refusal is None] += 1
            if refusal is not None and original:
                reasons["".join(c for c in refusal if not c.isdigit())[-90:]] += 1
            if refusal is None and not original:
                wrong += 1
                path = pathlib.Path(f"accepted_{options.seed}_{i}.safetensors")
                path.write_bytes(blob)
                print(f"accepted by us and refused by the original: {path}")
    print(f"{options.count} files: {counts[True, True]} accepted by both, {counts[False, False]} refused by both,")
    print(f"{counts[True, False]} refused by us alone, {wrong} accepted by us alone")
    for reason, count in reasons.most_common(8):
        print(f"  {count:5}  {reason}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
