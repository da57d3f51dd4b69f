"""A small torch classifier with four heads in two layers, and data for it; importable by name."""

import numpy as np
import torch

HEADS = 2
LAYERS = 2


class Classifier(torch.nn.Module):
    def __init__(self, layers=LAYERS, noise=0.0, classes=2):
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(8, HEADS, 16, dropout=0.5, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.normal = torch.nn.BatchNorm1d(8)
        self.head = torch.nn.Linear(8, classes)
        self.noise = noise

    def forward(self, x):
        x = self.normal(self.encoder(x).mean(1))
        return self.head(x + self.noise * torch.randn_like(x) if self.noise else x)


def model(seed=0, **settings):
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    made = Classifier(**settings)
    with torch.no_grad():
        for number in made.parameters():
            number.mul_(2.0) if number.dim() > 1 else None
    torch.set_rng_state(before)
    return made  # in training mode: a study leaves it so


def data(examples=40, seed=1):
    random = np.random.default_rng(seed)
    x = random.normal(size=(examples, 5, 8)).astype(np.float32)
    return x, (x[:, :, 0].mean(1) > 0).astype(np.int64)


def batches(examples=40, seed=1):
    x, y = data(examples, seed)
    return [(x[:13], y[:13]), (x[13:], y[13:])]
