"""What a user asks of a compilation; stored beside the result so that it can be repeated."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity

__all__ = ["CompileOptions", "Target", "parse_budget"]

_RESOURCES = {
    "lut": "lut", "ff": "ff", "lutram": "lutram", "dsp": "dsp", "bram": "bram36", "uram": "uram",
}  # fmt: skip
"""What `--budget` may limit -> the field of `Capacity`, whose units count."""

_DEFAULT_MHZ = 100.0
_BUDGET_FORM = "lut=8000,dsp=20,bram=10"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The board that a design is for, as far as compiling needs it; `boards.registry` has them.

    :param name: of the board.
    :param capacity: what its FPGA holds.
    :param clock_mhz: the clock where the user asks for none.
    """

    name: str
    capacity: Capacity
    clock_mhz: float


@dataclass(frozen=True, kw_only=True)
class CompileOptions:
    """Options of `thresher compile`; names are those of the command line.

    :param board: its capacity and default clock are taken: `get_board(name).target`.
    :param clock_mhz: clock in MHz; the board's own, or 100, where None.
    :param target_fps: samples a second to reach with the least area.
    :param max_latency_us: microseconds a frame may take.
    :param interleave: samples that take turns in the recurrence: so many make up one frame.
    :param seq_len: length of a symbolic sequence axis.
    :param budget: limits by resource: lut, ff, lutram, dsp, bram (blocks of 36 Kbit), uram (of 288
        Kbit). Beside a board's the lesser counts.
    :param folding: kernel -> folding, for kernels that shall not be folded automatically.
    :raises ThresherError: a value is out of range, or names what does not exist.
    :raises TypeError: a value is of the wrong type.
    """

    board: Target | None = None
    clock_mhz: float | None = None
    target_fps: float | None = None
    max_latency_us: float | None = None
    seq_len: int | None = None
    interleave: int = 1
    budget: Mapping[str, int] = field(default_factory=dict)
    folding: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("clock_mhz", "target_fps", "max_latency_us"):
            _check(name, getattr(self, name), (int, float))
        for name in ("seq_len", "interleave"):
            _check(name, getattr(self, name), (int,))
        for name, limit in self.budget.items():
            if name not in _RESOURCES:
                raise ThresherError(
                    f"--budget knows {', '.join(_RESOURCES)}, not '{name}'; "
                    f"write for example {_BUDGET_FORM}"
                )
            if not isinstance(limit, int) or isinstance(limit, bool):
                raise TypeError(f"budget of {name} must be an int, not {limit!r}")
            if limit < 0:
                raise ThresherError(f"--budget {name} must be at least 0, not {limit}; give more")
        if self.board is not None and not isinstance(self.board, Target):
            raise TypeError(f"board must be a Target (get_board(name).target), not {self.board!r}")

    @property
    def mhz(self) -> float:
        """The clock in MHz."""
        if self.clock_mhz is not None:
            return self.clock_mhz
        return self.board.clock_mhz if self.board else _DEFAULT_MHZ

    @property
    def capacity(self) -> Capacity | None:
        """The limits of board and budget together; None without either."""
        if self.board is None and not self.budget:
            return None
        capacity = self.board.capacity if self.board else Capacity()
        limits = {}
        for name, limit in self.budget.items():
            key = _RESOURCES[name]
            most = getattr(capacity, key)
            limits[key] = limit if most is None else min(limit, most)
        return replace(capacity, **limits)

    def to_dict(self) -> dict[str, object]:
        """For JSON; `from_dict` gives it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "CompileOptions":
        """What `to_dict` made.

        :raises TypeError: it is something else.
        """
        board = stored.get("board")
        if isinstance(board, Mapping):
            board = Target(**{**board, "capacity": Capacity(**board["capacity"])})
        return cls(**{**stored, "board": board})


def _check(name: str, value: object, kinds: tuple[type, ...]) -> None:
    if value is None:
        return
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{name} must be {kinds[-1].__name__}, not {value!r}")
    assert isinstance(value, int | float)
    if not 0 < value < math.inf:
        flag = "--" + name.replace("_", "-")
        raise ThresherError(f"{flag} must be finite and greater than 0, not {value}; change it")


def parse_budget(text: str) -> dict[str, int]:
    """``lut=N,dsp=N,bram=N`` as a mapping.

    :raises ThresherError: the text is not of this form.
    """
    budget: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = (p.strip() for p in part.partition("="))
        name = name.lower()
        if not (number.isascii() and number.isdigit()):
            raise ThresherError(
                f"--budget must be like {_BUDGET_FORM}, not '{text}'; give '{name}' a whole number"
            )
        if name in budget:
            raise ThresherError(f"--budget must limit {name} once, not twice; write it once")
        budget[name] = int(number)
    return budget
