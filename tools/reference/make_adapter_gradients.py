"""Writes tests/fixtures/gradients/smolvlm/{lora,dora}: adapters that PEFT saved, and the gradients of their numbers that it
computes in float32, on weights as the file has them and on what 8 and 4 bits leave of them.

    python tools/reference/make_adapter_gradients.py      (after make_gradients.py)
"""

import json
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import gguf
import numpy as np
import peft
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from make_gradients import OUT, SPECS, build, exact_numbers, loss_and_gradients, make_samples, own_error, write_json

SPEC = SPECS["smolvlm"]
CONFIG = {"r": 4, "lora_alpha": 12, "lora_dropout": 0.0, "target_modules": "all-linear"}
TYPES = {"q8_0": gguf.GGMLQuantizationType.Q8_0, "q4_0": gguf.GGMLQuantizationType.Q4_0}
# (folder, what differs, encodings of the base)
ADAPTERS = [("lora", {}, ["f32", "q8_0", "q4_0"]), ("dora", {"use_dora": True}, ["f32", "q8_0", "q4_0"])]


@torch.no_grad()
def quantize(model, encoding):
    """Every matrix becomes what its encoding leaves of it. A short block at the end of a row is filled up with zeros."""
    for name, p in model.named_parameters():
        if encoding == "f32" or p.dim() < 2 or "position_embedding" in name:
            continue
        rows = p.reshape(p.shape[0], -1).numpy()
        full = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 32)))
        kind = TYPES[encoding]
        full = gguf.quants.dequantize(gguf.quants.quantize(full, kind), kind)
        p.copy_(torch.from_numpy(full[:, : rows.shape[1]].copy()).reshape(p.shape))


@torch.no_grad()
def draw(model):
    """Numbers as after some training: b is not zero, magnitudes are not the norms."""
    generator = torch.Generator().manual_seed(11)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "lora_A" in name:
            p.copy_(noise * p.shape[1] ** -0.5)
        elif "lora_B" in name:
            p.copy_(0.1 * noise)
        elif "magnitude" in name:
            p.mul_(1 + 0.1 * noise)


def file_key(name):
    return name.replace(".default", "").replace("magnitude_vector.weight", "magnitude_vector")


def make(folder_name, more, encodings):
    folder = OUT / SPEC.name / folder_name
    folder.mkdir(exist_ok=True)
    samples, pixels = make_samples(SPEC)
    tensors, losses, errors = {}, {}, {}
    saved = None
    for encoding in encodings:
        base, _ = build(SPEC)
        quantize(base, encoding)
        model = get_peft_model(base, LoraConfig(**CONFIG, **more))
        if saved is None:
            draw(model)
            model.save_pretrained(folder)
            (folder / "README.md").unlink()
            saved = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name in saved:
                    p.copy_(saved[name])
        loss, gradients = loss_and_gradients(base, samples, pixels, forward=model)
        gradients = {"base_model.model." + n: g for n, g in gradients.items() if "lora_" in n}
        assert set(gradients) == set(saved)
        with exact_numbers():
            model.double()
            _, exact = loss_and_gradients(base, samples, pixels.double(), forward=model)
        exact = {"base_model.model." + n: g for n, g in exact.items()}
        losses[encoding], errors[encoding] = loss, float(f"{own_error(gradients, exact):.2g}")
        tensors |= {f"{encoding}.{file_key(n)}": g.contiguous() for n, g in gradients.items()}
        print(f"{folder_name} on {encoding}: {len(gradients)} tensors, {sum(g.numel() for g in gradients.values())} numbers,"
              f" loss {loss:.5f}, float32 error {errors[encoding]:.1e}")
    save_file(tensors, folder / "expected.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text())
    config["target_modules"] = sorted(config["target_modules"])
    write_json(folder / "adapter_config.json", config)
    write_json(folder / "expected.json", {"peft": peft.__version__, "loss": losses, "own_error": errors})


if __name__ == "__main__":
    torch.set_num_threads(1)
    for adapter in ADAPTERS:
        make(*adapter)
