"""Arrays: drawn over the whole range, read from files, codes or floats; outputs written."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from thresher.compiler.errors import ThresherError
from thresher.compiler.importer import import_model
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.integer.ports import quantised
from thresher.compiler.streamline import streamline
from thresher.sim.inputs import load_inputs, model_values, random_inputs, save_outputs
from zoo import load
from zoo.builder import Builder, Quantiser
from zoo.rtl import save

Q5 = Quantiser(5, 0.3)
DIFFERENT = [
    "lstm", "lstm_float_scales", "lstm_narrow", "lstm_init_raw", "lstm_init_input", "mlp_int4",
    "qonnx_mlp_floor", "finn_mlp", "finn_mlp_logits", "finn_mlp_integer_input", "int_input_cast",
]  # fmt: skip


def graph(name: str, folder: Path) -> IntegerGraph:
    return streamline(import_model(save(name, folder)), seq_len=load(name).seq_len).graph


def dense(b: Builder, x: str) -> onnx.ModelProto:
    """A layer behind `x`, a quantised tensor of four elements."""
    product = b.op("MatMul", x, b.weight(np.eye(4, dtype=int)[::-1].copy(), 0.5, 4))
    b.output(b.quant(product, Quantiser(8, 0.125)), [1, 4], "y")
    return b.model("dense")


def scaled_input(factors: list[float]) -> onnx.ModelProto:
    """The quantiser comes behind a factor and an offset of each channel: not the bare input."""
    b = Builder()
    x = b.op("Mul", b.input("x", [1, 4]), b.const([factors]))
    return dense(b, b.quant(b.op("Add", x, b.const([[0.1, 0.0, -3.0, 40.0]])), Q5))


def sign_input() -> onnx.ModelProto:
    """Two codes."""
    b = Builder("qonnx")
    return dense(b, b.op("BipolarQuant", b.input("x", [1, 4]), b.const(0.5), domain=b.domain))


def two_quantisers() -> onnx.ModelProto:
    """One input, read through a fine narrow quantiser and a coarse wide one."""
    b = Builder()
    x = b.input("x", [1, 4])
    for k, q in enumerate((Quantiser(4, 0.125), Quantiser(4, 2.0))):
        b.output(b.quant(x, q), [1, 4], f"y{k}")
    return b.model("two")


OTHERS = {
    "scaled": lambda: scaled_input([3.0, 0.01, 1e4, 0.7]),
    "falling": lambda: scaled_input([-3.0, 0.01, -1e4, 0.7]),
    "sign": sign_input,
    "two quantisers": two_quantisers,
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_code_comes_up(name: str, tmp_path: Path) -> None:
    assert_covered(graph(name, tmp_path))


@pytest.mark.parametrize("name", OTHERS)
def test_every_code_comes_up_behind_other_quantisers(name: str) -> None:
    """BipolarQuant has no 0 between its codes -1 and 1."""
    assert_covered(streamline(import_model(OTHERS[name]())).graph, missing=int(name == "sign"))


def assert_covered(found: IntegerGraph, missing: int = 0) -> None:
    """Every channel (last axis) takes all codes, in about equal shares."""
    levels = max(p.tensor.hi - p.tensor.lo + 1 for p in found.inputs)
    codes = quantised(found.inputs, random_inputs(found, 50 * levels, seed=0))
    for port in found.inputs:
        levels = port.tensor.hi - port.tensor.lo + 1 - missing
        for channel in np.moveaxis(codes[port.tensor.name], -1, 0):
            values, counts = np.unique(channel, return_counts=True)
            assert len(values) == levels
            assert counts.min() > 0.2 * channel.size / levels


def test_ties_and_overflow_come_up(tmp_path: Path) -> None:
    values = random_inputs(graph("lstm", tmp_path), 500, seed=0)["x"] * 32
    assert 0.05 < (values % 1 == 0.5).mean() < 0.25
    assert values.min() < -40
    assert values.max() > 40


def test_both_sides_of_a_crooked_tie(tmp_path: Path) -> None:
    """With float scales the last float of one code and the first of the next."""
    found = graph("lstm_float_scales", tmp_path)
    values = random_inputs(found, 500, seed=0)["x"]
    codes = quantised(found.inputs, {"x": values})
    (port,) = found.inputs
    for toward, change in ((np.inf, 1), (-np.inf, -1)):
        neighbour = np.nextafter(values, np.float32(toward))
        moved = quantised(found.inputs, {"x": neighbour})[port.tensor.name]
        assert ((moved - codes[port.tensor.name]) == change).mean() > 0.08


def test_equal_seeds_equal_inputs(tmp_path: Path) -> None:
    found = graph("lstm_init_input", tmp_path)
    one, same, other = (random_inputs(found, 5, seed) for seed in (1, 1, 2))
    assert list(one) == ["x", "h0", "c0"]
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
        assert (one[name] != other[name]).any()


def test_exact_inputs_are_values_of_codes(tmp_path: Path) -> None:
    found = graph("lstm_init_raw", tmp_path)
    quantised(found.inputs, random_inputs(found, 100, seed=0))  # refuses any other


# Files


def test_npy_and_npz(tmp_path: Path) -> None:
    found = graph("lstm", tmp_path)
    x = random_inputs(found, 3, seed=0)["x"]
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", x=x, labels=np.arange(3))
    np.savez_compressed(tmp_path / "c.npz", x)  # the only array needs no name
    for name in ("a.npy", "b.npz", "c.npz"):
        loaded = load_inputs(tmp_path / name, found)
        assert list(loaded) == ["x"]
        np.testing.assert_array_equal(loaded["x"], x)


def test_several_inputs(tmp_path: Path) -> None:
    found = graph("lstm_init_input", tmp_path)
    drawn = random_inputs(found, 3, seed=0)
    np.savez(tmp_path / "all.npz", **drawn)  # type: ignore[arg-type]
    loaded = load_inputs(tmp_path / "all.npz", found)
    assert loaded.keys() == {"x", "h0", "c0"}
    np.testing.assert_array_equal(loaded["c0"], drawn["c0"])
    np.savez(tmp_path / "two.npz", x=drawn["x"], h0=drawn["h0"])
    with pytest.raises(ThresherError, match=r"must hold \['x', 'h0', 'c0'\], not .*'c0' is miss"):
        load_inputs(tmp_path / "two.npz", found)
    np.save(tmp_path / "one.npy", drawn["x"])
    with pytest.raises(ThresherError, match=r"holds one array but the model has inputs \['x', 'h"):
        load_inputs(tmp_path / "one.npy", found)
    np.savez(tmp_path / "uneven.npz", **{**drawn, "c0": drawn["c0"][:2]})  # type: ignore[arg-type]
    with pytest.raises(ThresherError, match="must hold one number of samples"):
        quantised(found.inputs, load_inputs(tmp_path / "uneven.npz", found))


@pytest.mark.parametrize(
    "name", ["lstm", "lstm_float_scales", "lstm_init_raw", "finn_mlp", "qonnx_mlp_floor"]
)
@pytest.mark.parametrize("dtype", [np.int8, np.int64])
def test_codes(name: str, dtype: type, tmp_path: Path) -> None:
    """Integers for a float input are codes of its quantiser, whatever the quantiser."""
    found = graph(name, tmp_path)
    codes = quantised(found.inputs, random_inputs(found, 50, seed=0))
    arrays: dict[str, np.ndarray] = {
        p.source: codes[p.tensor.name].astype(dtype) for p in found.inputs
    }
    np.savez(tmp_path / "codes.npz", **arrays)  # type: ignore[arg-type]
    loaded = load_inputs(tmp_path / "codes.npz", found)
    assert all(a.dtype == np.float32 for a in loaded.values())
    again = quantised(found.inputs, loaded)
    for key, array in codes.items():
        np.testing.assert_array_equal(again[key], array)


def test_codes_out_of_range(tmp_path: Path) -> None:
    found = graph("lstm", tmp_path)
    for value in (-33, 32):
        codes = np.zeros((2, 6, 1, 5), np.int64)
        codes[1, 2, 0, 3] = value
        with pytest.raises(ThresherError, match=r"'x' must have codes in \[-32, 31\], not \["):
            model_values(found, {"x": codes})


def test_codes_that_no_float_has() -> None:
    """A factor of 1024 codes leaves most codes out."""
    b = Builder()
    x = b.op("Round", b.input("x", [1, 4]))
    model = dense(b, b.quant(b.op("Mul", x, b.const(4.0)), Quantiser(6, 1.0)))
    found = streamline(import_model(model)).graph
    (port,) = found.inputs
    assert model_values(found, {"x": np.full((1, 1, 4), 8)})["x"].tolist() == [[[2.0] * 4]]
    with pytest.raises(ThresherError, match="'x' holds code 7, which stands for no float; give fl"):
        model_values(found, {"x": np.full((1, 1, 4), 7)})


def test_codes_of_two_quantisers() -> None:
    found = streamline(import_model(two_quantisers())).graph
    with pytest.raises(ThresherError, match="'x' must hold floats, not int64: it has 2 quantisers"):
        model_values(found, {"x": np.zeros((1, 1, 4), np.int64)})


def test_integer_inputs_pass(tmp_path: Path) -> None:
    found = graph("int_input_cast", tmp_path)
    for dtype in (np.uint8, np.int64):
        array = np.full((1, 1, 10), 200, dtype)
        codes = quantised(found.inputs, model_values(found, {"x": array}))
        assert set(codes[found.inputs[0].tensor.name].flat) == {200}
    with pytest.raises(ThresherError, match="input 'x' must be uint8, not float64"):
        quantised(found.inputs, model_values(found, {"x": np.zeros((1, 1, 10))}))


def test_float64(tmp_path: Path) -> None:
    found = graph("lstm", tmp_path)
    exact = np.full((1, 6, 1, 5), 0.375)
    assert model_values(found, {"x": exact})["x"].dtype == np.float32
    nan = model_values(found, {"x": exact * np.nan})["x"]
    assert np.isnan(nan).all()  # refused as NaN, by name and index
    for wrong in (exact / 7, exact * 1e300):
        with pytest.raises(ThresherError, match=r"not float64 values .*\.astype\('float32'\)"):
            model_values(found, {"x": wrong})


# Outputs


def test_outputs_come_back(tmp_path: Path) -> None:
    """Names that numpy.savez takes for its own parameters, too."""
    outputs = {"file": np.arange(3.0), "allow_pickle": np.zeros((1, 2), int), "a/b": np.ones(1)}
    save_outputs(tmp_path / "y.npz", outputs)
    with np.load(tmp_path / "y.npz") as loaded:
        assert sorted(loaded.files) == sorted(outputs)
        for name, array in outputs.items():
            np.testing.assert_array_equal(loaded[name], array)
            assert loaded[name].dtype == array.dtype
    save_outputs(tmp_path / "y.npy", {"y": np.arange(3)})
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), np.arange(3))
    assert {p.name for p in tmp_path.iterdir()} == {"y.npz", "y.npy"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("y.txt", r"must end in \.npy or \.npz; rename it"),
        ("y.npy", r"holds one array but the model has outputs \['a', 'b'\]; name an \.npz"),
        ("no/y.npz", "must be a file in an existing folder"),
        ("folder.npz", "must be a file in an existing folder"),
    ],
)
def test_outputs_are_refused(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ThresherError, match=words):
        save_outputs(tmp_path / name, {"a": np.ones(1), "b": np.ones(1)})


def test_an_input_that_nothing_reads() -> None:
    b = Builder()
    model = dense(b, b.quant(b.input("x", [1, 4]), Q5))
    model.graph.input.append(helper.make_tensor_value_info("idle", TensorProto.FLOAT, [2]))
    found = streamline(import_model(model)).graph
    assert list(random_inputs(found, 2, seed=0)) == ["x"]
