"""torch.nn's RNN, LSTM and GRU with all their options, and what it does not have (peepholes, Jordan's network), written here.

Run through `cargo xtask parity recurrent`.
"""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import closed_form
import fixture

torch.set_num_threads(1)

BATCH, STEPS, INPUT, HIDDEN = 3, 6, 5, 7
LENGTHS = [6, 2, 4]
CELLS = {
    "rnn": lambda: torch.nn.RNN(INPUT, HIDDEN, batch_first=True),
    "rnn_relu_deep": lambda: torch.nn.RNN(
        INPUT, HIDDEN, 2, nonlinearity="relu", bidirectional=True, batch_first=True
    ),
    "lstm": lambda: torch.nn.LSTM(INPUT, HIDDEN, batch_first=True),
    "lstm_bare": lambda: torch.nn.LSTM(INPUT, HIDDEN, bias=False, batch_first=True),
    "lstm_deep": lambda: torch.nn.LSTM(INPUT, HIDDEN, 2, bidirectional=True, batch_first=True),
    "lstm_projected": lambda: torch.nn.LSTM(INPUT, HIDDEN, 2, proj_size=3, bidirectional=True, batch_first=True),
    "gru": lambda: torch.nn.GRU(INPUT, HIDDEN, batch_first=True),
    "gru_bare": lambda: torch.nn.GRU(INPUT, HIDDEN, bias=False, batch_first=True),
    "gru_deep": lambda: torch.nn.GRU(INPUT, HIDDEN, 3, bidirectional=True, batch_first=True),
}


class Peepholes(torch.nn.Module):
    """An LSTM whose gates see the cell."""

    def __init__(self):
        super().__init__()
        self.weight_ih_l0 = torch.nn.Parameter(torch.empty(4 * HIDDEN, INPUT))
        self.weight_hh_l0 = torch.nn.Parameter(torch.empty(4 * HIDDEN, HIDDEN))
        self.bias_ih_l0 = torch.nn.Parameter(torch.empty(4 * HIDDEN))
        self.bias_hh_l0 = torch.nn.Parameter(torch.empty(4 * HIDDEN))
        self.peephole_l0 = torch.nn.Parameter(torch.empty(3, HIDDEN))

    def forward(self, x, state=None):
        h, c = torch.zeros(BATCH, HIDDEN), torch.zeros(BATCH, HIDDEN)
        outputs = []
        for step in x.unbind(1):
            z = step @ self.weight_ih_l0.T + self.bias_ih_l0 + h @ self.weight_hh_l0.T + self.bias_hh_l0
            i, f, g, o = z.chunk(4, 1)
            p = self.peephole_l0
            i, f = torch.sigmoid(i + p[0] * c), torch.sigmoid(f + p[1] * c)
            c = f * c + i * torch.tanh(g)
            h = torch.sigmoid(o + p[2] * c) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, 1), (h[None], c[None])


class Jordan(torch.nn.Module):
    """The state is the output."""

    def __init__(self, outputs=4):
        super().__init__()
        self.weight_ih = torch.nn.Parameter(torch.empty(HIDDEN, INPUT))
        self.weight_hh = torch.nn.Parameter(torch.empty(HIDDEN, outputs))
        self.bias_ih = torch.nn.Parameter(torch.empty(HIDDEN))
        self.bias_hh = torch.nn.Parameter(torch.empty(HIDDEN))
        self.output = torch.nn.Linear(HIDDEN, outputs)

    def forward(self, x, state=None):
        y = torch.zeros(BATCH, self.output.out_features)
        outputs = []
        for step in x.unbind(1):
            h = torch.tanh(step @ self.weight_ih.T + self.bias_ih + y @ self.weight_hh.T + self.bias_hh)
            y = self.output(h)
            outputs.append(y)
        return torch.stack(outputs, 1), y[None]


def probed(name, tensor):
    return (tensor * torch.from_numpy(closed_form.data(name, tuple(tensor.shape)))).sum()


def record(name, model, entries, lengths=None, state=False):
    """Outputs, last states, and the gradients of all of them against closed-form probes."""
    x = torch.from_numpy(closed_form.data("x", (BATCH, STEPS, INPUT))).requires_grad_()
    initial = None
    if state:
        layers = model.num_layers * (2 if model.bidirectional else 1)
        size = getattr(model, "proj_size", 0) or HIDDEN
        initial = torch.from_numpy(closed_form.data("h0", (layers, BATCH, size)))
        if isinstance(model, torch.nn.LSTM):
            initial = (initial, torch.from_numpy(closed_form.data("c0", (layers, BATCH, HIDDEN))))
    inputs = x
    if lengths:
        inputs = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, last = model(inputs, initial)
    if lengths:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=STEPS)
    last = last if isinstance(last, tuple) else (last,)
    (probed("probe", y) + sum(probed("probe_last", part) for part in last)).backward()
    entries[f"{name}.output"] = fixture.entry(y)
    for part, label in zip(last, ("hidden", "cell")):
        entries[f"{name}.{label}"] = fixture.entry(part)
    entries[f"{name}.x"] = fixture.entry(x.grad)
    entries |= fixture.gradients(f"{name}.gradients", model)
    return entries


entries = {}
for name, make in CELLS.items():
    entries = record(name, closed_form.fill(make()), entries)
    entries = record(f"{name}+lengths", closed_form.fill(make()), entries, lengths=LENGTHS)
    entries = record(f"{name}+state", closed_form.fill(make()), entries, state=True)
entries = record("lstm_peepholes", closed_form.fill(Peepholes()), entries)
entries = record("jordan", closed_form.fill(Jordan()), entries)

fixture.write("sequence", "recurrent", entries)
