"""Train the demo model: handwritten digits, read row by row by a quantised LSTM.

Every image of scikit-learn's digits set (8 x 8 pixels of 0..16) is a sequence of 8 rows of 8
pixels. A Brevitas ``QuantLSTM`` reads it from top to bottom and a ``QuantLinear`` names the digit
from the last step's hidden state. Weights, biases, activations, accumulators and states are
quantised at ``--bits`` (6) with power-of-two scales.

    python examples/digits_lstm/train.py            # writes the three files beside this script

- ``digits_lstm.onnx``: input ``x`` (N, 8, 8), output ``logits`` (N, 10), N symbolic
- ``digits_test.npz``: the held-out third: ``x`` (599, 1, 8, 8) float32, one graph input per sample;
  ``y`` (599,) int64; ``brevitas`` (599, 1, 10) float32, the logits that Brevitas computed
- ``train.json``: accuracy, bit widths, sizes, seed and versions of the run that wrote the files
"""

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from brevitas.nn import QuantLinear, QuantLSTM
from brevitas.quant import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from thresher.quant import export_onnx

__all__ = ["DigitsLstm", "load_split", "main", "train"]

ROWS, PIXELS, DIGITS = 8, 8, 10
Split = tuple[Tensor, Tensor, Tensor, Tensor]


class DigitsLstm(nn.Module):
    """Rows of pixels to one score a digit.

    :param hidden: size of the LSTM's state.
    :param bits: width of every weight, bias and activation.
    """

    def __init__(self, hidden: int, bits: int) -> None:
        super().__init__()
        weight = Int8WeightPerTensorFixedPoint.let(bit_width=bits)
        bias = Int8BiasPerTensorFixedPointInternalScaling.let(bit_width=bits)
        signed = Int8ActPerTensorFixedPoint.let(bit_width=bits)
        unsigned = Uint8ActPerTensorFixedPoint.let(bit_width=bits)
        self.lstm = QuantLSTM(
            PIXELS,
            hidden,
            batch_first=True,
            weight_quant=weight,
            bias_quant=bias,
            io_quant=signed,
            gate_acc_quant=signed,
            sigmoid_quant=unsigned,
            tanh_quant=signed,
            cell_state_quant=signed,
        )
        self.classify = QuantLinear(hidden, DIGITS, bias=True, weight_quant=weight, bias_quant=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Score images: x (N, 8, 8) in 0..1 to logits (N, 10)."""
        steps, _ = self.lstm(x)
        return self.classify(steps[:, -1])


def load_split(seed: int) -> Split:
    """Split the digits, stratified, a third held out.

    :returns: train x (1198, 8, 8), train y (1198,), held-out x (599, 8, 8), held-out y (599,).
    """
    digits = load_digits()
    x = (digits.images / 16.0).astype(np.float32)
    parts = train_test_split(
        x, digits.target, test_size=1 / 3, stratify=digits.target, random_state=seed
    )
    train_x, test_x, train_y, test_y = (torch.from_numpy(np.ascontiguousarray(p)) for p in parts)
    return train_x, train_y.long(), test_x, test_y.long()


def shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move each image by at most one pixel in each direction, filling with background."""
    padded = functional.pad(x, (1, 1, 1, 1))
    rows = torch.randint(0, 3, (len(x), 1, 1), generator=generator) + torch.arange(ROWS)[:, None]
    columns = torch.randint(0, 3, (len(x), 1, 1), generator=generator) + torch.arange(PIXELS)
    return padded[torch.arange(len(x))[:, None, None], rows, columns]


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int, seed: int) -> None:
    """Train in place with Adam, a one-cycle rate and one-pixel shifts as augmentation."""
    generator = torch.Generator().manual_seed(seed)
    batches = -(-len(x) // batch)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=epochs * batches)
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(x), generator=generator).split(batch):
            optimiser.zero_grad()
            logits = model(shifted(x[index], generator))
            loss = functional.cross_entropy(logits, y[index], label_smoothing=0.05)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
            total += loss.item() * len(index)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3d}: loss {total / len(x):.4f}", flush=True)
    model.eval()


def accuracy(logits: Tensor, y: Tensor) -> float:
    """Return the share of rows of logits (N, 10) whose largest score is at y (N,)."""
    return (logits.argmax(1) == y).double().mean().item()


def describe(
    options: argparse.Namespace,
    train_accuracy: float,
    correct: int,
    seconds: float,
    held_out: int,
    trained_on: int,
) -> dict[str, object]:
    """Return the record of a run."""
    hidden = options.hidden
    parameters = 4 * hidden * (PIXELS + hidden + 1) + DIGITS * (hidden + 1)
    return {
        "accuracy": correct / held_out,
        "train_accuracy": train_accuracy,
        "correct": correct,
        "held_out": held_out,
        "trained_on": trained_on,
        "bits": {
            "weights": options.bits,
            "biases": options.bits,
            "input_and_hidden": options.bits,
            "gate_accumulators": options.bits,
            "sigmoid": options.bits,
            "tanh": options.bits,
            "cell_state": options.bits,
        },
        "scales": "power of two",
        "sizes": {"steps": ROWS, "features": PIXELS, "hidden": hidden, "classes": DIGITS},
        "parameters": parameters,
        "epochs": options.epochs,
        "batch": options.batch,
        "seed": options.seed,
        "cpu_seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("torch", "brevitas", "scikit-learn")},
    }


def main(argv: list[str] | None = None) -> None:
    """Train, measure on the held-out third, and write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--hidden", type=int, default=24)
    parser.add_argument("--bits", type=int, default=6, choices=range(2, 9))
    parser.add_argument("--epochs", type=int, default=160)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)

    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    train_x, train_y, test_x, test_y = load_split(options.seed)
    model = DigitsLstm(options.hidden, options.bits)
    start = time.process_time()
    train(model, train_x, train_y, options.epochs, options.batch, options.seed)
    seconds = time.process_time() - start
    with torch.no_grad():
        test_logits = model(test_x)
        train_accuracy = accuracy(model(train_x), train_y)
    correct = int((test_logits.argmax(1) == test_y).sum())
    record = describe(options, train_accuracy, correct, seconds, len(test_y), len(train_y))
    print(f"held-out accuracy {record['accuracy']:.4f} after {seconds:.0f} s of CPU time")
    options.out.mkdir(parents=True, exist_ok=True)
    export_onnx(model, test_x[:1], options.out / "digits_lstm.onnx", output_names=["logits"])
    np.savez_compressed(
        options.out / "digits_test.npz",
        x=test_x[:, None].numpy(),
        y=test_y.numpy(),
        brevitas=test_logits[:, None].numpy(),
    )
    (options.out / "train.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
