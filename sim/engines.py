"""The engines by name."""

from thresher.compiler.errors import ThresherError
from thresher.sim.amaranth import AmaranthEngine
from thresher.sim.engine import Engine
from thresher.sim.verilator import VerilatorEngine

__all__ = ["ENGINES", "get_engine"]

ENGINES: dict[str, type[Engine]] = {"amaranth": AmaranthEngine, "verilator": VerilatorEngine}


def get_engine(name: str) -> Engine:
    """The engine that counts cycles under this name.

    :raises ThresherError: there is no such engine.
    """
    if name not in ENGINES:
        raise ThresherError(f"engine must be one of {', '.join(ENGINES)}, not '{name}'")
    return ENGINES[name]()
