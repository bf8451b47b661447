"""`report.json`: the machine-readable truth about a compilation."""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass

import numpy as np

from thresher.compiler.schedule.design import TopPort
from thresher.compiler.schedule.links import estimate, links
from thresher.compiler.schedule.utilisation import busy_cycles, utilisation
from thresher.gen.compiled import Compiled
from thresher.rtl.binding import memory_style
from thresher.rtl.fanout import core
from thresher.rtl.kernel import Kernel, Port

__all__ = ["compile_report", "with_build", "with_synthesis", "with_verification"]


def compile_report(compiled: Compiled) -> dict[str, object]:
    """The report of a fresh compilation: nothing simulated, synthesised or verified yet."""
    design, options = compiled.design, compiled.options
    busy, shares = busy_cycles(design), utilisation(design)
    return {
        "model": {"name": design.name, "sha256": compiled.model_sha256},
        "board": options.board.name if options.board else None,
        "clock_mhz": options.mhz,
        "inputs": {p.name: _top_port(p) for p in design.inputs},
        "outputs": {p.name: _top_port(p) for p in design.outputs},
        "samples_per_frame": design.samples,
        "kernels": {
            name: _kernel(compiled, name, k)
            | {"busy_cycles": busy[name], "utilisation": round(shares[name], 4)}
            for name, k in design.kernels.items()
        },
        "fifos": [
            {
                "from": ".".join(link.source),
                "to": ".".join(link.target),
                "name": link.name,
                "depth": link.depth,
                "least_depth": design.fifo_least.get(link.edge, link.depth),
                "memory": memory_style(link.fifo),
            }
            for link in links(design)
            if link.fifo is not None
        ],
        "cycles": {
            "latency": {"predicted": design.predicted.latency, "simulated": None},
            "interval": {"predicted": design.predicted.interval, "simulated": None},
        },
        "resources": {
            "estimated": asdict(estimate(design)),
            "yosys": None,
            "capacity": asdict(options.board.capacity) if options.board else None,
            "limits": asdict(options.capacity) if options.capacity else None,
        },
        "verify": {"samples": 0, "mismatches": None},
    }


def _port(port: Port) -> dict[str, object]:
    return {
        "beats": port.beats,
        "lanes": port.lanes,
        "element_bits": port.width,
        "lo": port.lo,
        "hi": port.hi,
    }


def _top_port(top: TopPort) -> dict[str, object]:
    """`shape` is that of one sample in the stream, `samples_axis` where a frame's samples stand in
    it; axis k of the stream is axis `order[k]` of the model's tensor.
    """
    shape, order = list(top.io.tensor.shape), top.io.order
    told = {"source": top.io.tensor.name, "shape": shape, "samples_axis": top.place}
    told["order"] = list(range(len(shape)) if order is None else order)
    return _port(top.port) | told


def _kernel(compiled: Compiled, name: str, kernel: Kernel) -> dict[str, object]:
    design = compiled.design
    return {
        "kind": type(core(kernel)).__name__,
        "tensor": design.origins.get(name, ""),
        "folding": dict(design.folding.get(name, {})),
        "memory": memory_style(kernel),
        "parameters": _parameters(core(kernel)),
        "inputs": {n: _port(p) for n, p in kernel.inputs.items()},
        "outputs": {n: _port(p) for n, p in kernel.outputs.items()},
        "estimated": asdict(kernel.resources()),
    }


def _parameters(kernel: Kernel) -> dict[str, object]:
    """The scalar parameters; arrays by their shape."""
    found: dict[str, object] = {}
    for f in fields(kernel):
        value = getattr(kernel, f.name)
        if isinstance(value, np.ndarray):
            found[f.name] = f"array{value.shape}"
        elif value is None or isinstance(value, bool | int | float | str):
            found[f.name] = value
        elif not is_dataclass(value) and isinstance(value, tuple) and len(value) <= 4:
            found[f.name] = [v if isinstance(v, int | str) else type(v).__name__ for v in value]
    return found


def with_verification(
    report: Mapping[str, object],
    outcome: Mapping[str, object],
    cycles: Mapping[str, int | None] | None,
) -> dict[str, object]:
    """The report with the outcome of `thresher verify` and the simulated cycles in it.

    :param cycles: simulated "latency" and "interval", or None where nothing was simulated to its
        end.
    """
    new = dict(report)
    new["verify"] = dict(outcome)
    if cycles is not None:
        old = report["cycles"]
        assert isinstance(old, Mapping)
        new["cycles"] = {k: {**old[k], "simulated": cycles[k]} for k in ("latency", "interval")}
    return new


def with_synthesis(report: Mapping[str, object], yosys: Mapping[str, object]) -> dict[str, object]:
    """The report with the areas that `thresher synth` found in it."""
    resources = report["resources"]
    assert isinstance(resources, Mapping)
    return {**report, "resources": {**resources, "yosys": dict(yosys)}}


def with_build(
    report: Mapping[str, object], board: str, result: Mapping[str, object]
) -> dict[str, object]:
    """The report with what Vivado found for a board, under "vivado"."""
    before = report.get("vivado", {})
    assert isinstance(before, Mapping)
    return {**report, "vivado": {**before, board: dict(result)}}
