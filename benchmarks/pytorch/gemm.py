"""Rates of torch.matmul in f32 at the matrix shapes of one GPT-2 124M training step.

Run (this environment keeps freed memory in the process, see train_step.py):
    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=20000000000 MALLOC_TOP_PAD_=268435456 \
    MALLOC_ARENA_MAX=1 OMP_NUM_THREADS=2 python gemm.py --threads 2 --tokens 256 1024

One JSON line per measurement: {"kind": "gemm", "form": "NT", "m": ..., "n": ..., "k": ..., "gflops": ...}.
The result is C[M, N], all row-major; the form says how the operands lie in memory:
    NN  A[M, K]  B[K, N]    gradient of a Linear's input: dx = dy weight
    NT  A[M, K]  B[N, K]    forward of a Linear: y = x weight'
    TN  A[K, M]  B[K, N]    gradient of a Linear's weight: dw = dy' x
With MKL_VERBOSE=1 the library prints its name, its code path and every call.
Tried with torch 2.13.0.
"""
import argparse
import json
import statistics
import time

import torch

CHANNELS = 768
OUTPUTS_AND_INPUTS = [  # of each Linear, [out, in]
    (3 * CHANNELS, CHANNELS),
    (CHANNELS, CHANNELS),
    (4 * CHANNELS, CHANNELS),
    (CHANNELS, 4 * CHANNELS),
    (50304, CHANNELS),
]


def problems(tokens):
    """The three products of each Linear, as (form, M, N, K)."""
    for out, inp in OUTPUTS_AND_INPUTS:
        yield "NT", tokens, out, inp
        yield "NN", tokens, inp, out
        yield "TN", out, inp, tokens


def milliseconds(form, m, n, k, seconds, at_least):
    a = torch.randn(k, m).t() if form == "TN" else torch.randn(m, k)
    b = torch.randn(n, k).t() if form == "NT" else torch.randn(k, n)
    c = torch.empty(m, n)
    for _ in range(2):
        torch.matmul(a, b, out=c)
    times = []
    stop = time.perf_counter() + seconds
    while len(times) < at_least or time.perf_counter() < stop:
        start = time.perf_counter()
        torch.matmul(a, b, out=c)
        times.append(1000 * (time.perf_counter() - start))
    return times


def main():
    options = argparse.ArgumentParser(description="f32 matrix products at GPT-2's shapes")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--tokens", type=int, nargs="+", default=[256], help="B*T, one table each")
    options.add_argument("--square", type=int, nargs="*", default=[1024], help="also N x N x N in form NN")
    options.add_argument("--seconds", type=float, default=1.0, help="time spent on each shape")
    options.add_argument("--at-least", type=int, default=7, help="repetitions of each shape")
    args = options.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    shapes = [p for tokens in args.tokens for p in problems(tokens)]
    shapes += [("NN", n, n, n) for n in args.square]
    for form, m, n, k in shapes:
        times = milliseconds(form, m, n, k, args.seconds, args.at_least)
        median, best = statistics.median(times), min(times)
        print(json.dumps({
            "kind": "gemm", "form": form, "m": m, "n": n, "k": k, "threads": args.threads,
            "ms": round(median, 4), "gflops": round(2e-6 * m * n * k / median, 1),
            "gflops_best": round(2e-6 * m * n * k / best, 1), "samples": len(times),
            "torch": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
