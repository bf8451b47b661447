"""Time of the golden interpreter against onnxruntime: one LSTM, one batch, best of many runs.

    python benchmarks/golden_speed.py [--batch 32] [--steps 25] [--features 40] [--hidden 64]

The model is a QCDQ LSTM as a Scan with a symbolic batch axis, which onnxruntime runs whole, with
all its optimisations, which change results, and without. The golden interpreter runs the
streamlined graph, from codes to codes and from floats to floats; its results must be those of the
unoptimised onnxruntime. One thread each.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402

from thresher.compiler.importer import import_model  # noqa: E402
from thresher.compiler.integer.golden import Golden  # noqa: E402
from thresher.compiler.integer.ports import quantised  # noqa: E402
from thresher.compiler.ort import session  # noqa: E402
from thresher.compiler.streamline import streamline  # noqa: E402
from zoo.recurrent import recurrent  # noqa: E402

__all__ = ["best", "main"]


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in {"batch": 32, "steps": 25, "features": 40, "hidden": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=50)
    a = parser.parse_args()
    model = recurrent(
        "lstm", hidden=a.hidden, features=a.features, steps=a.steps,
        symbolic_batch=True, init="shape",
    ).model  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lstm.onnx")
        onnx.save(model, path)
        graph = streamline(import_model(path)).graph
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    optimised = onnxruntime.InferenceSession(model.SerializeToString(), options)
    plain = session(model)
    golden = Golden(graph)

    x = np.random.default_rng(1).normal(size=(a.batch, a.steps, 1, a.features))
    ours = {"x": x.astype(np.float32)}
    theirs = {"x": np.ascontiguousarray(ours["x"][:, :, 0].swapaxes(0, 1))}
    codes = quantised(graph.inputs, ours)
    wanted = plain.run(["y"], theirs)[0]
    found = golden.run_model(ours)["y"][:, :, 0].swapaxes(0, 1)
    if not np.array_equal(found, wanted):
        raise SystemExit("golden and unoptimised onnxruntime disagree")

    plain_seconds = best(lambda: plain.run(None, theirs), a.repeats)
    reference = best(lambda: optimised.run(None, theirs), a.repeats)
    print(f"onnxruntime, plain {plain_seconds * 1e3:8.2f} ms")
    print(f"  optimised        {reference * 1e3:8.2f} ms")
    for label, run in (
        ("codes to codes", lambda: golden.run(codes)),
        ("floats to floats", lambda: golden.run_model(ours)),
    ):
        seconds = best(run, a.repeats)
        print(
            f"{label:16}   {seconds * 1e3:8.2f} ms, {seconds / reference:.2f} times optimised, "
            f"{seconds / plain_seconds:.2f} times plain"
        )


if __name__ == "__main__":
    main()
