"""Train the order book's ConvLSTM, quantise it, tune it, and export it; one model a horizon.

    python examples/convlstm_lob/train.py --data FI2010_FOLDER --out out/lob
    python examples/convlstm_lob/train.py --synthetic --horizon 10 --windows 4000 --epochs 5

First in floating point (Adam, rate 0.001, batches of 16), then with quantisers (rate 0.01, batches
of 32), each until the validation loss has not fallen for 20 epochs or `--epochs` are over. For
horizon 10 it writes, for the others with `_1` and so on behind the name,

- `convlstm_lob.onnx`: input `x` (N, 1, 100, 40), output `logits` (N, 3), N symbolic
- `convlstm_lob.npz`: windows of the held-out days, rounded to float16, with Brevitas' logits:
  `x` (16, 1, 1, 100, 40) float32, one graph input per sample; `y` (16,) int64, 0 up, 1 stationary,
  2 down; `brevitas` (16, 1, 3) float32
- `convlstm_lob.json`: what was trained on what, for how long, and the scores on the held-out days
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch.backends import mkldnn, nnpack

from data import HORIZONS, DataError, Split, load_split
from model import ConvLstm, Widths, parameters
from synthetic import write_files
from thresher.quant import export_onnx
from training import Phase, as_quantised, fit, predict, scores

__all__ = ["main"]

_KEPT = 16
_LOOK = 1_024  # windows that scales see before tuning


def main(argv: list[str] | None = None) -> int:
    """Train a model for each horizon; 2 where the data is not what it should be."""
    options = _arguments(argv)
    torch.set_num_threads(options.threads)
    try:
        if not options.synthetic:
            return _train_all(options, options.data)
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), options.events, options.seed)
            return _train_all(options, Path(folder))
    except DataError as e:
        print(f"train.py: {e}", file=sys.stderr)
        return 2


def _train_all(options: argparse.Namespace, folder: Path) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    for horizon in options.horizon:
        split = load_split(folder, horizon)
        if options.windows:
            less = max(1, options.windows // 4)
            train, validation = split.train.spread(options.windows), split.validation.spread(less)
            split = Split(train, validation, split.test)
        print(
            f"horizon {horizon}: {len(split.train)} windows to train, {len(split.validation)} to "
            f"validate, {len(split.test)} held out"
        )
        stem = "convlstm_lob" if horizon == HORIZONS[-1] else f"convlstm_lob_{horizon}"
        _train(options, horizon, split, options.out / stem)
    return 0


def _train(options: argparse.Namespace, horizon: int, split: Split, stem: Path) -> None:
    """Train one model and write its three files."""
    start = time.process_time()
    torch.manual_seed(options.seed)
    phases = (
        Phase("float", options.epochs, 16, 1e-3),
        Phase("quantised", options.epochs, 32, options.tune_rate),
    )
    model, trained = fit(ConvLstm(None), split, phases[0], options.seed)
    quantised = ConvLstm(Widths())
    as_quantised(model, quantised, split.train.spread(_LOOK))
    quantised, tuned = fit(quantised, split, phases[1], options.seed)
    found = {
        name: scores(predict(m, split.test), split.test.classes)
        for name, m in (("float", model), ("quantised", quantised))
    }
    for name, figures in found.items():
        print(
            f"horizon {horizon}, {name}: held-out macro F1 {figures['macro_f1']:.4f}, accuracy "
            f"{figures['accuracy']:.1%}, the largest class alone {figures['majority']:.1%}"
        )
    record = {
        "data": _data(options, split),
        "horizon": horizon,
        "held_out": found,
        "training": {
            p.name: {**asdict(p), "epochs": f.epochs, "best_epoch": f.best, "loss": f.loss}
            for p, f in zip(phases, (trained, tuned), strict=True)
        },
        "epochs_allowed": options.epochs,
        "bits": asdict(Widths()),
        "scales": "power of two",
        "parameters": sum(layer.weights + layer.others for layer in parameters()),
        "seed": options.seed,
        "cpu_seconds": round(time.process_time() - start),
        "versions": {name: version(name) for name in ("torch", "brevitas", "scikit-learn")},
    }
    _write(quantised, split, record, stem)


def _data(options: argparse.Namespace, split: Split) -> dict[str, object]:
    counts = {
        "train": len(split.train),
        "validation": len(split.validation),
        "held_out": len(split.test),
    }
    if not options.synthetic:
        return {"source": "FI-2010", "windows": counts}
    return {"source": "synthetic", "events_a_day": options.events, "windows": counts}


def _write(model: ConvLstm, split: Split, record: dict[str, object], stem: Path) -> None:
    kept = split.test.spread(_KEPT)
    x = kept.inputs(torch.arange(len(kept))).half().float()
    with torch.no_grad(), mkldnn.flags(enabled=False), nnpack.flags(enabled=False):
        logits = model(x)  # convolutions summed term by term, as onnxruntime does
    export_onnx(model, x[:1], stem.with_suffix(".onnx"), output_names=["logits"])
    np.savez_compressed(
        stem.with_suffix(".npz"),
        x=x[:, None].numpy(),
        y=kept.classes.numpy(),
        brevitas=logits[:, None].numpy(),
    )
    stem.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="folder that holds FI-2010's z-score files")
    source.add_argument("--synthetic", action="store_true", help="make order books instead")
    parser.add_argument("--out", type=Path, default=Path("out/lob"), help="folder to write")
    parser.add_argument(
        "--horizon", type=int, nargs="+", choices=HORIZONS, default=HORIZONS, help="default: all"
    )
    parser.add_argument("--epochs", type=_positive, default=500, help="at most, of each phase")
    parser.add_argument(
        "--windows", type=_positive, help="to train on, at most; a quarter of that to validate"
    )
    parser.add_argument("--events", type=_positive, default=4_000, help="of a synthetic day")
    parser.add_argument("--tune-rate", type=float, default=1e-2, help="of the quantised phase")
    parser.add_argument("--threads", type=_positive, default=1, help="of PyTorch")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"it must be at least 1, not {value}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
