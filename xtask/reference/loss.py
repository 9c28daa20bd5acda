"""Reference values of losses, from PyTorch and torchvision in double precision.

    python xtask/reference/loss.py > crates/nn-core/tests/fixtures/loss.json
"""

import json

import torch
import torch.nn.functional as F
import torchvision.ops as ops

torch.set_default_dtype(torch.float64)

LOGITS = [[1.5, -0.5, 0.3, 2.0], [-1.0, 0.25, 3.0, -2.5], [0.1, 0.2, -0.3, 0.4]]
SOFT = [[0.7, 0.1, 0.1, 0.1], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25]]
CLASSES = [3, 0, 1]
BINARY = [[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]]
MEAN = [[0.5, -1.0], [2.0, 0.1], [0.0, 3.0]]
LOG_VAR = [[0.2, -1.5], [1.0, 0.0], [-0.3, 2.0]]
TARGET = [[0.0, -1.2], [2.5, 0.6], [-1.0, 1.0]]
# Overlapping, nested, disjoint, beside, taller, far away and tiny; no edge in common, which would be a kink.
BOXES = [[0, 0, 4, 3], [1, 1, 6, 8], [0, 0, 1, 1], [0, 0, 2, 2], [1, 2, 4, 4], [0, 0, 1, 1], [0.1, 0.1, 0.2, 0.4]]
OTHER = [[1, 1, 5, 4], [2, 3, 4, 5], [3, 2, 5, 3], [2.5, 0.5, 3, 2.5], [1.5, 1, 4.5, 6], [90, 80, 95, 99], [0.15, 0.12, 0.3, 0.3]]


def evaluate(loss, *inputs):
    """The unreduced loss and the gradient of its sum with respect to each input."""
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    value = loss(*leaves)
    value.sum().backward()
    gradients = [x.grad.flatten().tolist() for x in leaves]
    return {"value": value.flatten().tolist(), "gradient": gradients}


def mixture(logits, mean, log_std):
    """3 examples, 4 components, 2 features."""
    components = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    weights = torch.distributions.Categorical(logits=logits)
    return -torch.distributions.MixtureSameFamily(weights, components).log_prob(torch.tensor(TARGET))


def kl(mean_q, log_var_q, mean_p, log_var_p):
    q = torch.distributions.Normal(mean_q, (log_var_q / 2).exp())
    p = torch.distributions.Normal(mean_p, (log_var_p / 2).exp())
    return torch.distributions.kl_divergence(q, p).sum(1)


classes, binary, soft, target = map(torch.tensor, (CLASSES, BINARY, SOFT, TARGET))
binary = binary.double()
component_mean = [[[0.3 * (b + 1) - 0.5 * k, 0.7 * k - 0.2 * b] for k in range(4)] for b in range(3)]
component_std = [[[0.1 * k - 0.2, 0.2 * b - 0.1 * k] for k in range(4)] for b in range(3)]
boxes = {
    f"box_{name}": evaluate(lambda a, b, f=f: f(a, b, reduction="none"), BOXES, OTHER)
    for name, f in (
        ("giou", ops.generalized_box_iou_loss),
        ("diou", ops.distance_box_iou_loss),
        ("ciou", ops.complete_box_iou_loss),
    )
}
cases = {
    "cross_entropy_soft": evaluate(lambda z: F.cross_entropy(z, soft, reduction="none"), LOGITS),
    "label_smoothing_0.1": evaluate(
        lambda z: F.cross_entropy(z, classes, label_smoothing=0.1, reduction="none"), LOGITS
    ),
    "focal_2_0.25": evaluate(lambda z: ops.sigmoid_focal_loss(z, binary, alpha=0.25, gamma=2.0), LOGITS),
    "focal_1.5": evaluate(lambda z: ops.sigmoid_focal_loss(z, binary, alpha=-1, gamma=1.5), LOGITS),
    "gaussian_nll": evaluate(
        lambda m, s: F.gaussian_nll_loss(m, target, s.exp(), full=True, eps=0, reduction="none"), MEAN, LOG_VAR
    ),
    "mixture": evaluate(mixture, LOGITS, component_mean, component_std),
    "kl": evaluate(kl, MEAN, LOG_VAR, TARGET, [[0.0, 0.5], [-1.0, 1.0], [0.3, -0.2]]),
    "bce_real": evaluate(lambda z: F.binary_cross_entropy_with_logits(z, torch.full_like(z, 0.9)).view(1), LOGITS),
    "bce_fake": evaluate(lambda z: F.binary_cross_entropy_with_logits(z, torch.zeros_like(z)).view(1), LOGITS),
    **boxes,
}
print(json.dumps({"torch": torch.__version__.split("+")[0], "cases": cases}))
