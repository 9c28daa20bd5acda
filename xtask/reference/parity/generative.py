"""Generative models: outputs, losses and every gradient.

The configurations are repeated in `crates/generative/tests/it/parity.rs`. Run through `cargo xtask parity generative`.
"""

import math
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

import closed_form
import fixture

torch.set_num_threads(1)

entries = {}
data, record = closed_form.tensor, partial(fixture.record, entries)


class Layer(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.linear = nn.Linear(inputs, units)


class FeedForward(nn.Module):
    """Twin of `nn_core::feed_forward::FeedForward`."""

    def __init__(self, sizes, hidden, output=lambda x: x):
        super().__init__()
        self.layers = nn.ModuleList(Layer(a, b) for a, b in zip(sizes, sizes[1:]))
        self.hidden, self.output = hidden, output

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.hidden(layer.linear(x))
        return self.output(self.layers[-1].linear(x))


# Autoencoders: plain, L1, KL and contractive.
class Autoencoder(nn.Module):
    def __init__(self, inputs, hidden, code):
        super().__init__()
        self.encoder = FeedForward([inputs, *hidden, code], F.gelu, torch.sigmoid)
        self.decoder = FeedForward([code, *reversed(hidden), inputs], F.gelu)


def contractive(model, x, code):
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: model.encoder(x)))(x)
    return 0.3 * jacobian.square().sum() / len(x)


def kl(model, x, code):
    q = code.mean(0)
    return 0.3 * (0.1 * (0.1 / q).log() + 0.9 * (0.9 / (1 - q)).log()).sum()


penalties = {
    "none": lambda model, x, code: 0.0,
    "l1": lambda model, x, code: 0.3 * code.abs().sum() / len(x),
    "kl": kl,
    "contractive": contractive,
}
for name, penalty in penalties.items():
    model = closed_form.fill(Autoencoder(12, [9, 7], 4))
    x, target = data("x", (5, 12)), data("target", (5, 12))
    code = model.encoder(x)
    output = model.decoder(code)
    loss = (output - target).square().mean() + penalty(model, x, code)
    record(f"autoencoder.{name}", model, {"output": output, "code": code}, loss)


# Variational autoencoder, conditional, with beta and free bits.
class Vae(nn.Module):
    def __init__(self, inputs, hidden, latent, condition):
        super().__init__()
        self.encoder = FeedForward([inputs + condition, *hidden, 2 * latent], F.gelu)
        self.decoder = FeedForward([latent + condition, *reversed(hidden), inputs], F.gelu)


for name, deviation in (("bernoulli", None), ("gaussian", 0.5)):
    model = closed_form.fill(Vae(12, [9], 3, 2))
    x, y, epsilon = data("x", (5, 12)).abs(), data("y", (5, 2)), data("epsilon", (5, 3))
    mean, log_var = model.encoder(torch.cat([x, y], 1)).chunk(2, 1)
    z = mean + (log_var / 2).exp() * epsilon
    parameters = model.decoder(torch.cat([z, y], 1))
    if deviation is None:
        fit = -F.binary_cross_entropy_with_logits(parameters, x, reduction="none").sum(1)
    else:
        fit = torch.distributions.Normal(parameters, deviation).log_prob(x).sum(1)
    prior = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    posterior = torch.distributions.Normal(mean, (log_var / 2).exp())
    divergence = torch.distributions.kl_divergence(posterior, prior)
    loss = 1.5 * divergence.mean(0).clamp_min(0.02).sum() - fit.mean()
    elbo = fit - divergence.sum(1)
    draws = data("draws", (4, 5, 3))
    weights = []
    for draw in draws:
        z = mean + (log_var / 2).exp() * draw
        parameters = model.decoder(torch.cat([z, y], 1))
        if deviation is None:
            fit = -F.binary_cross_entropy_with_logits(parameters, x, reduction="none").sum(1)
        else:
            fit = torch.distributions.Normal(parameters, deviation).log_prob(x).sum(1)
        weights.append(fit + prior.log_prob(z).sum(1) - posterior.log_prob(z).sum(1))
    iwae = torch.logsumexp(torch.stack(weights), 0) - math.log(4)
    record(f"vae.{name}", model, {"elbo": elbo, "iwae": iwae}, loss)


# MADE, and the masked autoregressive flow over it.
class Made(nn.Module):
    def __init__(self, features, hidden, outputs):
        super().__init__()
        sizes = [features, *hidden, features * outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        inner = [torch.arange(units) % (features - 1) + 1 for units in hidden]
        degrees = [torch.arange(features) + 1, *inner, torch.arange(features * outputs) // outputs]
        self.masks = [(above[:, None] >= below).float() for below, above in zip(degrees, degrees[1:])]
        self.shape = (features, outputs)

    def forward(self, x):
        for i, (layer, mask) in enumerate(zip(self.layers, self.masks)):
            x = F.linear(x, layer.weight * mask, layer.bias)
            x = F.relu(x) if i + 1 < len(self.layers) else x
        return x.reshape(-1, *self.shape)


model = closed_form.fill(Made(6, [11, 8], 1))
x = torch.from_numpy(closed_form.classes("bits", 5 * 6, 2)).reshape(5, 6).float()
logits = model(x).squeeze(2)
log_prob = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
record("made", model, {"logits": logits, "log_prob": log_prob}, -log_prob.mean())


def bounded(raw):
    return 2 * torch.tanh(raw / 2)


class Maf(nn.Module):
    def __init__(self, features, layers, hidden):
        super().__init__()
        self.networks = nn.ModuleList(Made(features, hidden, 2) for _ in range(layers))

    def forward(self, x):
        log_det = 0.0
        for network in self.networks:
            mean, raw = network(x).unbind(2)
            alpha = bounded(raw)
            log_det = log_det - alpha.sum(1)
            x = ((x - mean) * (-alpha).exp()).flip(1)
        return x, log_det


class Planar(nn.Module):
    def __init__(self, features, layers):
        super().__init__()
        self.u = nn.Parameter(torch.empty(layers, features))
        self.w = nn.Parameter(torch.empty(layers, features))
        self.b = nn.Parameter(torch.empty(layers))

    def forward(self, x):
        log_det = 0.0
        for u, w, b in zip(self.u, self.w, self.b):
            product = w @ u
            u = u + (F.softplus(product) - 1 - product) * w / (w @ w)
            t = torch.tanh(x @ w + b)
            log_det = log_det + (1 + (1 - t**2) * (u @ w)).abs().log()
            x = x + u * t[:, None]
        return x, log_det


class Coupling(nn.Module):
    """Affine or spline coupling, the halves swapped from layer to layer."""

    def __init__(self, features, layers, hidden, numbers, transform):
        super().__init__()
        half = features // 2
        sizes = [(half, features - half) if i % 2 == 0 else (features - half, half) for i in range(layers)]
        self.networks = nn.ModuleList(FeedForward([a, *hidden, numbers * b], F.relu) for a, b in sizes)
        self.transform, self.half = transform, half

    def forward(self, x):
        log_det = 0.0
        for i, network in enumerate(self.networks):
            first, second = x[:, : self.half], x[:, self.half :]
            read, changed = (first, second) if i % 2 == 0 else (second, first)
            changed, terms = self.transform(network(read), changed)
            log_det = log_det + terms.sum(1)
            x = torch.cat([read, changed] if i % 2 == 0 else [changed, read], 1)
        return x, log_det


def affine(raw, x):
    s, t = raw.chunk(2, 1)
    s = bounded(s)
    return x * s.exp() + t, s


BINS, BOUND, LEAST = 6, 2.5, 1e-3


def spline(raw, x):
    """The rational-quadratic spline of Durkan et al. 2019, written from the paper's equations."""
    raw = raw.reshape(len(x), x.shape[1], 3 * BINS - 1)
    width, height, slope = raw.split([BINS, BINS, BINS - 1], 2)
    width = 2 * BOUND * (LEAST + (1 - LEAST * BINS) * width.softmax(2))
    height = 2 * BOUND * (LEAST + (1 - LEAST * BINS) * height.softmax(2))
    slope = F.pad(LEAST + F.softplus(slope + math.log(math.expm1(1 - LEAST))), (1, 1), value=1.0)
    left = F.pad(width.cumsum(2), (1, 0))[..., :-1] - BOUND
    low = F.pad(height.cumsum(2), (1, 0))[..., :-1] - BOUND
    inside = (x.abs() < BOUND)[..., None]
    chosen = F.one_hot((x.clamp(-BOUND, BOUND)[..., None] >= left).sum(2) - 1, BINS).bool() & inside
    take = lambda t: torch.where(chosen, t, 0.0).sum(2)
    w, h, x_k, y_k = take(width), take(height), take(left), take(low)
    d, d_next = take(slope[..., :-1]), take(slope[..., 1:])
    inside = inside[..., 0]
    w, h = torch.where(inside, w, 1.0), torch.where(inside, h, 1.0)
    d, d_next = torch.where(inside, d, 1.0), torch.where(inside, d_next, 1.0)
    s, xi = h / w, torch.where(inside, (x - x_k) / w, 0.5)
    below = s + (d_next + d - 2 * s) * xi * (1 - xi)
    y = y_k + h * (s * xi**2 + d * xi * (1 - xi)) / below
    rise = s**2 * (d_next * xi**2 + 2 * s * xi * (1 - xi) + d * (1 - xi) ** 2) / below**2
    return torch.where(inside, y, x), torch.where(inside, rise.log(), 0.0)


flows = {
    "planar": Planar(5, 4),
    "real_nvp": Coupling(5, 4, [9], 2, affine),
    "maf": Maf(5, 3, [9, 8]),
    "spline": Coupling(5, 4, [9], 3 * BINS - 1, spline),
}
for name, model in flows.items():
    closed_form.fill(model)
    x = 3 * data("x", (8, 5))
    z, log_det = model(x)
    log_prob = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + log_det
    record(f"flow.{name}", model, {"z": z, "log_prob": log_prob}, -log_prob.mean())


# Conditional GAN: what critic and generator minimise; the penalty by double backward.
class Network(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network


real, y, z, position = data("real", (5, 3)), data("y", (5, 2)), data("z", (5, 4)), data("position", (5, 1)).abs()
generator = closed_form.fill(Network(FeedForward([6, 7, 6, 3], F.relu, torch.sigmoid)))
critic = closed_form.fill(Network(FeedForward([5, 7, 6, 1], lambda x: F.leaky_relu(x, 0.2))))
score = lambda x: critic.network(torch.cat([x, y], 1))
fake = generator.network(torch.cat([z, y], 1))
between = (position * real + (1 - position) * fake).detach().requires_grad_()
(slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
penalty = 10 * (slope.norm(dim=1) - 1).square().mean()
critic_losses = {
    "non_saturating": lambda r, f: F.softplus(-r).mean() + F.softplus(f).mean(),
    "wasserstein": lambda r, f: f.mean() - r.mean() + penalty,
    "hinge": lambda r, f: F.relu(1 - r).mean() + F.relu(1 + f).mean(),
}
for name, game in critic_losses.items():
    record(f"critic.{name}", critic, {"slope": slope}, game(score(real), score(fake.detach())))
record("generator", generator, {"fake": fake}, F.softplus(-score(fake)).mean())

fixture.write("generative", "generative", entries)
