"""Five steps of each optimizer on given gradients: tests/fixtures/train/optimizers.safetensors.

    python tools/reference/make_optimizer_fixture.py

AdamW, SGD and Muon are PyTorch's; the 8-bit AdamW is bitsandbytes' blockwise definition, written
out here in PyTorch. Muon's iteration runs in float32 (PyTorch's own rounds to bfloat16).
"""

import os

import torch
from safetensors.torch import save_file
from torch.optim import _muon

OUT = os.path.join(os.path.dirname(__file__), "../../tests/fixtures/train/optimizers.safetensors")
STEPS = 5
SHAPES = {"model.layers.0.wide.weight": (6, 10), "model.layers.0.tall.weight": (12, 5), "norm.weight": (7,)}


def dynamic_map(signed):
    data = [0.0, 1.0]
    for i in range(7):
        items = 2 ** (i if signed else i + 1) + 1
        edges = torch.linspace(0.1, 1, items, dtype=torch.float64)
        means = 10.0 ** (i - 6) * (edges[:-1] + edges[1:]) / 2
        data += means.tolist()
        if signed:
            data += (-means).tolist()
    return torch.tensor(sorted(data), dtype=torch.float32)


class AdamW8bit:
    """One parameter of 4096 numbers or more."""

    def __init__(self, value, lr, betas, eps, decay):
        self.value, self.lr, self.betas, self.eps, self.decay = value, lr, betas, eps, decay
        self.maps = [dynamic_map(True), dynamic_map(False)]
        self.codes = [torch.full(value.shape, m.tolist().index(0.0)) for m in self.maps]
        self.scales = [torch.zeros(value.numel() // 256) for _ in range(2)]
        self.number = 0

    def step(self, grad):
        self.number += 1
        one = 1 - self.betas[0] ** self.number
        two = (1 - self.betas[1] ** self.number) ** 0.5
        m, v = (
            (k[c].view(-1, 256) * s[:, None]).flatten()
            for k, c, s in zip(self.maps, self.codes, self.scales)
        )
        m = m * self.betas[0] + (1 - self.betas[0]) * grad
        v = v * self.betas[1] + (1 - self.betas[1]) * grad * grad
        self.value += -self.lr * two / one * (m / (v.sqrt() + two * self.eps))
        self.value *= 1 - self.lr * self.decay
        for i, x in enumerate((m, v)):
            self.scales[i] = x.view(-1, 256).abs().amax(1)
            unit = (x.view(-1, 256) / self.scales[i][:, None]).flatten()
            codes = (unit[:, None] - self.maps[i][None]).abs().argmin(1)
            if i == 0:
                wrong = torch.signbit(self.maps[0][codes]) != torch.signbit(x)
                codes = torch.where(wrong, torch.where(x > 0, codes + 1, codes - 1), codes)
            self.codes[i] = codes


def main():
    torch.manual_seed(5)
    out = {}
    values = {k: torch.randn(s) for k, s in SHAPES.items()}
    grads = [{k: torch.randn(s) * (1 + i) for k, s in SHAPES.items()} for i in range(STEPS)]
    for k, v in values.items():
        out[f"value/{k}"] = v
        for i, g in enumerate(grads):
            out[f"grad/{i}/{k}"] = g[k]

    def run(label, make):
        copies = {k: v.clone().requires_grad_() for k, v in values.items()}
        optimizers = make(copies)
        for i, g in enumerate(grads):
            for k, p in copies.items():
                p.grad = g[k].clone()
            if label == "clipped":
                norm = torch.nn.utils.clip_grad_norm_(copies.values(), 1.0)
                out[f"norm/{i}"] = norm.reshape(1)
            for o in optimizers:
                o.step()
        for k, p in copies.items():
            out[f"{label}/{k}"] = p.detach()

    def groups(copies):
        return [
            {"params": [p for k, p in copies.items() if "norm" not in k], "weight_decay": 0.1},
            {"params": [p for k, p in copies.items() if "norm" in k], "weight_decay": 0.0},
        ]

    run("adamw", lambda c: [torch.optim.AdamW(groups(c), lr=0.01, foreach=False)])
    run("clipped", lambda c: [torch.optim.AdamW(groups(c), lr=0.01, foreach=False)])
    run("sgd", lambda c: [torch.optim.SGD(groups(c), lr=0.01, foreach=False)])
    run(
        "nesterov",
        lambda c: [torch.optim.SGD(groups(c), lr=0.01, momentum=0.9, nesterov=True, foreach=False)],
    )

    original = _muon._zeropower_via_newtonschulz

    def in_float32(grad, coefficients, steps, eps):
        bfloat16, torch.bfloat16 = torch.bfloat16, torch.float32
        try:
            return original(grad, coefficients, steps, eps)
        finally:
            torch.bfloat16 = bfloat16

    _muon._zeropower_via_newtonschulz = in_float32

    def muon(c):
        return [
            torch.optim.Muon(
                [p for k, p in c.items() if "layers" in k],
                lr=0.01,
                weight_decay=0.1,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW([c["norm.weight"]], lr=0.01, weight_decay=0.0, foreach=False),
        ]

    run("muon", muon)

    out["map/signed"], out["map/unsigned"] = dynamic_map(True), dynamic_map(False)
    value = torch.randn(4096)
    out["8bit/value"] = value.clone()
    small = AdamW8bit(value, 0.01, (0.9, 0.999), 1e-8, 0.1)
    for i in range(3):
        grad = torch.randn(4096) * torch.logspace(-4, 0, 4096)
        out[f"8bit/grad/{i}"] = grad
        small.step(grad)
    out["8bit/after"] = value
    save_file({k: v.contiguous() for k, v in out.items()}, OUT)


main()
