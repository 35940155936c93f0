"""A checkpoint of SmolVLM2's architecture with random weights, to train from nothing.

    python tools/tiny/checkpoint.py OUT [--seed 1] [--tokenizer FOLDER]

Writes config, tokenizer, processor settings, chat template and model.safetensors (float32). The
tokenizer is learnt from the questions and answers of tools/tiny; --tokenizer takes that of another
folder instead.
"""

import argparse
import json
import math
import os

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from rows import RECIPES, sample_row
from vocabulary import NUMBERS

TILE = 96
PATCH = 12
SCALE = 2
GRID = TILE // PATCH
IMAGE_TOKENS = (GRID // SCALE) ** 2
BPE_SIZE = 1024
SPECIAL_FIRST = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SPECIAL_LAST = (
    ["<global-img>"]
    + [f"<row_{r}_col_{c}>" for r in range(1, 7) for c in range(1, 7)]
    + ["<fake_token_around_image>", "<image>"]
    + [f"<|reserved_special_token_{k}|>" for k in range(8)]
    + ["<end_of_utterance>"]
)
VOCAB = BPE_SIZE + len(SPECIAL_LAST)
IMAGE_ID = BPE_SIZE + SPECIAL_LAST.index("<image>")
END_ID = VOCAB - 1
# What a clip adds to a prompt, so that the tokenizer knows it.
CLIP_TEXT = (
    "You are provided the following series of {} frames from a 0:00:0{} [H:MM:SS] video.\n"
    "\nFrame from 00:00:\n\n"
)

# The layout of SmolVLM2 prompts: "User:" (a space only when text comes first), the parts, an end
# mark, a line break.
CHAT_TEMPLATE = (
    "<|im_start|>"
    "{%- for message in messages -%}"
    "{{ message.role | capitalize }}:"
    "{%- if message.content is string -%}{{ ' ' + message.content }}"
    "{%- else -%}"
    "{%- if message.content[0].type == 'text' %}{{ ' ' }}{% endif -%}"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'text' %}{{ part.text }}"
    "{%- elif part.type == 'image' %}{{ '<image>' }}"
    "{%- elif part.type == 'video' %}{{ '<video>' }}{% endif -%}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{{ '<end_of_utterance>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt %}{{ 'Assistant:' }}{% endif -%}"
)

CONFIG = {
    "architectures": ["SmolVLMForConditionalGeneration"],
    "model_type": "smolvlm",
    "image_token_id": IMAGE_ID,
    "pad_token_id": 2,
    "scale_factor": SCALE,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "use_cache": True,
    "vocab_size": VOCAB,
    "text_config": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": END_ID,
        "head_dim": 32,
        "hidden_act": "silu",
        "hidden_size": 192,
        "intermediate_size": 384,
        "max_position_embeddings": 2048,
        "mlp_bias": False,
        "num_attention_heads": 6,
        "num_hidden_layers": 4,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": VOCAB,
    },
    "vision_config": {
        "model_type": "smolvlm_vision",
        "attention_dropout": 0.0,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 192,
        "image_size": TILE,
        "intermediate_size": 448,
        "layer_norm_eps": 1e-06,
        "num_attention_heads": 6,
        "num_channels": 3,
        "num_hidden_layers": 5,
        "patch_size": PATCH,
    },
}

PREPROCESSOR = {
    "do_convert_rgb": True,
    "do_image_splitting": False,
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SmolVLMImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "max_image_size": {"longest_edge": TILE},
    "processor_class": "SmolVLMProcessor",
    "resample": 1,
    "rescale_factor": 1 / 255,
    "size": {"longest_edge": 2 * TILE},
    "video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": TILE}},
}


def texts(rows):
    for recipe in RECIPES:
        for number in range(rows // len(RECIPES)):
            row = sample_row(recipe, "train", 0, number)
            if row.clip:
                count = len(row.scenes)
                yield CLIP_TEXT.format(NUMBERS[count], count)
            for pair in row.pairs:
                yield f"User: {pair.question}"
                yield f"\nAssistant: {pair.answer}"


def train_tokenizer(rows=24000):
    """Byte-level BPE with the pipeline of SmolVLM's tokenizer, learnt from generated questions
    and answers.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE,
        special_tokens=SPECIAL_FIRST,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )

    tokenizer.train_from_iterator(texts(rows), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(t, normalized=False, special=True) for t in SPECIAL_LAST]
    )
    if tokenizer.get_vocab_size() != VOCAB:
        raise ValueError(f"the tokenizer has {tokenizer.get_vocab_size()} entries, not {VOCAB}")
    return tokenizer


def write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_files(folder, tokenizer):
    """Writes every file but the weights and the model card."""
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    write_json(folder, "config.json", CONFIG)
    write_json(
        folder,
        "generation_config.json",
        {"bos_token_id": 1, "eos_token_id": END_ID, "pad_token_id": 2, "do_sample": False},
    )
    write_json(folder, "preprocessor_config.json", PREPROCESSOR)
    write_json(
        folder,
        "processor_config.json",
        {"image_seq_len": IMAGE_TOKENS, "processor_class": "SmolVLMProcessor"},
    )
    special = {
        "lstrip": False,
        "normalized": False,
        "rstrip": False,
        "single_word": False,
        "special": True,
    }
    write_json(
        folder,
        "tokenizer_config.json",
        {
            "tokenizer_class": "GPT2Tokenizer",
            "processor_class": "SmolVLMProcessor",
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(tokenizer.token_to_id(t)): {"content": t, **special}
                for t in SPECIAL_FIRST + SPECIAL_LAST
            },
            "bos_token": "<|im_start|>",
            "eos_token": "<end_of_utterance>",
            "pad_token": "<|im_end|>",
            "unk_token": "<|endoftext|>",
            "fake_image_token": "<fake_token_around_image>",
            "image_token": "<image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
            "clean_up_tokenization_spaces": False,
            "legacy": False,
            "model_max_length": 2048,
        },
    )
    with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write(CHAT_TEMPLATE)


def shapes():
    """Name and shape of every parameter, as transformers writes them."""
    text, vision = CONFIG["text_config"], CONFIG["vision_config"]
    width, inner = text["hidden_size"], text["intermediate_size"]
    keys = text["num_key_value_heads"] * text["head_dim"]
    queries = text["num_attention_heads"] * text["head_dim"]
    yield "lm_head.weight", (VOCAB, width)
    yield "model.text_model.embed_tokens.weight", (VOCAB, width)
    yield "model.text_model.norm.weight", (width,)
    for layer in range(text["num_hidden_layers"]):
        name = f"model.text_model.layers.{layer}."
        yield name + "input_layernorm.weight", (width,)
        yield name + "post_attention_layernorm.weight", (width,)
        yield name + "self_attn.q_proj.weight", (queries, width)
        yield name + "self_attn.k_proj.weight", (keys, width)
        yield name + "self_attn.v_proj.weight", (keys, width)
        yield name + "self_attn.o_proj.weight", (width, queries)
        yield name + "mlp.gate_proj.weight", (inner, width)
        yield name + "mlp.up_proj.weight", (inner, width)
        yield name + "mlp.down_proj.weight", (width, inner)
    seen, inner = vision["hidden_size"], vision["intermediate_size"]
    yield "model.connector.modality_projection.proj.weight", (width, seen * SCALE**2)
    name = "model.vision_model."
    yield name + "embeddings.patch_embedding.weight", (seen, 3, PATCH, PATCH)
    yield name + "embeddings.patch_embedding.bias", (seen,)
    yield name + "embeddings.position_embedding.weight", (GRID**2, seen)
    norms = [name + "post_layernorm"]
    for layer in range(vision["num_hidden_layers"]):
        name = f"model.vision_model.encoder.layers.{layer}."
        norms += [name + "layer_norm1", name + "layer_norm2"]
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield f"{name}self_attn.{part}.weight", (seen, seen)
            yield f"{name}self_attn.{part}.bias", (seen,)
        yield name + "mlp.fc1.weight", (inner, seen)
        yield name + "mlp.fc1.bias", (inner,)
        yield name + "mlp.fc2.weight", (seen, inner)
        yield name + "mlp.fc2.bias", (seen,)
    for norm in norms:
        yield norm + ".weight", (seen,)
        yield norm + ".bias", (seen,)


def initial(rng, name, shape):
    """Norms 1, biases 0, embeddings small; matrices keep the size of what goes through them, and
    those that add to the residual stream start smaller, the more of them there are.
    """
    if len(shape) == 1:
        return np.full(shape, float(name.endswith("weight")), np.float32)
    if "embed_tokens" in name or "position_embedding" in name or "lm_head" in name:
        deviation = 0.02
    else:
        deviation = 0.8 / math.sqrt(math.prod(shape[1:]))
    if name.endswith(("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")):
        deviation /= math.sqrt(2 * CONFIG["text_config"]["num_hidden_layers"])
    return (deviation * rng.standard_normal(shape)).astype(np.float32)


def write_weights(folder, seed):
    rng = np.random.default_rng(seed)
    tensors = {name: initial(rng, name, shape) for name, shape in sorted(shapes())}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    return sum(t.size for t in tensors.values())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", help="a folder with tokenizer.json; else it is learnt")
    args = parser.parse_args()
    kept = args.tokenizer and os.path.join(args.tokenizer, "tokenizer.json")
    write_files(args.out, Tokenizer.from_file(kept) if kept else train_tokenizer())
    print(f"{write_weights(args.out, args.seed)} parameters")


if __name__ == "__main__":
    main()
