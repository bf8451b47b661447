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
from figures import Figure  # noqa: E402

from thresher.compiler.importer import import_model  # noqa: E402
from thresher.compiler.integer.golden import Golden  # noqa: E402
from thresher.compiler.integer.ports import quantised  # noqa: E402
from thresher.compiler.ort import session  # noqa: E402
from thresher.compiler.streamline import streamline  # noqa: E402
from zoo.recurrent import recurrent  # noqa: E402

__all__ = ["best", "figures", "main", "measure"]


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of `repeats` calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(batch: int, steps: int, features: int, hidden: int, repeats: int) -> dict[str, float]:
    """Seconds of each contender; SystemExit where the results differ."""
    model = recurrent(
        "lstm", hidden=hidden, features=features, steps=steps, symbolic_batch=True, init="shape"
    ).model
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "lstm.onnx")
        onnx.save(model, path)
        graph = streamline(import_model(path)).graph
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    optimised = onnxruntime.InferenceSession(model.SerializeToString(), options)
    plain = session(model)
    golden = Golden(graph)

    x = np.random.default_rng(1).normal(size=(batch, steps, 1, features))
    ours = {"x": x.astype(np.float32)}
    theirs = {"x": np.ascontiguousarray(ours["x"][:, :, 0].swapaxes(0, 1))}
    codes = quantised(graph.inputs, ours)
    wanted = plain.run(["y"], theirs)[0]
    found = golden.run_model(ours)["y"][:, :, 0].swapaxes(0, 1)
    if not np.array_equal(found, wanted):
        raise SystemExit("golden and unoptimised onnxruntime disagree")
    return {
        "onnxruntime, plain": best(lambda: plain.run(None, theirs), repeats),
        "onnxruntime, optimised": best(lambda: optimised.run(None, theirs), repeats),
        "golden, codes to codes": best(lambda: golden.run(codes), repeats),
        "golden, floats to floats": best(lambda: golden.run_model(ours), repeats),
    }


def figures() -> list[Figure]:
    """The ratio that the golden interpreter is held to, from floats to floats."""
    seconds = measure(batch=32, steps=25, features=40, hidden=64, repeats=50)
    fastest = min(seconds["onnxruntime, plain"], seconds["onnxruntime, optimised"])
    ratio = seconds["golden, floats to floats"] / fastest
    what = "golden interpreter, LSTM 40 -> 64, 25 steps, batch 32, times onnxruntime"
    return [Figure("G1", what, "<= 3", round(ratio, 2), "times", "1", "onnxruntime", ratio <= 3)]


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in {"batch": 32, "steps": 25, "features": 40, "hidden": 64}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeats", type=int, default=50)
    for name, seconds in measure(**vars(parser.parse_args())).items():
        print(f"{name:<26}{seconds * 1e3:8.2f} ms")


if __name__ == "__main__":
    main()
