"""Time of the golden interpreter against onnxruntime: one LSTM, one batch, best of many runs.

    python benchmarks/golden_speed.py [--batch 32] [--steps 25] [--features 40] [--hidden 64]

The model is a QCDQ LSTM as a Scan with a symbolic batch axis, which onnxruntime runs whole; the
integer graph holds the same cell, every step function random. One thread each.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402

from thresher.compiler.integer.build import Builder  # noqa: E402
from thresher.compiler.integer.golden import Golden  # noqa: E402
from thresher.compiler.integer.ir import (  # noqa: E402
    Block,
    InputPort,
    IntegerGraph,
    OutputPort,
    Tensor,
)
from thresher.rtl.stepfunction import StepFunction  # noqa: E402
from zoo.recurrent import recurrent  # noqa: E402

__all__ = ["integer_lstm", "main"]


def integer_lstm(steps: int, features: int, hidden: int, bits: int = 6) -> IntegerGraph:
    """An LSTM with quantised gates and random weights: x (steps, 1, features) -> h, c."""
    rng = np.random.default_rng(0)
    top = 2 ** (bits - 1) - 1
    outer = Builder()
    body = outer.child()

    def squash(x: Tensor, lo: int = -top - 1, hi: int = top) -> Tensor:
        curve = np.tanh(np.linspace(-4, 4, x.hi - x.lo + 1)) / 2 + 0.5
        return body.step(x, StepFunction.from_table(x.lo, np.rint(lo + (hi - lo) * curve)[None]))

    def weights(rows: int) -> np.ndarray:
        return rng.integers(-top, top + 1, (rows, 4 * hidden))

    x = outer.input((steps, 1, features), -top - 1, top, name="x")
    wx = outer.matmul(x, weights(features), rng.integers(-99, 99, 4 * hidden))
    now = outer.scan_input(body, wx)
    h = body.input((1, hidden), -top - 1, top, name="h")
    c = body.input((1, hidden), -top - 1, top, name="c")
    gates = body.binary("add", now, body.matmul(h, weights(hidden)))
    place = np.arange(4 * hidden).reshape(4, 1, hidden)
    i, f, g, o = (
        squash(squash(body.reorder(gates, place[k])), *((-top - 1, top) if k == 2 else (0, 63)))
        for k in range(4)
    )
    terms = squash(body.binary("mul", f, c)), squash(body.binary("mul", i, g))
    new_c = squash(body.binary("add", *terms))
    new_h = squash(body.binary("mul", o, squash(new_c, -top, top)))
    zero = np.zeros((1, hidden), np.int64)
    node = outer.loop(
        steps, body, [(wx, now)], [(zero, h, new_h, "h_end"), (zero, c, new_c, None)],
        [(new_h, "y")],
    )  # fmt: skip
    outputs = tuple(OutputPort(t.name, t, "int64", None) for t in node.outputs)
    port = InputPort(x, "x", "int64", None)
    return IntegerGraph("lstm", (port,), Block(outer.nodes), outputs)


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in {"batch": 32, "steps": 25, "features": 40, "hidden": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=50)
    a = parser.parse_args()
    zoo = recurrent(
        "lstm",
        hidden=a.hidden,
        features=a.features,
        steps=a.steps,
        symbolic_batch=True,
        init="shape",
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(zoo.model.SerializeToString(), options)
    rng = np.random.default_rng(1)
    floats = {"x": rng.normal(size=(a.steps, a.batch, a.features)).astype(np.float32)}
    reference = best(lambda: session.run(None, floats), a.repeats)

    golden = Golden(integer_lstm(a.steps, a.features, a.hidden))
    codes = {"x": rng.integers(-32, 32, (a.batch, a.steps, 1, a.features))}
    ours = best(lambda: golden.run(codes), a.repeats)
    print(f"onnxruntime {reference * 1e3:8.2f} ms")
    print(f"golden      {ours * 1e3:8.2f} ms, {ours / reference:.2f} times onnxruntime's")


if __name__ == "__main__":
    main()
