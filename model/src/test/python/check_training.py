"""Trains a Hugging Face GPT-2 folder with transformers on consecutive windows, to compare a run with.

Run:   python check_training.py FOLDER TOKENS --batch 4 --context 64 --accumulation 2 --steps 10 --lr 6e-4
           [--compare metrics.csv]
Needs: torch, transformers, numpy. Tried with torch 2.13.0+cpu, transformers 5.18.0, numpy 2.4.6.

TOKENS is little-endian u16 without a header. A micro-step takes B windows of T tokens that follow each
other, with the token after each as the last target; the next one starts B*T further. When B*T + 1 tokens
are not left, it starts at the beginning of the file.
A step is k micro-steps: its loss is their mean, its gradient the gradient of that mean, clipped by its
global norm, then AdamW with a constant rate that decays tensors of two or more dimensions (embeddings
included). f32, no dropout. Prints `step loss grad_norm` for each step, the norm before clipping.

--compare reads a run's metrics.csv (step,tokens,loss,lr,grad_norm,tokens_per_s,ms), whose n-th row must
be the n-th step here, and exits with 1 when a loss or norm differs by more than --tolerance (relative).
"""
import argparse
import csv

import numpy as np
import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel


def micro_batches(path, batch, context):
    """Pairs of inputs and targets, each [B, T], for ever."""
    tokens = np.fromfile(path, dtype="<u2")
    span = batch * context
    if len(tokens) < span + 1:
        raise SystemExit(f"{path}: {len(tokens)} tokens, a micro-batch needs {span + 1}")
    position = 0
    while True:
        window = torch.from_numpy(tokens[position : position + span + 1].astype(np.int64))
        yield window[:-1].view(batch, context), window[1:].view(batch, context)
        position += span
        if position + span + 1 > len(tokens):
            position = 0


def train(model, args):
    """Loss and gradient norm of each step."""
    parameters = list(model.parameters())  # the tied head appears once
    optimizer = torch.optim.AdamW([
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": args.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ], lr=args.lr, betas=(args.beta1, args.beta2), eps=args.eps)
    batches = micro_batches(args.tokens, args.batch, args.context)
    for _ in range(args.steps):
        optimizer.zero_grad()
        total = 0.0
        for _ in range(args.accumulation):
            inputs, targets = next(batches)
            logits = model(input_ids=inputs).logits
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            (loss / args.accumulation).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, args.clip or float("inf"))
        optimizer.step()
        yield total / args.accumulation, norm.item()


def differences(name, found, expected, tolerance):
    apart = abs(found - expected) / abs(expected)
    # written so that a NaN fails
    return [] if apart <= tolerance else [f"{name} {found:.9g} instead of {expected:.9g}, {apart:.1e} apart"]


def main():
    options = argparse.ArgumentParser(description="reference training of a GPT-2 folder by transformers")
    options.add_argument("folder")
    options.add_argument("tokens")
    options.add_argument("--batch", type=int, required=True, help="B, windows of a micro-step")
    options.add_argument("--context", type=int, required=True, help="T")
    options.add_argument("--accumulation", type=int, default=1, help="k, micro-steps of a step")
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--lr", type=float, default=6e-4)
    options.add_argument("--beta1", type=float, default=0.9)
    options.add_argument("--beta2", type=float, default=0.95)
    options.add_argument("--eps", type=float, default=1e-8)
    options.add_argument("--weight-decay", type=float, default=0.1)
    options.add_argument("--clip", type=float, default=1.0, help="0 for none")
    options.add_argument("--compare", metavar="CSV")
    options.add_argument("--tolerance", type=float, default=1e-4)
    args = options.parse_args()

    model = GPT2LMHeadModel.from_pretrained(args.folder, dtype=torch.float32)
    model.eval()  # switches dropout off; gradients flow all the same
    rows = []
    if args.compare:
        with open(args.compare, newline="") as file:
            rows = list(csv.DictReader(file))
        if len(rows) < args.steps:
            raise SystemExit(f"{args.compare}: {len(rows)} rows, {args.steps} steps to compare")

    failed = False
    for step, (loss, norm) in enumerate(train(model, args), start=1):
        print(f"{step} {loss:.9g} {norm:.9g}", flush=True)
        if rows:
            row = rows[step - 1]
            found = differences("loss", float(row["loss"]), loss, args.tolerance)
            found += differences("grad_norm", float(row["grad_norm"]), norm, args.tolerance)
            for line in found:
                print(f"  {args.compare}, step {row['step']}: {line}")
            failed |= bool(found)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
