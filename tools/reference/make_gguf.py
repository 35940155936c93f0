"""The tiny checkpoints of tests/fixtures/models as GGUF files, written by llama.cpp's own converter.

    LLAMA_CPP=/path/to/llama.cpp LLAMA_QUANTIZE=/path/to/llama-quantize python make_gguf.py

Runs convert_hf_to_gguf.py and llama-quantize. Writes tests/fixtures/gguf: smolvlm2-a as text and
mmproj file, smollm3-yarn in two shards (both bf16 as their checkpoints, so that nothing is lost) and
a checkpoint of its own, "mixed", with a tensor of every type: mixed.expected.safetensors holds ids
and the last rows of the logits that transformers gives in float32 for the weights that gguf-py reads
from the file.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import dequantize
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests/fixtures/models"
OUT = ROOT / "tests/fixtures/gguf"
LLAMA_CPP = Path(os.environ.get("LLAMA_CPP", "llama.cpp"))
LLAMA_QUANTIZE = os.environ.get("LLAMA_QUANTIZE", "llama-quantize")


def convert(folder, out, kind, *more):
    """The converter knows tokenizers by a hash of what they make of a text; ours are tiny copies of
    those it knows, so it is told the name."""
    pre = "llama-bpe" if "smollm3" in folder.name else "smollm"
    code = ("import sys, runpy; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/gguf-py'];"
            "from conversion.base import TextModel;"
            f"TextModel.get_vocab_base_pre = lambda self, tokenizer: {pre!r};"
            "sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')")
    script = LLAMA_CPP / "convert_hf_to_gguf.py"
    command = [sys.executable, "-c", code, str(LLAMA_CPP), str(script), str(folder), "--outfile",
               str(out), "--outtype", kind, *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def load_weights(path, wanted):
    """Every tensor of a text model in float32, under the names and with the rows of the original."""
    reader = gguf.GGUFReader(path)
    heads = {part: int(reader.fields[f"llama.attention.{key}"].contents())
             for part, key in (("q", "head_count"), ("k", "head_count_kv"))}
    short = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 100)
    original = {short.get_name(name, (".weight",)): name for name in wanted}
    out = {}
    for tensor in reader.tensors:
        shape = tuple(reversed([int(n) for n in tensor.shape]))
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).reshape(shape).copy())
        for part, count in heads.items():
            if tensor.name.endswith(f"attn_{part}.weight"):  # undo what the converter did to the rows
                values = values.reshape(count, -1, 2, shape[1]).swapaxes(1, 2).reshape(shape)
        out[original[tensor.name]] = values
    return out


def expect(path, folder):
    """What transformers makes of the weights of a GGUF file."""
    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.LlamaForCausalLM(config).float().eval()
    left = model.load_state_dict(load_weights(path, model.state_dict()), strict=False)
    assert not left.unexpected_keys and left.missing_keys in ([], ["lm_head.weight"]), left
    model.tie_weights()
    ids = np.random.default_rng(9).integers(20, config.vocab_size, (1, 40))
    with torch.no_grad():
        logits = model(torch.from_numpy(ids)).logits[0, -8:].contiguous()
    print(path.name, path.stat().st_size, "bytes, spread", float(logits.std(-1).mean()))
    save_file({"ids": torch.from_numpy(ids[0]).float(), "logits": logits},
              path.with_suffix(".expected.safetensors"))


def wide_checkpoint(folder):
    """The architecture of SmolLM2, wide enough for blocks of 256."""
    folder.mkdir(parents=True)
    source = MODELS / "smollm2"
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(source / name, folder / name)
    old = json.loads((source / "config.json").read_text())
    config = transformers.LlamaConfig(
        hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=64, vocab_size=old["vocab_size"], rope_theta=100000.0,
        rms_norm_eps=1e-5, max_position_embeddings=2048, tie_word_embeddings=True)
    torch.manual_seed(5)
    model = transformers.LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(1 + 0.1 * torch.randn_like(weight) if weight.dim() == 1
                         else torch.randn_like(weight) * 0.08)
    model.save_pretrained(folder)


# Which tensor of the wide checkpoint is of which type: all of them occur. The columns of
# attn_output are 128, where blocks of 256 do not fit.
MIXED = {
    "blk.0.attn_q": "q2_k", "blk.0.attn_k": "q3_k", "blk.0.attn_v": "q4_k",
    "blk.0.attn_output": "q4_0", "blk.0.ffn_gate": "q5_k", "blk.0.ffn_up": "q6_k",
    "blk.0.ffn_down": "q4_1", "blk.1.attn_q": "q5_0", "blk.1.attn_k": "bf16",
    "blk.1.attn_v": "f16", "blk.1.attn_output": "iq4_nl", "blk.1.ffn_gate": "q5_1",
    "blk.1.ffn_up": "q8_0", "blk.1.ffn_down": "q6_k",
}


def mixed(work):
    folder = work / "wide"
    wide_checkpoint(folder)
    convert(folder, work / "wide.gguf", "f32")
    out = OUT / "mixed.gguf"
    command = [LLAMA_QUANTIZE, "--token-embedding-type", "q4_k"]
    for name, kind in MIXED.items():
        command += ["--tensor-type", f"{name}={kind}"]
    subprocess.run([*command, work / "wide.gguf", out, "q8_0"], check=True, capture_output=True)
    found = {t.name.removesuffix(".weight"): t.tensor_type.name.lower()
             for t in gguf.GGUFReader(out).tensors}
    wrong = {name: found[name] for name, kind in MIXED.items() if found[name] != kind}
    assert not wrong, wrong
    expect(out, folder)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        mixed(Path(temporary))
    vlm = OUT / "smolvlm2-a"
    vlm.mkdir(exist_ok=True)
    convert(MODELS / "smolvlm2-a", vlm / "smolvlm2-a-BF16.gguf", "bf16")
    convert(MODELS / "smolvlm2-a", vlm / "mmproj-BF16.gguf", "bf16", "--mmproj")
    for old in OUT.glob("smollm3-yarn-*.gguf"):
        old.unlink()
    convert(MODELS / "smollm3-yarn", OUT / "smollm3-yarn.gguf", "bf16", "--split-max-tensors", "50")
    for path in sorted(OUT.rglob("*.gguf")):
        print(path.relative_to(OUT), path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
