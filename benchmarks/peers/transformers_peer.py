#!/usr/bin/env python3
"""One measurement with transformers on the CPU, as JSON on standard output; compare.py calls it.

    python transformers_peer.py --model CHECKPOINT --dtype bf16 --threads 1 \\
        --tiles 5 --picture-tokens 320 --text-tokens 38
    python transformers_peer.py --model CHECKPOINT --dtype f32 --threads 1 --prompt 128 \\
        --generate 32 --repeat 3

With --tiles: seconds of each tile (tower and connector, all of a picture in one batch, as the model
does it), and of all from reading the weights to the token behind tiles and question ("first_token";
the start of Python and what it imports, the tokenizer and resizing are left out). Without: prompt
tokens a second and, with --generate, tokens a second decoded one at a time behind the prompt.
"cpus" are those that the measured part had on average. Attention is what transformers chooses.
Needs torch and transformers (transformers-requirements.txt).
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DEACTIVATE_ASYNC_LOAD", "1")  # else four threads read weights

import torch
import transformers

DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


class Span:
    """Seconds by the clock and of the processor since it was made."""

    def __init__(self):
        self.clock, self.processor = time.perf_counter(), time.process_time()

    def seconds(self):
        return time.perf_counter() - self.clock

    def cpus(self):
        return (time.process_time() - self.processor) / self.seconds()


def random_tokens(config, count):
    """Below the special tokens, which stand at the end of the vocabulary."""
    vocabulary = config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(1)
    return torch.randint(vocabulary // 2, (1, count), generator=generator)


def next_token(model, tokens, cache, **picture):
    """The likeliest one, computed as generate() does: the head sees the last token alone."""
    out = model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1,
                **picture)
    return out.logits[:, -1:].argmax(-1)


def timed(function, seconds):
    def call(*arguments, **named):
        span = Span()
        out = function(*arguments, **named)
        seconds.append(span.seconds())
        return out
    return call


def picture(load, config, options):
    side = config.vision_config.image_size
    tiles = torch.rand((1, options.tiles, 3, side, side)) * 2 - 1
    tokens = random_tokens(config, options.picture_tokens + options.text_tokens)
    tokens[:, :options.picture_tokens] = config.image_token_id
    whole, encode = Span(), []
    model = load()
    model.model.get_image_features = timed(model.model.get_image_features, encode)
    next_token(model, tokens, transformers.DynamicCache(config=config), pixel_values=tiles).item()
    return {"tile": sum(encode) / options.tiles, "first_token": whole.seconds(),
            "cpus": whole.cpus()}


def text(load, config, options):
    model, prompt = load(), random_tokens(config, options.prompt)
    prefill, decode = [], []

    def once():
        cache = transformers.DynamicCache(config=config)
        span = Span()
        token = next_token(model, prompt, cache)
        prefill.append(options.prompt / span.seconds())
        span = Span()
        for _ in range(options.generate):
            token = next_token(model, token, cache)
        decode.append(options.generate / span.seconds())

    once()  # to warm up
    prefill.clear()
    decode.clear()
    whole = Span()
    for _ in range(options.repeat):
        once()
    out = {"prefill": statistics.median(prefill), "cpus": whole.cpus()}
    return {**out, "decode": statistics.median(decode)} if options.generate else out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--dtype", choices=DTYPES, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tiles", type=int, default=0)
    parser.add_argument("--picture-tokens", type=int, help="of all tiles together")
    parser.add_argument("--text-tokens", type=int, help="beside those of the picture")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    config = transformers.AutoConfig.from_pretrained(options.model)
    kind = getattr(transformers, config.architectures[0])  # its modules are imported here

    def load():
        return kind.from_pretrained(options.model, dtype=DTYPES[options.dtype]).eval()

    with torch.inference_mode():
        out = (picture if options.tiles else text)(load, config, options)
    print(json.dumps({**out, "torch": torch.__version__, "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
