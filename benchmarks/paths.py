"""T7: the pre-route critical path of every kind of kernel, from Yosys for xc7.

    python benchmarks/paths.py [NAME ...] [--no-designs]

One kernel at a time, from register to register and between its ports and registers; of each kind
over the corners of its parameters, then all kernels and FIFOs of the designs T1a, T1b and T4. What
routing adds is not in it. Results are cached by content.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "rtl")]

import numpy as np  # noqa: E402
from amaranth.lib import wiring  # noqa: E402
from figures import Figure  # noqa: E402
from imagepaths import image_kernels  # noqa: E402
from stepcases import activation, requantise, requantise_channels  # noqa: E402

from thresher.gen.synth import SynthResult, synthesise_all  # noqa: E402
from thresher.rtl.argmax import Argmax  # noqa: E402
from thresher.rtl.broadcast import BroadcastMVAU  # noqa: E402
from thresher.rtl.deal import Deal  # noqa: E402
from thresher.rtl.elementwise import Elementwise  # noqa: E402
from thresher.rtl.fanout import Fanout  # noqa: E402
from thresher.rtl.fifo import Fifo  # noqa: E402
from thresher.rtl.fork import Fork  # noqa: E402
from thresher.rtl.kernel import Kernel  # noqa: E402
from thresher.rtl.loopstate import LoopState  # noqa: E402
from thresher.rtl.mvau import MVAU  # noqa: E402
from thresher.rtl.recurrence import Inject, Tap  # noqa: E402
from thresher.rtl.reorder import Reorder  # noqa: E402
from thresher.rtl.rom import Rom  # noqa: E402
from thresher.rtl.route import Concat, Select, Sink, Split  # noqa: E402
from thresher.rtl.skid import Skid  # noqa: E402
from thresher.rtl.step import Step  # noqa: E402
from thresher.rtl.stepfunction import StepFunction  # noqa: E402
from thresher.rtl.topk import TopK  # noqa: E402
from thresher.rtl.width import WidthConverter  # noqa: E402

__all__ = ["DESIGNS", "LIMIT_NS", "design_kernels", "figures", "kernels", "main"]

LIMIT_NS = 3.5
DESIGNS = ("T1a", "T1b", "T4")
_W6, _W8 = (-32, 31), (-128, 127)
_SCALES = tuple((2.0 ** np.linspace(-1, 1, 16) / 900).tolist())
_BIASES = tuple(np.linspace(-0.9, 1.1, 16).tolist())
_Item = Kernel | Callable[[], wiring.Component]


def _weights(k: int, n: int, bits: int) -> np.ndarray:
    end = 1 << bits - 1
    return np.random.default_rng([k, n, bits]).integers(1 - end, end, (k, n))


def _products() -> Iterator[tuple[str, _Item]]:
    reduce = {
        "constant 6x6, K 20": (20, 4, 6, 4, 20, _W6, True),
        "constant 8x8, K 64": (64, 2, 8, 2, 64, _W8, True),
        "constant 4x4, K 8": (8, 8, 4, 8, 8, (-8, 7), False),
        "folded 8x8": (64, 16, 8, 4, 8, _W8, True),
        "folded 8x8, SF 1": (16, 16, 8, 4, 16, _W8, True),
        "folded 4x4": (32, 16, 4, 4, 4, (-8, 7), False),
        "folded 8x8, SIMD 3": (18, 8, 8, 1, 3, _W8, False),
        "folded 8x8, SIMD 4": (24, 8, 8, 1, 4, _W8, False),
        "serial 8x8": (128, 64, 8, 1, 1, _W8, True),
    }
    for name, (k, n, bits, pe, simd, ends, biased) in reduce.items():
        for memory in ("logic", "block") if pe * simd < k * n else ("auto",):
            bias = np.arange(n) * 37 - 90 if biased else None
            yield f"MVAU {name}, {memory}", MVAU(
                weights=_weights(k, n, bits), bias=bias, pe=pe, simd=simd, memory=memory,
                i_lo=ends[0], i_hi=ends[1],
            )  # fmt: skip
    packed = {
        "8x6": (64, 16, 8, 4, 8, (0, 63), 2, True),
        "8x6, SF 1": (16, 16, 8, 4, 16, (0, 63), 2, False),
        "8x8, SIMD 3": (18, 8, 8, 2, 3, _W8, 2, False),
        "serial 8x8": (128, 64, 8, 2, 1, _W8, 2, True),
        "4x4": (32, 18, 4, 6, 8, (-8, 7), 3, False),
    }  # fmt: skip
    for name, (k, n, bits, pe, simd, ends, pack, biased) in packed.items():
        for memory in ("logic", "block"):
            yield f"MVAU packed {name}, {memory}", MVAU(
                weights=_weights(k, n, bits), bias=np.arange(n) * 37 - 90 if biased else None,
                pe=pe, simd=simd, memory=memory, i_lo=ends[0], i_hi=ends[1], pack=pack,
            )  # fmt: skip
    broadcast = {
        "8x8": (32, 32, 8, 8, 4, _W8), "8x6": (40, 64, 8, 32, 4, _W6),
        "4x4": (32, 32, 4, 32, 4, (-8, 7)), "8x8, one row": (64, 16, 8, 1, 1, _W8),
    }  # fmt: skip
    for name, (k, n, bits, rows, lanes, ends) in broadcast.items():
        for memory in ("logic", "block"):
            yield f"BroadcastMVAU {name}, {memory}", BroadcastMVAU(
                weights=_weights(k, n, bits), bias=np.arange(n) * 37 - 90, rows=rows,
                lanes=lanes, i_lo=ends[0], i_hi=ends[1], memory=memory,
            )  # fmt: skip


def _functions() -> Mapping[str, tuple[StepFunction, tuple[str, ...]]]:
    """By name, with the forms to look at."""
    free = ("search", "comparators")
    quantiser, wide = requantise(2**-10, bits=17), requantise(2**-8, bits=18, out_bits=8)
    codes, many = np.arange(-32, 32), np.arange(-128, 128)
    gate = np.rint(64 / (1 + np.exp(-codes / 8))).astype(np.int64)
    fine = np.rint(256 / (1 + np.exp(-many / 24))).astype(np.int64)
    one, spread = 1 / 1000.7, list(_SCALES)
    return {
        "requantise 21 to 6": (requantise(one), ("affine", "auto", "fast", *free)),
        "requantise 21 to 8": (requantise(4 * one, out_bits=8), ("affine", *free)),
        "requantise 32 to 8": (
            requantise(0.97 * 2.0**-15, bits=32, out_bits=8), ("affine", "search", "fast"),
        ),
        "half to even 21 to 6": (requantise(1 / 1024), ("shift", "rounded")),
        "half to even, falling": (
            StepFunction.from_table(-2048, -requantise(1 / 32, bits=12).table()), ("shift",),
        ),
        "half to even 21 to 8": (requantise(1 / 1024, out_bits=8), ("shift", "rounded")),
        "sigmoid of 6 bits": (quantiser.then(StepFunction.from_table(-32, gate[None])),
                              ("rounded",)),
        "sigmoid of 8 bits": (wide.then(StepFunction.from_table(-128, fine[None])), ("rounded",)),
        "sigmoid 21 to 6": (activation("sigmoid", 1 / 4096.3), free),
        "sigmoid 21 to 8": (activation("sigmoid", 1 / 4096.3, out_bits=8), free),
        "tanh 12 to 6": (activation("tanh", 1 / 300.7, bits=12), ("table", "fast", *free)),
        "channels": (requantise_channels(spread), ("affine", "auto", *free)),
        "channels, biases": (
            requantise_channels(spread, biases=list(_BIASES)), ("affine", "comparators"),
        ),
        "sigmoid, biases": (activation("sigmoid", 2**-7, bits=12, biases=_BIASES),
                            ("offset", "table", *free)),
    }  # fmt: skip


def _steps() -> Iterator[tuple[str, _Item]]:
    for name, (function, forms) in _functions().items():
        for form in forms:
            yield f"Step {name}, {form}", Step(function=function, lanes=2, form=form)
    function = activation("sigmoid", 2**-7, bits=12, biases=_BIASES)
    for form in ("search", "table", "comparators", "offset"):
        yield (
            f"Step sigmoid, biases, {form}, bram",
            Step(function=function, lanes=2, form=form, memory="block"),
        )


def _elementwise() -> Iterator[tuple[str, _Item]]:
    wide = (-(1 << 20), (1 << 20) - 1)
    make = partial(Elementwise, lanes=2)
    for op in ("add", "sub", "rsub"):
        yield f"Elementwise {op} 21 + 21", make(op=op, a=wide, b=wide)
    yield "Elementwise add, shifted", make(op="add", a=wide, b=_W8, shift_b=9)
    for bits in (4, 6, 8, 12, 16):
        ends = -(1 << bits - 1), (1 << bits - 1) - 1
        bare = make(op="mul", a=ends, b=ends)
        yield f"Elementwise mul {bits}x{bits}", bare
        out, scale = min(bits, 8), 2.0 ** (1 - bits)
        steps = {
            "half to even": requantise(scale, bits=2 * bits, out_bits=out),
            "scaled": requantise(0.97 * scale, bits=2 * bits, out_bits=out),
        }
        if bits < 12:
            steps["tanh"] = activation("tanh", 1.7 / (1 << 2 * bits - 2), bits=2 * bits)
        for (name, step), form in [(s, f) for s in steps.items() for f in ("auto", "fast")]:
            fused = StepFunction(*bare.result, step.thresholds, step.values)
            yield (
                f"Elementwise mul {bits}x{bits}, {name}, {form}",
                make(op="mul", a=ends, b=ends, step=fused, form=form),
            )
    yield "Elementwise mul 8x8 unsigned", make(op="mul", a=_W8, b=(0, 255))
    for rows in (1, 8):
        constant = np.arange(2 * rows) * 29 - 100
        for op in ("add", "mul"):
            yield f"Elementwise {op} constants, {rows} rows", make(op=op, a=_W8, constant=constant)
    for bits in (6, 8, 15, 20):
        ends = -(1 << bits - 1), (1 << bits - 1) - 1
        for op in ("add", "sub"):
            lo, hi = make(op=op, a=ends, b=ends).result
            width = bits + 2
            steps = {
                "half to even": requantise(2.0 ** (6 - width), bits=width),
                "tanh": activation("tanh", 5 / (1 << width), bits=width),
            }
            for (name, step), form in [(s, f) for s in steps.items() for f in ("auto", "fast")]:
                fused = StepFunction(lo, hi, step.thresholds, step.values)
                yield (
                    f"Elementwise {op} {bits} + {bits}, {name}, {form}",
                    make(op=op, a=ends, b=ends, step=fused, form=form),
                )


def _routes() -> Iterator[tuple[str, _Item]]:
    two = {"lanes": 2, "lo": -32, "hi": 31}
    yield "TopK 5 of 32", TopK(elements=32, k=5, lo=-(1 << 20), hi=1 << 20, with_value=True)
    yield "TopK 1 of 1,000", TopK(elements=1000, k=1, lo=-128, hi=127)
    for elements, lanes in ((10, 1), (64, 8), (16, 16), (60, 20)):
        yield (
            f"Argmax {lanes} of {elements}",
            Argmax(
                elements=elements, lanes=lanes, lo=-(1 << 15), hi=(1 << 15) - 1, with_value=True
            ),
        )
    for depth in (1, 2, 3, 17, 64, 300):
        yield f"Fifo {depth}", Fifo(depth=depth, **two)
    yield "Skid", Skid(**two)
    for branches in (2, 5):
        yield f"Fork {branches}", Fork(branches=branches, **two)
        yield f"Deal {branches}", Deal(branches=branches, rounds=2, lo=-32, hi=31)
        add = Elementwise(op="add", a=_W6, b=_W6, lanes=4)
        lanes = ((0, 1), (2, 3), (0, 1, 2, 3), (3,), (1,))[:branches]
        yield f"Fanout {branches}", Fanout(kernel=add, port="o", branches=lanes)
    for i, o in ((1, 8), (8, 1), (4, 6), (6, 4), (5, 3), (16, 64)):
        yield (
            f"WidthConverter {i} to {o}",
            WidthConverter(elements=i * o, i_lanes=i, o_lanes=o, lo=-32, hi=31),
        )
    yield "Split", Split(segments=(3, 20, 5), **two)
    yield "Concat", Concat(segments=(3, 20, 5), **two)
    yield "Select", Select(keep=tuple(k % 7 < 3 for k in range(60)), **two)
    yield "Sink", Sink(beats=5, **two)
    rng = np.random.default_rng(2)
    for name, index in (
        ("transposed", np.arange(64).reshape(8, 8).T.ravel()), ("any", rng.permutation(48)),
    ):  # fmt: skip
        yield f"Reorder {name}", Reorder(index=tuple(index.tolist()), i_beats=len(index), **two)
    constant = tuple(rng.integers(-32, 32, 40).tolist())
    yield "Inject", Inject(steps=25, beats=20, **two)
    yield "Inject constants", Inject(steps=25, beats=20, initial=constant, **two)
    yield "Tap", Tap(steps=25, beats=20, final=True, **two)
    for beats, bypass in ((20, False), (1, False), (1, True)):
        name = f"LoopState of {beats} beats{', bypass' * bypass}"
        yield name, LoopState(steps=25, beats=beats, final=True, bypass=bypass, **two)
    for depth, memory in ((64, "logic"), (1024, "logic"), (1024, "block"), (9000, "block")):
        words = rng.integers(0, 1 << 18, depth).tolist()
        yield f"Rom {depth} words, {memory}", partial(Rom, words=words, width=18, memory=memory)


def kernels() -> dict[str, _Item]:
    """What is looked at, by name."""
    groups = (_products, _steps, _elementwise, _routes, image_kernels)
    return {n: k for group in groups for n, k in group()}


def design_kernels(name: str) -> dict[str, _Item]:
    """All kernels and FIFOs of a work of `lstm`."""
    from lstm import compiled

    from thresher.compiler.schedule.links import links

    design = compiled(name)[0].design
    found: dict[str, _Item] = {f"{name} {n}": k for n, k in design.kernels.items()}
    return found | {f"{name} {x.name}": x.fifo for x in links(design) if x.fifo is not None}


def _measured(items: Mapping[str, _Item]) -> dict[str, SynthResult]:
    made = {n: item if isinstance(item, Kernel) else item() for n, item in items.items()}
    return synthesise_all(made)


def _everything() -> dict[str, _Item]:
    items = kernels()
    for name in DESIGNS:
        items |= design_kernels(name)
    return items


def _row(name: str, result: SynthResult) -> str:
    verdict = "" if (result.path_ns or 0.0) <= LIMIT_NS else "  missed"
    return f"{name:60} {result.path_ns or 0.0:6.3f} ns {result.depth or 0:3} deep{verdict}"


def figures() -> list[Figure]:
    """T7: the worst of all; prints each."""
    found = _measured(_everything())
    for name, result in found.items():
        print("      " + _row(name, result))
    worst = max(found, key=lambda n: found[n].path_ns or 0.0)
    path = found[worst].path_ns or 0.0
    return [
        Figure(
            "T7",
            f"longest path of {len(found)} kernels over their parameters and of "
            f"{', '.join(DESIGNS)}, Yosys xc7 before routing; the worst is {worst}",
            f"<= {LIMIT_NS}",
            path,
            "ns",
            "2.7",
            "FINN RTL MVAU, same flow",
            path <= LIMIT_NS,
        )
    ]


def main() -> None:
    """Print one line a kernel, the worst last; exit 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="kernels whose name begins so; default all")
    parser.add_argument("--no-designs", action="store_true", help="only the list of kernels")
    args = parser.parse_args()
    items = kernels() if args.no_designs else _everything()
    names = tuple(args.names)
    found = _measured({n: k for n, k in items.items() if not names or n.startswith(names)})
    for name in sorted(found, key=lambda n: found[n].path_ns or 0.0):
        print(_row(name, found[name]))
    sys.exit(any((r.path_ns or 0.0) > LIMIT_NS for r in found.values()))


if __name__ == "__main__":
    main()
