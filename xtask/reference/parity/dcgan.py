"""DCGAN: images, logits, losses and every gradient; the penalty by double backward.

The configurations are repeated in `crates/generative/tests/it/dcgan.rs`. Run through `cargo xtask parity dcgan`.
"""

from functools import partial

import torch
from torch.nn import functional as F

import closed_form
import fixture
from models import DcganCritic, DcganGenerator

torch.set_num_threads(1)

BATCH, CHANNELS, IMAGE, NOISE, CLASSES = 4, [8, 6], 2, 5, 3
entries = {}
data, record = closed_form.tensor, partial(fixture.record, entries)

shape = (BATCH, IMAGE, 16, 16)
real, z, position = data("real", shape), data("z", (BATCH, NOISE)), data("position", (BATCH, 1)).abs()
labels = torch.from_numpy(closed_form.classes("labels", BATCH, CLASSES))

generator = closed_form.fill(DcganGenerator(CHANNELS, IMAGE, NOISE, CLASSES))
critic = closed_form.fill(DcganCritic(CHANNELS, IMAGE, CLASSES))
entries["generator.valid"] = fixture.entry(generator.eval()(z, labels))
entries["critic.valid"] = fixture.entry(critic.eval()(real, labels))
fake = generator.train()(z, labels)
critic.train()
entries["generator.fake"] = fixture.entry(fake)
record("critic", critic, {}, F.softplus(-critic(real, labels)).mean() + F.softplus(critic(fake.detach(), labels)).mean())
record("generator", generator, {}, F.softplus(-critic(fake, labels)).mean())

critic = closed_form.fill(DcganCritic(CHANNELS, IMAGE, CLASSES, norm=False))
fake = data("fake", shape)
at = position[:, :, None, None]
between = (at * real + (1 - at) * fake).requires_grad_()
(slope,) = torch.autograd.grad(critic(between, labels).sum(), between, create_graph=True)
entries["penalty.slope"] = fixture.entry(slope)
penalty = 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
record("penalty", critic, {}, critic(fake, labels).mean() - critic(real, labels).mean() + penalty)

fixture.write("generative", "dcgan", entries)
