"""Reads a GGUF GPT-2 without llama.cpp and compares its logits with those of a Hugging Face folder.

Run:   python check_gguf.py FILE FOLDER [--tolerance 1e-5]
Needs: torch, transformers, numpy; with the package gguf also compares what its reader says.
       Tried with torch 2.13.0+cpu, transformers 5.18.0, gguf 0.19.0.

The reader below follows the format's page (github.com/ggml-org/ggml, docs/gguf.md) and shares no code with
anything else. FOLDER is the model that was exported; the logits of some random tokens are computed from both
by transformers in f64 and must agree within --tolerance of their size.
"""
import argparse
import struct

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
LAYER = {"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
         "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}
MATRICES = {"attn_qkv", "attn_output", "ffn_up", "ffn_down"}


class Reader:
    def __init__(self, path):
        self.bytes, self.at = open(path, "rb").read(), 0
        magic, version = self.bytes[:4], self.read("<II")[1]
        assert magic == b"GGUF" and version == 3, (magic, version)
        tensors, keys = self.read("<QQ")
        self.keys = {}
        for _ in range(keys):
            name = self.string()
            self.keys[name] = self.value(self.read("<I")[0])
        entries = []
        for _ in range(tensors):
            name, rank = self.string(), self.read("<I")[0]
            entries.append((name, self.read(f"<{rank}Q"), *self.read("<IQ")))
        alignment = self.keys.get("general.alignment", 32)
        start = (self.at + alignment - 1) // alignment * alignment
        self.tensors, end = {}, 0
        for name, dims, kind, offset in entries:
            assert offset % alignment == 0 and offset >= end, f"{name} at {offset} after {end}"
            size = int(np.prod(dims))
            raw = self.bytes[start + offset:start + offset + size * (4 if kind == 0 else 2)]
            values = {0: lambda: np.frombuffer(raw, "<f4"), 1: lambda: np.frombuffer(raw, "<f2"),
                      30: lambda: (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)}[kind]()
            assert values.size == size, f"{name} is cut off"
            assert kind == 0 or len(dims) == 2, f"{name} must be F32"
            self.tensors[name] = torch.from_numpy(values.astype(np.float64)).reshape(dims[::-1])
            end = offset + len(raw)

    def read(self, form):
        values = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return values

    def string(self):
        size = self.read("<Q")[0]
        self.at += size
        return self.bytes[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            inner, count = self.read("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.read(SCALARS[kind])[0]


def state(tensors):
    """transformers' names and orientation."""
    result = {}
    for name, tensor in tensors.items():
        part = name.split(".")
        if part[0] == "blk":
            tensor = tensor.T if part[2] in MATRICES and part[3] == "weight" else tensor
            result[f"transformer.h.{part[1]}.{LAYER[part[2]]}.{part[3]}"] = tensor.contiguous()
        else:
            theirs = {"token_embd": "transformer.wte", "position_embd": "transformer.wpe",
                      "output_norm": "transformer.ln_f", "output": "lm_head"}[part[0]]
            result[f"{theirs}.{part[1]}"] = tensor
    return result


def same_as_the_package(path, reader):
    try:
        from gguf import GGUFReader
    except ImportError:
        return "package gguf not there"
    theirs = GGUFReader(path)
    assert {t.name for t in theirs.tensors} == set(reader.tensors)
    for key, value in reader.keys.items():
        assert theirs.fields[key].contents() == value, f"{key}: {theirs.fields[key].contents()} and {value}"
    return f"package gguf agrees on {len(reader.keys)} keys and {len(reader.tensors)} tensors"


def main():
    options = argparse.ArgumentParser(description="compares a GGUF GPT-2 with the folder it was made from")
    options.add_argument("file")
    options.add_argument("folder")
    options.add_argument("--tolerance", type=float, default=1e-5)
    args = options.parse_args()
    reader = Reader(args.file)
    key = lambda name: reader.keys["gpt2." + name]
    assert reader.keys["general.architecture"] == "gpt2"
    vocabulary = reader.tensors["token_embd.weight"].shape[0]
    if reader.keys["tokenizer.ggml.model"] == "none":
        assert key("vocab_size") == vocabulary
    else:
        assert len(reader.keys["tokenizer.ggml.tokens"]) == vocabulary
        assert len(reader.keys["tokenizer.ggml.token_type"]) == vocabulary
    config = GPT2Config(
        n_layer=key("block_count"), n_head=key("attention.head_count"), n_embd=key("embedding_length"),
        n_positions=key("context_length"), n_inner=key("feed_forward_length"), vocab_size=vocabulary,
        layer_norm_epsilon=key("attention.layer_norm_epsilon"), activation_function="gelu_new")
    model = GPT2LMHeadModel(config).double().eval()
    missing, unexpected = model.load_state_dict(state(reader.tensors), strict=False)
    assert not unexpected and not [n for n in missing if not n.endswith(("attn.bias", "masked_bias"))], missing
    expected = GPT2LMHeadModel.from_pretrained(args.folder, dtype=torch.float64).eval()
    tokens = torch.randint(vocabulary, (2, min(32, config.n_positions)), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        a, b = model(tokens).logits, expected(tokens).logits
    apart = ((a - b).norm() / b.norm()).item()
    print(f"logits apart {apart:.3g} of their size; {same_as_the_package(args.file, reader)}")
    if not apart <= args.tolerance:
        raise SystemExit(f"expected at most {args.tolerance}")


if __name__ == "__main__":
    main()
