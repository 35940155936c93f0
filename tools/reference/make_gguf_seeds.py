"""Small GGUF files, written by gguf-py, from which the fuzzer starts: tests/fixtures/fuzz/gguf."""

import struct
from pathlib import Path

import gguf
import numpy as np
from gguf.quants import quantize

OUT = Path(__file__).parents[2] / "tests/fixtures/fuzz/gguf"
T = gguf.GGMLQuantizationType


def write(name, keys, tensors):
    writer = gguf.GGUFWriter(OUT / name, "llama")
    keys(writer)
    for tensor, kind, values in tensors:
        data = values if kind == T.F32 else quantize(values, kind)
        writer.add_tensor(tensor, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tokenizer(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["a", "b", "ab", "<s>"])
    writer.add_token_types([1, 1, 1, 3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ messages }}")


def model(writer):
    tokenizer(writer)
    writer.add_block_count(1)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(16)
    writer.add_context_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_eos_token_id(3)


def pieces(writer):
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "\u2581a"])
    writer.add_token_scores([0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.0])
    writer.add_token_types([2, 3, 3, 6, 1, 1, 1])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def tower(writer):
    writer.add_clip_projector_type("idefics3")
    writer.add_vision_image_size(32)
    writer.add_vision_patch_size(8)
    writer.add_vision_embedding_length(4)
    writer.add_vision_feed_forward_length(8)
    writer.add_vision_block_count(1)
    writer.add_vision_head_count(1)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_projection_dim(8)
    writer.add_vision_projector_scale_factor(2)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])


def numbers(writer):
    for name, value in [("u8", 1), ("int8", -1), ("uint16", 2), ("int16", -2), ("uint32", 3),
                        ("int32", -3), ("uint64", 4), ("int64", -4)]:
        getattr(writer, "add_uint8" if name == "u8" else "add_" + name)("n." + name, value)
    writer.add_float32("n.f32", 0.5)
    writer.add_float64("n.f64", 0.25)
    writer.add_bool("n.bool", True)
    writer.add_array("a.int", [1, 2, 3])
    writer.add_array("a.float", [0.5, 0.5])
    writer.add_array("a.text", ["x", "yz"])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    ones = np.ones((2, 32), np.float32)
    write("tokenizer.gguf", tokenizer, [("w", T.F32, ones[:, :4].copy())])
    write("numbers.gguf", numbers, [("a", T.Q8_0, ones), ("b", T.Q4_0, ones), ("c", T.Q5_1, ones)])
    write("aligned.gguf", lambda w: w.add_custom_alignment(128), [("a", T.F32, ones[:1, :3].copy())])
    q = np.arange(64, dtype=np.float32).reshape(8, 8)
    write("model.gguf", model, [("blk.0.attn_q.weight", T.F32, q),
                                ("blk.0.attn_k.weight", T.F32, q[:4].copy())])
    write("pieces.gguf", pieces, [])
    write("tower.gguf", tower, [("v.blk.0.ffn_up.weight", T.F32, q)])
    write("empty.gguf", lambda w: None, [])
    v2 = bytearray((OUT / "numbers.gguf").read_bytes())
    v2[4:8] = struct.pack("<I", 2)
    (OUT / "version2.gguf").write_bytes(v2)


if __name__ == "__main__":
    main()
