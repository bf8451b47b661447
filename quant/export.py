"""A Brevitas module with QuantLSTM layers as one ONNX file, equal to it bit by bit."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import torch
from brevitas.nn import QuantLSTM
from torch import Tensor, nn

from thresher.quant.axes import find_batch, grow
from thresher.quant.check import check_equal
from thresher.quant.errors import ExportError
from thresher.quant.lstm import LstmLayer, read_lstm_layer
from thresher.quant.rules import check_graph, check_module
from thresher.quant.signature import Call, read_call
from thresher.quant.splice import splice
from thresher.quant.tracing import flat_forward, fresh_caches, trace

__all__ = ["export_onnx"]


def _read_layers(module: nn.Module) -> tuple[list[nn.Module], list[LstmLayer]]:
    found, layers = [], []
    for path, stack in module.named_modules():
        if not isinstance(stack, QuantLSTM):
            continue
        for depth, directions in enumerate(stack.layers):
            for direction, layer in enumerate(directions):
                name = f"{path.replace('.', '_') or 'lstm'}_l{depth}{'_reverse' * direction}"
                where = f"{path}.layers.{depth}.{direction}".lstrip(".")
                found.append(layer)
                layers.append(read_lstm_layer(layer, name, where))
    return found, layers


def _sequence_axis(call: Call, batch: Sequence[int], axis: int | None) -> int:
    (name, x), first = next(iter(call.inputs.items())), batch[0] if batch else None
    axis = axis if axis is not None else (1 if first == 0 else 0)
    if not 0 <= axis < x.ndim - 1 or axis == first:
        raise ExportError(
            "sequence_axis",
            f"it must be an axis of '{name}' {tuple(x.shape)} other than the batch's and the last, "
            f"not {axis}",
            "pass sequence_axis",
        )
    return axis


class _Shapes:
    """Symbolic axes of the inputs and outputs, and inputs that try them out."""

    def __init__(self, module: nn.Module, call: Call) -> None:
        self.module, self.call = module, call
        self.run = lambda *tensors: call.run(module, *tensors)
        self.axes: dict[str, dict[int, str]] = {n: {} for n in [*call.inputs, *call.outputs]}
        self.trials: list[list[Tensor]] = [list(call.inputs.values())]

    def add_batch(self, batch_axis: int | Mapping[str, int] | None) -> list[int]:
        """Make the batch axis symbolic and return it for every input."""
        inputs, outputs = find_batch(self.module, self.run, self.call.inputs, batch_axis)
        for name, axis in zip(self.axes, [*inputs, *outputs], strict=True):
            self.axes[name][axis] = "N"
        pairs = zip(self.call.inputs.values(), inputs, strict=True)
        self.trials.append([grow(grow(t, a, i), a, i + 9) for i, (t, a) in enumerate(pairs)])
        return inputs

    def add_sequence(self, axis: int) -> None:
        """Make the first input's sequence axis symbolic, and the outputs' axes that follow it."""
        x, *states = self.call.inputs.values()
        longer = [grow(x, axis, 7), *states]
        self.trials.append(longer)
        try:
            pairs = zip(self.run(*self.trials[0]), self.run(*longer), strict=True)
        except (RuntimeError, IndexError, ValueError) as e:
            raise ExportError(
                "dynamic_sequence",
                f"the module must run on a longer sequence, and raised {type(e).__name__}: {e}",
                "leave the sequence length fixed",
            ) from e
        self.axes[next(iter(self.call.inputs))][axis] = "T"
        for name, (short, long) in zip(self.call.outputs, pairs, strict=True):
            for i, (a, b) in enumerate(zip(short.shape, long.shape, strict=True)):
                if a != b:
                    self.axes[name][i] = "T"

    def shapes(self) -> dict[str, list[int | str]]:
        """Return every input's and output's shape, symbolic axes as strings."""
        outputs = self.run(*self.trials[0])
        tensors = zip(self.axes, [*self.call.inputs.values(), *outputs], strict=True)
        return {
            name: [self.axes[name].get(i, size) for i, size in enumerate(tensor.shape)]
            for name, tensor in tensors
        }


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Write the file whole or not at all."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError as e:
        raise ExportError(
            str(path), f"its folder must be writable: {e.strerror}", "choose another path"
        ) from e
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as e:
        raise ExportError(
            str(path), f"it must be writable: {e.strerror}", "choose another path"
        ) from e
    finally:
        Path(temporary).unlink(missing_ok=True)


@torch.no_grad()
def export_onnx(
    module: nn.Module,
    sample: Tensor | Sequence[Tensor] | Mapping[str, Tensor],
    path: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    batch_axis: int | Mapping[str, int] | None = None,
    dynamic_batch: bool = True,
    dynamic_sequence: bool = False,
    sequence_axis: int | None = None,
    allow_uncalibrated: bool = False,
    check: bool = True,
) -> onnx.ModelProto:
    """Write a quantised module as ONNX: QCDQ, and a Scan per LSTM layer and direction.

    :param module: in eval mode, with any number of `brevitas.nn.QuantLSTM` among other layers.
    :param sample: float32 inputs of forward: a tensor, a tuple of arguments, or a dict by name.
    :param path: the file; it is written whole or not at all.
    :param input_names: instead of the names of forward's arguments.
    :param output_names: instead of "output", or "output", "hn", "cn" for a bare QuantLSTM.
    :param batch_axis: of all inputs, or by input name; searched for if None.
    :param dynamic_batch: make the batch axis symbolic, "N"; else it is the sample's.
    :param dynamic_sequence: make the first input's sequence axis symbolic, "T".
    :param sequence_axis: which that is; if None, 0 or 1, whichever is not the batch axis.
    :param allow_uncalibrated: accept activation scales that have seen no data.
    :param check: run the result in onnxruntime beside the module, on the sample and on random
        inputs with more samples (and longer sequences), and refuse to write it if they differ;
        warn where only the order of float32 sums decides a rounding tie (float scales).
    :returns: the model written.
    :raises ExportError: where the module cannot be exported to the bit.
    """
    with fresh_caches(module):
        check_module(module, allow_uncalibrated=allow_uncalibrated)
        call = read_call(module, sample, input_names, output_names)
        found, layers = _read_layers(module)
        shapes = _Shapes(module, call)
        batch = shapes.add_batch(batch_axis) if dynamic_batch else []
        if dynamic_sequence:
            shapes.add_sequence(_sequence_axis(call, batch, sequence_axis))
        finished = shapes.shapes()
        with flat_forward(module, call.run):
            model = trace(module, found, call.inputs, call.outputs, shapes.axes)
    model = splice(model, layers, finished)
    check_graph(model)
    if check:
        for trial in shapes.trials:
            check_equal(model, module, shapes.run, trial)
    _write(model, Path(path))
    return model
