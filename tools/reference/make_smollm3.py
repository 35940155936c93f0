"""Writes tests/fixtures/models/smollm3*: tiny SmolLM3 checkpoints and what transformers computes from them.

    python tools/reference/make_smollm3.py [name ...] [--seeds N]

The form of the fixtures is that of make_smolvlm.py (README.md). Each checkpoint has two periods of three layers with
rotary positions and one without; `smollm3-yarn` stretches its context, and its prompts reach beyond the original one.
"""

import argparse
import dataclasses
import json
import os
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, PreTrainedTokenizerFast, SmolLM3Config, SmolLM3ForCausalLM

import tiny_models
import tiny_tokenizers
from make_smolvlm import FIXTURES, load_written, prepare, record_case, report, search_seed, write_json
from smollm3_template import TEMPLATE

tiny_models.CLASSES["smollm3"] = (SmolLM3Config, SmolLM3ForCausalLM)

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# In the order of the original; False: not special, so that it survives in a decoded answer.
ADDED = [
    ("<|begin_of_text|>", True), ("<|end_of_text|>", True), ("<think>", False), ("</think>", False),
    ("<|finetune_right_pad_id|>", True), ("<|im_start|>", True), ("<|im_end|>", True),
    ("<tool_response>", False), ("</tool_response>", False), ("<tool_call>", False), ("</tool_call>", False),
    ("<code>", False), ("</code>", False), ("<|reserved_special_token_11|>", True),
]  # fmt: skip


def text(hidden, head_dim, intermediate):
    return {
        "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": 8, "num_attention_heads": 16,
        "num_key_value_heads": 4, "head_dim": head_dim, "rms_norm_eps": 1e-6,
    }  # fmt: skip


@dataclasses.dataclass
class TinySmolLM3(tiny_models.TinyModel):
    rope: dict = dataclasses.field(default_factory=dict)  # keys of config.json
    hub_form: bool = True  # as the hub has it; else as save_pretrained of transformers 5 writes it
    long: int = 0  # prompts of this many tokens at least

MODELS = [
    # As the hub's SmolLM3-3B: heads 16/4 of hidden/16, MLP 5.375 times as wide, no head_dim.
    TinySmolLM3("smollm3", "smollm3", "smollm3", text(64, 4, 344), tied=True,
                rope={"rope_theta": 5000000.0, "rope_scaling": None, "max_position_embeddings": 65536}),
    # Stretched as the model's card says for long texts, with a short original context.
    TinySmolLM3("smollm3-yarn", "smollm3", "smollm3", text(64, 12, 160), tied=True, hub_form=False, long=300,
                rope={"max_position_embeddings": 512,
                      "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 5000000.0,
                                          "original_max_position_embeddings": 128}}),
]  # fmt: skip


def train_tokenizer():
    """SmolLM3's pipeline: Llama 3's split, byte level, whole words before merges; added tokens behind the rest."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=256 + 320, min_frequency=1, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())  # fmt: skip
    tokenizer.train_from_iterator(tiny_tokenizers.CORPUS.split("\n"), trainer)
    for content, special in ADDED:
        token = AddedToken(content, normalized=False, special=special)
        tokenizer.add_special_tokens([token]) if special else tokenizer.add_tokens([token])
    return tokenizer


def write_folder(spec, folder, tokenizer):
    token = tokenizer.token_to_id
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, indent=1) + "\n")
    write_json(folder / "tokenizer_config.json", {
        "bos_token": None, "clean_up_tokenization_spaces": True, "eos_token": "<|im_end|>", "extra_special_tokens": {},
        "fast": False, "model_input_names": ["input_ids", "attention_mask"], "model_max_length": 131072,
        "pad_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast",
    })  # fmt: skip
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    ids = {"bos_token_id": token("<|begin_of_text|>"), "eos_token_id": token("<|im_end|>"),
           "pad_token_id": token("<|finetune_right_pad_id|>")}  # fmt: skip
    write_json(folder / "generation_config.json",
               {"_from_model_config": True, **ids, "do_sample": True, "temperature": 0.6, "top_p": 0.95})
    config = {"architectures": ["SmolLM3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, **ids,
              "hidden_act": "silu", "initializer_range": 0.02, **spec.text, "mlp_bias": False, "model_type": "smollm3",
              **spec.rope, "tie_word_embeddings": True, "vocab_size": tokenizer.get_vocab_size(),
              "use_sliding_window": False, "sliding_window": None}  # fmt: skip
    if spec.hub_form:
        del config["head_dim"]
        config |= {
            "layer_types": ["full_attention"] * 8, "max_window_layers": 28, "no_rope_layer_interval": 4,
            "no_rope_layers": [1, 1, 1, 0] * 2, "pretraining_tp": 2, "torch_dtype": "bfloat16",
            "transformers_version": "4.54.0.dev0", "use_cache": False,
        }  # fmt: skip
    else:  # which layers turn follows from the interval
        config |= {"dtype": "bfloat16", "no_rope_layer_interval": 4, "transformers_version": "5.0.0"}
    write_json(folder / "config.json", dict(sorted(config.items())))


def cases(spec):
    """name, (unused), messages, (no pictures)"""
    lines = tiny_tokenizers.CORPUS.split("\n")
    corpus = " ".join(lines[:8])
    turns = [
        {"role": "system", "content": "You read documents. /no_think"},
        {"role": "user", "content": "The total is 1,234.56 euros,\n  due in 30 days. Straße, 图片, mañana."},
        {"role": "assistant", "content": "It is due."},
        {"role": "user", "content": "When?" + (" " + " ".join(lines[4:9]) if spec.long else "")},
    ]
    long = [{"role": "user", "content": corpus}]
    if spec.long:
        return [("turns", True, turns, []), ("long", True, long, [])]
    return [("chat", True, [{"role": "user", "content": "How many birds are there?"}], []),
            ("turns", True, turns, []), ("long", True, long, [])]  # fmt: skip


def make(spec, seeds):
    folder = FIXTURES / spec.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer = train_tokenizer()
    write_folder(spec, folder, tokenizer)
    fast = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), eos_token="<|im_end|>")
    fast.chat_template = TEMPLATE
    prepared = [prepare(spec, None, fast, case) for case in cases(spec)]
    for inputs, record in prepared:
        assert record["prompt_tokens"] >= spec.long, record["prompt_tokens"]

    config = AutoConfig.from_pretrained(folder)  # what transformers makes of the written file
    assert config.no_rope_layers == [1, 1, 1, 0] * 2 and set(config.layer_types) == {"full_attention"}
    special_ids = [t["id"] for t in json.loads(tokenizer.to_str())["added_tokens"]]
    model = SmolLM3ForCausalLM._from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    seed = search_seed(spec, model, prepared, special_ids, seeds)
    tiny_models.save_weights(model, spec, folder)
    model = load_written(spec, folder, config)

    tensors, records = {}, []
    for inputs, record in prepared:
        found, record = record_case(model, spec, inputs, record, None)
        tensors |= found
        records.append(record)
    save_file(tensors, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "made_with": {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__,
                      "torch": torch.__version__.split("+")[0]},
        "seed": seed, "tokens": tokenizer.get_vocab_size(), "cases": records,
    })  # fmt: skip
    report(spec, model, prepared, tensors, records)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation
    for model_spec in MODELS:
        if not options.names or model_spec.name in options.names:
            make(model_spec, options.seeds)
