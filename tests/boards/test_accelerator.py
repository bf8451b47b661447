"""`Accelerator`: arrays to arrays, whatever the model; refusals; measuring and checking."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_link import GoldenLink, compiled

from thresher.boards.driver import recorded, write_driver
from thresher.boards.host import Accelerator, HostError, InputError, LinkError
from thresher.boards.host.model import load_model
from thresher.boards.host.ports import codes_of
from thresher.boards.host.vectors import Vectors, load_vectors
from thresher.boards.manifest import manifest
from thresher.sim.inputs import random_inputs

Arrays = dict[str, np.ndarray]


def make(name: str = "rnn_relu", kind: str = "serial", interleave: int = 1) -> Accelerator:
    model = compiled(name, interleave)
    return Accelerator(manifest(model), GoldenLink(model, kind))


def inputs(name: str, count: int) -> Arrays:
    interleave = dict(CASES)[name]
    return random_inputs(compiled(name, interleave).streamlined.graph, count, 4)


def named(found: np.ndarray | Arrays, accelerator: Accelerator) -> Arrays:
    if isinstance(found, dict):
        return found
    (output,) = accelerator.model.outputs
    return {output.name: found}


def same(found: Arrays, expected: Arrays) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


CASES = [
    ("rnn_relu", 1), ("rnn_relu", 3), ("lstm_init_raw", 2), ("finn_mlp_integer_input", 1),
    ("int_input_dequantize", 1), ("mlp_turned", 1),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["serial", "axi"])
@pytest.mark.parametrize(("name", "interleave"), CASES)
def test_predict_is_the_golden_model(name: str, interleave: int, kind: str) -> None:
    """Also where N is no multiple of the samples in a frame, and for a single sample."""
    accelerator = make(name, kind, interleave)
    for count in (1, 7):
        arrays = inputs(name, count)
        expected = compiled(name, interleave).golden.run_model(arrays)
        same(named(accelerator.predict(arrays), accelerator), expected)
    assert isinstance(accelerator.link, GoldenLink)
    assert accelerator.link.frames == 1 + -(-7 // interleave)


def test_codes_in_and_out() -> None:
    model = compiled("rnn_relu")
    accelerator = make()
    arrays = inputs("rnn_relu", 5)
    (codes,) = codes_of(accelerator.model.inputs, arrays)
    expected = model.golden.run_model(arrays)
    same(named(accelerator.predict(codes.astype(np.int16)), accelerator), expected)
    found = named(accelerator.predict(arrays["x"], codes=True), accelerator)
    results = model.golden.run({model.streamlined.graph.inputs[0].tensor.name: codes})
    same(found, results)


def test_float64_that_is_float32() -> None:
    accelerator, arrays = make(), inputs("rnn_relu", 5)
    expected = named(accelerator.predict(arrays), accelerator)
    wide = {n: a.astype(np.float64) for n, a in arrays.items()}
    same(named(accelerator.predict(wide), accelerator), expected)


X = np.zeros((2, 6, 1, 5), np.float32)


def with_value(value: float) -> np.ndarray:
    array = X.copy()
    array[1, 2, 0, 3] = value
    return array


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (X[:0], r"at least one sample, not \{'x': 0\}"),
        (np.float32(1), r"at least one sample"),
        (X[0], r"must have shape \(N, 6, 1, 5\), not \(6, 1, 5\); stack the samples"),
        (X[..., :4], r"must have shape \(N, 6, 1, 5\)"),
        (with_value(np.nan), r"must be finite, not nan at index \(1, 2, 0, 3\); remove NaN"),
        (with_value(-np.inf), r"must be finite, not -inf"),
        (X + 0j, r"must be float32, not complex64; convert it with .astype\('float32'\)"),
        (X.astype("U3"), r"must be float32, not <U3"),
        (X.astype(np.float64) + 0.1, r"must hold float32 values, not float64 values between"),
        (np.full(X.shape, 1000), r"must have codes in \[-\d+, \d+\], not 1000 at index \(0, 0"),
        ({"y": X}, "inputs must hold 'x', which is missing; give all of"),
        ({"x": X, "y": X}, "inputs must be among .*, not 'y'; remove it"),
    ],
)
def test_refusals(given: object, words: str) -> None:
    accelerator = make()
    with pytest.raises(InputError, match=words) as e:
        accelerator.predict(given)  # type: ignore[arg-type]
    assert "\n" not in str(e.value)
    assert isinstance(accelerator.link, GoldenLink)
    assert accelerator.link.frames == 0


def test_refusals_of_several_inputs() -> None:
    accelerator, arrays = make("lstm_init_raw", interleave=2), inputs("lstm_init_raw", 3)
    with pytest.raises(InputError, match="must be a dictionary with .*, not one array"):
        accelerator.predict(arrays["x"])
    arrays["x"] = arrays["x"][:2]
    with pytest.raises(InputError, match="one number of samples, not .*; give the same N"):
        accelerator.predict(arrays)


def test_codes_of_one_of_several_quantisers_are_refused() -> None:
    model = load_model(manifest(compiled("rnn_relu")))
    twice = model.inputs * 2
    with pytest.raises(InputError, match="codes of one of its quantisers do not tell"):
        codes_of(twice, {"x": X.astype(np.int8)})
    with pytest.raises(InputError, match="must be uint8, not float32"):
        codes_of([replace(model.inputs[0], dtype="uint8", quantise=None)], {"x": X})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": bytes(16)}, "the board runs model 0{16}, Verilog 0{16}, not .*; program it"),
        ({"samples": 9}, r"frames are \(samples, bytes in, bytes out\) \(9, .*; use one build"),
        ({"frame_bytes": 9}, r"the board's frames are"),
        ({"result_bytes": 9}, r"the board's frames are"),
    ],
)
def test_another_model_on_the_board(change: dict[str, object], words: str) -> None:
    model = compiled("rnn_relu")
    link = GoldenLink(model)
    link.told = replace(link.told, **change)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match=words):
        Accelerator(manifest(model), link)
    assert link.closed


def test_measure() -> None:
    found = make(interleave=3).measure(5)
    assert (found.frames, found.latency_cycles, found.interval_cycles) == (5, 77, 55)
    assert found.core_latency_seconds == pytest.approx(77e-8)
    assert found.samples_per_second == pytest.approx(15 / found.seconds)
    assert found.latency_seconds > 0
    assert make().measure(1).interval_cycles == 0
    with pytest.raises(InputError, match="frames must be at least 1, not 0"):
        make().measure(0)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    write_driver(compiled("rnn_relu"), tmp_path)
    return tmp_path / "vectors.npz"


def test_check(vectors: Path) -> None:
    accelerator = make()
    found = accelerator.check(vectors)
    assert found.passed
    assert (found.samples, found.inputs) == (16, {"x": 0})
    assert set(found.outputs.values()) == {0}
    assert isinstance(accelerator.link, GoldenLink)
    accelerator.link.spoil = 3
    found = accelerator.check(vectors)
    assert not found.passed
    assert sum(found.outputs.values()) == 3
    assert found.inputs == {"x": 0}


def test_check_finds_a_host_that_quantises_otherwise(vectors: Path) -> None:
    accelerator = make()
    told = load_vectors(vectors, accelerator.model)
    wrong = told.codes[0].copy()
    wrong[3] = np.where(wrong[3] > 0, wrong[3] - 1, wrong[3] + 1)
    found = accelerator.check(Vectors(told.values, (wrong,), told.outputs))
    assert found.inputs == {"x": wrong[3].size}
    assert not found.passed


def test_vectors_of_codes_alone() -> None:
    """Where NumPy cannot quantise to the bit, codes are recorded and compared."""
    model = compiled("rnn_relu")
    told: dict[str, Any] = manifest(model)
    (port,) = told["inputs"]
    saved = {**told, "inputs": [{**port, "quantise": {"unavailable": ["Tanh"]}}]}
    accelerator = Accelerator(saved, GoldenLink(model))
    found = recorded(model, accelerator.model)
    assert found.values == (None,)
    assert accelerator.check(found).passed
    with pytest.raises(InputError, match="'x' needs Tanh, .*; give an integer array: codes"):
        accelerator.predict(X)


def test_vectors_are_checked(vectors: Path, tmp_path: Path) -> None:
    accelerator = make()
    with pytest.raises(InputError, match="cannot be read .*give a driver's vectors.npz"):
        accelerator.check(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(InputError, match="cannot be read"):
        accelerator.check(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match="lacks 'code0'; give the vectors.npz of this model"):
        accelerator.check(tmp_path / "other.npz")
    with np.load(vectors) as held:
        arrays = dict(held)
    arrays["code0"] = arrays["code0"][:, :3]
    np.savez(tmp_path / "short.npz", **arrays)
    with pytest.raises(InputError, match=r"has an array \(16, 3, 1, 5\) where samples of \(6, 1"):
        accelerator.check(tmp_path / "short.npz")


def test_one_way_to_the_board() -> None:
    told = manifest(compiled("rnn_relu"))
    ways: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "give one of bitfile, uio, port and spi, not none"),
        ({"port": "/dev/x", "spi": "/dev/y"}, r"give one of .*, not \['port', 'spi'\]"),
    )
    for how, words in ways:
        with pytest.raises(InputError, match=words):
            Accelerator(told, **how)
    with pytest.raises(InputError, match=r"give a link or \['port'\], not both"):
        Accelerator(told, GoldenLink(compiled("rnn_relu")), port="x")
    with pytest.raises(HostError, match="pynq is not installed"):
        Accelerator(told, bitfile="x.bit")
    with pytest.raises(HostError, match="there is no UIO device"):
        Accelerator(told, uio=True)


def test_context_and_reset() -> None:
    with make() as accelerator:
        accelerator.reset()
        assert accelerator.status().latency == 77
        link = accelerator.link
    assert isinstance(link, GoldenLink)
    assert (link.resets, link.closed) == (1, True)
