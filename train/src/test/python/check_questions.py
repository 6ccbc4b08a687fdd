"""Answers HellaSwag and LAMBADA with transformers, to compare `gatun eval` with.

Run:   python check_questions.py FOLDER [--hellaswag FILE] [--lambada FILE]
Needs: torch, transformers. Tried with torch 2.13.0+cpu, transformers 5.18.0.

Prints the lines of `gatun eval`: hellaswag acc_norm, acc and items (an ending is encoded by itself with a
space before it, as build-nanogpt does; mean and sum of its tokens' losses); lambada accuracy, perplexity and
items (the last word with the space before it; all its tokens must be the likeliest). One text at a time, f64.
"""
import argparse
import json
import math
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
from transformers import AutoTokenizer, GPT2LMHeadModel


def score(model, beginning, end):
    """Losses of the end's tokens, and whether each was the likeliest."""
    tokens = torch.tensor([(beginning + end)[-(model.config.n_positions + 1):]])
    with torch.no_grad():
        logits = model(tokens[:, :-1]).logits[0, -len(end):]
    targets = tokens[0, -len(end):]
    return F.cross_entropy(logits, targets, reduction="none"), bool((logits.argmax(-1) == targets).all())


def items(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def main():
    options = argparse.ArgumentParser(description="HellaSwag and LAMBADA by transformers")
    options.add_argument("folder")
    options.add_argument("--hellaswag")
    options.add_argument("--lambada")
    args = options.parse_args()
    model = GPT2LMHeadModel.from_pretrained(args.folder, dtype=torch.float64).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    if args.hellaswag:
        correct = by_sum = 0
        questions = items(args.hellaswag)
        for item in questions:
            losses = [score(model, encode(item["ctx"]), encode(" " + ending))[0] for ending in item["endings"]]
            correct += min(range(4), key=lambda i: losses[i].mean().item()) == int(item["label"])
            by_sum += min(range(4), key=lambda i: losses[i].sum().item()) == int(item["label"])
        n = len(questions)
        print(f"hellaswag acc_norm {correct / n:.4f} acc {by_sum / n:.4f} items {n}")
    if args.lambada:
        correct, loss = 0, 0.0
        texts = items(args.lambada)
        for item in texts:
            text, word = item["text"].rstrip().rsplit(" ", 1)
            losses, likeliest = score(model, encode(text), encode(" " + word))
            correct += likeliest
            loss += losses.sum().item()
        n = len(texts)
        print(f"lambada accuracy {correct / n:.4f} perplexity {math.exp(loss / n):.4f} items {n}")


if __name__ == "__main__":
    main()
