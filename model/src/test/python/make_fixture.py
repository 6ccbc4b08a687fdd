"""Makes the reference that the GPT-2 tests compare with: a two-layer model by transformers.

Run:   python make_fixture.py ../resources/org/gatun/model/fixture
Needs: torch, transformers, safetensors. Made with torch 2.13.0+cpu, transformers 5.18.0, safetensors 0.8.0;
       the weights follow from the seed, so another version of torch may make other ones.

Written into the folder:
    config.json, model.safetensors   the Hugging Face folder, as save_pretrained leaves it
    reference.safetensors            tokens, targets I32 [B, T]; logits F32 [B, T, V]; erf.logits (same weights,
                                     activation "gelu"); gradient.<Hugging Face name> for each parameter
    reference.json                   loss, erf_loss, gradient_norm (of the first step, before clipping), and
                                     losses and gradient_norms of the ten overfit steps, with their settings
                                     (losses[i] is taken before update i)

The reference is computed in f64 from the f32 weights and rounded once at the end: a test's tolerance
then has to cover the tested engine's error only.
"""
import argparse
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

B, T, STEPS = 2, 12, 10  # T below n_positions: the rest of wpe must stay untouched
VOCAB = 61  # far from a multiple of 128, so that padded rows exist and must not take part
ADAMW = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8)
WEIGHT_DECAY, CLIP = 0.1, 1.0


def make_model():
    model = GPT2LMHeadModel(GPT2Config(
        n_layer=2, n_head=3, n_embd=24, n_positions=16, vocab_size=VOCAB, activation_function="gelu_new",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=VOCAB - 1, eos_token_id=VOCAB - 1))
    with torch.no_grad():
        # Fresh biases are 0 and gains 1, and fresh weights are so small that attention is uniform:
        # each of these would hide a mistake.
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return model


def load_f64(folder, **changes):
    config = GPT2Config.from_pretrained(folder, **changes)
    return GPT2LMHeadModel.from_pretrained(folder, config=config, dtype=torch.float64).eval()


def logits_and_loss(model, tokens, targets):
    logits = model(input_ids=tokens).logits
    return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def adamw(model):
    # named_parameters lists the tied head once, as transformer.wte.weight
    parameters = [p for _, p in model.named_parameters()]
    return torch.optim.AdamW([
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}], **ADAMW)


def overfit(model, tokens, targets):
    optimizer = adamw(model)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        _, loss = logits_and_loss(model, tokens, targets)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        losses.append(loss.item())
        optimizer.step()
    return losses, norms


def main():
    options = argparse.ArgumentParser(description="writes the two-layer GPT-2 fixture")
    options.add_argument("folder")
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()

    torch.manual_seed(args.seed)
    make_model().save_pretrained(args.folder)
    os.remove(os.path.join(args.folder, "generation_config.json"))  # no part of the model
    window = torch.randint(VOCAB, (B, T + 1))
    tokens, targets = window[:, :-1], window[:, 1:]

    model = load_f64(args.folder)
    logits, loss = logits_and_loss(model, tokens, targets)
    loss.backward()
    gradients = {f"gradient.{name}": p.grad for name, p in model.named_parameters()}
    norm = torch.sqrt(sum(g.square().sum() for g in gradients.values())).item()
    losses, norms = overfit(load_f64(args.folder), tokens, targets)
    with torch.no_grad():
        erf_logits, erf_loss = logits_and_loss(load_f64(args.folder, activation_function="gelu"), tokens, targets)

    tensors = {"logits": logits.detach(), "erf.logits": erf_logits, **gradients}
    tensors = {name: t.float().contiguous() for name, t in tensors.items()}
    tensors |= {"tokens": tokens.int().contiguous(), "targets": targets.int().contiguous()}
    save_file(tensors, os.path.join(args.folder, "reference.safetensors"))
    reference = dict(
        loss=loss.item(), erf_loss=erf_loss.item(), gradient_norm=norm, losses=losses, gradient_norms=norms,
        lr=ADAMW["lr"], beta1=ADAMW["betas"][0], beta2=ADAMW["betas"][1], eps=ADAMW["eps"],
        weight_decay=WEIGHT_DECAY, clip=CLIP)
    with open(os.path.join(args.folder, "reference.json"), "w") as file:
        file.write(json.dumps(reference, indent=2) + "\n")


if __name__ == "__main__":
    main()
