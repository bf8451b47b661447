"""What the AXI bench sends and what must come back: packets, right and wrong, and results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cocotb_benches.axi_results import Packet
from thresher.boards.framing import axi_width
from thresher.boards.shell.axi_core import constants
from thresher.boards.shell.buffers import find_buffers, shell_network
from thresher.compiler.schedule.cycles import Run
from thresher.compiler.schedule.design import Design
from thresher.compiler.schedule.predict import predict
from thresher.gen.compiled import Compiled
from thresher.rtl.kernel import Port
from thresher.sim.packing import from_ints, to_ints
from thresher.sim.top import top_of

__all__ = ["packets", "write_axi_job"]


def packets(compiled: Compiled, kinds: Sequence[str], rng: np.random.Generator) -> list[Packet]:
    """One packet of each of these kinds, of random codes."""
    ports = [p.port for p in compiled.design.inputs]
    size = axi_width(compiled.design.inputs)
    drawn = []
    for kind in kinds:
        words = [w for p in ports for w in to_ints(p, _codes(p, rng))]
        drawn.append(_spoiled(kind, words, size, rng))
    length = sum(p.beats for p in ports)
    frames = [(words + [0] * length)[:length] for words, _ in drawn]
    results = _results(compiled, ports, frames)
    return [Packet(k, *d, r) for k, d, r in zip(kinds, drawn, results, strict=True)]


def _codes(port: Port, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(port.lo, port.hi, (1, port.elements), endpoint=True)


def _spoiled(
    kind: str, words: list[int], size: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """The words and TKEEPs that a packet of this kind has."""
    if "short" in kind:
        words = words[: int(rng.integers(1, len(words)))]
    if "long" in kind:
        more = int(rng.integers(1, 2 * len(words) + 1))
        words = words + [int.from_bytes(rng.bytes(size)) for _ in range(more)]
    keep = [(1 << size) - 1] * len(words)
    if "null" in kind:  # in the frame, not behind it
        at = int(rng.integers(len(words) if kind != "long_null" else 1))
        keep[at] ^= 1 << int(rng.integers(size))
    return words, keep


def _results(
    compiled: Compiled, ports: Sequence[Port], frames: Sequence[Sequence[int]]
) -> list[list[int]]:
    arrays, first = [], 0
    for port in ports:
        beats = [w for frame in frames for w in frame[first : first + port.beats]]
        mask = (1 << port.width * port.lanes) - 1
        arrays.append(from_ints(port, [b & mask for b in beats]))
        first += port.beats
    found: list[list[int]] = [[] for _ in frames]
    model = top_of(compiled).model(*arrays)
    for top, rows in zip(compiled.design.outputs, model, strict=True):
        for result, row in zip(found, rows, strict=True):
            result += to_ints(top.port, row)
    return found


def write_axi_job(
    folder: Path, compiled: Compiled, traffic: Mapping[str, Sequence[Packet]], mutant: int = 0
) -> None:
    """What `axi_bench` needs: packets by the test that sends them, and facts of the core.

    :param mutant: what the bench's signal of that name is set to.
    """
    design = compiled.design
    job = {
        "constants": {f"{int(r)}": value for r, value in constants(compiled).items()},
        "sizes": [axi_width(design.inputs), axi_width(design.outputs)],
        "latencies": _latencies(design),
        "interval": predict(shell_network(design, find_buffers(design))).interval,
        "mutant": mutant,
        "traffic": {name: [asdict(p) for p in sent] for name, sent in traffic.items()},
    }
    (folder / "job.json").write_text(json.dumps(job))


def _latencies(design: Design) -> list[int]:
    """Cycles of the first frame, and of the second, each long after all that was before it."""
    pause = 100_000
    run = Run(shell_network(design, find_buffers(design)), 2)
    words = run.puts(run.plan.sources["s_axis"])  # when each is offered
    words[:] = [pause * (1 + (2 * k >= len(words))) for k in range(len(words))]
    run.run()
    first, second = run.trace().outputs["m_axis"].reshape(2, -1)[:, -1]
    return [int(first) - pause + 1, int(second) - 2 * pause + 1]
