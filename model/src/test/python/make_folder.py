"""Writes a small random GPT-2 as a Hugging Face folder, and token files, for trying import and training.

Run:   python make_folder.py FOLDER [--layers 2 --heads 2 --channels 64 --context 64 --vocab 1000 --seed 1]
           [--shard-size 200KB] [--tokens FILE --count 100000 [--text FILE]]
Needs: torch, transformers. Tried with torch 2.13.0+cpu, transformers 5.18.0.

--shard-size splits the weights into model-0000i-of-0000n.safetensors with an index, as large models come.
--tokens writes a raw token file, little-endian u16 without a header: the bytes of --text, or random tokens
that repeat themselves often enough for a model to learn something.
"""
import argparse

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel


def make_model(args):
    model = GPT2LMHeadModel(GPT2Config(
        n_layer=args.layers, n_head=args.heads, n_embd=args.channels, n_positions=args.context,
        vocab_size=args.vocab, activation_function=args.activation, bos_token_id=args.vocab - 1,
        eos_token_id=args.vocab - 1, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0))
    with torch.no_grad():
        for parameter in model.parameters():  # fresh biases and gains are 0 and 1 and would hide a mix-up
            parameter.add_(torch.randn_like(parameter), alpha=args.noise)
    return model


def make_tokens(args):
    if args.text:
        tokens = np.fromfile(args.text, dtype=np.uint8)
        if args.count:
            tokens = tokens[: args.count]
        if tokens.size and tokens.max() >= args.vocab:
            raise SystemExit(f"--text: byte {tokens.max()} is not below --vocab {args.vocab}")
        return tokens
    # A walk over the vocabulary in small steps: the next token is one of eight.
    steps = np.random.default_rng(args.seed).integers(1, 9, args.count or 100_000)
    return np.cumsum(steps) % args.vocab


def main():
    options = argparse.ArgumentParser(description="writes a random GPT-2 folder and tokens for it")
    options.add_argument("folder")
    options.add_argument("--layers", type=int, default=2)
    options.add_argument("--heads", type=int, default=2)
    options.add_argument("--channels", type=int, default=64)
    options.add_argument("--context", type=int, default=64)
    options.add_argument("--vocab", type=int, default=1000)
    options.add_argument("--activation", choices=["gelu_new", "gelu"], default="gelu_new")
    options.add_argument("--noise", type=float, default=0.05, help="added to every fresh parameter")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--shard-size", help="largest file of weights, such as 200KB; one file without it")
    options.add_argument("--tokens", help="token file to write")
    options.add_argument("--count", type=int, help="its number of tokens")
    options.add_argument("--text", help="take its bytes as tokens")
    args = options.parse_args()
    if args.vocab > 65536:
        options.error(f"--vocab {args.vocab}: token files hold u16, at most 65536")

    torch.manual_seed(args.seed)
    sharding = {"max_shard_size": args.shard_size} if args.shard_size else {}
    make_model(args).save_pretrained(args.folder, **sharding)
    if args.tokens:
        make_tokens(args).astype("<u2").tofile(args.tokens)


if __name__ == "__main__":
    main()
