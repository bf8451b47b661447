"""E3 for a slice of the zoo: Verilated RTL == integers == model file, and every frame's cycle.

`tests/conformance` has all of the zoo, under several foldings; `test_random_rtl` random networks.
"""

import pytest

from thresher.sim.verilator import VerilatorEngine
from zoo import names
from zoo.rtl import compiled, drawn, random_folding, verified

SLICE = [
    "lstm", "lstm_column", "lstm_init_raw", "lstm_bidirectional_init", "lstm_wide_state_init",
    "cifg_float_scales", "gru_before", "gru_gemm_captured", "rnn_tanh", "stacked_rnn_gru",
    "qonnx_lstm", "finn_mlp_argmax", "mlp", "mlp_turned", "qonnx_trunc",
    "conv", "conv_8bit", "conv_dilated", "residual", "max_pool", "global_average_pool", "resize",
    "conv_separable", "conv_grouped", "conv_transpose", "inception", "unet", "conv_rows_lstm",
    "conv_lstm", "top_k", "average_pool_truncated",
    "input_padded", "input_pooled", "saturated",
]  # fmt: skip
SAMPLES = 12


def test_the_slice_is_of_the_zoo() -> None:
    assert set(SLICE) <= set(names())


@pytest.mark.parametrize("name", SLICE)
def test_hardware_equals_the_model_file(name: str) -> None:
    """Without and with stalls; latency and interval as predicted."""
    model = compiled(name, random_folding(name, seed=7, products=2))
    outcome = verified(model, VerilatorEngine(), SAMPLES, seed=0)
    assert outcome.passed, outcome
    assert outcome.samples == SAMPLES
    assert outcome.stalled
    assert outcome.latency == model.design.predicted.latency
    if drawn(name).pow2:
        assert outcome.equality.differing == 0
