"""Fitting a ConvLSTM to windows, and how well one does."""

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import Tensor, nn
from torch.nn import functional

from data import Split, Windows
from model import CLASSES, ConvLstm

__all__ = ["Fit", "Phase", "as_quantised", "fit", "predict", "scores"]

_PATIENCE = 20  # epochs without gain
_CHUNK = 64
_BAR = 30
_SIDES = ("up", "stationary", "down")


@dataclass(frozen=True)
class Phase:
    """How one training runs.

    :param rate: of Adam.
    :param epochs: at most.
    """

    name: str
    epochs: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Fit:
    """What a training came to.

    :param best: the epoch whose parameters are kept, from 1; 0 if none was run.
    :param loss: of the validation windows, cross-entropy, with these.
    """

    epochs: int
    best: int
    loss: float


def fit(model: ConvLstm, split: Split, phase: Phase, seed: int) -> tuple[ConvLstm, Fit]:
    """Train, and return the network as it was when the validation loss was least.

    It ends after `phase.epochs` epochs, or 20 without gain.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=phase.rate)
    kept, best, least, epoch = copy.deepcopy(model), 0, float("inf"), 0
    for epoch in range(1, phase.epochs + 1):
        _epoch(model, split.train, phase, optimiser, generator, f"{phase.name}, epoch {epoch}")
        logits = predict(model, split.validation)
        loss = functional.cross_entropy(logits, split.validation.classes).item()
        right = (logits.argmax(1) == split.validation.classes).double().mean().item()
        print(f"{phase.name}, epoch {epoch}: validation loss {loss:.4f}, {right:.1%}", flush=True)
        if loss < least:
            kept, best, least = copy.deepcopy(model), epoch, loss
        if epoch - best >= _PATIENCE:
            break
    return kept.eval(), Fit(epoch, best, least)


def _epoch(
    model: ConvLstm,
    windows: Windows,
    phase: Phase,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    title: str,
) -> None:
    model.train()
    batches = torch.randperm(len(windows), generator=generator).split(phase.batch)
    for index in _progress(batches, title):
        optimiser.zero_grad()
        logits = model(windows.inputs(index))
        functional.cross_entropy(logits, windows.classes[index]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()


@torch.no_grad()
def predict(model: nn.Module, windows: Windows) -> Tensor:
    """Logits (N, 3) of all windows, in evaluation mode."""
    model.eval()
    return torch.cat([model(windows.inputs(i)) for i in torch.arange(len(windows)).split(_CHUNK)])


@torch.no_grad()
def as_quantised(model: ConvLstm, quantised: ConvLstm, windows: Windows) -> None:
    """Give a quantised network a float one's parameters, and its scales a first look at data.

    Brevitas takes PyTorch's layout of an LSTM in. Batch norms keep their statistics.
    """
    missing, unexpected = quantised.load_state_dict(model.state_dict(), strict=False)
    assert not unexpected, unexpected
    assert all("quant" in name for name in missing), missing
    quantised.train()
    for norm in quantised.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    for index in torch.arange(len(windows)).split(_CHUNK):
        quantised(windows.inputs(index))
    quantised.eval()


def scores(logits: Tensor, classes: Tensor) -> dict[str, object]:
    """Accuracy, macro F1, and precision and recall of each class.

    A class that is never predicted has precision 0; macro F1 is the mean of the three classes' F1.
    """
    wanted, found = classes.numpy(), logits.argmax(1).numpy()
    every = np.arange(CLASSES)
    precision, recall, f1, support = precision_recall_fscore_support(
        wanted, found, labels=every, zero_division=0
    )
    return {
        "windows": len(wanted),
        "accuracy": float((wanted == found).mean()),
        "majority": float(support.max() / len(wanted)),
        "macro_f1": float(f1.mean()),
        "classes": {
            side: {
                "windows": int(support[i]),
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
            }
            for i, side in enumerate(_SIDES)
        },
        "confusion": confusion_matrix(wanted, found, labels=every).tolist(),
    }


def _progress(batches: tuple[Tensor, ...], title: str) -> Iterator[Tensor]:
    """The same, with a bar on stderr where that is a terminal."""
    shown = sys.stderr.isatty()
    for done, batch in enumerate(batches, 1):
        yield batch
        if shown:
            bar = "#" * (_BAR * done // len(batches))
            print(f"\r{title} [{bar:<{_BAR}}]", end="", file=sys.stderr, flush=True)
    if shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
