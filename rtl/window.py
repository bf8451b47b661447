"""A line buffer: what the kernel of a convolution or of pooling sees at each of its places."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.lib import wiring

from thresher.rtl.checks import check_choice, check_int, check_interval, stream_rows
from thresher.rtl.kernel import Kernel, Port, Resources
from thresher.rtl.lutram import RAMS, ram_memory
from thresher.rtl.sequencer import check_ints
from thresher.rtl.timing import Timing
from thresher.rtl.windowarea import window_resources
from thresher.rtl.windowbuffer import WindowComponent
from thresher.rtl.windowplan import AxisPlan, WindowPlan, places
from thresher.rtl.windowtiming import window_timing

__all__ = ["Window"]


@dataclass(frozen=True, kw_only=True)
class Window(Kernel):
    """Images in, windows out; a period is one image. See `WindowComponent` for the hardware.

    `i` carries height * width * channels elements, channels innermost; `o` at each place, in
    row-major order, what the kernel sees, in the order (group, kh, kw, channel in group). The
    image first gets ``upsample - 1`` fills between its rows and columns and `pads` fills around;
    element (kh, kw) of place (oh, ow) is at row ``oh * strides[0] + kh * dilations[0]`` of that,
    column likewise.

    :param height: rows of an image.
    :param width: columns of an image.
    :param channels: elements of a pixel; a multiple of `groups`.
    :param kernel: (KH, KW).
    :param strides: between places, (rows, columns).
    :param dilations: between elements of the kernel, (rows, columns).
    :param pads: top, left, bottom, right.
    :param upsample: (rows, columns).
    :param groups: channel c is in group c // (channels / groups).
    :param fill: what stands where the image does not; beyond lo..hi it widens the interval of `o`.
    :param lanes: elements in one beat of `i`; divides channels / groups.
    :param wide: of a row of the kernel so many elements come in one beat of `o`: 1, or all KW, each
        from a memory of its own; then `lanes` is all channels, and there is one group.
    :param lo: least element of the image.
    :param hi: greatest element of the image.
    :param memory: one of `RAMS`.
    :raises TypeError, ValueError: where a parameter is of the wrong type or out of range.
    """

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    upsample: tuple[int, int] = (1, 1)
    groups: int = 1
    fill: int = 0
    lanes: int
    wide: int = 1
    lo: int
    hi: int
    memory: str = "auto"

    def __post_init__(self) -> None:
        for name in ("height", "width", "channels", "groups", "lanes", "wide"):
            check_int(name, getattr(self, name), 1)
        for name in ("kernel", "strides", "dilations", "upsample", "pads"):
            value, count = getattr(self, name), 4 if name == "pads" else 2
            check_ints(name, value, least=int(count == 2))
            if len(value) != count:
                raise ValueError(f"{name} must have {count} elements, not {value!r}")
        check_int("fill", self.fill)
        check_interval("element", self.lo, self.hi)
        check_choice("memory", self.memory, RAMS)
        if self.channels % self.groups:
            raise ValueError(f"groups must divide channels = {self.channels}, not {self.groups}")
        if self.channels // self.groups % self.lanes:
            each = self.channels // self.groups
            raise ValueError(f"lanes must divide channels / groups = {each}, not {self.lanes}")
        if self.wide > 1 and (self.wide, self.lanes) != (self.kernel[1], self.channels):
            raise ValueError(
                f"wide must be 1, or KW = {self.kernel[1]} where lanes is channels = "
                f"{self.channels}, not {self.wide} with lanes = {self.lanes}"
            )
        for name, axis in (("height", self.rows), ("width", self.columns)):
            if not (axis.at >= 0).any():
                raise ValueError(f"kernel must see a pixel along {name} = {axis.size}")

    def _axis(self, axis: int, size: int) -> AxisPlan:
        at = places(
            size, self.kernel[axis], self.strides[axis], self.dilations[axis],
            (self.pads[axis], self.pads[axis + 2]), self.upsample[axis],
        )  # fmt: skip
        return AxisPlan(at, size)

    @cached_property
    def rows(self) -> AxisPlan:
        """The plan of the rows, (OH, KH)."""
        return self._axis(0, self.height)

    @cached_property
    def columns(self) -> AxisPlan:
        """The plan of the columns, (OW, KW)."""
        return self._axis(1, self.width)

    @cached_property
    def plan(self) -> WindowPlan:
        """What is kept, written and read."""
        pixel = self.channels // self.lanes
        return WindowPlan(self.rows, self.columns, pixel, self.groups, self.wide)

    @property
    def inputs(self) -> Mapping[str, Port]:
        beats = self.height * self.width * self.plan.pixel
        return {"i": Port(beats, self.lanes, self.lo, self.hi)}

    @property
    def outputs(self) -> Mapping[str, Port]:
        beats = len(self.rows.at) * len(self.columns.at) * self.plan.seen
        lo, hi = self.lo, self.hi
        if self.plan.fills:
            lo, hi = min(lo, self.fill), max(hi, self.fill)
        return {"o": Port(beats, self.lanes * self.wide, lo, hi)}

    @property
    def bound(self) -> str:
        """Where the memory is: "lutram", "block" or "ultra"."""
        return ram_memory(self.plan.depth, self.inputs["i"].width * self.lanes, self.memory)

    def compute(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x = stream_rows("i", inputs[0], self.inputs["i"])
        each = self.channels // self.groups
        x = x.reshape(-1, self.height, self.width, self.groups, each)
        (oh, kh), (ow, kw) = self.rows.at.shape, self.columns.at.shape
        rows, columns = self.rows.at[:, None, :, None], self.columns.at[:, None, :]
        real = ((rows >= 0) & (columns >= 0))[..., None, None]
        seen = np.where(real, x[:, rows, columns], self.fill)  # (N, OH, OW, KH, KW, G, C / G)
        assert seen.shape[1:5] == (oh, ow, kh, kw)
        return (np.moveaxis(seen, 5, 3).reshape(len(x), -1),)

    def timing(self) -> Timing:
        return window_timing(self.plan)

    def resources(self) -> Resources:
        return window_resources(self.plan, self.inputs["i"], self.outputs["o"], self.bound)

    def create(self) -> wiring.Component:
        return WindowComponent(
            self.plan, self.inputs["i"], self.outputs["o"], self.fill, self.bound
        )
