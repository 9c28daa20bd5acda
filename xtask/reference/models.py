"""PyTorch twins of the models, for parity and benchmarks. Field names are those of the Rust models."""

import torch
from torch import nn
from torch.nn.functional import max_pool2d, relu


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
