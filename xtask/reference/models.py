"""PyTorch twins of the models, for parity and benchmarks. Field names are those of the Rust models."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, gelu, max_pool2d, relu, scaled_dot_product_attention


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
