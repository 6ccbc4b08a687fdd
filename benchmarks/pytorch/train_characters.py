#!/usr/bin/env python3
"""Trains the small character model of nanoGPT's quick start in eager PyTorch, on the CPU, from a text file.

The settings are those that nanoGPT's README gives for a CPU (4 layers, 4 heads, 128 channels, T=64, B=12, 2,000
steps) with those of its config/train_shakespeare_char.py; every 250 steps 20 random batches of each half are
evaluated, as there. At the end the loss over the whole validation half is computed too, outside of the time printed.
Run it with the environment that train_step.py names:

    python3 benchmarks/pytorch/train_characters.py tinyshakespeare.txt
    ./gatun train --recipe nanogpt-shakespeare-char --data tinyshakespeare.txt --sample-tokens 0

Gatun's run writes checkpoints besides, and a sample in the end unless told not to; this one evaluates twice as much.
"""
import argparse
import math
import time

START = time.perf_counter()

import torch
import torch.nn as nn

from train_step import Gpt2

BATCH, CONTEXT, STEPS, WARMUP, INTERVAL, EVALUATED = 12, 64, 2000, 100, 250, 20
LR, MIN_LR = 1e-3, 1e-4


def rate(step):
    if step < WARMUP:
        return LR * step / WARMUP
    return MIN_LR + 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) * (LR - MIN_LR)


def batch(tokens):
    starts = torch.randint(len(tokens) - CONTEXT, (BATCH,))
    windows = torch.stack([tokens[i : i + CONTEXT + 1] for i in starts])
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def estimate(model, tokens):
    return sum(model(*batch(tokens)).item() for _ in range(EVALUATED)) / EVALUATED


@torch.no_grad()
def whole(model, tokens):
    """The mean over all windows that begin at multiples of T."""
    count = (len(tokens) - 1) // CONTEXT
    x, y = tokens[: count * CONTEXT].view(count, CONTEXT), tokens[1 : count * CONTEXT + 1].view(count, CONTEXT)
    total = sum(model(x[i : i + 64], y[i : i + 64]).item() * len(x[i : i + 64]) for i in range(0, count, 64))
    return total / count


def main():
    options = argparse.ArgumentParser(description="nanoGPT's quick start for a CPU, in eager PyTorch")
    options.add_argument("text")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--seed", type=int, default=1337)
    options.add_argument("--fused", action="store_true", help="AdamW in one kernel; nanoGPT has this on a GPU only")
    args = options.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    text = open(args.text, encoding="utf-8").read()
    characters = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = torch.tensor([characters[c] for c in text])
    train, held = tokens[: int(0.9 * len(tokens))], tokens[int(0.9 * len(tokens)) :]

    model = Gpt2(4, 4, 128, len(characters), CONTEXT, bias=False, gelu="none")
    groups = [
        {"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.99), eps=1e-8, fused=args.fused)
    for step in range(STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        if step % INTERVAL == 0:
            print(f"step {step} train {estimate(model, train):.4f} val {estimate(model, held):.4f}", flush=True)
        loss = model(*batch(train))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
    seconds = time.perf_counter() - START
    print(f"done seconds {seconds:.1f} val_loss of all windows {whole(model, held):.4f}")


if __name__ == "__main__":
    main()
