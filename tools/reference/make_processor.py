"""Writes tests/fixtures/processor/expected.json: what transformers' PIL processor makes of formula pictures.

    python tools/reference/make_processor.py

For every picture (pictures.py), configuration and splitting choice: rows, cols, SHA-256 of all tiles and of
the float32 pixels, the first 8 bytes of every tile's own hash, and a few raw crops. README.md describes the
fields.
"""

import hashlib
import json
import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

import pictures
import tiny_tokenizers
from make_smolvlm import runs

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "processor" / "expected.json"
CONFIGS = {  # longest edge, tile, tokens per tile
    "2048/512": (2048, 512, 64),  # SmolVLM 256M and 500M
    "1536/384": (1536, 384, 81),  # SmolVLM 2.2B
}
PICTURES = [
    (1, 1, "flat"), (1, 2, "noise"), (2, 1, "noise"), (3, 3, "noise"), (7, 5, "edges"), (16, 16, "noise"),
    (17, 9, "texture"), (63, 64, "smooth"), (100, 100, "edges"), (127, 255, "texture"), (224, 224, "noise"),
    (300, 301, "texture"), (320, 240, "smooth"), (333, 1000, "texture"), (383, 385, "noise"), (384, 384, "texture"),
    (384, 1536, "edges"), (1536, 384, "texture"), (500, 375, "texture"), (511, 513, "edges"), (512, 512, "noise"),
    (513, 512, "texture"), (512, 2048, "texture"), (2048, 512, "edges"), (2047, 511, "noise"), (640, 480, "texture"),
    (480, 640, "edges"), (768, 768, "texture"), (800, 600, "noise"), (1000, 1000, "smooth"), (1023, 767, "texture"),
    (1, 4000, "noise"), (4000, 1, "texture"), (4000, 3, "edges"), (2, 3000, "noise"), (97, 3989, "texture"),
    (4000, 100, "texture"), (1600, 400, "edges"), (1601, 399, "texture"), (1280, 720, "texture"),
    (1080, 1920, "noise"), (1920, 1080, "texture"), (1536, 1536, "edges"), (2048, 1536, "texture"),
    (2048, 2048, "smooth"), (2560, 1440, "texture"), (3000, 4000, "texture"), (4000, 3000, "texture"),
]  # fmt: skip
CROP = 6  # pixels a side


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def processor(edge, tile):
    return SmolVLMImageProcessorPil(
        do_convert_rgb=True, do_resize=True, size={"longest_edge": edge}, resample=1, do_image_splitting=True,
        max_image_size={"longest_edge": tile}, do_rescale=True, rescale_factor=0.00392156862745098, do_normalize=True,
        image_mean=[0.5] * 3, image_std=[0.5] * 3, do_pad=True,
    )  # fmt: skip


def crops(tiles):
    """Raw corners: the start of the first tile, the end of a middle one, the centre of the global view."""
    n, side, middle = len(tiles), tiles.shape[1], len(tiles) // 2
    places = {(0, 0, 0), (middle, side - CROP, side - CROP), (n - 1, side // 2, side // 2)}
    return [
        {"tile": t, "y": y, "x": x, "rgb": tiles[t, y : y + CROP, x : x + CROP].tobytes().hex()}
        for t, y, x in sorted(places)
    ]


def case(image, config, splitting, raw):
    edge, tile, seq = CONFIGS[config]
    run = processor(edge, tile)
    keep = dict(do_image_splitting=splitting, return_row_col_info=True)
    plain = run([[image]], do_rescale=False, do_normalize=False, return_tensors="np", **keep)
    tiles = plain["pixel_values"][0].transpose(0, 2, 3, 1)
    floats = run([[image]], return_tensors="np", **keep)["pixel_values"][0]
    assert tiles.dtype == np.uint8 and floats.dtype == np.float32 and len(tiles) == len(floats)
    record = {
        "config": config, "split": splitting, "rows": plain["rows"][0][0], "cols": plain["cols"][0][0],
        "tiles": len(tiles), "tiles_sha256": sha(tiles), "pixels_sha256": sha(floats),
        "tile_hashes": [sha(t)[:16] for t in tiles],
    }  # fmt: skip
    if raw:
        record["crops"] = crops(tiles)
    return record


def expansions(grids):
    """Prompt text and token ids per grid, with the tokenizer of the SmolVLM fixtures."""
    tokenizer = tiny_tokenizers.train("smolvlm")
    out = []
    for rows, cols, seq in sorted(grids):
        text = get_image_prompt_string(rows, cols, seq, "<fake_token_around_image>", "<image>", "<global-img>")
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        out.append({"rows": rows, "cols": cols, "image_seq_len": seq, "tokens": len(ids),
                    "text": text.replace("<image>" * seq, f"<image>{{{seq}}}"), "ids": runs(ids)})  # fmt: skip
    return out


def main():
    records, grids = [], set()
    for seed, (width, height, kind) in enumerate(PICTURES, start=1):
        pixels = pictures.pixels(kind, seed, width, height)
        image = Image.fromarray(pixels)
        raw = seed % 6 == 1
        cases = [case(image, config, splitting, raw) for config in CONFIGS for splitting in (True, False)]
        grids |= {(c["rows"], c["cols"], CONFIGS[c["config"]][2]) for c in cases}
        records.append({"kind": kind, "seed": seed, "width": width, "height": height,
                        "picture_sha256": sha(pixels), "cases": cases})  # fmt: skip
        print(f"{width}x{height} {kind}: " + ", ".join(f"{c['rows']}x{c['cols']}" for c in cases), flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in records)
    grid_lines = ",\n".join(json.dumps(e, separators=(",", ":")) for e in expansions(grids))
    made = {"transformers": transformers.__version__, "pillow": PIL.__version__}
    configs = {k: {"longest_edge": v[0], "tile": v[1], "image_seq_len": v[2]} for k, v in CONFIGS.items()}
    OUT.write_text(f'{{"made_with":{json.dumps(made)},\n"configs":{json.dumps(configs)},\n"pictures":[\n{lines}\n],\n'
                   f'"expansions":[\n{grid_lines}\n]}}\n')  # fmt: skip


if __name__ == "__main__":
    main()
