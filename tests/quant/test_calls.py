"""Samples, options, forward methods and paths that cannot work are refused in words."""

from pathlib import Path
from typing import Any

import brevitas
import pytest
import torch
from brevitas.nn import QuantIdentity, QuantLSTM
from exporting import X, calibrate, lstm
from torch import Tensor, nn

from thresher.quant import ExportError, export_onnx


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ((X, X, X, X), r"sample: it must fit QuantLSTM\.forward.*too many positional"),
        (
            {"inp": X.double()},
            r"sample 'inp': an input must be a float32 tensor, not torch.float64",
        ),
        ({"inp": X, "hx": 3}, r"sample 'hx': an input must be a float32 tensor, not <class 'int'>"),
        (X[..., :4], r"QuantLSTM: the module must run on the sample, and raised RuntimeError"),
        (QuantIdentity(return_quant_tensor=True).eval()(X), r"must be a float32 tensor"),
    ],
)
def test_sample(sample: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        export_onnx(lstm(), sample, tmp_path / "refused.onnx")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_axis": 0}, r"batch_axis: samples .* must not influence each other, and axis 0"),
        ({"batch_axis": 7}, r"axis 7 of \{'inp': \(4, 3, 5\)\}"),
        ({"batch_axis": {"x": 1}}, r"batch_axis"),
        ({"input_names": ["a", "b"]}, r"input_names: there must be 1 names, all different"),
        ({"output_names": ["a"]}, r"output_names: there must be 3 names"),
        ({"output_names": ["a", "a", "b"]}, r"output_names: .* all different"),
        ({"output_names": ["inp", "a", "b"]}, r"output_names: .* all different"),
        ({"dynamic_sequence": True, "sequence_axis": 1}, r"sequence_axis: it must be an axis of"),
    ],
)
def test_options(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        export_onnx(lstm(), X, tmp_path / "refused.onnx", **options)
    assert not list(tmp_path.iterdir())


class Mixing(nn.Module):
    """Samples influence each other."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x - x.mean())


class FixedBatch(nn.Module):
    """forward() takes the batch size as a Python number."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x).reshape(int(x.shape[0]), int(x.shape[1]) * int(x.shape[2]))


class FixedSteps(nn.Module):
    """forward() walks over the steps in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.lstm = QuantIdentity(), QuantLSTM(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.lstm(x)[0]
        return torch.stack([self.act(y[i]) for i in range(len(y))])


class Odd(nn.Module):
    """Returns something that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return self.act(x), "text"


class Untraceable(nn.Module):
    """Uses an operator that the exporter does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.act = QuantIdentity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(torch.special.bessel_j0(x))


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Mixing, {}, r"batch_axis: samples along the batch axis must not influence each other"),
        (FixedBatch, {}, r"(shape|Shape|onnxruntime must run)"),
        (FixedSteps, {"dynamic_sequence": True}, r"must have Brevitas' shape"),
        (Odd, {}, r"output_1: an output must be a tensor, .* not str; return tensors only"),
        (Untraceable, {}, r"Untraceable: the module must pass Brevitas' QCDQ export, which said"),
    ],
)
def test_forward(
    kind: type[nn.Module], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(ExportError, match=words):
        export_onnx(calibrate(kind(), {"x": X}), X, tmp_path / "refused.onnx", **options)
    assert not list(tmp_path.iterdir())


def test_two_directionless_layers_need_brevitas_indexing(tmp_path: Path) -> None:
    """Brevitas 0.13 reads hx[2 * layer], so two states for two layers are one too few."""
    module = lstm(num_layers=2)
    with pytest.raises(ExportError, match="must run on the sample, and raised IndexError"):
        export_onnx(module, (X, torch.zeros(2, 3, 6)), tmp_path / "refused.onnx")


def test_jit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = lstm()
    monkeypatch.setattr(brevitas.config, "JIT_ENABLED", True)
    with pytest.raises(ExportError, match="JIT must be off; set BREVITAS_JIT=0"):
        export_onnx(module, X, tmp_path / "refused.onnx")


def test_path(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="its folder must be writable: No such file"):
        export_onnx(lstm(), X, tmp_path / "absent" / "lstm.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ExportError, match=r"folder\.onnx: it must be writable: Is a directory"):
        export_onnx(lstm(), X, tmp_path / "folder.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


def test_export_again_after_a_failure(tmp_path: Path) -> None:
    module = calibrate(Untraceable(), {"x": X})
    with pytest.raises(ExportError):
        export_onnx(module, X, tmp_path / "refused.onnx")
    assert brevitas.config._ONGOING_EXPORT is None
    assert not any(getattr(child, "export_mode", False) for child in module.modules())
    assert "forward" not in vars(module)
    export_onnx(lstm(), X, tmp_path / "lstm.onnx")
