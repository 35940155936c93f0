"""The tiny checkpoints: true architectures, small widths, configs with the omissions and leftovers of the hub."""

import json
from dataclasses import dataclass, field

import torch
from safetensors.torch import save_file
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

CLASSES = {
    "smolvlm": (SmolVLMConfig, SmolVLMForConditionalGeneration),
    "idefics3": (Idefics3Config, Idefics3ForConditionalGeneration),
    "llama": (LlamaConfig, LlamaForCausalLM),
}


@dataclass
class TinyModel:
    name: str
    model_type: str
    family: str  # of the tokenizer
    text: dict
    vision: dict = field(default_factory=dict)
    scale_factor: int = 0
    longest_edge: int = 0  # size.longest_edge of the preprocessor; a tile is vision["image_size"]
    tied: bool = False
    dtype: str = "bf16"  # or "f32", or "mixed": matrices bf16, vectors f32
    shards: int = 1
    merges_as_strings: bool = False
    template_in: str = "chat_template.jinja"  # or "chat_template.json", "tokenizer_config.json"
    omit_vision: tuple = ()  # keys that the written config leaves out

    @property
    def image_seq_len(self):
        side = self.vision["image_size"] // self.vision["patch_size"]
        return side * side // self.scale_factor**2


def _text(heads, kv_heads, head_dim, intermediate, layers, theta):
    return {
        "hidden_size": heads * head_dim, "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": head_dim,
        "rope_theta": theta, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192,
    }  # fmt: skip


def _vision(image, patch, hidden, heads, intermediate, layers=2):
    return {
        "image_size": image, "patch_size": patch, "hidden_size": hidden, "num_attention_heads": heads,
        "intermediate_size": intermediate, "num_hidden_layers": layers, "num_channels": 3,
        "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
    }  # fmt: skip


HUB_500M_OMITS = ("num_hidden_layers", "intermediate_size", "num_channels", "hidden_act", "layer_norm_eps")
HUB_2B_OMITS = ("num_channels", "hidden_act", "layer_norm_eps")

MODELS = [
    # As SmolVLM2-256M: grid 32 x 32, scale 4, heads 9/3.
    TinyModel("smolvlm2-a", "smolvlm", "smolvlm", _text(9, 3, 8, 192, 3, 100000),
              _vision(512, 16, 48, 12, 192), scale_factor=4, longest_edge=2048, omit_vision=HUB_500M_OMITS),
    # As SmolVLM2-2.2B: grid 27 x 27 out of 384 pixels, scale 3, heads 32/32.
    TinyModel("smolvlm2-b", "smolvlm", "smolvlm", _text(32, 32, 8, 256, 3, 130000),
              _vision(384, 14, 72, 3, 272), scale_factor=3, longest_edge=1536, omit_vision=HUB_2B_OMITS,
              template_in="tokenizer_config.json"),
    # As SmolVLM2-500M: heads 15/5; tied head, mixed dtypes and shards are ours.
    TinyModel("smolvlm2-c", "smolvlm", "smolvlm", _text(15, 5, 8, 320, 2, 100000),
              _vision(512, 16, 48, 6, 192), scale_factor=4, longest_edge=1024, tied=True, dtype="mixed", shards=3,
              omit_vision=HUB_500M_OMITS, merges_as_strings=True),
    # As SmolVLM-Instruct (v1): three added tokens, odd vocabulary.
    TinyModel("smolvlm1", "idefics3", "smolvlm-v1", _text(4, 4, 16, 192, 2, 273768),
              _vision(384, 14, 48, 4, 192), scale_factor=3, longest_edge=1536, omit_vision=HUB_2B_OMITS,
              template_in="chat_template.json"),
    # As SmolLM2: text only.
    TinyModel("smollm2", "llama", "smollm2", _text(9, 3, 8, 192, 4, 100000), tied=True, dtype="f32",
              merges_as_strings=True, template_in="tokenizer_config.json"),
]  # fmt: skip


def full_config(spec, vocab_size, image_token_id):
    """The transformers config with nothing left out."""
    config_class, _ = CLASSES[spec.model_type]
    text = {**spec.text, "vocab_size": vocab_size, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    if spec.model_type == "llama":
        return config_class(**text, tie_word_embeddings=spec.tied)
    return config_class(
        text_config={**text, "model_type": "llama", "tie_word_embeddings": spec.tied},
        vision_config=dict(spec.vision),
        scale_factor=spec.scale_factor,
        image_token_id=image_token_id,
        tie_word_embeddings=spec.tied,
    )


def hub_config(spec, vocab_size, image_token_id):
    """config.json as the hub has it: keys missing, leftovers kept."""
    text = {**spec.text, "model_type": "llama", "pad_token_id": 2, "vocab_size": vocab_size, "torch_dtype": "bfloat16"}
    if spec.model_type == "llama":
        del text["head_dim"]
        return {
            "architectures": ["LlamaForCausalLM"], **text, "attention_bias": False, "attention_dropout": 0.0,
            "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "initializer_range": 0.04, "mlp_bias": False,
            "pretraining_tp": 1, "rope_interleaved": False, "rope_scaling": None, "tie_word_embeddings": True,
            "is_llama_config": True, "use_cache": True, "transformers_version": "4.42.3",
        }  # fmt: skip
    text |= {
        "architectures": ["VLlama3ForCausalLM"], "is_llama_config": True, "neftune_noise_alpha": 0.0,
        "pixel_shuffle_factor": spec.scale_factor, "qk_layer_norms": False, "rope_interleaved": False,
        "use_resampler": False, "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}},
        "perceiver_config": {"model_type": "vllama3", "num_key_value_heads": 1, "resampler_depth": 6,
                             "hidden_act": "silu", "tie_word_embeddings": True},
    }  # fmt: skip
    if spec.tied:
        text["tie_word_embeddings"] = True
    vision = {k: v for k, v in spec.vision.items() if k not in spec.omit_vision}
    vision |= {
        "max_image_size": {"longest_edge": spec.vision["image_size"]}, "size": {"longest_edge": spec.longest_edge},
        "model_type": "idefics3" if spec.model_type == "idefics3" else "smolvlm_vision",
        "tie_word_embeddings": False, "use_base_siglip": False,
    }  # fmt: skip
    architecture = "Idefics3" if spec.model_type == "idefics3" else "SmolVLM"
    return {
        "architectures": [f"{architecture}ForConditionalGeneration"], "image_token_id": image_token_id,
        "model_type": spec.model_type, "pad_token_id": 128002, "scale_factor": spec.scale_factor,
        "text_config": text, "tie_word_embeddings": spec.tied, "torch_dtype": "float32",
        "transformers_version": "4.47.1", "use_cache": False, "use_reentrant_checkpointing": False,
        "vision_config": vision, "vocab_size": vocab_size,
    }  # fmt: skip


def _std(name, shape, tied):
    """Widths chosen so that attention is far from uniform, both norm epsilons matter and logits have spread."""
    fan_in = 1
    for n in shape[1:]:
        fan_in *= n
    per = fan_in**-0.5
    if "patch_embedding" in name:
        return 0.08 * per
    if "position_embedding" in name:
        return 0.02
    if "embed_tokens" in name:
        return 0.07
    if "lm_head" in name:
        return 3 * per
    if "modality_projection" in name:
        return 0.15 * per
    if "q_proj" in name or "k_proj" in name:
        return (1.6 if "vision" in name else 1.4) * per
    if "text_model" in name and ("v_proj" in name or "o_proj" in name):
        return 0.45 * per
    return (0.7 if "vision" in name else 1.0) * per


@torch.no_grad()
def initialize(model, spec, seed, special_ids):
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if name.endswith("norm.weight") or "layer_norm" in name and name.endswith("weight") or "layernorm.weight" in name:
            p.copy_(1 + 0.2 * noise)
            if spec.tied and name.endswith("model.norm.weight"):
                p.mul_(5)  # the tied head is as small as the embeddings
        elif p.dim() == 1:
            p.copy_((0.02 if "patch" in name else 0.1) * noise)
        else:
            p.copy_(noise * _std(name, p.shape, spec.tied))
    # Special tokens never win the greedy choice, so that no continuation stops early.
    model.get_output_embeddings().weight[special_ids] *= 0.3
    for name, p in model.named_parameters():
        if spec.dtype == "bf16" or (spec.dtype == "mixed" and p.dim() > 1):
            p.copy_(p.bfloat16().float())


def save_weights(model, spec, folder):
    """model.safetensors, or shards with their index."""
    tensors = {}
    for name, p in model.named_parameters():
        if not (spec.tied and name == "lm_head.weight"):
            low = spec.dtype == "bf16" or (spec.dtype == "mixed" and p.dim() > 1)
            tensors[name] = p.detach().to(torch.bfloat16 if low else torch.float32).contiguous()
    if spec.shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(tensors)
    total, weight_map = 0, {}
    for shard in range(spec.shards):
        part = names[shard * len(names) // spec.shards : (shard + 1) * len(names) // spec.shards]
        file = f"model-{shard + 1:05d}-of-{spec.shards:05d}.safetensors"
        save_file({n: tensors[n] for n in part}, folder / file, metadata={"format": "pt"})
        weight_map |= {n: file for n in part}
        total += sum(tensors[n].nbytes for n in part)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
