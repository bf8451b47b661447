"""Our QONNX and FINN operators against qonnx's own, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from qonnx.custom_op.general.bipolar_quant import binary_quant
from qonnx.custom_op.general.intquant import int_quant
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

from thresher.compiler.importer import ROUNDING
from thresher.compiler.reference import bipolar_quant, multithreshold, quant, trunc

MODES = [*ROUNDING, "HALF_EVEN", "round"]
SCALES = st.one_of(st.integers(-12, 4).map(lambda e: 2.0**e), st.floats(2**-12, 16, width=32)).map(
    np.float32
)
SHAPES = st.sampled_from([(), (1,), (7,), (3, 4), (2, 3, 4)])
SEEDS = st.integers(0, 2**32 - 1)


def near_ties(seed: int, shape: tuple[int, ...], scale: np.ndarray, span: float) -> np.ndarray:
    """Values of which a third are ties (k + 1/2) · scale and a third are multiples of the scale."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, span, shape)
    kind = rng.integers(0, 3, shape)
    x = np.where(kind == 0, np.round(x) + 0.5, np.where(kind == 1, np.round(x), x))
    return np.asarray(x * scale, np.float32)


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, np.asarray(theirs, np.float32))


@given(
    seed=SEEDS,
    shape=SHAPES,
    scale=SCALES,
    bits=st.integers(1, 16),
    signed=st.booleans(),
    narrow=st.booleans(),
    mode=st.sampled_from(MODES),
    zero=st.sampled_from([0, 0, 0, 3, -1]),
)
def test_quant(
    seed: int,
    shape: tuple[int, ...],
    scale: np.float32,
    bits: int,
    signed: bool,
    narrow: bool,
    mode: str,
    zero: int,
) -> None:
    x = near_ties(seed, shape, np.asarray(scale), 2.0**bits / 2)
    parameters = (np.asarray(scale), np.asarray(zero, np.float32), np.asarray(bits, np.float32))
    ours = quant(x, *parameters, signed=signed, narrow=narrow, rounding_mode=mode)
    same(ours, int_quant(x, *parameters, signed, narrow, mode))


@given(seed=SEEDS, bits=st.integers(2, 8), mode=st.sampled_from(MODES))
def test_quant_per_channel(seed: int, bits: int, mode: str) -> None:
    scale = 2.0 ** np.random.default_rng(seed).integers(-6, 3, (3, 1)).astype(np.float32)
    x = near_ties(seed, (3, 5), scale, 2.0**bits / 2)
    zero, width = np.zeros((), np.float32), np.asarray(bits, np.float32)
    ours = quant(x, scale, zero, width, signed=1, narrow=0, rounding_mode=mode)
    same(ours, int_quant(x, scale, zero, width, 1, 0, mode))


@given(x=hnp.arrays(np.float32, SHAPES, elements=st.floats(-4, 4, width=32)), scale=SCALES)
def test_bipolar_quant(x: np.ndarray, scale: np.float32) -> None:
    same(bipolar_quant(x, np.asarray(scale)), binary_quant(x, scale))


@given(
    seed=SEEDS,
    shape=SHAPES,
    scale=SCALES,
    bits=st.integers(4, 12),
    drop=st.integers(0, 6),
    mode=st.sampled_from(MODES),
)
def test_trunc_of_five_inputs(
    seed: int, shape: tuple[int, ...], scale: np.float32, bits: int, drop: int, mode: str
) -> None:
    x = near_ties(seed, shape, np.asarray(scale), 2.0**bits / 2)
    wide, slim = np.asarray(bits + drop, np.float32), np.asarray(bits, np.float32)
    parameters = (np.asarray(scale), np.zeros((), np.float32), wide, slim)
    same(trunc(x, *parameters, rounding_mode=mode), trunc_v1(x, *parameters, mode))


@given(
    seed=SEEDS,
    shape=SHAPES,
    scale=SCALES,
    shift=st.floats(-1, 6),
    bits=st.integers(2, 8),
    signed=st.booleans(),
    narrow=st.booleans(),
    mode=st.sampled_from(MODES),
)
def test_trunc_of_six_inputs(
    seed: int,
    shape: tuple[int, ...],
    scale: np.float32,
    shift: float,
    bits: int,
    signed: bool,
    narrow: bool,
    mode: str,
) -> None:
    x = near_ties(seed, shape, np.asarray(scale), 2.0 ** (bits + 2))
    out_scale = np.asarray(scale * np.float32(2.0**shift), np.float32)
    width = np.asarray(bits, np.float32)
    given = (np.asarray(scale), np.zeros((), np.float32), np.asarray(12, np.float32))
    ours = trunc(x, *given, out_scale, width, rounding_mode=mode, signed=signed, narrow=narrow)
    same(ours, trunc_v2(x, *given, narrow, signed, out_scale, width, mode))


def theirs_multithreshold(
    x: np.ndarray, thresholds: np.ndarray, scale: float, bias: float, layout: str
) -> np.ndarray:
    """Through qonnx's node, which holds the rules for layouts."""
    from onnx import helper
    from qonnx.custom_op.registry import getCustomOp

    node = helper.make_node(
        "MultiThreshold",
        ["x", "t"],
        ["y"],
        domain="qonnx.custom_op.general",
        out_dtype="INT8",
        out_scale=scale,
        out_bias=bias,
        data_layout=layout,
    )
    context = {"x": x, "t": thresholds, "y": x}
    getCustomOp(node).execute_node(context, None)
    return np.asarray(context["y"])


@given(
    seed=SEEDS,
    case=st.sampled_from(
        [
            ((2, 5), ""),
            ((2, 5), "NC"),
            ((2, 4, 5), ""),
            ((2, 4, 5), "NWC"),
            ((2, 5, 4), "NCW"),
            ((2, 5, 3, 4), ""),
            ((2, 5, 3, 4), "NCHW"),
            ((2, 3, 4, 5), "NHWC"),
            ((1, 5, 2, 2, 2), ""),
        ]
    ),
    shared=st.booleans(),
    scale=st.sampled_from([1.0, 2.0, 0.5, 0.1]),
    bias=st.sampled_from([0.0, -1.0, -7.0, 0.3]),
)
def test_multithreshold(
    seed: int, case: tuple[tuple[int, ...], str], shared: bool, scale: float, bias: float
) -> None:
    shape, layout = case
    rng = np.random.default_rng(seed)
    x = rng.integers(-6, 7, shape).astype(np.float32) / 2
    channels = 1 if shared else 5
    thresholds = np.sort(rng.integers(-6, 7, (channels, 7)), axis=1).astype(np.float32) / 2
    factor, addend = float(np.float32(scale)), float(np.float32(bias))
    ours = multithreshold(x, thresholds, out_scale=factor, out_bias=addend, data_layout=layout)
    same(ours, theirs_multithreshold(x, thresholds, factor, addend, layout))


def test_unknown_rounding_mode() -> None:
    one = np.ones((), np.float32)
    with pytest.raises(ValueError, match="rounding_mode must be one of ROUND, .*, not 'LEARNED'"):
        quant(one, one, 0 * one, 4 * one, rounding_mode="LEARNED")


def test_channels_that_differ() -> None:
    with pytest.raises(ValueError, match="thresholds must have 1 or 4 channels, not 3"):
        multithreshold(np.ones((1, 4), np.float32), np.ones((3, 2), np.float32))
