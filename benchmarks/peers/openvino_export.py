#!/usr/bin/env python3
"""Writes a checkpoint's picture side and text model for OpenVINO, in several widths.

    VENV/bin/python benchmarks/peers/openvino_export.py CHECKPOINT OUT

OUT gets vision-f32.xml (pixels of tiles to embeddings, tower and connector), vision-i8.xml (weights
and activations in 8 bits: nncf.quantize with pictures of noise), text-f32.xml (embeddings of a prompt
to the logits of its last token), text-i8.xml and text-i4.xml (nncf.compress_weights; the CPU plugin
quantizes activations as it runs). There is no cache of keys and values: prompts alone are compared.
Needs openvino-requirements.txt.
"""

import argparse
import os

import nncf
import numpy as np
import openvino as ov
import torch
from transformers import AutoModelForImageTextToText

NOISE_TILES = 8


class Pictures(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.tower, self.connector = model.model.vision_model, model.model.connector

    def forward(self, pixels):
        return self.connector(self.tower(pixel_values=pixels).last_hidden_state)


class Text(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.text, self.head = model.model.text_model, model.lm_head

    def forward(self, embeddings):
        # With a mask, transformers does not look for packed samples (an op that OpenVINO lacks).
        mask = torch.ones(embeddings.shape[:2], dtype=torch.long)
        hidden = self.text(inputs_embeds=embeddings, attention_mask=mask,
                           use_cache=False).last_hidden_state
        return self.head(hidden[:, -1:])


def save(model, folder, name):
    ov.save_model(model, os.path.join(folder, name + ".xml"), compress_to_fp16=False)
    print(name, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)

    def missing(name):
        return not os.path.exists(os.path.join(options.out, name + ".xml"))

    torch.manual_seed(1)
    model = AutoModelForImageTextToText.from_pretrained(
        options.checkpoint, dtype=torch.float32, attn_implementation="sdpa").eval()
    with torch.no_grad():
        if missing("vision-i8"):
            export_vision(model, options.out)
        if missing("text-i4"):
            # 2.2B in float32 takes 9 GB, and what is converted as much again.
            model.model.vision_model = model.model.connector = torch.nn.Identity()
            export_text(model, options.out)


def export_vision(model, out):
    side = model.config.vision_config.image_size
    vision = ov.convert_model(Pictures(model), example_input=(torch.randn(1, 3, side, side),),
                              input=[ov.PartialShape([1, 3, side, side])])
    save(vision, out, "vision-f32")
    noise = [np.random.default_rng(i).uniform(-1, 1, (1, 3, side, side)).astype(np.float32)
             for i in range(NOISE_TILES)]
    save(nncf.quantize(vision, nncf.Dataset(noise), subset_size=NOISE_TILES,
                       model_type=nncf.ModelType.TRANSFORMER), out, "vision-i8")


def export_text(model, out):
    width = model.config.text_config.hidden_size
    text = ov.convert_model(Text(model), example_input=(torch.randn(1, 64, width),),
                            input=[ov.PartialShape([1, -1, width])])
    save(text, out, "text-f32")
    for name, mode in (("text-i8", nncf.CompressWeightsMode.INT8_SYM),
                       ("text-i4", nncf.CompressWeightsMode.INT4_SYM)):
        again = ov.Core().read_model(os.path.join(out, "text-f32.xml"))
        grouped = {} if name == "text-i8" else {"group_size": 64, "ratio": 1.0, "all_layers": True}
        save(nncf.compress_weights(again, mode=mode, **grouped), out, name)


if __name__ == "__main__":
    main()
