"""Ports of a module as its Verilog declares them."""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Port", "ports"]

_DECLARATION = re.compile(
    r"^\s*(input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?(\w+)\s*;", re.MULTILINE
)


@dataclass(frozen=True)
class Port:
    """A port of a module; `width` in bits."""

    direction: Literal["input", "output"]
    width: int


def ports(verilog: str, module: str) -> dict[str, Port]:
    """The ports of a module that `gen.verilog` wrote: one declaration a line behind the header.

    :raises ValueError: the text has no such module.
    """
    found = re.search(rf"^module \\?{re.escape(module)}\s*\((.*?)^endmodule", verilog, re.M | re.S)
    if found is None:
        raise ValueError(f"Verilog must hold the module {module}")
    return {
        name: Port("input" if direction == "input" else "output", int(high or 0) + 1)
        for direction, high, name in _DECLARATION.findall(found[1])
    }
