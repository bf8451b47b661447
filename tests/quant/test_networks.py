"""E1 over networks in which LSTM layers stand among other quantised layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from exporting import SAMPLES, calibrate, differences
from networks import FAMILIES, NETWORKS, Quant, Squashed, TwoLstms
from onnx import numpy_helper
from torch import Tensor, nn

from thresher.quant import export_onnx
from thresher.quant.check import run_onnx
from thresher.quant.signature import flatten
from thresher.quant.ties import explained


def built(network: Callable[[Quant], Any], family: str) -> tuple[Any, Tensor]:
    torch.manual_seed(2)
    module: Any = network(FAMILIES[family])
    shape = list(module.shape)
    shape.insert(module.batch, SAMPLES)
    x = torch.randn(shape)
    x.narrow(module.batch, 0, SAMPLES // 4).mul_(8)  # these saturate
    return calibrate(module, {next(iter_names(module)): x}), x


def flat_run(module: nn.Module) -> Callable[..., list[Tensor]]:
    return lambda x: list(flatten(module(x), "output").values())


def iter_names(module: nn.Module) -> Any:
    return iter(module.forward.__code__.co_varnames[1:])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_brevitas(network: Callable[[Quant], Any], family: str, tmp_path: Path) -> None:
    module, x = built(network, family)
    name = next(iter_names(module))
    model = export_onnx(module, x.narrow(module.batch, 0, 2), tmp_path / "net.onnx")
    assert sum(differences(module, tmp_path / "net.onnx", {name: x})) == 0
    assert [value.name for value in model.graph.input] == [name]
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == [
        "N" if i == module.batch else x.shape[i] for i in range(x.ndim)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_sigmoid_and_tanh_alone(family: str, tmp_path: Path) -> None:
    """Their operand is unbounded: a code may hang on the last place of PyTorch's function."""
    module, _ = built(Squashed, family)
    x = torch.randn(4096, 6) * 2
    model = export_onnx(module, x[:2], tmp_path / "net.onnx")
    assert_equal_but_for_ties(model, module, x)


def test_long_sums_differ_at_ties_only(tmp_path: Path) -> None:
    """Sums of 300 float32 terms: PyTorch has another order for one sequence than for many.

    So "equal to Brevitas" has no meaning to the last place here. Each value in which onnxruntime
    differs must be one that Brevitas gives too when its own sums move by their rounding error.
    """
    torch.manual_seed(1)
    module: Any = FAMILIES["channel6"].lstm(300, 128)
    x = torch.randn(10, 256, 300)  # where a few dozen codes differ, with AVX-512
    calibrate(module, {"inp": x})
    model = export_onnx(module, x[:, :2], tmp_path / "long.onnx")
    assert_equal_but_for_ties(model, module, x)
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    (body,) = (a.g for a in scan.attribute if a.name == "body")
    (codes,) = (t for t in body.initializer if t.name == "lstm_l0.input_Wi_codes")
    wrong = numpy_helper.to_array(codes).copy()
    wrong[0] = -wrong[0]  # one of 300 features, in one of four gates
    codes.CopyFrom(numpy_helper.from_array(wrong, codes.name))
    with pytest.raises(AssertionError):
        assert_equal_but_for_ties(model, module, x[:, :32])


def assert_equal_but_for_ties(model: onnx.ModelProto, module: nn.Module, x: Tensor) -> None:
    found = run_onnx(model, [x.numpy()])
    with torch.no_grad():
        wanted = [value.numpy() for value in flat_run(module)(x)]
        wrong = [want != have for want, have in zip(wanted, found, strict=True)]
        if any(mask.any() for mask in wrong):
            ties = explained(module, flat_run(module), [x], found)
            assert not any((mask & ~tie).any() for mask, tie in zip(wrong, ties, strict=True))


def test_module_is_left_as_it_was(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "float8")

    def attributes() -> dict[str, set[str]]:
        return {n: {*vars(c)} - {"export_handler"} for n, c in module.named_modules()}

    before, state = module(x), {k: v.clone() for k, v in module.state_dict().items()}
    flags = attributes()
    for _ in range(2):
        export_onnx(module, x[:, :1], tmp_path / "net.onnx")
    assert torch.equal(before.value, module(x).value)
    assert all(torch.equal(v, module.state_dict()[k]) for k, v in state.items())
    assert flags == attributes()
    for child in module.modules():
        assert not getattr(child, "export_mode", False)
        assert getattr(child, "export_handler", None) is None


def test_training_after_an_export_counts(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "float8")
    export_onnx(module, x[:, :2], tmp_path / "net.onnx")
    calibrate(module, {"x": x * 3})
    export_onnx(module, x[:, :2], tmp_path / "net.onnx")
    assert sum(differences(module, tmp_path / "net.onnx", {"x": x})) == 0


def test_names_and_optional_states(tmp_path: Path) -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = FAMILIES["float8"].lstm(4, 5)

        def forward(self, x: Tensor, states: Any = None, scale: None = None) -> Tensor:
            return self.lstm(x, *(states or ()))[0]

    torch.manual_seed(3)
    module, x = Named(), torch.randn(4, 6, 4)
    calibrate(module, {"x": x})
    states = (torch.randn(1, 6, 5), torch.randn(1, 6, 5))
    sample: dict[str, Any] = {"x": x, "states": states}
    model = export_onnx(module, sample, tmp_path / "named.onnx")
    assert [v.name for v in model.graph.input] == ["x", "states_0", "states_1"]
    found = run_onnx(onnx.load(tmp_path / "named.onnx"), [t.numpy() for t in (x, *states)])
    assert (found[0] == module(x, states).detach().numpy()).all()

    model = export_onnx(
        module, x, tmp_path / "named.onnx", input_names=["rows"], output_names=["hidden"]
    )
    assert [v.name for v in [*model.graph.input, *model.graph.output]] == ["rows", "hidden"]


@pytest.mark.parametrize("batch_first", [False, True])
def test_dynamic_sequence(batch_first: bool, tmp_path: Path) -> None:
    torch.manual_seed(4)
    module = FAMILIES["float8"].lstm(4, 5, batch_first=batch_first, bidirectional=True)
    x = torch.randn(6, 6, 4)
    calibrate(module, {"inp": x})
    sample = x[:2] if batch_first else x[:, :2]
    model = export_onnx(module, sample, tmp_path / "long.onnx", dynamic_sequence=True)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param for d in dims[:2]] == (["N", "T"] if batch_first else ["T", "N"])
    longer = torch.randn(3, 11, 4) if batch_first else torch.randn(11, 3, 4)
    assert sum(differences(module, tmp_path / "long.onnx", {"inp": longer})) == 0


def test_fixed_batch(tmp_path: Path) -> None:
    module, x = built(TwoLstms, "pow2_8")
    model = export_onnx(module, x[:, :3], tmp_path / "net.onnx", dynamic_batch=False)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [6, 3, 5]
    assert sum(differences(module, tmp_path / "net.onnx", {"x": x[:, 3:6]})) == 0
