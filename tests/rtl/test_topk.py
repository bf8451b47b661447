"""TopK against its model, ONNX's, and its timing."""

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from thresher.rtl.topk import TopK


def onnx_topk(rows: np.ndarray, k: int) -> list[np.ndarray]:
    node = helper.make_node("TopK", ["x", "k"], ["v", "i"], axis=-1, largest=1, sorted=1)
    kinds = {"x": TensorProto.INT64, "k": TensorProto.INT64}
    ends = [helper.make_tensor_value_info(n, t, None) for n, t in kinds.items()]
    outs = [helper.make_tensor_value_info(n, TensorProto.INT64, None) for n in ("i", "v")]
    model = helper.make_model(helper.make_graph([node], "topk", ends, outs))
    found = ReferenceEvaluator(model).run(None, {"x": rows, "k": np.array([k])})
    assert isinstance(found, list)
    return found


@settings(max_examples=50)
@given(
    elements=st.integers(1, 9),
    k=st.integers(1, 9),
    interval=st.sampled_from([(-2, 1), (0, 2), (5, 5), (-100, 90), (0, 255), (-6, -4)]),
    with_value=st.booleans(),
)
def test_model_and_cycles(
    elements: int, k: int, interval: tuple[int, int], with_value: bool
) -> None:
    lo, hi = interval
    kernel = TopK(elements=elements, k=min(k, elements), lo=lo, hi=hi, with_value=with_value)
    rng = np.random.default_rng(elements)
    rows = random_inputs(kernel, 8, rng)["i"]
    found, expected = kernel.compute(rows), onnx_topk(rows, kernel.k)
    assert len(found) == 1 + with_value
    assert all((a == b).all() for a, b in zip(found, expected, strict=False))
    check_kernel(kernel, rng, inputs={"i": rows}, periods=8)


def test_no_bubbles(rng: np.random.Generator) -> None:
    kernel = TopK(elements=10, k=3, lo=0, hi=9)
    times = simulate(kernel, random_inputs(kernel, 4, rng)).times
    assert times == {"i": list(range(40)), "o": [10, 20, 30, 40]}


def test_outputs_are_taken_one_by_one(rng: np.random.Generator) -> None:
    kernel = TopK(elements=2, k=2, lo=0, hi=9, with_value=True)
    patterns = {"value": [0, 0, 0, 0, 0, 1]}
    times = simulate(kernel, random_inputs(kernel, 3, rng), patterns=patterns).times
    assert times == {"i": [0, 1, 2, 5, 6, 11], "o": [2, 6, 12], "value": [5, 11, 17]}


def test_output_interval_where_all_are_equal() -> None:
    port = TopK(elements=6, k=2, lo=4, hi=4).outputs["o"]
    assert (port.lo, port.hi) == (0, 1)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"elements": 0}, ValueError, "elements must be at least 1, not 0"),
        ({"k": 0}, ValueError, "k must be at least 1, not 0"),
        ({"k": 7}, ValueError, "k must be at most the 6 elements, not 7"),
        ({"lo": 8}, ValueError, r"element must be a non-empty interval, not \[8, 5\]"),
        ({"hi": 1.5}, TypeError, "element's hi must be an int, not 1.5"),
        ({"with_value": None}, TypeError, "with_value must be a bool, not None"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TopK(**{"elements": 6, "k": 2, "lo": 0, "hi": 5} | change)  # type: ignore[arg-type]
