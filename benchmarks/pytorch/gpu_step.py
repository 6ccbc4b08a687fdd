"""One GPT-2 training step in PyTorch on a GPU, as nanoGPT takes it: the peer of `gatun bench --device cuda`.

torch.compile, bf16 by autocast over f32 weights, flash attention by scaled_dot_product_attention, fused AdamW,
gradients clipped at 1. TF32 is allowed where f32 products are left, as nanoGPT allows it; --no-tf32 forbids it.

Run:
    python gpu_step.py --batch 16 32 64
    python gpu_step.py --device cpu --layers 1 --batch 1 --context 64 --steps 2    (does it work? no measurement)

One JSON line per batch size: {"kind": "gpu_step", "batch": 16, "ms_median": ..., "tokens_per_s": ...}. A batch size that
does not fit the card gets {"kind": "gpu_step", "batch": 64, "error": "out of memory"}.
Times are the card's own, by events around each step; the first steps, which compile, are not counted.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn as nn

from train_step import PRESETS, Gpt2, adamw

PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12}  # dense bf16, NVIDIA's data sheets


class Clock:
    """Moments on the device's own clock, or on the host's where there is no GPU."""

    def __init__(self, device):
        self.cuda = device.startswith("cuda")

    def now(self):
        if not self.cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self, begin, end):
        if not self.cuda:
            return 1000 * (end - begin)
        end.synchronize()
        return begin.elapsed_time(end)


def measure(args, batch):
    torch.manual_seed(1)
    shape = {key: PRESETS["gpt2"][key] for key in ("layers", "heads", "channels", "vocab", "positions")}
    shape["positions"] = max(shape["positions"], args.context)
    shape["layers"] = args.layers or shape["layers"]
    model = Gpt2(**shape).to(args.device)
    optimizer = adamw(model)
    compiled = torch.compile(model) if args.compile else model
    kind = args.device.split(":")[0]
    windows = [torch.randint(shape["vocab"], (batch, args.context + 1), device=args.device) for _ in range(2)]
    clock = Clock(args.device)

    def step(number):
        window = windows[number % 2]
        with torch.autocast(kind, dtype=torch.bfloat16):
            loss = compiled(window[:, :-1], window[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    for number in range(args.warmup):
        loss = step(number)
    loss.item()
    moments, host = [clock.now()], []
    for number in range(args.steps):
        start = time.perf_counter()
        loss = step(number)
        host.append(1000 * (time.perf_counter() - start))
        moments.append(clock.now())
    last = loss.item()
    times = [clock.milliseconds(a, b) for a, b in zip(moments, moments[1:])]
    median = statistics.median(times)
    tokens_per_s = 1000 * batch * args.context / median

    parameters = sum(p.numel() for p in model.parameters())
    attention = shape["layers"] * shape["channels"] * args.context
    nanogpt = 6 * (parameters - model.wpe.weight.numel()) + 12 * attention
    llmc = 6 * parameters + 6 * attention
    line = {
        "kind": "gpu_step", "batch": batch, "context": args.context, "steps": args.steps, "compile": args.compile,
        "tf32": args.tf32, "ms_min": round(min(times), 3), "ms_median": round(median, 3), "ms_max": round(max(times), 3),
        "ms_host": round(statistics.median(host), 3), "tokens_per_s": round(tokens_per_s, 1), "last_loss": round(last, 5),
        "torch": torch.__version__}
    if clock.cuda:
        name = torch.cuda.get_device_name()
        line.update(device=name, memory_gb=round(torch.cuda.max_memory_reserved() / 1e9, 2))
        for card, peak in PEAK.items():
            if card in name and "PCIe" not in name:
                line.update(mfu_nanogpt=round(tokens_per_s * nanogpt / peak, 4), mfu_llmc=round(tokens_per_s * llmc / peak, 4))
    return line


def main():
    options = argparse.ArgumentParser(description="GPT-2 124M training step in PyTorch on a GPU")
    options.add_argument("--device", default="cuda")
    options.add_argument("--batch", type=int, nargs="+", default=[16, 32, 64])
    options.add_argument("--context", type=int, default=1024)
    options.add_argument("--layers", type=int, help="fewer than the model has, to try the script")
    options.add_argument("--steps", type=int, default=20, help="measured steps")
    options.add_argument("--warmup", type=int, default=5, help="steps before them, of which the first compile")
    options.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--tf32", action=argparse.BooleanOptionalAction, default=True)
    args = options.parse_args()
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU; install a build for CUDA, or try the script with --device cpu")
    torch.backends.cuda.matmul.allow_tf32 = args.tf32
    torch.backends.cudnn.allow_tf32 = args.tf32

    for batch in args.batch:
        if args.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        try:
            line = measure(args, batch)
        except torch.cuda.OutOfMemoryError:
            line = {"kind": "gpu_step", "batch": batch, "error": "out of memory"}
        print(json.dumps(line), flush=True)
        if args.device.startswith("cuda"):
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
