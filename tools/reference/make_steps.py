"""Writes tests/fixtures/steps: ten optimizer steps by transformers' Trainer, of a whole model and of a LoRA by PEFT;
DPO by TRL's formula; top-k distillation by its definition, of logits and of a whole model. All in float32.

    python tools/reference/make_steps.py [full] [lora] [dpo] [distill] [distill-model]      (after make_smolvlm.py)
"""

import argparse
import json
import os
import pathlib
import shutil

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import torch
import transformers
from PIL import Image
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch.nn import functional as F
from torch.utils.data import DataLoader
from transformers import AutoImageProcessor, Trainer, TrainerCallback, TrainingArguments

import pictures
from make_adapter_gradients import draw, file_key
from make_gradients import exact_numbers, labels_of, write_json
from make_smolvlm import FIXTURES, load_written
from tiny_models import MODELS, full_config

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "steps"
SPECS = {spec.name: spec for spec in MODELS}
STEPS, ACCUMULATE, BATCH = 10, 2, 2
KEPT = 256  # numbers of a parameter that the fixture holds

RUNS = {
    "full": {"model": "smollm2", "learning_rate": 1e-3, "lr_scheduler_type": "cosine", "warmup_steps": 3,
             "weight_decay": 0.1, "max_grad_norm": 1.0},
    "lora": {"model": "smolvlm2-a", "learning_rate": 4e-3, "lr_scheduler_type": "linear", "warmup_steps": 2,
             "weight_decay": 0.01, "max_grad_norm": 1.0},
}  # fmt: skip
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": "all-linear"}


def load(name):
    spec = SPECS[name]
    written = json.loads((FIXTURES / name / "config.json").read_text())
    text = written.get("text_config", written)
    model = load_written(spec, FIXTURES / name, full_config(spec, text["vocab_size"], written.get("image_token_id")))
    return model, text["vocab_size"], written.get("image_token_id")


def make_samples(count, vocab, image_token, seed):
    """One sample of every step has a picture, if the model sees pictures. Answers follow a rule that can be learnt."""
    generator = torch.Generator().manual_seed(seed)
    draw_number = lambda low, high: int(torch.randint(low, high, (1,), generator=generator))
    samples = []
    for i in range(count):
        question = [draw_number(3, 200) for _ in range(draw_number(3, 9))]
        answer = [(id + 100) for id in question[: draw_number(2, 6)]] + [2]
        sample = {"ids": question, "picture": None}
        if image_token is not None and i % 4 == 0:
            kind = pictures.KINDS[i // 4 % len(pictures.KINDS)]
            sample["picture"] = {"kind": kind, "seed": 40 + i, "width": 120, "height": 80}
            sample["ids"] = question[:2] + [image_token] * 64 + question[2:]
        sample["trained"] = [0] * len(sample["ids"]) + [1] * len(answer)
        sample["ids"] = sample["ids"] + answer
        samples.append(sample)
    return samples


def collate(samples, processor):
    width = max(len(s["ids"]) for s in samples)
    pad = lambda values, fill: values + [fill] * (width - len(values))
    batch = {
        "input_ids": torch.tensor([pad(s["ids"], 2) for s in samples]),
        "attention_mask": torch.tensor([pad([1] * len(s["ids"]), 0) for s in samples]),
        "labels": torch.tensor([pad(labels_of(s["ids"], s["trained"])[0].tolist(), -100) for s in samples]),
    }
    if processor is None or not any(s["picture"] for s in samples):
        return batch
    tiles = []
    for s in samples:
        if s["picture"] is None:
            tiles.append(None)
            continue
        picture = Image.fromarray(pictures.pixels(**s["picture"]))
        tiles.append(processor([[picture]], do_image_splitting=False, return_tensors="pt")["pixel_values"][0])
    shape = next(t.shape for t in tiles if t is not None)
    batch["pixel_values"] = torch.stack([torch.zeros(shape) if t is None else t for t in tiles])
    return batch


class Recorder(TrainerCallback):
    def __init__(self):
        self.rates, self.norms = [], []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **kwargs):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "grad_norm" in logs:
            self.norms.append(float(logs["grad_norm"]))


class Steps(Trainer):
    """The original, with micro-batches in the order of the data."""

    def get_train_dataloader(self):
        return self.accelerator.prepare(DataLoader(self.train_dataset, batch_size=1, collate_fn=lambda b: b[0]))

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.losses.append(loss.item())
        return loss


def run(model, options, batches):
    """[{loss, grad_norm, learning_rate}] of every step. The model is changed."""
    arguments = TrainingArguments(
        output_dir="/tmp/steps", max_steps=STEPS, per_device_train_batch_size=1, gradient_accumulation_steps=ACCUMULATE,
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, optim="adamw_torch", disable_tqdm=True,
        **{k: v for k, v in options.items() if k != "model"})  # fmt: skip
    recorder = Recorder()
    trainer = Steps(model=model, args=arguments, train_dataset=batches, callbacks=[recorder])
    trainer.losses = []
    trainer.train()
    losses = [sum(trainer.losses[i : i + ACCUMULATE]) for i in range(0, len(trainer.losses), ACCUMULATE)]
    assert len(losses) == len(recorder.rates) == len(recorder.norms) == STEPS
    return [{"loss": a, "grad_norm": b, "learning_rate": c} for a, b, c in zip(losses, recorder.norms, recorder.rates)]


def kept(tensor):
    flat = tensor.detach().flatten()
    count = min(KEPT, len(flat))
    return flat[[len(flat) * i // count for i in range(count)]].clone()


def trained_numbers(model):
    return {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}


def steps(name):
    options = RUNS[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model, vocab, image_token = load(options["model"])
    samples = make_samples(STEPS * ACCUMULATE * BATCH, vocab, image_token, seed=5)
    processor = None
    if image_token is not None:
        processor = AutoImageProcessor.from_pretrained(FIXTURES / options["model"], backend="pil")
    batches = [collate(samples[i : i + BATCH], processor) for i in range(0, len(samples), BATCH)]
    if name == "lora":
        torch.manual_seed(3)
        model = get_peft_model(model, LoraConfig(**LORA))
        save_adapter(model, folder / "adapter")
    started = {n: p.clone() for n, p in trained_numbers(model).items()}
    records = run(model, options, batches)
    final = {n: p.float().clone() for n, p in trained_numbers(model).items()}

    wide = load(options["model"])[0]
    if name == "lora":
        wide = PeftModel.from_pretrained(wide, folder / "adapter", is_trainable=True)
    with exact_numbers():
        wide = wide.double()
        wide_batches = [{k: v.double() if v.is_floating_point() else v for k, v in b.items()} for b in batches]
        exact = run(wide, options, wide_batches)
        exact_final = trained_numbers(wide)
    worst = lambda key: max(abs(a[key] / b[key] - 1) for a, b in zip(records, exact))
    # Distances in units of the largest learning rate: about what a number may move in one step.
    moved = max((final[n] - started[n]).abs().max().item() for n in final) / options["learning_rate"]
    off = [(final[n].double() - exact_final[n]) / options["learning_rate"] for n in final]
    errors = {"loss": worst("loss"), "grad_norm": worst("grad_norm"),
              "weights": max(d.abs().max().item() for d in off),
              "weights_rms": max(d.square().mean().sqrt().item() for d in off)}  # fmt: skip
    tensors = {n: kept(p) for n, p in final.items()}
    if name == "lora":
        tensors = {file_key(n): p.contiguous() for n, p in final.items()}
    save_file(tensors, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "transformers": transformers.__version__, "peft": peft.__version__, **options, "optim": "adamw_torch",
        "gradient_accumulation_steps": ACCUMULATE, "batch_size": BATCH, "steps": records,
        "own_error": {k: float(f"{v:.2g}") for k, v in errors.items()}, "samples": samples,
    })  # fmt: skip
    print(f"{name}: losses {records[0]['loss']:.4f} .. {records[-1]['loss']:.4f}, norms {records[0]['grad_norm']:.3f} .. "
          f"{records[-1]['grad_norm']:.3f}, a number moved by at most {moved:.2f} rates; float32 errors {errors}")


def save_adapter(model, folder):
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config |= {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": None}
    write_json(folder / "adapter_config.json", config)


def log_prob(model, sample):
    """The sum over the trained tokens, as trl's DPOTrainer adds them up."""
    ids = torch.tensor([sample["ids"]])
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
    each = F.log_softmax(logits, -1).gather(1, ids[0, 1:, None])[:, 0]
    return (each * torch.tensor(sample["trained"][1:])).sum()


def dpo(beta=0.1):
    folder = OUT / "dpo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base, vocab, _ = load("smollm2")
    chosen, rejected = make_samples(4, vocab, None, seed=8), make_samples(4, vocab, None, seed=9)
    for c, r in zip(chosen, rejected):  # one question, two answers
        question = [i for i, t in zip(c["ids"], c["trained"]) if not t]
        answer = [i for i, t in zip(r["ids"], r["trained"]) if t]
        r["ids"], r["trained"] = question + answer, [0] * len(question) + [1] * len(answer)
    with torch.no_grad():
        reference = [[log_prob(base, s) for s in side] for side in (chosen, rejected)]
    model = get_peft_model(base, LoraConfig(**LORA))
    draw(model)
    save_adapter(model, folder / "adapter")

    def compute(reference):
        policy = [torch.stack([log_prob(model, s) for s in side]) for side in (chosen, rejected)]
        rewards = [beta * (p - torch.stack(r)) for p, r in zip(policy, reference)]
        losses = -F.logsigmoid(rewards[0] - rewards[1])
        model.zero_grad()
        losses.mean().backward()
        return policy, rewards, losses, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    policy, rewards, losses, gradients = compute(reference)
    with exact_numbers():
        model.double()
        with torch.no_grad(), model.disable_adapter():
            wide = [[log_prob(model, s) for s in side] for side in (chosen, rejected)]
        exact_policy, _, _, exact = compute(wide)
    pairs = [*zip(policy, exact_policy), *zip(map(torch.stack, reference), map(torch.stack, wide))]
    errors = {
        "gradients": max(((gradients[n].double() - g).abs().max() / g.abs().max()).item() for n, g in exact.items()),
        "log_probs": max((a.double() - b).abs().max().item() for a, b in pairs),
    }
    save_file({file_key(n): g.contiguous() for n, g in gradients.items()}, folder / "expected.safetensors")
    numbers = lambda values: [float(v) for v in values]
    margins = rewards[0] - rewards[1]
    write_json(folder / "expected.json", {
        "peft": peft.__version__, "model": "smollm2", "beta": beta, "chosen": chosen, "rejected": rejected,
        "reference_chosen": numbers(reference[0]), "reference_rejected": numbers(reference[1]),
        "policy_chosen": numbers(policy[0]), "policy_rejected": numbers(policy[1]), "losses": numbers(losses),
        "loss": float(losses.mean()), "rewards/chosen": float(rewards[0].mean()),
        "rewards/rejected": float(rewards[1].mean()), "rewards/margins": float(margins.mean()),
        "rewards/accuracies": float((margins > 0).float().mean()),
        "own_error": {k: float(f"{v:.2g}") for k, v in errors.items()},
    })  # fmt: skip
    print(f"dpo: loss {losses.mean():.4f}, margins {numbers(margins)}, float32 errors {errors}")


def distill(rows=6, vocab=50, k=5, temperature=2.0):
    """sum_t sum_k p (log p - log softmax(student / temperature)[ids]), p the teacher's at that temperature."""
    folder = OUT / "distill"
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(4)
    student = (3 * torch.randn(rows, vocab, generator=generator)).requires_grad_()
    teacher = 3 * torch.randn(rows, vocab, generator=generator)
    log_probs, ids = F.log_softmax(teacher / temperature, -1).topk(k)
    log_student = F.log_softmax(student / temperature, -1).gather(1, ids)
    loss = (log_probs.exp() * (log_probs - log_student)).sum()
    loss.backward()
    save_file({"student": student.detach(), "log_probs": log_probs.contiguous(), "gradient": student.grad},
              folder / "expected.safetensors")  # fmt: skip
    write_json(folder / "expected.json", {"temperature": temperature, "ids": ids.tolist(), "loss": loss.item()})
    print(f"distill: loss {loss.item():.5f}")


def logits_of(model, sample, processor):
    """Of what the trained tokens are predicted by, [n, V]; and those tokens."""
    inputs = {}
    if sample["picture"]:
        picture = Image.fromarray(pictures.pixels(**sample["picture"]))
        tiles = processor([[picture]], do_image_splitting=False, return_tensors="pt")["pixel_values"]
        inputs["pixel_values"] = tiles.to(model.dtype)
    ids = torch.tensor([sample["ids"]])
    where = [i - 1 for i, trained in enumerate(sample["trained"]) if trained and i > 0]
    return model(input_ids=ids, use_cache=False, **inputs).logits[0, where], ids[0, [i + 1 for i in where]]


def hold_positions(model):
    """In float64 some patches of the tower would fall into another cell than in float32."""
    embedding = next(m for n, m in model.named_modules() if n.endswith("vision_model.embeddings.position_embedding"))
    first = []
    embedding.register_forward_pre_hook(lambda _, inputs: first.append(inputs[0]) or (first[0],))


def distill_model(seed=12, k=6, temperature=1.5, ratio=0.7):
    """A student and a teacher that sees one picture in another number of tokens. The loss of a trained token:
    (1 - ratio) CE + ratio temperature^2 sum_k p (log p - log q), q the student's at the temperature."""
    folder = OUT / "distill-model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = {"student": "smolvlm2-a", "teacher": "smolvlm2-b"}
    models = {who: load(name)[0] for who, name in names.items()}
    _, vocab, image_token = load(names["student"])
    processors = {who: AutoImageProcessor.from_pretrained(FIXTURES / name, backend="pil") for who, name in names.items()}
    samples = {"student": make_samples(4, vocab, image_token, seed=seed)}
    more = SPECS[names["teacher"]].image_seq_len - SPECS[names["student"]].image_seq_len
    samples["teacher"] = [dict(s) for s in samples["student"]]
    for s in samples["teacher"]:
        if s["picture"]:
            at = s["ids"].index(image_token)
            s["ids"] = s["ids"][:at] + [image_token] * more + s["ids"][at:]
            s["trained"] = [0] * more + s["trained"]
    for model in models.values():
        hold_positions(model)
    models["teacher"].requires_grad_(False)
    for name, p in models["student"].named_parameters():
        p.requires_grad_("vision_model" not in name)

    def compute():
        said, loss, count = [], 0, 0
        for ours, theirs in zip(samples["student"], samples["teacher"]):
            teacher, _ = logits_of(models["teacher"], theirs, processors["teacher"])
            log_p, ids = F.log_softmax(teacher / temperature, -1).topk(k)
            student, wanted = logits_of(models["student"], ours, processors["student"])
            log_q = F.log_softmax(student / temperature, -1).gather(1, ids)
            soft = (log_p.exp() * (log_p - log_q)).sum()
            hard = F.cross_entropy(student, wanted, reduction="sum")
            loss = loss + (1 - ratio) * hard + ratio * temperature**2 * soft
            count += len(wanted)
            said.append((ids, log_p, hard.item(), soft.item()))
        models["student"].zero_grad()
        (loss / count).backward()
        gradients = {n: p.grad.clone() for n, p in models["student"].named_parameters() if p.requires_grad}
        return said, (loss / count).item(), gradients

    said, loss, gradients = compute()
    with exact_numbers():
        for model in models.values():
            model.double()
        exact_said, exact_loss, exact = compute()
    assert all(torch.equal(a[0], b[0]) for a, b in zip(said, exact_said)), "a near tie: choose another seed"
    errors = {
        "loss": abs(loss / exact_loss - 1),
        "log_probs": max((a[1].double() - b[1]).abs().max().item() for a, b in zip(said, exact_said)),
        "gradients": max(((gradients[n].double() - g).abs().max() / g.abs().max()).item() for n, g in exact.items()),
    }
    save_file({n: kept(g) for n, g in gradients.items()}, folder / "expected.safetensors")
    write_json(folder / "expected.json", {
        "transformers": transformers.__version__, **names, "top_k": k, "temperature": temperature, "kd_ratio": ratio,
        "samples": samples["student"], "teacher_samples": samples["teacher"],
        "ids": [s[0].tolist() for s in said], "log_probs": [s[1].tolist() for s in said],
        "cross_entropies": [s[2] for s in said], "divergences": [s[3] for s in said], "loss": loss,
        "largest": {n: float(f"{g.abs().max().item():.4g}") for n, g in gradients.items()},
        "own_error": {n: float(f"{v:.2g}") for n, v in errors.items()},
    })  # fmt: skip
    print(f"distill-model: loss {loss:.5f}, float32 errors {errors}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    wanted = parser.parse_args().names or ["full", "lora", "dpo", "distill", "distill-model"]
    torch.set_num_threads(1)  # one order of summation
    for part in wanted:
        steps(part) if part in RUNS else {"dpo": dpo, "distill": distill, "distill-model": distill_model}[part]()
