"""`model.json`, read: what a host must know of a model to use it on a board."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thresher.boards.host.errors import InputError
from thresher.boards.host.frames import Frame, FramePort
from thresher.boards.host.ports import Input, Output
from thresher.boards.host.values import load_array, load_function

__all__ = ["FORMAT", "Model", "load_model"]

FORMAT = 1
_CODES_IN = "give an integer array: codes instead of values"
_CODES_OUT = "take codes with predict(..., codes=True)"


@dataclass(frozen=True, eq=False)
class Model:
    """A compiled model.

    :param digest: 8 bytes of the SHA-256 of the model file, then 8 of that of the core's Verilog.
    :param clock_hz: that it was compiled for.
    :param samples: in a frame.
    :param latency: predicted cycles from the first beat in to the last beat out of a frame alone.
    :param interval: predicted cycles between results.
    :param frames: input and output frame by kind of link, "serial" or "axi".
    """

    name: str
    digest: bytes
    clock_hz: int
    samples: int
    latency: int
    interval: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    frames: Mapping[str, tuple[Frame, Frame]]


def load_model(source: "str | Path | Mapping[str, Any] | Model") -> Model:
    """The model of a `model.json`, or of its content.

    :raises InputError: it cannot be read, or is not one.
    """
    if isinstance(source, Model):
        return source
    if isinstance(source, Mapping):
        return _model(source, "the manifest")
    try:
        data = json.loads(Path(source).read_text())
    except (OSError, ValueError) as e:
        raise InputError(f"'{source}' cannot be read ({e}); give a driver's model.json") from e
    return _model(data, f"'{source}'")


def _model(data: Mapping[str, Any], where: str) -> Model:
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise InputError(
            f"{where} is not a model.json of format {FORMAT}; write the driver folder again"
        )
    try:
        return Model(
            data["name"],
            bytes.fromhex(data["model_sha256"])[:8] + bytes.fromhex(data["verilog_sha256"])[:8],
            data["clock_hz"],
            data["samples_per_frame"],
            data["cycles"]["latency"],
            data["cycles"]["interval"],
            tuple(_input(p) for p in data["inputs"]),
            tuple(_output(p) for p in data["outputs"]),
            {
                kind: (_frame(both["input"]), _frame(both["result"]))
                for kind, both in data["frames"].items()
            },
        )
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(
            f"{where} is damaged ({type(e).__name__}: {e}); write the driver folder again"
        ) from e


def _frame(ports: Sequence[Mapping[str, Any]]) -> Frame:
    return Frame(tuple(FramePort(**port) for port in ports))


def _input(port: Mapping[str, Any]) -> Input:
    saved, scale = port["quantise"], port["scale"]
    return Input(
        port["stream"],
        port["source"],
        port["dtype"],
        tuple(port["shape"]),
        port["lo"],
        port["hi"],
        port["samples_axis"],
        None if saved is None else load_function(saved, port["source"], _CODES_IN),
        port["exact"],
        None if scale is None else load_array(scale),
        None if port["order"] is None else tuple(port["order"]),
    )


def _output(port: Mapping[str, Any]) -> Output:
    saved = port["dequantise"]
    return Output(
        port["stream"],
        port["name"],
        port["dtype"],
        tuple(port["shape"]),
        port["samples_axis"],
        None if saved is None else load_function(saved, port["name"], _CODES_OUT),
        None if port["order"] is None else tuple(port["order"]),
    )
