"""What a design is to be: its clock, its targets, its capacity."""

from dataclasses import dataclass

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.design import Predicted
from thresher.compiler.schedule.folding import Folding

__all__ = ["ScheduleOptions"]


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """What the design is to be.

    Without target and capacity, the fastest design with at most 64 products a cycle in its MVAUs,
    beside those that the folding asks for.

    :param clock_mhz: turns cycles into the units of the targets.
    :param target_fps: samples a second, one after the other without a pause, at least.
    :param max_latency_us: microseconds from a frame's first input to its last output, at most.
    :param samples: in a frame: so many sequences take turns in each recurrence.
    :param capacity: the most that the design may take, or None.
    :param folding: kernel name -> its folding; kernels without one are folded automatically.
    """

    clock_mhz: float = 100.0
    target_fps: float | None = None
    max_latency_us: float | None = None
    capacity: Capacity | None = None
    folding: Folding | None = None
    samples: int = 1

    def __post_init__(self) -> None:
        for name in ("clock_mhz", "target_fps", "max_latency_us"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ThresherError(f"{name} must be greater than 0, not {value!r}")

    @property
    def interval(self) -> int | None:
        """The most cycles between two frames, or None."""
        if self.target_fps is None:
            return None
        return max(1, int(self.samples * self.clock_mhz * 1e6 / self.target_fps))

    @property
    def latency(self) -> int | None:
        """The most cycles from a frame's first input to its last output, or None."""
        if self.max_latency_us is None:
            return None
        most = int(self.max_latency_us * self.clock_mhz) + 1
        return most if most / self.clock_mhz <= self.max_latency_us else most - 1

    def misses(self, predicted: Predicted) -> str | None:
        """The target that these cycles miss, with the nearest figure; None where none."""
        mhz = self.clock_mhz
        fps, latency = self.samples * mhz * 1e6 / predicted.interval, predicted.latency / mhz
        if self.target_fps is not None and fps < self.target_fps:
            return f"{self.target_fps:g} samples/s at {mhz:g} MHz; the nearest is {fps:.6g}"
        if self.max_latency_us is not None and latency > self.max_latency_us:
            return f"{self.max_latency_us:g} us at {mhz:g} MHz; the nearest is {latency:.6g}"
        return None

    @property
    def limits(self) -> dict[str, int]:
        """The capacity by resource, as `Space.cheapest` takes it."""
        found = {}
        for name in ("lut", "ff", "lutram", "dsp", "uram"):
            limit = getattr(self.capacity, name, None)
            if limit is not None:
                found[name] = limit
        if self.capacity is not None and self.capacity.bram36 is not None:
            found["bram18"] = 2 * self.capacity.bram36
        return found
