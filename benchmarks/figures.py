"""One measured figure beside its target and the published one."""

from dataclasses import asdict, dataclass

__all__ = ["Figure"]


@dataclass(frozen=True)
class Figure:
    """A row of `benchmarks/results.json`.

    :param name: its key, such as "T1a".
    :param what: the work, and how it was measured.
    :param target: in words and numbers.
    :param measured: as this run found it.
    :param published: the figure to beat, "" where there is none.
    :param source: whose that is.
    """

    name: str
    what: str
    target: str
    measured: float | str
    unit: str
    published: str
    source: str
    met: bool

    def to_dict(self) -> dict[str, object]:
        """For JSON, without the key."""
        return {k: v for k, v in asdict(self).items() if k != "name"}

    def __str__(self) -> str:
        verdict = "met" if self.met else "NOT MET"
        measured = f"{self.measured} {self.unit}".strip()
        beside = f"; published {self.published} ({self.source})" if self.published else ""
        return (
            f"{self.name:<7} {self.what}\n"
            f"        target {self.target}, measured {measured}: {verdict}{beside}"
        )
