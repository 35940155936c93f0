#!/usr/bin/env python3
"""One measurement with OpenVINO, as JSON on standard output; compare.py calls it.

    python openvino_peer.py --vision vision-i8.xml --text text-i4.xml --threads 1 --tiles 5
    python openvino_peer.py --text text-i4.xml --threads 1 --prompt 512 --repeat 3

With --vision: seconds of each tile, and of all from reading the models to the logits behind tiles
and question ("first_token"; Python's own start is left out). Without: prompt tokens a second.
"""

import argparse
import json
import statistics
import time

import numpy as np
import openvino as ov

QUESTION_TOKENS = 32  # beside those of the pictures


def compiled(core, path, options):
    settings = {"INFERENCE_NUM_THREADS": options.threads, "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY"}
    if options.precision:
        settings["INFERENCE_PRECISION_HINT"] = options.precision
    return core.compile_model(path, "CPU", settings)


def picture(core, options):
    begin = time.perf_counter()
    vision, text = compiled(core, options.vision, options), compiled(core, options.text, options)
    side = vision.input(0).partial_shape[2].get_length()
    width = text.input(0).partial_shape[2].get_length()
    tile = np.random.default_rng(1).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
    tiles, embeddings = [], []
    for _ in range(options.tiles):
        start = time.perf_counter()
        embeddings.append(next(iter(vision([tile]).values())).reshape(-1, width))
        tiles.append(time.perf_counter() - start)
    question = np.zeros((QUESTION_TOKENS, width), np.float32)
    text([np.concatenate([*embeddings, question])[None]])
    return {"tile": statistics.median(tiles), "first_token": time.perf_counter() - begin}


def prompt(core, options):
    text = compiled(core, options.text, options)
    width = text.input(0).partial_shape[2].get_length()
    x = np.random.default_rng(1).standard_normal((1, options.prompt, width)).astype(np.float32)
    text([x])
    seconds = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        text([x])
        seconds.append(time.perf_counter() - start)
    return {"prefill": options.prompt / statistics.median(seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vision")
    parser.add_argument("--text", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiles", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--precision", help="f32 or bf16; else what the plugin thinks best")
    options = parser.parse_args()
    core = ov.Core()
    out = picture(core, options) if options.vision else prompt(core, options)
    print(json.dumps({**out, "version": ov.__version__}))


if __name__ == "__main__":
    main()
