"""A module's call as named flat tensors."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from brevitas.nn import QuantLSTM
from brevitas.quant_tensor import QuantTensor
from torch import Tensor, nn

from thresher.quant.errors import ExportError

__all__ = ["Call", "flatten", "read_call"]


def flatten(value: object, name: str) -> dict[str, Tensor]:
    """Flatten nested outputs to named tensors; quantised tensors give their values."""
    if isinstance(value, QuantTensor):
        return {name: value.value}
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, Mapping):
        return {n: t for key, part in value.items() for n, t in flatten(part, str(key)).items()}
    if isinstance(value, tuple | list):
        parts = (flatten(part, f"{name}_{i}") for i, part in enumerate(value))
        return {n: t for part in parts for n, t in part.items()}
    if value is None:
        return {}
    raise ExportError(
        name,
        f"an output must be a tensor, or tensors in tuples, lists and dicts, not "
        f"{type(value).__name__}",
        "return tensors only",
    )


def _rebuild(value: Any, tensors: list[Tensor]) -> Any:
    if isinstance(value, Tensor):
        return tensors.pop(0)
    if isinstance(value, Mapping):
        return {key: _rebuild(part, tensors) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_rebuild(part, tensors) for part in value)
    return value


@dataclass(frozen=True)
class Call:
    """How to call a module with flat tensors.

    :param inputs: the sample's tensors by input name, in order.
    :param outputs: names of the outputs, in order.
    :param arguments: the sample as forward's named arguments.
    """

    inputs: dict[str, Tensor]
    outputs: list[str]
    arguments: dict[str, Any]

    def run(self, forward: Callable[..., object], *tensors: Tensor) -> list[Tensor]:
        """Call `forward` with the sample's structure and return its flat outputs."""
        arguments = _rebuild(self.arguments, list(tensors))
        return list(flatten(forward(**arguments), "output").values())


def _arguments(module: nn.Module, sample: Any) -> dict[str, Any]:
    if isinstance(sample, Mapping):
        return dict(sample)
    values = sample if type(sample) in (tuple, list) else (sample,)
    try:
        return dict(inspect.signature(module.forward).bind(*values).arguments)
    except TypeError as e:
        raise ExportError(
            "sample",
            f"it must fit {type(module).__name__}.forward, which says: {e}",
            "pass a tensor, a tuple of arguments, or a dict of arguments by name",
        ) from e


def _check_names(kind: str, names: Sequence[str], count: int, taken: Sequence[str]) -> None:
    if len(names) != count or len({*names, *taken}) != count + len(taken):
        raise ExportError(
            kind,
            f"there must be {count} names, all different, not {list(names)}",
            f"pass {kind} accordingly",
        )


def read_call(
    module: nn.Module,
    sample: object,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
) -> Call:
    """Name the inputs after forward's arguments and the outputs by their place.

    :param sample: a tensor, a tuple of arguments or a dict of arguments by name.
    :raises ExportError: where the sample does not fit, or holds anything but float32 tensors.
    """
    arguments = {k: v for k, v in _arguments(module, sample).items() if v is not None}
    inputs: dict[str, Tensor] = {}
    for key, value in arguments.items():
        if type(value) in (tuple, list):
            inputs.update(flatten(value, key))
        elif type(value) in (Tensor, nn.Parameter) and value.dtype == torch.float32:
            inputs[key] = value.detach()
        else:
            raise ExportError(
                f"sample '{key}'",
                f"an input must be a float32 tensor, not {getattr(value, 'dtype', type(value))}",
                "pass float tensors; the module quantises them itself",
            )
    if input_names is not None:
        _check_names("input_names", input_names, len(inputs), [])
        inputs = dict(zip(input_names, inputs.values(), strict=True))
    call = Call(inputs, [], arguments)
    try:
        with torch.no_grad():
            found = flatten(module(**_rebuild(arguments, list(inputs.values()))), "output")
    except ExportError:
        raise
    except Exception as e:
        raise ExportError(
            type(module).__name__,
            f"the module must run on the sample, and raised {type(e).__name__}: {e}",
            "correct the sample's shapes",
        ) from e
    names = list(found)
    if type(module) is QuantLSTM and len(names) == 3:
        names = ["output", "hn", "cn"]
    names = names if output_names is None else list(output_names)
    _check_names("output_names", names, len(found), list(inputs))
    return Call(inputs, names, call.arguments)
