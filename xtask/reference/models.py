"""PyTorch twins of the models, for parity and benchmarks. Field names are those of the Rust models."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits, cross_entropy, gelu, interpolate, leaky_relu, max_pool2d, one_hot, relu,
    scaled_dot_product_attention, silu,
)
from torchvision.ops import FeaturePyramidNetwork


class LeNet(nn.Module):
    """Twin of `fornax_cnn::LeNet` in the sizes of `LeNetConfig::lenet5()`."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = max_pool2d(relu(self.conv1(x)), 2)
        x = max_pool2d(relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = relu(self.fc1(x))
        x = relu(self.fc2(x))
        return self.fc3(x)


def conv_norm(inputs, outputs):
    """3 x 3, batch normalisation, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class DoubleConv(nn.Module):
    """Two of them."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = conv_norm(inputs, outputs)
        self.conv2 = conv_norm(outputs, outputs)

    def forward(self, x):
        return self.conv2(self.conv1(x))


class UNetEncoder(nn.Module):
    """Maps from the finest to the coarsest."""

    def __init__(self, in_channels, channels):
        super().__init__()
        pairs = zip([in_channels, *channels], channels)
        self.levels = nn.ModuleList(DoubleConv(inputs, outputs) for inputs, outputs in pairs)

    def forward(self, x):
        maps = []
        for level in self.levels:
            x = level(max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps


class Up(nn.Module):
    """The coarser map narrowed and enlarged, beside the encoder's."""

    def __init__(self, inputs, skip, outputs):
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.convs = DoubleConv(skip + outputs, outputs)

    def forward(self, x, skip):
        x = interpolate(self.narrow(x), skip.shape[2:], mode="nearest")
        return self.convs(torch.cat([skip, x], 1))


class UNetDecoder(nn.Module):
    """Twin of `fornax_cnn::segmentation::UNetDecoder`."""

    def __init__(self, num_classes, channels):
        super().__init__()
        coarse = list(reversed(channels))
        self.ups = nn.ModuleList(Up(inputs, skip, skip) for inputs, skip in zip(coarse, coarse[1:]))
        self.output = nn.Conv2d(channels[0], num_classes, 1)

    def forward(self, maps):
        x = maps[-1]
        for up, skip in zip(self.ups, reversed(maps[:-1])):
            x = up(x, skip)
        return self.output(x)


class UNet(nn.Module):
    """Twin of `fornax_cnn::segmentation::UNet`."""

    def __init__(self, num_classes, in_channels=1, channels=(64, 128, 256, 512, 1024)):
        super().__init__()
        self.backbone = UNetEncoder(in_channels, channels)
        self.decoder = UNetDecoder(num_classes, channels)

    def forward(self, x):
        return self.decoder(self.backbone(x))


class FpnDecoder(nn.Module):
    """Twin of `fornax_cnn::segmentation::FpnDecoder`, over torchvision's pyramid."""

    def __init__(self, num_classes, inputs, channels, pyramid_channels):
        super().__init__()
        self.fpn = FeaturePyramidNetwork(inputs, pyramid_channels)
        branches = [[pyramid_channels] + [channels] * (max(level, 1) - 1) for level in range(len(inputs))]
        self.branches = nn.ModuleList(nn.ModuleList(conv_norm(n, channels) for n in branch) for branch in branches)
        self.output = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps):
        levels = list(self.fpn(OrderedDict((str(i), m) for i, m in enumerate(maps))).values())
        total = 0
        for i, (x, branch) in enumerate(zip(levels, self.branches)):
            for step, conv in enumerate(branch):
                size = levels[max(i - step - 1, 0)].shape[2:]
                x = interpolate(conv(x), size, mode="bilinear", align_corners=False)
            total = total + x
        return self.output(total)


class GptBlock(nn.Module):
    """Pre-norm attention and feed-forward layer without biases; keys and values so far may be passed in."""

    def __init__(self, d_model, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(d_model, bias=False)
        self.query_key_value = nn.Linear(d_model, 3 * d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)
        self.feed_forward_norm = nn.LayerNorm(d_model, bias=False)
        self.up = nn.Linear(d_model, 4 * d_model, bias=False)
        self.down = nn.Linear(4 * d_model, d_model, bias=False)

    def forward(self, x, cache=None):
        batch, length, d_model = x.shape
        split = self.query_key_value(self.attention_norm(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if cache is not None:
            if cache:
                key, value = torch.cat([cache[0], key], 2), torch.cat([cache[1], value], 2)
            cache[:] = [key, value]
        answer = scaled_dot_product_attention(query, key, value, is_causal=length > 1)
        x = x + self.output(answer.transpose(1, 2).reshape(batch, length, d_model))
        return x + self.down(gelu(self.up(self.feed_forward_norm(x)), approximate="tanh"))


class Gpt(nn.Module):
    """Twin of `fornax_sequence::gpt::Gpt` as `GptConfig::nano` builds it, for benchmarks: projections are fused."""

    def __init__(self, vocab_size, context, d_model, layers, heads):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, d_model)
        self.positions = nn.Embedding(context, d_model)
        self.blocks = nn.ModuleList(GptBlock(d_model, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d_model, bias=False)

    def forward(self, tokens, start=0, caches=None):
        positions = torch.arange(start, start + tokens.shape[1])
        x = self.tokens(tokens) + self.positions(positions)
        for i, block in enumerate(self.blocks):
            x = block(x, None if caches is None else caches[i])
        if caches is not None:
            x = x[:, -1:]
        return self.norm(x) @ self.tokens.weight.T

    def loss(self, inputs, targets):
        return cross_entropy(self(inputs).flatten(0, 1), targets.flatten())


class DcganGenerator(nn.Module):
    """Twin of `fornax_generative::DcganGenerator`."""

    def __init__(self, channels, image_channels, noise, classes=0):
        super().__init__()
        pairs = list(zip([noise + classes, *channels], [*channels, image_channels]))
        self.convs = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, *((2, 1) if i else (1, 0)), bias=False) for i, (a, b) in enumerate(pairs)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels)
        self.classes = classes

    def forward(self, z, labels=None):
        if labels is not None:
            z = torch.cat([z, one_hot(labels, self.classes).to(z.dtype)], 1)
        x = z[:, :, None, None]
        for conv, norm in zip(self.convs, self.norms):
            x = relu(norm(conv(x)))
        return torch.tanh(self.convs[-1](x))


class DcganCritic(nn.Module):
    """Twin of `fornax_generative::DcganCritic`."""

    def __init__(self, channels, image_channels, classes=0, norm=True):
        super().__init__()
        coarser = list(reversed(channels))
        pairs = list(zip([image_channels + (classes > 0), *coarser], [*coarser, 1]))
        last = len(pairs) - 1
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 4, *((1, 0) if i == last else (2, 1)), bias=not norm) for i, (a, b) in enumerate(pairs)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in coarser[1:] if norm)
        if classes:
            self.class_maps = nn.Parameter(torch.empty(classes, (4 * 2 ** len(channels)) ** 2))

    def forward(self, x, labels=None):
        if labels is not None:
            x = torch.cat([x, self.class_maps[labels].view(len(x), 1, *x.shape[2:])], 1)
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x)
            x = self.norms[i - 1](x) if i and self.norms else x
            x = leaky_relu(x, 0.2)
        return self.convs[-1](x).flatten(1)


def time_embedding(time, units):
    """Sines and cosines of the time at falling rates."""
    rates = 1000 * torch.exp(-torch.log(torch.tensor(10_000.0)) * torch.arange(units // 2) / (units // 2))
    angles = time[:, None] * rates.to(time.dtype)
    return torch.cat([angles.sin(), angles.cos()], 1)


class ResidualBlock(nn.Module):
    """Twin of `fornax_generative::unet::ResidualBlock`, without dropout."""

    def __init__(self, inputs, outputs, units, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embedding = nn.Linear(units, outputs)
        self.norm2 = nn.GroupNorm(groups, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x, e):
        inner = self.conv1(silu(self.norm1(x))) + self.embedding(e)[:, :, None, None]
        inner = self.conv2(silu(self.norm2(inner)))
        return (self.skip(x) if self.skip else x) + inner


class MapAttention(nn.Module):
    """Twin of `fornax_generative::unet::Attention`."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.output = nn.Linear(channels, channels)

    def forward(self, x):
        query, key, value = self.query_key_value(self.norm(x).flatten(2).transpose(1, 2)).chunk(3, 2)
        answer = self.output(scaled_dot_product_attention(query, key, value))
        return x + answer.transpose(1, 2).reshape(x.shape)


class DenoisingLevel(nn.Module):
    """Twin of `fornax_generative::unet::Level`."""

    def __init__(self, resize, blocks, attention):
        super().__init__()
        self.resize, self.blocks, self.attention = resize, nn.ModuleList(blocks), attention


class DenoisingUNet(nn.Module):
    """Twin of `fornax_generative::UNet`."""

    def __init__(self, channels, image_channels=1, blocks=1, groups=8, classes=0):
        super().__init__()
        first, last = channels[0], channels[-1]
        units = 4 * first
        self.time1, self.time2 = nn.Linear(first, units), nn.Linear(units, units)
        self.class_embedding = nn.Parameter(torch.zeros(classes + 1, units)) if classes else None
        self.stem = nn.Conv2d(image_channels, first, 3, padding=1)
        attention = lambda level, c: MapAttention(c, groups) if level + 1 == len(channels) else None
        down, up, skips, width = [], [], [], first
        for level, c in enumerate(channels):
            resize = nn.Conv2d(width, width, 3, 2, 1) if level else None
            inner = []
            for _ in range(blocks):
                inner.append(ResidualBlock(width, c, units, groups))
                width = c
                skips.append(c)
            down.append(DenoisingLevel(resize, inner, attention(level, c)))
        for level, c in reversed(list(enumerate(channels))):
            resize = nn.Conv2d(width, width, 3, padding=1) if level + 1 < len(channels) else None
            inner = []
            for _ in range(blocks):
                inner.append(ResidualBlock(width + skips.pop(), c, units, groups))
                width = c
            up.append(DenoisingLevel(resize, inner, attention(level, c)))
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.middle1 = ResidualBlock(last, last, units, groups)
        self.attention = MapAttention(last, groups)
        self.middle2 = ResidualBlock(last, last, units, groups)
        self.norm = nn.GroupNorm(groups, first)
        self.output = nn.Conv2d(first, image_channels, 3, padding=1)

    def forward(self, x, time, labels=None):
        e = self.time2(silu(self.time1(time_embedding(time, self.time1.in_features))))
        if labels is not None:
            e = e + self.class_embedding[labels]
        e, x, skips = silu(e), self.stem(x), []
        for level in self.down:
            x = level.resize(x) if level.resize else x
            for block in level.blocks:
                x = block(x, e)
                x = level.attention(x) if level.attention else x
                skips.append(x)
        x = self.middle2(self.attention(self.middle1(x, e)), e)
        for level in self.up:
            x = level.resize(interpolate(x, scale_factor=2, mode="nearest")) if level.resize else x
            for block in level.blocks:
                x = block(torch.cat([x, skips.pop()], 1), e)
                x = level.attention(x) if level.attention else x
        return self.output(silu(self.norm(x)))


class NamedLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)


class Layers(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(NamedLinear(a, b) for a, b in zip(sizes, sizes[1:]))


class MlpDenoiser(nn.Module):
    """Twin of `fornax_generative::MlpDenoiser`."""

    def __init__(self, features, hidden, time_units, classes=0):
        super().__init__()
        self.network = Layers([features + time_units + classes, *hidden, features])
        self.time_units, self.classes = time_units, classes

    def forward(self, x, time, labels):
        classes = one_hot(labels, self.classes + 1)[:, : self.classes].to(x.dtype)
        x = torch.cat([x, time_embedding(time, self.time_units), classes], 1)
        for layer in self.network.layers[:-1]:
            x = silu(layer.linear(x))
        return self.network.layers[-1].linear(x)


class DenseVae(nn.Module):
    """784-400-20, Bernoulli pixels."""

    def __init__(self, inputs=784, hidden=400, latent=20):
        super().__init__()
        self.encoder, self.decoder = Layers([inputs, hidden, 2 * latent]), Layers([latent, hidden, inputs])

    def loss(self, x, epsilon):
        first, second = self.encoder.layers
        mean, log_var = second.linear(gelu(first.linear(x))).chunk(2, 1)
        z = mean + (log_var / 2).exp() * epsilon
        first, second = self.decoder.layers
        logits = second.linear(gelu(first.linear(z)))
        fit = binary_cross_entropy_with_logits(logits, x, reduction="sum")
        return (fit + 0.5 * (mean.square() + log_var.exp() - log_var - 1).sum()) / len(x)
