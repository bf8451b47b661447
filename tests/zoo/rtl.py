"""Zoo models all the way to simulated hardware: compile, fold, verify.

    cd tests && python -m zoo.rtl random_17 lstm:12:6 ...

does it for some, folded at random, and prints what comes of it; behind the name there may be the
numbers of samples and of products a cycle.
"""

import sys
import tempfile
import zlib
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import onnx

from thresher.compiler.importer import import_model
from thresher.compiler.integer.ir import IntegerGraph
from thresher.compiler.schedule.assemble import lower
from thresher.compiler.streamline import streamline
from thresher.gen.compiled import Compiled, compile_model
from thresher.gen.options import CompileOptions
from thresher.sim.engine import Engine
from thresher.sim.inputs import random_inputs
from thresher.sim.verify import Verification, verify
from thresher.sim.verilator import VerilatorEngine
from zoo.builder import ZooModel
from zoo.models import load
from zoo.random_networks import random_network

__all__ = [
    "compiled",
    "drawn",
    "main",
    "proven",
    "random_folding",
    "save",
    "streamlined",
    "verified",
]

Folding = Mapping[str, Mapping[str, int]]


@lru_cache(maxsize=4)
def drawn(name: str) -> ZooModel:
    """A zoo model, or "random_N", the random network of seed N."""
    kind, _, seed = name.rpartition("_")
    return random_network(int(seed)) if kind == "random" else load(name)


def save(name: str, folder: Path) -> Path:
    """The file of a zoo model."""
    path = folder / f"{name}.onnx"
    onnx.save(drawn(name).model, path)
    return path


def streamlined(name: str) -> IntegerGraph:
    """A zoo model on integers."""
    with tempfile.TemporaryDirectory() as folder:
        graph = import_model(save(name, Path(folder)))
    return streamline(graph, seq_len=drawn(name).seq_len).graph


def compiled(name: str, folding: Folding | None = None, interleave: int = 1) -> Compiled:
    """A zoo model, compiled; folded automatically where no folding is given."""
    options = CompileOptions(
        seq_len=drawn(name).seq_len, folding=folding or {}, interleave=interleave
    )
    with tempfile.TemporaryDirectory() as folder:
        return compile_model(save(name, Path(folder)), options)


def _allowed(name: str) -> dict[str, Mapping[str, tuple[int, ...]]]:
    requests = lower(streamlined(name)).requests
    return {kernel: request.allowed for kernel, request in requests.items()}


def random_folding(name: str, seed: int, products: int = 12) -> Folding:
    """Every parameter of every kernel drawn from its allowed values; the same for equal seeds.

    :param products: the most that a kernel makes a cycle, so that simulations are built in seconds.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    found = {}
    for kernel, allowed in _allowed(name).items():
        choices = [c for c in product(*allowed.values()) if prod(c) <= products]
        chosen = choices[int(rng.integers(len(choices)))]
        found[kernel] = dict(zip(allowed, chosen, strict=True))
    return found


def verified(model: Compiled, engine: Engine, samples: int, seed: int) -> Verification:
    """E2, E3 without and with stalls, and the cycles of every frame, on random inputs."""
    inputs = random_inputs(model.streamlined.graph, samples, seed)
    return verify(model, inputs, engine, stalls=True, seed=seed)


def proven(name: str, samples: int = 8, products: int = 3) -> Verification:
    """A model, folded at random: all that `verified` looks at holds.

    :param products: see `random_folding`.
    :raises AssertionError: it does not, or a difference from the model file with power-of-two
        scales; like every other error it has a note that tells how to see it again.
    """
    seed = zlib.crc32(name.encode())
    try:
        model = compiled(name, random_folding(name, seed, products=3))
        outcome = verified(model, VerilatorEngine(), samples, seed)
        assert outcome.passed, outcome
        assert outcome.stalled
        assert outcome.samples == samples
        assert outcome.latency == model.design.predicted.latency
        assert not (drawn(name).pow2 and outcome.equality.differing), outcome.equality
    except Exception as e:
        e.add_note(f"to see it again: cd tests && python -m zoo.rtl {name}:{samples}:{products}")
        raise
    return outcome


def main(names: list[str]) -> None:
    """The command line."""
    for name in names:
        name, *numbers = name.split(":")
        outcome = proven(name, *map(int, numbers))
        print(f"{name}: {outcome.samples} samples, latency {outcome.latency}: passed")


if __name__ == "__main__":
    main(sys.argv[1:])
