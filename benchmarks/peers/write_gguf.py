#!/usr/bin/env python3
"""Writes a checkpoint in Hugging Face layout as GGUF files, for llama.cpp's tools to be measured.

    pip install -r benchmarks/peers/requirements.txt
    python3 benchmarks/peers/write_gguf.py CHECKPOINT FOLDER [--types F16,BF16,Q8_0,Q4_0]

Made for the random checkpoints of `random_checkpoint`; SmolVLM, SmolVLM2 and SmolLM2 only. For each
type it writes FOLDER/text-TYPE.gguf and, where there is a vision tower, FOLDER/mmproj-TYPE.gguf.
Matrices have the type; norms, biases and the vision tower's embeddings stay F32, as in the files
that are published for llama.cpp. Keys and names are those that its loaders ask for.
"""

import argparse
import functools
import json
import mmap
import pathlib
import struct
import sys

import gguf
import numpy as np

TYPES = {
    "F16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "BF16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "Q4_0": (gguf.GGMLQuantizationType.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
    "Q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
# What the classes of the original assume when a configuration leaves the key out.
VISION_DEFAULTS = {"hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12,
                   "num_attention_heads": 16, "image_size": 224, "patch_size": 32,
                   "layer_norm_eps": 1e-6}
# Stands before the view of the whole picture; llama.cpp looks this token up by its text and stops
# if it is missing. The vocabulary of a random checkpoint lacks it: its last token gives its place.
BLANK_LINE = "\u010a\u010a"  # "\n\n" in byte-level BPE
TEXT_LAYER = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
VISION_LAYER = {
    "layer_norm1": "ln1", "layer_norm2": "ln2", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.out_proj": "attn_out",
    "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
}


class Checkpoint:
    """config.json, tokenizer files and the tensors of one model.safetensors, as float32."""

    def __init__(self, folder):
        self.folder = folder
        self.config = self.json("config.json")
        with open(folder / "model.safetensors", "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (length,) = struct.unpack("<Q", self.data[:8])
        self.start = 8 + length
        self.header = json.loads(self.data[8:self.start])
        self.header.pop("__metadata__", None)

    def json(self, name):
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def tensor(self, name):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        kind = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}[entry["dtype"]]
        raw = np.frombuffer(self.data, kind, (end - begin) // np.dtype(kind).itemsize,
                            self.start + begin)
        if entry["dtype"] == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32).reshape(entry["shape"])


def rope_rows(weight, heads):
    """Rows of q and k in the order of llama.cpp, which rotates neighbours where the original
    rotates the halves of a head: row 2i of a head is i, row 2i + 1 is i + half."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


class Writer:
    def __init__(self, path, architecture, type_name):
        self.type, file_type = TYPES[type_name]
        self.out = gguf.GGUFWriter(path, architecture)
        self.out.add_file_type(file_type)
        self.out.add_quantization_version(gguf.GGML_QUANT_VERSION)

    def tensor(self, name, values, full=False):
        kind = self.type if values.ndim > 1 and not full else gguf.GGMLQuantizationType.F32
        if values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] != 0:  # as llama.cpp's converter
            kind = gguf.GGMLQuantizationType.F16
        self.out.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def close(self):
        self.out.write_header_to_file()
        self.out.write_kv_data_to_file()
        self.out.write_tensors_to_file()
        self.out.close()


def add_tokenizer(out, checkpoint, vocabulary):
    tokenizer = checkpoint.json("tokenizer.json")
    tokens = [f"[PAD{i}]" for i in range(vocabulary)]
    kinds = [gguf.TokenType.UNUSED] * vocabulary
    for text, i in tokenizer["model"]["vocab"].items():
        tokens[i], kinds[i] = text, gguf.TokenType.NORMAL
    if BLANK_LINE not in tokens:
        tokens[max(tokenizer["model"]["vocab"].values())] = BLANK_LINE
    special = {}
    for added in tokenizer["added_tokens"]:
        i = added["id"]
        tokens[i] = added["content"]
        kinds[i] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
        special[added["content"]] = i
    # A merge that makes the token which lost its place means nothing any more.
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    known = set(tokens)
    merges = [m for m in merges if {m.replace(" ", ""), *m.split(" ")} <= known]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    out.add_token_merges(merges)
    names = checkpoint.json("tokenizer_config.json")
    for key, add in (("bos_token", out.add_bos_token_id), ("eos_token", out.add_eos_token_id),
                     ("unk_token", out.add_unk_token_id), ("pad_token", out.add_pad_token_id)):
        if names.get(key) in special:
            add(special[names[key]])
    out.add_add_bos_token(False)
    template = checkpoint.folder / "chat_template.jinja"
    if template.exists():
        out.add_chat_template(template.read_text(encoding="utf-8"))


def write_text(checkpoint, path, type_name):
    config = {**checkpoint.config, **checkpoint.config.get("text_config", {})}
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    writer = Writer(path, "llama", type_name)
    out = writer.out
    out.add_name(checkpoint.folder.name)
    out.add_vocab_size(config["vocab_size"])
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(heads)
    out.add_head_count_kv(kv_heads)
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_freq_base(config["rope_theta"])
    out.add_rope_dimension_count(head)
    out.add_key_length(head)
    out.add_value_length(head)
    add_tokenizer(out, checkpoint, config["vocab_size"])

    prefix = "model.text_model." if "text_config" in checkpoint.config else "model."
    writer.tensor("token_embd.weight", checkpoint.tensor(prefix + "embed_tokens.weight"))
    for i in range(config["num_hidden_layers"]):
        for name, short in TEXT_LAYER.items():
            values = checkpoint.tensor(f"{prefix}layers.{i}.{name}.weight")
            if short in ("attn_q", "attn_k"):
                values = rope_rows(values, heads if short == "attn_q" else kv_heads)
            writer.tensor(f"blk.{i}.{short}.weight", values)
    writer.tensor("output_norm.weight", checkpoint.tensor(prefix + "norm.weight"))
    if "lm_head.weight" in checkpoint.header:  # otherwise the head is the embedding
        writer.tensor("output.weight", checkpoint.tensor("lm_head.weight"))
    writer.close()


def write_vision(checkpoint, path, type_name, longest_edge=None):
    config = {**VISION_DEFAULTS, **checkpoint.config["vision_config"]}
    picture = checkpoint.json("preprocessor_config.json")
    writer = Writer(path, "clip", type_name)
    out = writer.out
    out.add_type("mmproj")
    out.add_name(checkpoint.folder.name)
    out.add_clip_has_vision_encoder(True)
    out.add_clip_projector_type("idefics3")
    out.add_vision_image_size(config["image_size"])
    out.add_vision_patch_size(config["patch_size"])
    out.add_vision_embedding_length(config["hidden_size"])
    out.add_vision_feed_forward_length(config["intermediate_size"])
    out.add_vision_block_count(config["num_hidden_layers"])
    out.add_vision_head_count(config["num_attention_heads"])
    out.add_vision_attention_layernorm_eps(config["layer_norm_eps"])
    out.add_vision_projection_dim(checkpoint.config["text_config"]["hidden_size"])
    out.add_vision_projector_scale_factor(checkpoint.config["scale_factor"])
    out.add_vision_image_mean(picture["image_mean"])
    out.add_vision_image_std(picture["image_std"])
    out.add_vision_use_gelu(True)
    # Without this key the picture is cut into other tiles than the original's.
    out.add_uint32("clip.vision.preproc_image_size",
                   longest_edge or picture["size"]["longest_edge"])

    prefix = "model.vision_model."
    embeddings = prefix + "embeddings."
    writer.tensor("v.patch_embd.weight",
                  checkpoint.tensor(embeddings + "patch_embedding.weight"), full=True)
    writer.tensor("v.patch_embd.bias", checkpoint.tensor(embeddings + "patch_embedding.bias"))
    writer.tensor("v.position_embd.weight",
                  checkpoint.tensor(embeddings + "position_embedding.weight"), full=True)
    for i in range(config["num_hidden_layers"]):
        for name, short in VISION_LAYER.items():
            for part in ("weight", "bias"):
                writer.tensor(f"v.blk.{i}.{short}.{part}",
                              checkpoint.tensor(f"{prefix}encoder.layers.{i}.{name}.{part}"))
    for part in ("weight", "bias"):
        writer.tensor("v.post_ln." + part, checkpoint.tensor(f"{prefix}post_layernorm.{part}"))
    writer.tensor("mm.model.fc.weight",
                  checkpoint.tensor("model.connector.modality_projection.proj.weight"))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--types", default="F16,BF16,Q8_0,Q4_0")
    parser.add_argument("--longest-edge", type=int, metavar="PIXELS",
                        help="of pictures before they are cut, instead of the checkpoint's; the "
                        "size of a tile for compare.py --one-tile")
    options = parser.parse_args()
    checkpoint = Checkpoint(options.checkpoint.resolve())
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.types.split(","):
        if name not in TYPES:
            parser.error(f"no such type ({name}); known: {', '.join(TYPES)}")
        jobs = [("text", write_text)]
        if "vision_config" in checkpoint.config:
            jobs.append(("mmproj", functools.partial(write_vision,
                                                     longest_edge=options.longest_edge)))
        for kind, write in jobs:
            path = options.folder / f"{kind}-{name}.gguf"
            # Under another name until it is whole, so that no half file is ever measured.
            part = path.with_suffix(".part")
            write(checkpoint, part, name)
            part.rename(path)
            print(f"{path} {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
