"""Generative models of images: outputs, losses and every gradient.

The configurations are repeated in `crates/generative/tests/it/images.rs`. Run through `cargo xtask parity generative_images`.
"""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

import closed_form
import fixture

torch.set_num_threads(1)

entries = {}
data, record = closed_form.tensor, partial(fixture.record, entries)


class Encoder(nn.Module):
    def __init__(self, image_channels, channels):
        super().__init__()
        sizes = [image_channels, *channels]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in zip(sizes, channels))

    def forward(self, x):
        for conv in self.convs:
            x = F.gelu(conv(x))
        return x


class Decoder(nn.Module):
    def __init__(self, image_channels, channels):
        super().__init__()
        sizes = [*reversed(channels), image_channels]
        self.convs = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x):
        for conv in self.convs:
            x = conv(F.gelu(x))
        return x


class ConvAutoencoder(nn.Module):
    def __init__(self, image_channels, channels, maps, code):
        super().__init__()
        units = maps[0] * maps[1] * maps[2]
        self.encoder, self.decoder = Encoder(image_channels, channels), Decoder(image_channels, channels)
        self.to_code, self.from_code = nn.Linear(units, code), nn.Linear(code, units)
        self.maps = maps

    def encode(self, x):
        return self.to_code(self.encoder(x).flatten(1))

    def decode(self, code):
        return self.decoder(self.from_code(code).reshape(-1, *self.maps))


model = closed_form.fill(ConvAutoencoder(2, [6, 7], (7, 2, 3), 5))
x, target = data("x", (3, 2, 8, 12)), data("target", (3, 2, 8, 12))
code = model.encode(x)
output = model.decode(code)
record("conv", model, {"code": code, "output": output}, (output - target).square().mean())


# VQ-VAE: straight-through gradients, then the moving means of the codebook.
class Codebook(nn.Module):
    def __init__(self, codes, dims):
        super().__init__()
        self.register_buffer("vectors", torch.empty(codes, dims))
        self.register_buffer("counts", torch.empty(codes))
        self.register_buffer("sums", torch.empty(codes, dims))


class VqVae(nn.Module):
    def __init__(self, image_channels, channels, codes, dims):
        super().__init__()
        self.encoder, self.decoder = Encoder(image_channels, channels), Decoder(image_channels, channels)
        self.to_code, self.from_code = nn.Conv2d(channels[-1], dims, 1), nn.Conv2d(dims, channels[-1], 1)
        self.codebook = Codebook(codes, dims)


model = closed_form.fill(VqVae(2, [6], 9, 3))
book = model.codebook
counts = book.counts + 1
maps = model.to_code(model.encoder(x))
z = maps.permute(0, 2, 3, 1).reshape(-1, 3)
codes = torch.cdist(z, book.vectors).argmin(1)
nearest = book.vectors[codes]
vectors = z + (nearest - z).detach()
output = model.decoder(model.from_code(vectors.reshape(3, 4, 6, 3).permute(0, 3, 1, 2)))
loss = F.mse_loss(output, x) + 0.25 * F.mse_loss(z, nearest)
with torch.no_grad():
    chosen = F.one_hot(codes, 9).float()
    counts = 0.9 * counts + 0.1 * chosen.sum(0)
    sums = 0.9 * book.sums + 0.1 * chosen.T @ z
    total = counts.sum()
    followed = sums / ((counts + 1e-5) / (total + 9e-5) * total)[:, None]
outputs = {"codes": codes.float(), "vectors": vectors, "output": output}
outputs |= {"followed.vectors": followed, "followed.counts": counts}
record("vq", model, outputs, loss)


class Masked(nn.Conv2d):
    """Blind to what comes later in reading order, and to the pixel itself unless told."""

    def __init__(self, inputs, outputs, kernel, itself):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        mask = torch.zeros(kernel * kernel)
        mask[: kernel * kernel // 2 + itself] = 1
        self.mask = mask.reshape(kernel, kernel)

    def forward(self, x):
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.down, self.masked = nn.Conv2d(channels, half, 1), Masked(half, half, 3, True)
        self.up = nn.Conv2d(half, channels, 1)

    def forward(self, x):
        return x + self.up(F.relu(self.masked(F.relu(self.down(F.relu(x))))))


class PixelCnn(nn.Module):
    def __init__(self, levels, channels, blocks, kernel):
        super().__init__()
        self.first = Masked(levels, channels, kernel, False)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))
        self.hidden, self.last = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, levels, 1)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(F.relu(self.hidden(F.relu(x))))


model = closed_form.fill(PixelCnn(4, 10, 2, 5))
pixels = torch.from_numpy(closed_form.classes("x", 3 * 6 * 7, 4)).reshape(3, 6, 7)
logits = model(F.one_hot(pixels, 4).permute(0, 3, 1, 2).float())
log_prob = -F.cross_entropy(logits, pixels, reduction="none").sum((1, 2))
record("pixels", model, {"logits": logits, "log_prob": log_prob}, -log_prob.mean())

fixture.write("generative", "generative_images", entries)
