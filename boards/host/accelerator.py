"""`Accelerator`: a model on a board, as a function from arrays to arrays.

acc = Accelerator("model.json", bitfile="thresher.bit")     # on a ZCU104 with PYNQ
acc = Accelerator("model.json", port="/dev/ttyUSB1")        # beside an Arty S7 or Cmod S7
y = acc.predict(x)
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from thresher.boards.host.codec import decode, encode, to_frames, to_samples
from thresher.boards.host.connect import connect
from thresher.boards.host.errors import InputError, LinkError
from thresher.boards.host.links import BoardIdentity, Counters, Link
from thresher.boards.host.model import Model, load_model
from thresher.boards.host.ports import Input, codes_of, named, values_of
from thresher.boards.host.vectors import Vectors, load_vectors

__all__ = ["Accelerator", "Check", "Measurement"]


@dataclass(frozen=True)
class Measurement:
    """What `Accelerator.measure` found.

    :param frames: that were sent.
    :param seconds: for all of them, by the host's clock.
    :param samples_per_second: by the host's clock.
    :param latency_seconds: of one frame alone, by the host's clock, link included.
    :param latency_cycles: of a frame in the core.
    :param interval_cycles: between the last two results of the batch.
    :param core_latency_seconds: `latency_cycles` at the core's clock.
    """

    frames: int
    seconds: float
    samples_per_second: float
    latency_seconds: float
    latency_cycles: int
    interval_cycles: int
    core_latency_seconds: float


@dataclass(frozen=True)
class Check:
    """What `Accelerator.check` found.

    :param samples: that were compared.
    :param inputs: by model input, codes that this host makes otherwise than the compiler did.
    :param outputs: by model output, codes in which the board differs from the golden model.
    """

    samples: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Nothing differs."""
        return not any(self.inputs.values()) and not any(self.outputs.values())


class Accelerator:
    """A model on a board.

    :param model: the `model.json` of a driver folder, or its content.
    :param link: to the board; without one, `connect` makes it from the other arguments.
    :raises LinkError: the board does not answer, or runs another model.
    """

    def __init__(
        self, model: str | Path | Mapping[str, Any] | Model, link: Link | None = None, **how: Any
    ) -> None:
        self.model = load_model(model)
        if link is not None and how:
            raise InputError(f"give a link or {list(how)}, not both")
        self.link = connect(self.model, **how) if link is None else link
        try:
            self.identity = self._checked(self.link.identity())
        except BaseException:
            self.link.close()
            raise

    def predict(
        self, x: np.ndarray | Mapping[str, np.ndarray], *, codes: bool = False
    ) -> np.ndarray | dict[str, np.ndarray]:
        """The model's outputs (N, *shape) for inputs (N, *shape), N at least 1.

        :param x: an array, or arrays by input name where the model has several. An integer array
            for a float input is taken as codes.
        :param codes: give int64 codes instead of the model's units.
        :returns: an array, or arrays by output name where the model has several.
        :raises InputError: an array does not fit the model.
        :raises LinkError: the board fails.
        """
        found = self._outputs(codes_of(self.model.inputs, named(x, self.model.inputs)))
        if not codes:
            found = {o.name: values_of(o, found[o.name]) for o in self.model.outputs}
        return next(iter(found.values())) if len(found) == 1 else found

    def status(self) -> Counters:
        """What the board has counted."""
        return self.link.counters()

    def reset(self) -> None:
        """Empty the core; frames inside are lost and counted as such."""
        self.link.reset()

    def measure(self, frames: int = 100) -> Measurement:
        """Time frames of random codes.

        :param frames: how many, at least 1.
        """
        if frames < 1:
            raise InputError(f"frames must be at least 1, not {frames!r}")
        data = self._frames(self._random(frames * self.model.samples))
        start = time.perf_counter()
        self.link.transfer(data[:1])
        alone = time.perf_counter() - start
        latency = self.link.counters().latency
        start = time.perf_counter()
        self.link.transfer(data)
        seconds = time.perf_counter() - start
        return Measurement(
            frames,
            seconds,
            frames * self.model.samples / seconds,
            alone,
            latency,
            self.link.counters().interval if frames > 1 else 0,
            latency / self.identity.clock_hz,
        )

    def check(self, vectors: str | Path | Vectors) -> Check:
        """Compare this host and the board with recorded vectors.

        :param vectors: the `vectors.npz` of the driver folder.
        :raises InputError: they are not of this model.
        """
        told = load_vectors(vectors, self.model)
        inputs: dict[str, int] = {}
        for port, values, codes in zip(self.model.inputs, told.values, told.codes, strict=True):
            inputs.setdefault(port.source, 0)
            if values is not None:
                made = codes_of([port], {port.source: values})[0]
                inputs[port.source] += _differ(made, codes)
        found = self._outputs(list(told.codes))
        outputs = {
            o.name: _differ(found[o.name], expected)
            for o, expected in zip(self.model.outputs, told.outputs, strict=True)
        }
        return Check(len(told.codes[0]), inputs, outputs)

    def close(self) -> None:
        """Give the device back."""
        self.link.close()

    def __enter__(self) -> "Accelerator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self, found: BoardIdentity) -> BoardIdentity:
        model = self.model
        if found.digest != model.digest:
            raise LinkError(
                f"the board runs model {found.digest[:8].hex()}, Verilog "
                f"{found.digest[8:].hex()}, not {model.digest[:8].hex()}, "
                f"{model.digest[8:].hex()} of model.json; program it with the bitstream of the "
                "same build"
            )
        taken, given = model.frames[self.link.kind]
        told = found.samples, found.frame_bytes, found.result_bytes
        if told != (model.samples, taken.size, given.size):
            raise LinkError(
                f"the board's frames are (samples, bytes in, bytes out) {told}, not "
                f"{(model.samples, taken.size, given.size)} of model.json; use one build"
            )
        return found

    def _frames(self, codes: list[np.ndarray]) -> np.ndarray:
        """Codes (N, *shape) of each input -> uint8 (frames, bytes)."""
        ready = {
            p.stream: to_frames(array, self.model.samples, p.place, p.order)
            for p, array in zip(self.model.inputs, codes, strict=True)
            if p.stream is not None
        }
        return encode(self.model.frames[self.link.kind][0], ready)

    def _outputs(self, codes: list[np.ndarray]) -> dict[str, np.ndarray]:
        """int64 codes (N, *shape) by output name, from the board."""
        count, samples = len(codes[0]), self.model.samples
        given = self.model.frames[self.link.kind][1]
        rows = decode(given, self.link.transfer(self._frames(codes)))
        return {
            o.name: to_samples(rows[o.stream], o.shape, samples, o.place, o.order)[:count]
            for o in self.model.outputs
        }

    def _random(self, count: int) -> list[np.ndarray]:
        rng = np.random.default_rng(0)

        def draw(port: Input) -> np.ndarray:
            return rng.integers(port.lo, port.hi, (count, *port.shape), np.int64, endpoint=True)

        return [draw(port) for port in self.model.inputs]


def _differ(found: np.ndarray, expected: np.ndarray) -> int:
    return int(np.count_nonzero(found != expected))
