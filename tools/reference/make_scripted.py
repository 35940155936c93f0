"""Writes tests/fixtures/models/scripted: a model of the smollm3 family whose every token decides the next one, so that
its answers are known: it thinks, says a sentence, calls a function, and stops. Tests of the program need an answer with
a call in it; no original is asked.

    python tools/reference/make_scripted.py
"""

import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "models" / "scripted"
HIDDEN, HEADS, MLP = 32, 2, 8

TEMPLATE = (
    "{%- if enable_thinking is not defined -%}{%- set enable_thinking = true -%}{%- endif -%}\n"
    "{%- if tools or python_tools -%}{{- '<|im_start|>system\\n' -}}\n"
    "{%- for tool in (tools or []) + (python_tools or []) -%}{{- (tool | string) ~ '\\n' -}}{%- endfor -%}\n"
    "{{- '<|im_end|>\\n' -}}{%- endif -%}\n"
    "{%- for message in messages -%}\n"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}\n"
    "{%- endfor -%}\n"
    "{{- '<|im_start|>assistant' -}}\n"
    "{%- if python_tools -%}{{- '<tool_response>' -}}\n"
    "{%- elif not enable_thinking -%}{{- '<think></think>' -}}{%- endif -%}\n"
)
ADDED = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<code>", "</code>", "<tool_response>"]
PIECES = ["assistant", "\nThey ask about Oslo.\n", "\n\nLet me look.\n",
          '\n{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}\n', "\nprint(1 + 1)\n"]  # fmt: skip
THINKS, SAYS, CALLS, RUNS = PIECES[1:]
FOLLOWS = {
    "assistant": "<think>", "<think>": THINKS, THINKS: "</think>", "</think>": SAYS, SAYS: "<tool_call>",
    "<tool_call>": CALLS, CALLS: "</tool_call>", "</tool_call>": "<|im_end|>",
    "<tool_response>": "<code>", "<code>": RUNS, RUNS: "</code>", "</code>": "<|im_end|>",
}  # fmt: skip


def make_tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<|im_start|>", "<|im_end|>")])
    tokenizer.add_tokens([AddedToken(t, normalized=False, special=False) for t in ADDED + PIECES])
    return tokenizer


def make_tensors(tokenizer):
    vocab, zeros = tokenizer.get_vocab_size(), lambda *shape: torch.zeros(shape, dtype=torch.bfloat16)
    layer = "model.layers.0."
    tensors = {
        "model.embed_tokens.weight": zeros(vocab, HIDDEN), "lm_head.weight": zeros(vocab, HIDDEN),
        "model.norm.weight": zeros(HIDDEN) + 1, layer + "input_layernorm.weight": zeros(HIDDEN) + 1,
        layer + "post_attention_layernorm.weight": zeros(HIDDEN) + 1, layer + "mlp.gate_proj.weight": zeros(MLP, HIDDEN),
        layer + "mlp.up_proj.weight": zeros(MLP, HIDDEN), layer + "mlp.down_proj.weight": zeros(HIDDEN, MLP),
    }  # fmt: skip
    for name in "qkvo":
        tensors[layer + f"self_attn.{name}_proj.weight"] = zeros(HIDDEN, HIDDEN)
    # A token of the script is one direction; the head turns it into what follows.
    for direction, (token, following) in enumerate(FOLLOWS.items()):
        tensors["model.embed_tokens.weight"][tokenizer.token_to_id(token), direction] = 1
        tensors["lm_head.weight"][tokenizer.token_to_id(following), direction] = 4
    return tensors


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    tokenizer = make_tokenizer()
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.token_to_id("<|im_end|>")}
    config = {
        "architectures": ["SmolLM3ForCausalLM"], **ids, "hidden_act": "silu", "hidden_size": HIDDEN,
        "intermediate_size": MLP, "max_position_embeddings": 4096, "model_type": "smollm3", "no_rope_layers": [1],
        "num_attention_heads": HEADS, "num_hidden_layers": 1, "num_key_value_heads": HEADS, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "vocab_size": tokenizer.get_vocab_size(),
    }  # fmt: skip
    write = lambda name, value: (OUT / name).write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    write("config.json", config)
    write("generation_config.json", ids)
    write("tokenizer.json", json.loads(tokenizer.to_str()))
    write("tokenizer_config.json", {"eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"})
    (OUT / "chat_template.jinja").write_text(TEMPLATE)
    save_file(make_tensors(tokenizer), OUT / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
