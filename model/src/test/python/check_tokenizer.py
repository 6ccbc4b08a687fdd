"""Opens a folder's tokenizer with AutoTokenizer, offline, and compares its tokens with given ones.

Run:   python check_tokenizer.py FOLDER TEXT_FILE TOKENS_FILE
Needs: transformers, numpy. Tried with transformers 5.18.0, numpy 2.4.6.

TOKENS_FILE is little-endian u16 without a header: what the text, UTF-8, is expected to be in tokens. Also
decodes them again and compares with the text.
"""
import argparse
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
from transformers import AutoTokenizer


def main():
    options = argparse.ArgumentParser(description="compares a folder's tokenizer with tokens")
    options.add_argument("folder")
    options.add_argument("text")
    options.add_argument("tokens")
    args = options.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    with open(args.text, encoding="utf-8", newline="") as file:
        text = file.read()
    expected = np.fromfile(args.tokens, dtype="<u2").tolist()
    found = tokenizer(text, add_special_tokens=False)["input_ids"]
    if found != expected:
        at = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b), min(len(found), len(expected)))
        raise SystemExit(f"token {at} is {found[at:at + 5]}, expected {expected[at:at + 5]}; {len(found)} tokens, "
                         f"{len(expected)} expected")
    if tokenizer.decode(found, clean_up_tokenization_spaces=False) != text:
        raise SystemExit("the text does not come back from its tokens")
    print(f"{type(tokenizer).__name__}: {len(found)} tokens as expected")


if __name__ == "__main__":
    main()
