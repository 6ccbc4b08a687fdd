"""`gatun prepare` from files to files beside tiktoken's encoding alone, on the same documents and threads, in turns.

Run through benchmarks/prepare, which builds first. The text is cut into documents of about 4,000 characters and taken
again from its beginning until there is as much as asked for. gatun's time is that of the whole process: start of the
virtual machine, reading JSON lines, hashing, encoding, writing, forcing to the disk. tiktoken's is that of
encode_ordinary_batch alone, on strings in memory. MB are 10^6 bytes of UTF-8.
"""
import argparse
import base64
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile

import tiktoken

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
DOCUMENT = 4000


def gpt2(jar):
    """tiktoken's GPT-2 with the vocabulary of a jar, so that nothing has to be downloaded."""
    with zipfile.ZipFile(jar) as archive:
        name = next(n for n in archive.namelist() if n.endswith("r50k_base.tiktoken"))
        lines = archive.read(name).splitlines()
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
    return tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def documents(text, megabytes):
    cut = [text[i:i + DOCUMENT] for i in range(0, len(text), DOCUMENT)]
    taken, size = [], 0
    while size < megabytes * 1e6:
        for document in cut:
            taken.append(document)
            size += len(document.encode())
            if size >= megabytes * 1e6:
                break
    return taken, size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gatun", required=True)
    parser.add_argument("--vocabulary", required=True, help="jar with r50k_base.tiktoken in it")
    parser.add_argument("--text", required=True, help="a file of UTF-8 text")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    encoding = gpt2(options.vocabulary)
    texts, size = documents(pathlib.Path(options.text).read_text(encoding="utf-8"), options.megabytes)
    work = pathlib.Path(tempfile.mkdtemp())
    ratios = []
    try:
        lines = work / "text.jsonl"
        with open(lines, "w", encoding="utf-8") as file:
            for text in texts:
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
        for turn in range(options.rounds):
            out = work / f"out{turn}"
            start = time.perf_counter()
            said = subprocess.run(
                [options.gatun, "prepare", "--input", lines, "--output", out, "--val-fraction", "0", "--eot", "none",
                 "--threads", str(options.threads)],
                check=True, capture_output=True, text=True).stdout
            ours = size / (time.perf_counter() - start) / 1e6
            start = time.perf_counter()
            tokens = sum(map(len, encoding.encode_ordinary_batch(texts, num_threads=options.threads)))
            theirs = size / (time.perf_counter() - start) / 1e6
            if f"train_tokens {tokens} " not in said:
                raise SystemExit(f"tiktoken makes {tokens} tokens, gatun says: {said}")
            ratios.append(ours / theirs)
            print(f"round {turn + 1}: gatun prepare {ours:.1f} MB/s, tiktoken {theirs:.1f} MB/s, ratio {ratios[-1]:.2f}",
                  flush=True)
    finally:
        shutil.rmtree(work)
    print(f"median ratio {statistics.median(ratios):.2f} ({size / 1e6:.0f} MB, {options.threads} threads)")


if __name__ == "__main__":
    main()
