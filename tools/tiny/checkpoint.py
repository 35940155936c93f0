"""The files of the model directory other than the weights: config, tokenizer, processor, chat
template.
"""

import json
import os

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from questions import TYPES, ask  # noqa: F401 (TYPES re-exported for evaluate.py)
from scenes import sample_scene

ASSETS = os.path.normpath(
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/ocelli-tiny")
)
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
PREFIX = (
    "<|im_start|>User:<fake_token_around_image><global-img>"
    + "<image>" * IMAGE_TOKENS
    + "<fake_token_around_image>"
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
    "torch_dtype": "bfloat16",
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
        "torch_dtype": "bfloat16",
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


def train_tokenizer(scenes=20000):
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

    def texts():
        for index in range(scenes):
            for pair in ask(*sample_scene("train", 0, index)):
                yield f"User: {pair.question}"
                yield f"\nAssistant: {pair.answer}"

    tokenizer.train_from_iterator(texts(), trainer)
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


def write_files(folder):
    """Writes every file but the weights and the model card.

    The tokenizer is learnt once: where assets/ocelli-tiny has one it is kept, since weights and
    fixtures depend on it.
    """
    os.makedirs(folder, exist_ok=True)
    kept = os.path.join(ASSETS, "tokenizer.json")
    tokenizer = Tokenizer.from_file(kept) if os.path.exists(kept) else train_tokenizer()
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


if __name__ == "__main__":
    write_files(ASSETS)
