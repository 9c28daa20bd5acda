"""Attention, encoder and decoder layers and an encoder-decoder of PyTorch: outputs, losses, and the gradients of
sum(output * probe) or of the loss. `crates/sequence/tests/it/parity.rs` has the same cases.

Run through `cargo xtask parity attention`.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

import closed_form
import fixture

torch.set_num_threads(1)
E, HEADS, FF, B, T, S = 12, 3, 20, 2, 5, 7
entries = {}


def data(name, shape):
    return torch.from_numpy(closed_form.data(name, shape)).requires_grad_()


def fused_gradients(prefix, module):
    """Query, key and value as parts of their own, as `Fixture::check_gradients` looks them up."""
    for name, parameter in module.named_parameters():
        if "in_proj" in name:
            for i, part in enumerate(parameter.grad.chunk(3)):
                offset = i * part.numel()
                key = f"{prefix}.{name}@{offset}" if offset else f"{prefix}.{name}"
                entries[key] = fixture.entry(part, 8)
        else:
            entries[f"{prefix}.{name}"] = fixture.entry(parameter.grad, 8)


def record(name, module, output, leaves):
    probe = torch.from_numpy(closed_form.data("probe", tuple(output.shape)))
    (output * probe).sum().backward()
    entries[f"{name}.output"] = fixture.entry(output)
    for key, leaf in leaves.items():
        entries[f"{name}.{key}"] = fixture.entry(leaf.grad)
    fused_gradients(f"{name}.gradients", module)


# The second row of keys ends in two that are padding.
padding = torch.zeros(B, S, dtype=torch.bool)
padding[1, S - 2 :] = True
own_padding = torch.zeros(B, T, dtype=torch.bool)
own_padding[1, T - 2 :] = True
causal = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)

x, memory = data("x", (B, T, E)), data("memory", (B, S, E))
module = closed_form.fill(nn.MultiheadAttention(E, HEADS, batch_first=True))
record("self", module, module(x, x, x, need_weights=False)[0], {"x": x})

x = data("x", (B, T, E))
module = closed_form.fill(nn.MultiheadAttention(E, HEADS, batch_first=True))
output, weights = module(x, x, x, attn_mask=causal, key_padding_mask=own_padding, average_attn_weights=False)
entries["masked.weights"] = fixture.entry(weights)
record("masked", module, output, {"x": x})

x = data("x", (B, T, E))
module = closed_form.fill(nn.MultiheadAttention(E, HEADS, batch_first=True))
record("cross", module, module(x, memory, memory, key_padding_mask=padding)[0], {"x": x, "memory": memory})

# Grouped queries: four heads, two of keys and values.
query, key, value = data("query", (B, 4, T, 6)), data("key", (B, 2, S, 6)), data("value", (B, 2, S, 6))
answer = F.scaled_dot_product_attention(query, key, value, enable_gqa=True)
entries["grouped.output"] = fixture.entry(answer.transpose(1, 2).reshape(B, T, 24))

for order in ("post", "pre"):
    for activation in ("relu", "gelu"):
        name = f"encoder {order} {activation}"
        x = data("x", (B, T, E))
        layer = nn.TransformerEncoderLayer(E, HEADS, FF, 0.0, activation, batch_first=True, norm_first=order == "pre")
        layer = closed_form.fill(layer).train()  # dropout 0; inference would take another path
        record(name, layer, layer(x, src_key_padding_mask=own_padding), {"x": x})

        name = f"decoder {order} {activation}"
        x, memory = data("x", (B, T, E)), data("memory", (B, S, E))
        layer = nn.TransformerDecoderLayer(E, HEADS, FF, 0.0, activation, batch_first=True, norm_first=order == "pre")
        layer = closed_form.fill(layer).train()
        output = layer(x, memory, tgt_mask=causal, memory_key_padding_mask=padding)
        record(name, layer, output, {"x": x, "memory": memory})

norm = closed_form.fill(nn.RMSNorm(E, eps=1e-5))
x = data("x", (B, T, E))
record("rms", norm, norm(x), {"x": x})


class Translator(nn.Module):
    """Twin of `fornax_sequence::transformer::Transformer`."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(11, E), nn.Embedding(13, E)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(E, HEADS, FF, 0.0, batch_first=True), 2, enable_nested_tensor=False
        )
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(E, HEADS, FF, 0.0, batch_first=True), 2)

    def embed(self, table, tokens):
        i = torch.arange(E // 2, dtype=torch.float64)
        angles = torch.arange(tokens.shape[1])[:, None] * 10000.0 ** (-2 * i / E)
        positions = torch.stack([angles.sin(), angles.cos()], 2).flatten(1).float()
        return table(tokens) * math.sqrt(E) + positions

    def forward(self, source, target, padding):
        memory = self.encoder(self.embed(self.source, source), src_key_padding_mask=padding)
        x = self.decoder(
            self.embed(self.target, target), memory, tgt_mask=causal, memory_key_padding_mask=padding
        )
        return x @ self.target.weight.T


model = closed_form.fill(Translator()).train()
source = torch.from_numpy(closed_form.classes("source", B * S, 11)).reshape(B, S)
inputs = torch.from_numpy(closed_form.classes("inputs", B * T, 13)).reshape(B, T)
targets = torch.from_numpy(closed_form.classes("targets", B * T, 13)).reshape(B, T)
logits = model(source, inputs, padding)
loss = F.cross_entropy(
    logits.reshape(-1, 13), targets.masked_fill(own_padding, -100).reshape(-1), label_smoothing=0.1
)
loss.backward()
entries["translator.logits"] = fixture.entry(logits)
entries["translator.loss"] = fixture.entry(loss.reshape(1))
fused_gradients("translator.gradients", model)

fixture.write("sequence", "attention", entries)
