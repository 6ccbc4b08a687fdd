"""One GPT-2 training step in eager PyTorch, f32: forward, backward, clipping, fused AdamW.

The peer that our CPU training step is measured against. Same work as nanoGPT's step, with the
faster optimizer (fused) and sequence-mixing kernel that PyTorch offers.

Run:
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=268435456 \
    MALLOC_ARENA_MAX=1 OMP_NUM_THREADS=2 python train_step.py --preset gpt2 --batch 4 --context 64
    (same environment)                   python train_step.py --preset quickstart

The MALLOC_* variables keep freed memory in the process. Gradients are freed at each step, and with
glibc's defaults their pages go back to the system and are faulted in again: on a virtual machine
that made a step up to six times slower. With them the comparison is with PyTorch at its best.

Prints one JSON line: {"kind": "train_step", "ms_median": ..., "tokens_per_s": ..., "rss_mib": ...}.
Tried with torch 2.13.0.
"""
import argparse
import json
import math
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

PRESETS = {
    "gpt2": dict(layers=12, heads=12, channels=768, vocab=50304, batch=4, context=64, positions=1024),
    "quickstart": dict(layers=4, heads=4, channels=128, vocab=256, batch=12, context=64, positions=64),
}


class Block(nn.Module):
    def __init__(self, channels, heads, bias, gelu):
        super().__init__()
        self.heads = heads
        self.gelu = gelu
        self.ln_1 = nn.LayerNorm(channels, bias=bias)
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.attention_out = nn.Linear(channels, channels, bias=bias)
        self.ln_2 = nn.LayerNorm(channels, bias=bias)
        self.up = nn.Linear(channels, 4 * channels, bias=bias)
        self.down = nn.Linear(4 * channels, channels, bias=bias)

    def forward(self, x):  # (B, T, C)
        B, T, C = x.shape
        qkv = self.qkv(self.ln_1(x)).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, NH, T, HS)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate=self.gelu))


class Gpt2(nn.Module):
    def __init__(self, layers, heads, channels, vocab, positions, bias=True, gelu="tanh"):
        super().__init__()
        self.wte = nn.Embedding(vocab, channels)
        self.wpe = nn.Embedding(positions, channels)
        self.blocks = nn.ModuleList(Block(channels, heads, bias, gelu) for _ in range(layers))
        self.ln_f = nn.LayerNorm(channels, bias=bias)
        residual_std = 0.02 / math.sqrt(2 * layers)
        for name, parameter in self.named_parameters():
            if parameter.dim() >= 2:
                into_residual = name.endswith(("attention_out.weight", "down.weight"))
                nn.init.normal_(parameter, std=residual_std if into_residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens, targets):  # both (B, T)
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)  # the head is tied to the embedding
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def adamw(model):
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)


def main():
    options = argparse.ArgumentParser(description="GPT-2 training step in eager PyTorch, f32")
    options.add_argument("--preset", choices=PRESETS, default="gpt2")
    options.add_argument("--batch", type=int)
    options.add_argument("--context", type=int)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--steps", type=int, default=10, help="measured steps")
    options.add_argument("--warmup", type=int, default=2, help="steps before them")
    options.add_argument("--on-request", action="store_true", help="measure once for each line on standard input")
    options.add_argument("--seconds", type=float, default=0, help="measure on until this much time has passed")
    args = options.parse_args()

    shape = dict(PRESETS[args.preset])
    batch = args.batch or shape.pop("batch")
    context = args.context or shape.pop("context")
    shape.pop("batch", None), shape.pop("context", None)
    if context > shape["positions"]:
        options.error(f"--context {context}: the preset {args.preset} has {shape['positions']} positions")

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = Gpt2(**shape)
    optimizer = adamw(model)

    def step():
        """Forward, backward and update; milliseconds of each."""
        window = torch.randint(shape["vocab"], (batch, context + 1))
        marks = [time.perf_counter()]
        loss = model(window[:, :-1], window[:, 1:])
        marks.append(time.perf_counter())
        loss.backward()
        marks.append(time.perf_counter())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        marks.append(time.perf_counter())
        return loss.item(), [1000 * (b - a) for a, b in zip(marks, marks[1:])]

    def measure():
        """Makes steps and prints their times."""
        parts = []
        stop = time.perf_counter() + args.seconds
        while len(parts) < args.steps or time.perf_counter() < stop:
            loss, part = step()
            parts.append(part)
        times = [sum(part) for part in parts]
        forward, backward, update = (statistics.median(column) for column in zip(*parts))
        median = statistics.median(times)
        print(json.dumps({
            "kind": "train_step", "preset": args.preset, "batch": batch, "context": context,
            "threads": args.threads, "parameters": sum(p.numel() for p in model.parameters()),
            "steps": len(times), "ms_min": round(min(times), 2), "ms_median": round(median, 2),
            "ms_max": round(max(times), 2), "ms_forward": round(forward, 2), "ms_backward": round(backward, 2),
            "ms_update": round(update, 2), "tokens_per_s": round(1000 * batch * context / median, 1),
            "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "last_loss": round(loss, 6), "torch": torch.__version__}), flush=True)

    for _ in range(args.warmup):
        step()
    if not args.on_request:
        measure()
        return
    for _ in sys.stdin:
        measure()


if __name__ == "__main__":
    main()
