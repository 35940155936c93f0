"""Trains ocelli-tiny on the CPU from scenes drawn on the fly.

    python tools/tiny/train.py --work DIR --minutes 70

Runs until the wall time is used up; the learning rate falls to zero exactly then. A checkpoint
is kept in the work folder every few minutes and a run that was cut off goes on from it.
`--export FOLDER` writes the model directory from the newest checkpoint.
"""

import argparse
import itertools
import math
import os
import signal
import time

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from batches import Batches, attention_mask
from checkpoint import IMAGE_ID, IMAGE_TOKENS, write_files
from draw import CELL_CLASSES, COLOUR_CLASSES
from vocabulary import WORDS


def float32_attention(module, query, key, value, attention_mask, scaling=None, **_):
    """Attention in float32: the bfloat16 backward pass of PyTorch's CPU kernel is several times
    slower.
    """
    groups = query.shape[1] // key.shape[1]
    with torch.autocast("cpu", enabled=False):
        key, value = (
            x.float().repeat_interleave(groups, 1) if groups > 1 else x.float()
            for x in (key, value)
        )
        mixed = F.scaled_dot_product_attention(
            query.float(), key, value, attention_mask, scale=scaling
        )
    return mixed.transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register("float32_sdpa", float32_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register("float32_sdpa", ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


class Trainee(nn.Module):
    """The model, and three linear heads on its vision tower that name what each patch shows
    (training only).
    """

    def __init__(self, folder):
        super().__init__()
        config = SmolVLMConfig.from_pretrained(folder)
        self.model = SmolVLMForConditionalGeneration(config).float()
        self.model.set_attn_implementation("float32_sdpa")
        width = config.vision_config.hidden_size
        self.cell_head = nn.Linear(width, CELL_CLASSES)
        self.colour_head = nn.Linear(width, COLOUR_CLASSES)
        self.word_head = nn.Linear(width, len(WORDS))
        # Most cells show background, which is easily told; the rest is what has to be learnt.
        for name, count in (("cell_weight", CELL_CLASSES), ("colour_weight", COLOUR_CLASSES)):
            self.register_buffer(name, torch.tensor([0.15] + [1.0] * (count - 1)), persistent=False)

    def auxiliary_loss(self, seen, cells):
        """How well every patch knows the object, the colour and the whole word that it is part
        of.
        """

        def entropy(head, wanted, weight=None):
            logits = head(seen).float().flatten(0, 1)
            # A sum over nothing keeps every head in the graph: all processes must have the same
            # gradients.
            if not (wanted >= 0).any():
                return 0.0 * logits.sum()
            return F.cross_entropy(logits, wanted.flatten(), weight)

        return (
            entropy(self.cell_head, cells[:, 0], self.cell_weight)
            + 0.3 * entropy(self.colour_head, cells[:, 1], self.colour_weight)
            + 0.5 * entropy(self.word_head, cells[:, 2])
        )

    def forward(self, pictures, cells, ids=None, labels=None, branch=None, position=None):
        """Mean answer loss, share of right answer tokens, and the auxiliary loss; without ids
        the last one only.
        """
        pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        core = self.model.model
        seen = core.vision_model(pixel_values=pixels).last_hidden_state
        aux = self.auxiliary_loss(seen, cells)
        if ids is None:
            return torch.zeros(()), torch.zeros(()), aux
        embedded = core.text_model.embed_tokens(ids)
        start = (ids[0] == IMAGE_ID).nonzero()[0].item()
        embedded = torch.cat(
            [
                embedded[:, :start],
                core.connector(seen).to(embedded.dtype),
                embedded[:, start + IMAGE_TOKENS :],
            ],
            1,
        )
        hidden = core.text_model(
            inputs_embeds=embedded,
            attention_mask=attention_mask(branch),
            position_ids=position,
            use_cache=False,
        ).last_hidden_state
        wanted = labels[:, 1:]
        keep = wanted != -100
        logits = self.model.lm_head(hidden[:, :-1][keep]).float()
        wanted = wanted[keep]
        hit = (logits.argmax(-1) == wanted).float().mean()
        return F.cross_entropy(logits, wanted), hit, aux


class Shards:
    """Data parallelism for the odd core: gradients are averaged over the processes, then each
    process updates every N-th parameter and hands the result to the others. With one process it
    does nothing.
    """

    def __init__(self, parameters, rank, count):
        self.rank, self.count = rank, count
        ordered = sorted(
            parameters, key=lambda value: (value.ndim, value.numel())
        )  # spreads the work evenly
        self.parts = [ordered[k::count] for k in range(count)]
        self.all = [value for part in self.parts for value in part]

    def mine(self):
        return {id(value) for value in self.parts[self.rank]}

    def average_gradients(self):
        if self.count == 1:
            return
        used = [value for value in self.all if value.grad is not None]
        flat = torch.cat([value.grad.flatten() for value in used])
        dist.all_reduce(flat)
        flat /= self.count
        for value, piece in zip(used, flat.split([value.numel() for value in used])):
            value.grad.copy_(piece.view_as(value))

    @torch.no_grad()
    def exchange(self):
        if self.count == 1:
            return
        for owner, part in enumerate(self.parts):
            part = [value for value in part if value.grad is not None]
            flat = torch.cat([value.flatten() for value in part])
            dist.broadcast(flat, owner)
            if owner != self.rank:
                for value, piece in zip(part, flat.split([value.numel() for value in part])):
                    value.copy_(piece.view_as(value))

    def agree(self, flag):
        """True everywhere when true anywhere."""
        if self.count == 1:
            return flag
        value = torch.tensor([float(flag)])
        dist.all_reduce(value)
        return value.item() > 0


def make_optimizers(trainee, mine, args):
    """Muon for the matrices of the layers, AdamW for everything else; only for the parameters
    in `mine`.
    """
    matrices, rest = [], []
    for name, value in trainee.named_parameters():
        if id(value) in mine:
            inner = value.ndim == 2 and (".layers." in name or "modality_projection" in name)
            (matrices if inner and args.muon else rest).append(value)
    optimizers = [torch.optim.AdamW(rest, lr=args.lr, betas=(0.9, 0.98), weight_decay=0.01)]
    if matrices:
        optimizers.append(
            torch.optim.Muon(
                matrices,
                lr=args.muon_lr,
                weight_decay=0.01,
                momentum=0.95,
                ns_steps=4,
                adjust_lr_fn="match_rms_adamw",
            )
        )
    return optimizers


def newest(work, name="checkpoint.pt"):
    path = os.path.join(work, name)
    return torch.load(path, weights_only=True) if os.path.exists(path) else None


def write_state(work, name, state):
    path = os.path.join(work, name)
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def save(work, shards, trainee, optimizers, step, spent):
    write_state(
        work,
        f"optimizers-{shards.rank}-of-{shards.count}.pt",
        {"step": step, "states": [optimizer.state_dict() for optimizer in optimizers]},
    )
    if shards.rank == 0:
        write_state(
            work, "checkpoint.pt", {"model": trainee.state_dict(), "step": step, "spent": spent}
        )


def resume(work, shards, trainee, optimizers):
    """Returns (step, seconds spent). Optimizer states are dropped when the number of processes
    has changed.
    """
    state = newest(work)
    if state is None:
        return 0, 0.0
    own = trainee.state_dict()
    trainee.load_state_dict(
        {k: v for k, v in state["model"].items() if own[k].shape == v.shape}, strict=False
    )
    kept = newest(work, f"optimizers-{shards.rank}-of-{shards.count}.pt")
    if kept and kept["step"] == state["step"]:
        for optimizer, saved in zip(optimizers, kept["states"]):
            optimizer.load_state_dict(saved)
    return state["step"], state["spent"]


def rate(done, step, args):
    """The learning rate's factor: a short warm-up, flat, then a cosine to zero at the end of
    the wall time.
    """
    warm = min(1.0, (step + 1) / args.warmup)
    late = max(0.0, (done - args.flat) / (1 - args.flat))
    return max(warm * (0.5 + 0.5 * math.cos(math.pi * min(late, 1.0))), 0.003)


def export(work, folder):
    """Writes the model directory; weights are rounded to bfloat16."""
    write_files(folder)
    state = newest(work)["model"]
    tensors = {
        name.removeprefix("model."): value.to(torch.bfloat16).contiguous()
        for name, value in state.items()
        if name.startswith("model.")
    }
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def make_loader(args, rank, first, vision_only):
    """Process r of N takes batch r, r + N, r + 2N, ... of an endless sequence."""
    sign = -1 if vision_only else 1
    numbers = (sign * n for n in itertools.count(1 + first * args.processes + rank, args.processes))
    return torch.utils.data.DataLoader(
        Batches(args.work, args.seed, args.batch),
        batch_size=None,
        num_workers=1,
        prefetch_factor=4,
        sampler=numbers,
    )


def train(rank, args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.processes > 1:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{os.path.abspath(args.work)}/meeting",
            rank=rank,
            world_size=args.processes,
        )
    trainee = Trainee(args.work)
    shards = Shards(trainee.parameters(), rank, args.processes)
    optimizers = make_optimizers(trainee, shards.mine(), args)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    first, spent = resume(args.work, shards, trainee, optimizers)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    budget, began, saved, shown = args.minutes * 60, time.time(), time.time(), []
    step, now = first, spent
    vision_only = now / budget < args.vision
    batches = iter(make_loader(args, rank, step, vision_only))
    while True:
        # Wall time drives the schedule, so that a busy machine shortens the run and not the decay.
        now = spent + time.time() - began
        done = now / budget
        if shards.agree(done >= 1 or bool(stop)):
            break
        if vision_only and shards.agree(done >= args.vision):
            vision_only = False
            batches = iter(make_loader(args, rank, step, False))
        for optimizer, peak in zip(optimizers, peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(done, step - (first if args.rewarm else 0), args)
        weight = (
            1.0
            if vision_only
            else args.aux * max(0.0, 1 - (done - args.vision) / (0.95 - args.vision))
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            loss, hit, aux = trainee(*next(batches))
            total = loss + weight * aux
        total.backward()
        shards.average_gradients()
        nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        shards.exchange()
        trainee.zero_grad(set_to_none=True)
        step += 1
        shown.append((loss.item(), hit.item(), aux.item()))
        if step % args.log == 0 and rank == 0:
            mean = [sum(column) / len(shown) for column in zip(*shown)]
            shown = []
            speed = (step - first) * args.batch * args.processes / (time.time() - began)
            print(
                f"step {step} {now / 60:.2f} min, {speed:.1f} pictures/s, "
                f"loss {mean[0]:.4f}, tokens right {mean[1]:.4f}, aux {mean[2]:.4f}",
                flush=True,
            )
        if shards.agree(rank == 0 and time.time() - saved > args.save_minutes * 60):
            save(args.work, shards, trainee, optimizers, step, now)
            saved = time.time()
    save(args.work, shards, trainee, optimizers, step, now)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", required=True, help="folder for checkpoints")
    parser.add_argument("--minutes", type=float, default=70)
    parser.add_argument("--batch", type=int, default=96, help="pictures a step and process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="processes that share every step")
    parser.add_argument("--warmup", type=int, default=50, help="steps")
    parser.add_argument(
        "--rewarm", action="store_true", help="warm up again after going on from a checkpoint"
    )
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--muon-lr", type=float, default=5e-3)
    parser.add_argument("--flat", type=float, default=0.6, help="share of the time at full rate")
    parser.add_argument(
        "--vision", type=float, default=0.45, help="share of the time for the vision tower alone"
    )
    parser.add_argument("--aux", type=float, default=0.5)
    parser.add_argument("--log", type=int, default=50)
    parser.add_argument("--save-minutes", type=float, default=3)
    parser.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--export", metavar="FOLDER", help="write the model directory from the checkpoint and stop"
    )
    args = parser.parse_args()
    if args.export:
        export(args.work, args.export)
    else:
        os.makedirs(args.work, exist_ok=True)
        write_files(args.work)
        meeting = os.path.join(args.work, "meeting")
        if os.path.exists(meeting):
            os.remove(meeting)
        torch.multiprocessing.spawn(train, (args,), args.processes)


if __name__ == "__main__":
    main()
