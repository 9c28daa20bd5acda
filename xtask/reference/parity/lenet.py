"""LeNet-5 on 28 x 28: logits, loss, every gradient, and 20 steps of Adam and of SGD with momentum.

Run through `cargo xtask parity lenet`.
"""

import torch
from torch.nn.functional import cross_entropy

import closed_form
import fixture
from models import LeNet

torch.set_num_threads(1)

BATCH = 4
STEPS = 20
images = torch.from_numpy(closed_form.data("images", (BATCH, 1, 28, 28)))
targets = torch.from_numpy(closed_form.classes("targets", BATCH, 10))

model = closed_form.fill(LeNet())
logits = model(images)
loss = cross_entropy(logits, targets)
loss.backward()
entries = {"logits": fixture.entry(logits, keep=40), "loss": fixture.entry(loss.reshape(1))}
entries |= fixture.gradients("gradients", model)

optimisers = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3, eps=1e-8),
    "sgd_momentum": lambda parameters: torch.optim.SGD(parameters, lr=1e-2, momentum=0.9),
}
for name, make in optimisers.items():
    model = closed_form.fill(LeNet())
    optimiser = make(model.parameters())
    losses = []
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = cross_entropy(model(images), targets)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    entries[f"{name}.losses"] = fixture.curve(losses)
    entries |= fixture.parameters(f"{name}.parameters", model)

fixture.write("cnn", "lenet", entries)
