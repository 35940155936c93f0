"""Blocks of GGUF's quantized types with the numbers that the reference reads from them.

Asks gguf-py (gguf.quants). Writes tests/fixtures/gguf/blocks.bin, all little-endian:

    record   char name[16], uint32 columns, uint32 bytes, then `bytes` bytes, then float32 [columns]

Records named after an encoding hold a row of random blocks (with scales that are zero, subnormal,
negative and the largest) and its numbers. The record "encode q4_0" holds what the reference makes of
its numbers.
"""

import struct
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import dequantize, quantize

OUT = Path(__file__).parents[2] / "tests/fixtures/gguf/blocks.bin"
T = gguf.GGMLQuantizationType

# Our name, GGUF's type, where the f16 scales of a block lie.
TYPES = [
    ("q8_0", T.Q8_0, [0]), ("q4_0", T.Q4_0, [0]), ("q4_1", T.Q4_1, [0, 2]),
    ("q5_0", T.Q5_0, [0]), ("q5_1", T.Q5_1, [0, 2]), ("iq4_nl", T.IQ4_NL, [0]),
    ("q2_k", T.Q2_K, [80, 82]), ("q3_k", T.Q3_K, [108]), ("q4_k", T.Q4_K, [0, 2]),
    ("q5_k", T.Q5_K, [0, 2]), ("q6_k", T.Q6_K, [208]),
]
EXTREME = [0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00]


def row(rng, kind, places):
    """Blocks for 2,048 columns: half of them with extreme scales, half with ordinary ones."""
    columns, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (2048 // columns, size), dtype=np.uint8)
    for i, block in enumerate(blocks):
        for at in places:
            scale = rng.normal(0, 0.05) if i % 2 else 0
            bits = np.float16(scale).view(np.uint16) if i % 2 else rng.choice(EXTREME)
            block[at:at + 2] = np.frombuffer(struct.pack("<H", int(bits)), np.uint8)
    return blocks.reshape(1, -1)


def numbers(rng):
    """Rows for the writer: ordinary, tiny, large, ties of sign, zeros."""
    rows = [rng.normal(0, s, 64) for s in (1, 1e-3, 1e-30, 1e4)]
    ties = np.tile([1.0, -1.0, 0.5, -0.5, 0.0625, 0.1875, -0.9375, 0.9375], 8)
    return np.concatenate([*rows, ties, -ties, np.zeros(32), np.full(32, 3.0)]).astype(np.float32)


def record(name, data, values):
    head = struct.pack("<16sII", name.encode(), values.size, data.size)
    return head + data.tobytes() + values.astype("<f4").tobytes()


def main():
    rng = np.random.default_rng(4)
    out = b""
    for name, kind, places in TYPES:
        data = row(rng, kind, places)
        with np.errstate(over="ignore"):
            out += record(name, data, dequantize(data, kind))
    values = numbers(rng)
    with np.errstate(all="ignore"):
        out += record("encode q4_0", quantize(values.reshape(1, -1), T.Q4_0), values)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(out)
    print(OUT, len(out), "bytes")


if __name__ == "__main__":
    main()
