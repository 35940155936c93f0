"""Writes tests/fixtures/rope/cases.json: the rotary frequencies that transformers computes for configs with and
without scaling, in the spellings of transformers 4 and 5.

    python tools/reference/make_rope.py
"""

import copy
import json
import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"

import transformers
from transformers import SmolLM3Config
from transformers.models.smollm3.modeling_smollm3 import SmolLM3RotaryEmbedding

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "rope" / "cases.json"


def yarn(factor=2.0, **more):
    return {"rope_type": "yarn", "factor": factor, **more}


# (head_dim, what config.json says)
CASES = [
    (128, {}),
    (128, {"rope_theta": 5000000.0, "max_position_embeddings": 65536}),
    (128, {"rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0}}),
    (128, {"rope_theta": 7.0, "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0}}),
    (64, {"rope_theta": 1000000.0, "rope_scaling": {"type": "linear", "factor": 8.0}}),
    (64, {"rope_theta": 10000.0, "rope_parameters": {"rope_type": "linear", "factor": 3}}),
    # As the SmolLM3 card says for long texts, in both spellings.
    (128, {"rope_theta": 5000000.0, "max_position_embeddings": 131072,
           "rope_scaling": yarn(original_max_position_embeddings=65536)}),
    (128, {"max_position_embeddings": 131072,
           "rope_parameters": yarn(original_max_position_embeddings=65536, rope_theta=5000000.0)}),
    (128, {"rope_theta": 5000000.0, "max_position_embeddings": 65536, "rope_scaling": yarn()}),
    (128, {"rope_theta": 5000000.0, "rope_scaling": {"type": "yarn", "factor": 4.0},
           "original_max_position_embeddings": 8192}),
    (128, {"rope_theta": 5000000.0, "original_max_position_embeddings": 8192,
           "rope_scaling": yarn(4.0, original_max_position_embeddings=100)}),
    (128, {"rope_theta": 5000000.0, "max_position_embeddings": 32768,
           "rope_scaling": yarn(None, original_max_position_embeddings=4096)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(16.0, original_max_position_embeddings=4096, beta_fast=16,
                                                      beta_slow=2)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(16.0, original_max_position_embeddings=4096, truncate=False)}),
    (64, {"rope_theta": 150000.0, "rope_scaling": yarn(32.0, original_max_position_embeddings=4096, truncate=False,
                                                       beta_fast=32.0, beta_slow=1.0)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(40, original_max_position_embeddings=4096, mscale=1.0,
                                                      mscale_all_dim=1.0)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(40, original_max_position_embeddings=4096, mscale=0.707,
                                                      mscale_all_dim=1.2)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(40, original_max_position_embeddings=4096, mscale=0.707)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(40, original_max_position_embeddings=4096,
                                                      attention_factor=1.25, mscale=1.0, mscale_all_dim=0.5)}),
    (64, {"rope_theta": 10000.0, "rope_scaling": yarn(1.0, original_max_position_embeddings=4096)}),
    # The ramp at an edge: both ends at one frequency; a context below one turn; a base near 1.
    (8, {"rope_theta": 5000000.0, "rope_scaling": yarn(2.0, original_max_position_embeddings=4)}),
    (12, {"rope_theta": 5000000.0, "rope_scaling": yarn(2.0, original_max_position_embeddings=128)}),
    (16, {"rope_theta": 10000.0, "rope_scaling": yarn(4.0, original_max_position_embeddings=64, beta_fast=4,
                                                      beta_slow=4)}),
    (32, {"rope_theta": 1.5, "rope_scaling": yarn(4.0, original_max_position_embeddings=1024)}),
    # Both spellings at once: rope_scaling counts, unless it is empty; null is absent.
    (32, {"rope_theta": 10000.0, "rope_scaling": yarn(2.0, original_max_position_embeddings=256),
          "rope_parameters": {"rope_type": "default", "rope_theta": 3.0}}),
    (32, {"rope_theta": 10000.0, "rope_scaling": {}, "rope_parameters": {"rope_type": "default", "rope_theta": 300.0}}),
    (32, {"rope_theta": 10000.0, "rope_scaling": None,
          "rope_parameters": yarn(2.0, original_max_position_embeddings=256, beta_fast=None, beta_slow=None,
                                  attention_factor=None)}),
    (32, {"rope_theta": 10000.0, "rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2.0,
                                                  "original_max_position_embeddings": 256}}),
]  # fmt: skip


def ask(head_dim, config):
    made = SmolLM3Config(hidden_size=4 * head_dim, num_attention_heads=4, num_key_value_heads=2, head_dim=head_dim,
                         num_hidden_layers=4, **copy.deepcopy(config))  # fmt: skip
    rope = SmolLM3RotaryEmbedding(made)
    return {"head_dim": head_dim, "config": config, "inv_freq": [float(f) for f in rope.inv_freq],
            "attention_factor": float(rope.attention_scaling)}  # fmt: skip


if __name__ == "__main__":
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(ask(*case)) for case in CASES]
    head = json.dumps({"theta": SmolLM3Config.default_theta, "context": SmolLM3Config().max_position_embeddings})
    OUT.write_text('{"transformers": "%s", "defaults": %s, "cases": [\n%s\n]}\n'
                   % (transformers.__version__, head, ",\n".join(lines)))  # fmt: skip
    print(f"{len(CASES)} configs")
