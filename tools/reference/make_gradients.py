"""Writes tests/fixtures/gradients: checkpoints of a few thousand numbers, and the loss and every gradient that
transformers computes from them in float32.

    python tools/reference/make_gradients.py [name ...]

Samples are run one after the other here; the engine runs them side by side. The loss is the cross-entropy of the
trained tokens of all of them, divided by their number. README.md describes the files.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from safetensors.torch import save_file
from transformers import SmolLM3Config, SmolLM3ForCausalLM

import tiny_models
from tiny_models import TinyModel

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "gradients"
VOCAB, IMAGE = 64, 60  # size of the vocabulary; the id that stands for a picture's token


def text(layers, context=256, hidden=32, head_dim=8):
    return {"hidden_size": hidden, "intermediate_size": 48, "num_hidden_layers": layers, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": head_dim, "rope_theta": 100000, "rms_norm_eps": 1e-5,
            "max_position_embeddings": context}  # fmt: skip


def smollm3(rope):
    base = text(4)
    for key in ("rope_theta", "head_dim", "max_position_embeddings"):
        del base[key]
    return {"architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", **base, "hidden_act": "silu",
            "attention_bias": False, "mlp_bias": False, "vocab_size": VOCAB, "tie_word_embeddings": True,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2, "use_sliding_window": False,
            "no_rope_layers": [1, 1, 1, 0], **rope}  # fmt: skip


# The samples: how many tokens each has, which of them are trained, and where pictures stand (token, tiles).
TEXT_SAMPLES = [(23, [(5, 9), (15, 23)], []), (7, [(3, 7)], []), (38, [(20, 38)], [])]
PICTURE_SAMPLES = [(26, [(16, 21), (23, 26)], [(2, 2)]), (9, [(4, 9)], []), (17, [(11, 17)], [(3, 1)])]

# The tower's patches leave a rest of two pixels.
VISION = {"image_size": 34, "patch_size": 8, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 40,
          "num_hidden_layers": 2, "num_channels": 3, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}  # fmt: skip

SPECS = {
    "smolvlm": TinyModel("smolvlm", "smolvlm", "", text(2), VISION, scale_factor=2, longest_edge=68),
    "smollm2": TinyModel("smollm2", "llama", "", text(3), tied=True),
    "smollm3": TinyModel("smollm3", "smollm3", "", smollm3({"rope_theta": 5000000.0, "max_position_embeddings": 256}),
                         tied=True),
    # The longest sample reaches far beyond the 16 tokens that the positions were made for.
    "smollm3-yarn": TinyModel("smollm3-yarn", "smollm3", "", smollm3(
        {"max_position_embeddings": 64,
         "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 5000000.0,
                             "original_max_position_embeddings": 16}}), tied=True),
}  # fmt: skip


def build(spec, seed=1):
    """The model in float32, with numbers that bf16 holds, and its config.json."""
    if spec.model_type == "smollm3":
        config = spec.text
        model = SmolLM3ForCausalLM._from_config(SmolLM3Config(**config), attn_implementation="eager")
    else:
        config = tiny_models.hub_config(spec, VOCAB, IMAGE)
        full = tiny_models.full_config(spec, VOCAB, IMAGE)
        model = tiny_models.CLASSES[spec.model_type][1]._from_config(full, attn_implementation="eager")
    tiny_models.initialize(model, spec, seed, [])
    return model.float(), config


def make_samples(spec):
    """[(ids, trained, tiles)] and all tiles' pixels, [n, 3, side, side]."""
    generator = torch.Generator().manual_seed(7)
    samples, tiles = [], 0
    for count, spans, pictures in PICTURE_SAMPLES if spec.vision else TEXT_SAMPLES:
        ids = torch.randint(3, IMAGE, (count,), generator=generator).tolist()
        trained = [int(any(a <= i < b for a, b in spans)) for i in range(count)]
        for at, number in pictures:
            width = number * spec.image_seq_len
            assert not any(trained[at : at + width])
            ids[at : at + width] = [IMAGE] * width
        samples.append((ids, trained, sum(n for _, n in pictures)))
        tiles += samples[-1][2]
    side = spec.vision["image_size"] if spec.vision else 0
    return samples, torch.empty(tiles, 3, side, side).uniform_(-1, 1, generator=generator)


def labels_of(ids, trained):
    return torch.tensor([[i if t else -100 for i, t in zip(ids, trained)]])


def loss_and_gradients(model, samples, pixels, forward=None):
    """The mean loss over all trained tokens and {name: gradient}."""
    # The first token is predicted by none.
    total = sum(sum(trained[1:]) for _, trained, _ in samples)
    model.zero_grad()
    losses, at = [], 0
    for ids, trained, tiles in samples:
        inputs = {"input_ids": torch.tensor([ids]), "labels": labels_of(ids, trained), "num_items_in_batch": total}
        if tiles:
            inputs["pixel_values"] = pixels[None, at : at + tiles]
            at += tiles
        loss = (forward or model)(**inputs, use_cache=False).loss
        loss.backward()
        losses.append(loss.item())
    return sum(losses), {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}


@contextlib.contextmanager
def exact_numbers():
    """Whatever asks for float32 in the original gets float64."""
    kept = torch.float32, torch.Tensor.float
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    try:
        yield
    finally:
        torch.float32, torch.Tensor.float = kept


def scale_of(name, gradients):
    """What an error of a gradient is measured by: its largest number. A bias may cancel (that of keys is zero but for
    rounding), so that the gradient of its own matrix, a sum of the same terms times inputs of size one, counts too."""
    largest = gradients[name].abs().max().item()
    weight = gradients.get(name.removesuffix("bias") + "weight") if name.endswith(".bias") else None
    return max(largest, weight.abs().max().item()) if weight is not None else largest


def own_error(gradients, exact):
    """The largest error of any gradient of the float32 computation itself."""
    return max(((gradients[n].double() - exact[n]).abs().max() / scale_of(n, gradients)).item() for n in gradients)


def write_json(path, value):
    path.write_text(json.dumps(value) + "\n")


def make(spec):
    folder = OUT / spec.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model, config = build(spec)
    samples, pixels = make_samples(spec)
    loss, gradients = loss_and_gradients(model, samples, pixels)
    assert set(gradients) == {n for n, p in model.named_parameters() if p.requires_grad}
    write_json(folder / "config.json", config)
    tiny_models.save_weights(model, spec, folder)
    tensors = {"gradient." + n: g for n, g in gradients.items()}
    if len(pixels):
        tensors["pixels"] = pixels
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "expected.safetensors")
    with exact_numbers():
        exact_loss, exact = loss_and_gradients(model.double(), samples, pixels.double())
    error = own_error(gradients, exact)
    write_json(folder / "expected.json", {
        "transformers": transformers.__version__, "loss": loss, "own_error": float(f"{error:.2g}"),
        "samples": [{"ids": i, "trained": t, "tiles": n} for i, t, n in samples],
    })  # fmt: skip
    print(f"{spec.name}: {sum(p.numel() for p in model.parameters())} parameters, loss {loss:.4f}, float32 error: loss"
          f" {abs(loss - exact_loss):.1e}, gradients {error:.1e}; least gradient"
          f" {min((g.abs().max().item(), n) for n, g in gradients.items())}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation
    for name, tiny in SPECS.items():
        if not options.names or name in options.names:
            make(tiny)
