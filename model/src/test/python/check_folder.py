"""Opens a Hugging Face GPT-2 folder with transformers and prints its loss on a token file, in f32.

Run:   python check_folder.py FOLDER TOKENS --context 64 --windows 32 [--expect 3.14159]
Needs: torch, transformers, numpy. Tried with torch 2.13.0+cpu, transformers 5.18.0, numpy 2.4.6.

TOKENS is little-endian u16 without a header. Window i reads the tokens [i*T, i*T + T) and predicts the
same ones shifted by one; the printed `loss X` is the mean over all windows*T predictions.
With --expect the exit status says whether the loss is that, within --tolerance (relative).
"""
import argparse

import numpy as np
import torch
import torch.nn.functional as F
from transformers import GPT2LMHeadModel


def main():
    options = argparse.ArgumentParser(description="loss of a GPT-2 folder by transformers")
    options.add_argument("folder")
    options.add_argument("tokens")
    options.add_argument("--context", type=int, help="T; the model's own without it")
    options.add_argument("--windows", type=int, help="how many; as many as the file has without it")
    options.add_argument("--batch", type=int, default=8, help="windows at a time; does not change the loss")
    options.add_argument("--expect", type=float)
    options.add_argument("--tolerance", type=float, default=1e-4)
    args = options.parse_args()

    model, report = GPT2LMHeadModel.from_pretrained(args.folder, dtype=torch.float32, output_loading_info=True)
    # A missing or misnamed tensor is otherwise filled at random, with no more than a warning.
    wrong = {what: sorted(map(str, names)) for what, names in report.items() if names}
    if wrong:
        raise SystemExit(f"{args.folder}: {wrong}")
    model.eval()
    context = args.context or model.config.n_positions
    tokens = np.fromfile(args.tokens, dtype="<u2")
    windows = args.windows or (len(tokens) - 1) // context
    needed = windows * context + 1
    if windows < 1 or len(tokens) < needed:
        raise SystemExit(f"{args.tokens}: {len(tokens)} tokens, {max(needed, context + 1)} needed")

    prefix = torch.from_numpy(tokens[:needed].astype(np.int64))
    inputs, targets = prefix[:-1].view(windows, context), prefix[1:].view(windows, context)
    total = 0.0
    with torch.no_grad():
        for x, y in zip(inputs.split(args.batch), targets.split(args.batch)):
            logits = model(input_ids=x).logits
            total += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").double().sum().item()
    loss = total / (windows * context)
    print(f"loss {loss:.9g}")
    if args.expect is not None and abs(loss - args.expect) > args.tolerance * abs(loss):
        raise SystemExit(f"loss: {args.expect:.9g} expected, {loss:.9g} found")


if __name__ == "__main__":
    main()
