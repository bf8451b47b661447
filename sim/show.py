"""What the command line prints about a verification."""

from thresher.gen.compiled import Compiled
from thresher.gen.show import table
from thresher.sim.verify import Verification

__all__ = ["verified"]

_SHOWN_DIFFERENCES = 3


def verified(result: Compiled, outcome: Verification) -> str:
    """After `thresher verify`."""
    equality, predicted = outcome.equality, result.design.predicted
    rows = [
        ("samples", str(outcome.samples)),
        (
            f"golden vs {equality.engine}",
            f"{equality.differing} differ, {equality.unexplained} unexplained",
        ),
    ]
    rows += [("", str(d)) for d in equality.differences[:_SHOWN_DIFFERENCES]]
    with_stalls = ", with and without stalls" if outcome.stalled else ""
    rtl = f"RTL ({outcome.engine}) vs golden"
    rows.append((rtl, f"{outcome.mismatches} mismatches{with_stalls}"))
    if outcome.first is not None:
        rows.append(("", str(outcome.first)))
    rows.append(("latency", f"{outcome.latency} cycles simulated, {predicted.latency} predicted"))
    if outcome.interval is not None:
        rows.append(
            ("interval", f"{outcome.interval} cycles simulated, {predicted.interval} predicted")
        )
    agree = "every frame as predicted" if outcome.cycles_agree else "NOT as predicted"
    rows.append(("cycles", agree))
    rows.append(("verdict", "PASSED" if outcome.passed else "FAILED"))
    return table(rows)
