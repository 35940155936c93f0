"""Writes tests/fixtures/adapters: adapters as PEFT saves them, on the tiny checkpoints of make_smolvlm.py, and what
transformers and PEFT compute with them in float32.

    python tools/reference/make_adapters.py [name ...]

For each: the folder that save_pretrained() writes, `expected.json` (base checkpoint; cases of its expected.json; rows)
and `expected.safetensors` (`<case>.logits`; for some `grad.<key>`, the gradient of the mean next-token loss of the
case named in expected.json). `lora+dora` has logits of two adapters at once and no folder of its own.
"""

import argparse
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from safetensors.torch import save as save_bytes
from tokenizers import Tokenizer

import make_smolvlm
from tiny_models import MODELS, full_config

ADAPTERS = make_smolvlm.FIXTURES.parent / "adapters"
# The modules of the SmolVLM recipe of Hugging Face's cookbook; q, k and v of the tower have the same names.
COOKBOOK = ["down_proj", "o_proj", "k_proj", "q_proj", "gate_proj", "up_proj", "v_proj"]

# name: base, arguments of LoraConfig, how it is saved, case of the gradients
SPECS = {
    "lora": ("smolvlm2-a", dict(r=4, lora_alpha=8, target_modules=COOKBOOK), {}, "no_split"),
    "rslora": (
        "smolvlm2-a",
        dict(r=3, lora_alpha=4, use_rslora=True, init_lora_weights="gaussian",
             target_modules=r".*(vision_model|connector|text_model).*\.(q_proj|fc1|out_proj|proj|down_proj)"),
        {}, None),
    "dora": (
        "smolvlm2-a",
        dict(r=2, lora_alpha=8, use_dora=True, lora_dropout=0.1,
             target_modules=["q_proj", "v_proj", "fc2", "out_proj", "modality_projection.proj", "up_proj"]),
        {}, "no_split"),
    "patterns": (
        "smolvlm2-c",
        dict(r=4, lora_alpha=6, target_modules="all-linear", exclude_modules=["v_proj", "gate_proj"],
             rank_pattern={"text_model.layers.0.self_attn.q_proj": 2, "fc1": 3},
             alpha_pattern={"down_proj": 3, r"layers\.1\.mlp\.fc1": 9}),
        {"bf16": True}, None),
    "layers": (
        "smolvlm2-c",
        dict(r=2, lora_alpha=4, target_modules=["o_proj", "fc2"], layers_to_transform=[1],
             modules_to_save=["embed_tokens"]),
        {"bf16": True}, None),
    "saved": (
        "smollm2",
        dict(r=2, lora_alpha=4, target_modules=["q_proj", "o_proj"], modules_to_save=["lm_head", "norm"]),
        {}, "chat"),
    "embedding": (
        "smollm2",
        dict(r=3, lora_alpha=4, target_modules=["embed_tokens", "lm_head", "v_proj"]),
        {}, "chat"),
    "embedding-dora": (
        "smollm2",
        dict(r=2, lora_alpha=4, use_dora=True, target_modules=["embed_tokens", "down_proj"]),
        {"save_embedding_layers": False}, "chat"),
}  # fmt: skip


def load_base(name):
    """The tiny checkpoint, its processor and the inputs of its cases."""
    spec = next(m for m in MODELS if m.name == name)
    folder = make_smolvlm.FIXTURES / name
    processor, fast = make_smolvlm.load_processor(spec, folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    image_token = tokenizer.token_to_id("<image>")
    config = full_config(spec, tokenizer.get_vocab_size(), image_token)
    model = make_smolvlm.load_written(spec, folder, config)
    model.get_input_embeddings().padding_idx = None  # torch would leave out that token's gradient
    cases = make_smolvlm.vision_cases() if processor else make_smolvlm.text_cases()
    wanted = [c for c in cases if c[0] in ("text", "no_split", "chat", "turns")]
    inputs = {case[0]: make_smolvlm.prepare(spec, processor, fast, case)[0] for case in wanted}
    return model, inputs, image_token


@torch.no_grad()
def disturb(model, seed):
    """Numbers as training might leave them, large enough to be seen in the logits."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "lora_magnitude_vector" in name:
            p.mul_(1 + 0.05 * noise)
        elif "lora_embedding" in name:
            p.copy_(0.05 * noise)
        elif "lora_" in name:
            p.copy_((0.1 if "lora_B" in name else p.shape[-1] ** -0.5) * noise)
        elif "modules_to_save" in name:
            p.mul_(1 + 0.1 * noise)
        if p.requires_grad:
            p.copy_(p.bfloat16().float())


@torch.no_grad()
def logits_of(model, inputs, image_token, base_logits):
    tensors, cases = {}, []
    for name, values in inputs.items():
        rows = model(**values).logits[0]
        ids = values["input_ids"][0].tolist()
        positions = make_smolvlm.logit_positions(ids, image_token)[-24:]
        tensors[f"{name}.logits"] = rows[positions].contiguous()
        spread = float(rows[positions].std(dim=1).mean())
        change = float((rows - base_logits[name]).abs().max()) / spread
        assert change > 0.05, f"{name}: the adapter changes nothing ({change})"
        cases.append({"name": name, "logit_positions": positions, "logits_std": spread, "change": round(change, 3)})
    return tensors, cases


def gradients_of(model, inputs, keys):
    """d(mean next-token loss) of every tensor of the adapter, without dropout, by its key in the file."""
    model.zero_grad()
    logits = model(**inputs).logits[0]
    loss = F.cross_entropy(logits[:-1], inputs["input_ids"][0, 1:])
    loss.backward()
    grads = {}
    for name, p in model.named_parameters():
        key = name.replace(".default", "").replace(".modules_to_save", "")
        key = key.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")
        if p.requires_grad and p.grad is not None and key in keys:
            grads[f"grad.{key}"] = p.grad.contiguous()
    missing = [k for k in keys if f"grad.{k}" not in grads and ".base_layer." not in k]
    assert not missing, missing
    return grads, float(loss)


def save(model, folder, base, bf16=False, **options):
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(folder, **options)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    for key in ("target_modules", "exclude_modules", "modules_to_save"):  # sets, in the order of the day
        if isinstance(config[key], list):
            config[key].sort()
    make_smolvlm.write_json(folder / "adapter_config.json", config)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    if bf16:  # the numbers are bfloat16's already
        tensors = {k: v.to(torch.bfloat16) for k, v in tensors.items()}
        save_file(tensors, file, metadata={"format": "pt"})
    return set(tensors)


def write_expected(folder, tensors, **facts):
    save_file(tensors, folder / "expected.safetensors")
    made = {"transformers": transformers.__version__, "peft": peft.__version__, "torch": torch.__version__.split("+")[0]}
    make_smolvlm.write_json(folder / "expected.json", {"made_with": made, **facts})


def base_logits_of(model, inputs):
    with torch.no_grad():
        return {name: model(**values).logits[0] for name, values in inputs.items()}


def make(name, seed):
    base, arguments, options, gradient_case = SPECS[name]
    model, inputs, image_token = load_base(base)
    before = base_logits_of(model, inputs)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **arguments)).eval()
    disturb(model, seed)
    folder = ADAPTERS / name
    keys = save(model, folder, base, **options)
    tensors, cases = logits_of(model, inputs, image_token, before)
    facts = {"base": base, "cases": cases, "trainable": model.get_nb_trainable_parameters()[0]}
    if gradient_case:
        grads, facts["loss"] = gradients_of(model, inputs[gradient_case], keys)
        tensors |= grads
        facts["gradient_case"] = gradient_case
    write_expected(folder, tensors, **facts)
    print(name, facts["trainable"], [c["change"] for c in cases])


def make_pair(first, second):
    """Both attached, in this order."""
    base = SPECS[first][0]
    model, inputs, image_token = load_base(base)
    before = base_logits_of(model, inputs)
    model = PeftModel.from_pretrained(model, ADAPTERS / first, adapter_name="first").eval()
    model.load_adapter(ADAPTERS / second, adapter_name="second")
    model.base_model.set_adapter(["first", "second"])
    model.eval()
    folder = ADAPTERS / f"{first}+{second}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors, cases = logits_of(model, inputs, image_token, before)
    write_expected(folder, tensors, base=base, cases=cases)


def write_seeds():
    """tests/fixtures/fuzz/adapter: a line of configuration and a file, for the model of src/models/adapter_test_kit.h."""
    folder = ADAPTERS.parent / "fuzz" / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    layer = "base_model.model.model.layers.0."
    q, down, embed = layer + "self_attn.q_proj", layer + "mlp.down_proj", "base_model.model.model.embed_tokens"
    seeds = {
        "lora": ({"target_modules": ["q_proj", "down_proj"]},
                 {q + ".lora_A.weight": (2, 16), q + ".lora_B.weight": (16, 2),
                  down + ".lora_A.weight": (2, 24), down + ".lora_B.weight": (16, 2)}),
        "dora": ({"target_modules": r".*layers\.0.*(q|k)_proj", "use_dora": True, "use_rslora": True},
                 {q + ".lora_A.default.weight": (2, 16), q + ".lora_B.default.weight": (16, 2),
                  q + ".lora_magnitude_vector": (16,)}),
        "embedding": ({"target_modules": ["embed_tokens"], "rank_pattern": {"embed_tokens": 1}},
                      {embed + ".lora_embedding_A": (1, 20), embed + ".lora_embedding_B": (16, 1)}),
        "saved": ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"], "alpha_pattern": {"q_proj": 3}},
                  {q + ".lora_A.weight": (2, 16), q + ".lora_B.weight": (16, 2),
                   "base_model.model.lm_head.weight": (20, 16)}),
    }  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    for name, (config, shapes) in seeds.items():
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, **config}
        tensors = {k: torch.randn(v, generator=generator).bfloat16() for k, v in shapes.items()}
        data = json.dumps(config).encode() + b"\n" + save_bytes(tensors, metadata={"format": "pt"})
        (folder / f"{name}.bin").write_bytes(data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)  # one order of summation
    for position, adapter in enumerate(SPECS):
        if not options.names or adapter in options.names:
            torch.manual_seed(position)
            make(adapter, position)
    if not options.names or "seeds" in options.names:
        write_seeds()
    if not options.names:
        make_pair("lora", "dora")
        make_pair("dora", "lora")
