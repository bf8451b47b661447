"""What a user asks of a compilation; stored beside the result so that it can be repeated."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity, get_board

__all__ = ["CompileOptions", "parse_budget"]

_RESOURCES = {"lut": "lut", "ff": "ff", "dsp": "dsp", "bram": "bram36", "lutram": "lutram"}
_DEFAULT_MHZ = 100.0


@dataclass(frozen=True, kw_only=True)
class CompileOptions:
    """Options of `thresher compile`; names are those of the command line.

    :param board: name of a board, whose capacity and default clock are taken.
    :param clock_mhz: clock in MHz; the board's own, or 100, where None.
    :param target_fps: frames a second to reach with the least area.
    :param max_latency_us: microseconds a frame may take.
    :param seq_len: length of a symbolic sequence axis.
    :param budget: limits by resource (lut, ff, dsp, bram, lutram), below the board's.
    :param folding: kernel -> folding, for kernels that shall not be folded automatically.
    """

    board: str | None = None
    clock_mhz: float | None = None
    target_fps: float | None = None
    max_latency_us: float | None = None
    seq_len: int | None = None
    budget: Mapping[str, int] = field(default_factory=dict)
    folding: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("clock_mhz", "target_fps", "max_latency_us", "seq_len"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                flag = "--" + name.replace("_", "-")
                raise ThresherError(f"{flag} must be greater than 0, not {value}; give more")
        for name in self.budget:
            if name not in _RESOURCES:
                raise ThresherError(
                    f"--budget knows {', '.join(_RESOURCES)}, not '{name}'; "
                    "write for example lut=8000,dsp=20,bram=10"
                )
        if self.board is not None:
            get_board(self.board)

    @property
    def mhz(self) -> float:
        """The clock in MHz."""
        if self.clock_mhz is not None:
            return self.clock_mhz
        return get_board(self.board).clock_mhz if self.board else _DEFAULT_MHZ

    @property
    def capacity(self) -> Capacity | None:
        """The limits of board and budget together; None without either."""
        board = get_board(self.board).capacity if self.board else None
        if board is None and not self.budget:
            return None
        limits: dict[str, int | None] = {}
        for name, key in _RESOURCES.items():
            given = [v for v in (self.budget.get(name), getattr(board, key, None)) if v is not None]
            limits[key] = min(given) if given else None
        return Capacity(**limits)

    def to_dict(self) -> dict[str, object]:
        """For JSON; `CompileOptions(**d)` gives it back."""
        return asdict(self)


def parse_budget(text: str) -> dict[str, int]:
    """``lut=N,dsp=N,bram=N`` as a mapping.

    :raises ThresherError: the text is not of this form.
    """
    budget = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if not number.strip().isdigit():
            raise ThresherError(
                f"--budget must be like lut=8000,dsp=20,bram=10, not '{text}'; "
                f"give '{name.strip()}' a whole number"
            )
        budget[name.strip().lower()] = int(number)
    return budget
