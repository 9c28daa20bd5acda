"""Measures and losses of transfer in double precision, by other ways than the crate's.

CKA from Gram matrices, LogME by maximising the marginal likelihood of the labels over a dense covariance, LEEP by loops,
CORAL and NT-Xent with PyTorch, MMD pair by pair, DoRA from its formula.
Checked by `crates/transfer/tests/it/`. Run through `cargo xtask parity adaptation`.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

import closed_form
import fixture


def data(name, *shape):
    return closed_form.uniform(name, int(np.prod(shape))).reshape(shape)


entries = {}

# CKA: HSIC of centred Gram matrices.
x, y = data("cka/x", 12, 5), data("cka/y", 12, 3)


def hsic(k, l):
    n = len(k)
    h = np.eye(n) - np.ones((n, n)) / n
    return np.trace(k @ h @ l @ h)


kx, ky = x @ x.T, y @ y.T
entries["cka"] = fixture.exact([hsic(kx, ky) / math.sqrt(hsic(kx, kx) * hsic(ky, ky))])


# LogME: y ~ N(0, XXᵀ/α + 1/β), maximised by a search that narrows, ln α and ln β in turn and then together.
def evidence(x, y, log_alpha, log_beta):
    n = len(y)
    covariance = x @ x.T / math.exp(log_alpha) + np.eye(n) / math.exp(log_beta)
    sign, determinant = np.linalg.slogdet(covariance)
    assert sign > 0
    return -0.5 * (n * math.log(2 * math.pi) + determinant + y @ np.linalg.solve(covariance, y))


def best_evidence(x, y):
    at, step = (0.0, 0.0), 1.0
    value = evidence(x, y, *at)
    while step > 1e-7:
        moves = [(at[0] + a * step, at[1] + b * step) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        values = [evidence(x, y, *move) for move in moves]
        if max(values) > value:
            value, at = max(values), moves[int(np.argmax(values))]
        else:
            step /= 2
    return value


features = data("logme/x", 40, 6)
labels = closed_form.classes("logme/labels", 40, 3)
features[:, 0] += labels  # so that the features say something
features[:, 1] -= 0.7 * (labels == 2)
entries["logme"] = fixture.exact(
    [np.mean([best_evidence(features, (labels == c).astype(float)) / 40 for c in range(3)])]
)

# LEEP
beliefs = np.exp(2 * data("leep/z", 20, 4))
beliefs /= beliefs.sum(1, keepdims=True)
labels = closed_form.classes("leep/labels", 20, 3)
joint = {(c, z): sum(beliefs[i, z] for i in range(20) if labels[i] == c) / 20 for c in range(3) for z in range(4)}
marginal = [sum(joint[c, z] for c in range(3)) for z in range(4)]
entries["leep"] = fixture.exact(
    [np.mean([math.log(sum(joint[labels[i], z] / marginal[z] * beliefs[i, z] for z in range(4))) for i in range(20)])]
)

# CORAL
s, t = torch.tensor(data("coral/s", 7, 4)), torch.tensor(data("coral/t", 9, 4))
entries["coral"] = fixture.exact([(torch.cov(s.T) - torch.cov(t.T)).square().sum() / (4 * 4 * 4)])

# MMD
pooled = np.concatenate([s, t])
width = np.mean([np.sum((a - b) ** 2) for a in pooled for b in pooled])


def kernel(a, b):
    d = np.sum((a - b) ** 2)
    return sum(math.exp(-d / (2.0**u * width)) for u in range(-2, 3)) / 5


def mean_kernel(left, right):
    return np.mean([kernel(a, b) for a in left for b in right])


s, t = s.numpy(), t.numpy()
entries["mmd"] = fixture.exact([mean_kernel(s, s) + mean_kernel(t, t) - 2 * mean_kernel(s, t)])

# NT-Xent, pair by pair.
a, b = torch.tensor(data("simclr/a", 5, 6)), torch.tensor(data("simclr/b", 5, 6))
z = torch.cat([a, b])
total = 0.0
for i in range(10):
    scores = torch.stack([F.cosine_similarity(z[i], z[k], dim=0) / 0.3 for k in range(10) if k != i])
    positive = F.cosine_similarity(z[i], z[(i + 5) % 10], dim=0) / 0.3
    total += torch.logsumexp(scores, 0) - positive
entries["nt_xent"] = fixture.exact([total / 10])

# Distillation
student, teacher = torch.tensor(3 * data("kd/student", 6, 4)), torch.tensor(3 * data("kd/teacher", 6, 4))
labels = torch.tensor(closed_form.classes("kd/labels", 6, 4))
soft = F.kl_div(F.log_softmax(student / 3, 1), F.softmax(teacher / 3, 1), reduction="batchmean") * 9
entries["distillation"] = fixture.exact([0.7 * soft + 0.3 * F.cross_entropy(student, labels)])

# DoRA: a layer of 5 inputs and 4 outputs, rank 2, scale 2, a length of one's own for each output.
w, down, up = data("dora/w", 5, 4), data("dora/a", 5, 2), data("dora/b", 2, 4)
m = 1 + data("dora/m", 4)
v = w + 2 * down @ up
entries["dora"] = fixture.exact(torch.tensor(v / np.linalg.norm(v, axis=0) * m))

fixture.write("transfer", "adaptation", entries, library=f"numpy {np.__version__}, PyTorch {torch.__version__.split('+')[0]}")
