"""What follows from who reads a stream.

1. A Step that alone reads a Binary is fused behind it.
   In a loop, a Step of such a sum's result, which others read too, becomes a sum with one step of
   its own: it need not wait for the first one.
2. What no output needs is dropped: whole items, the `final` of a Tap, the `value` of an ArgMax.
3. A Tap whose state nobody reads at the next step becomes a Reorder of the last step.
4. A Tap and the Inject that it feeds become one where the state starts from one constant.
5. Reorders of one stream that each take a contiguous part of its period, no two of them the same
   elements, become one Split.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from thresher.compiler.integer import ir
from thresher.compiler.integer.passes.compose_steps import composed
from thresher.compiler.schedule.flatten import (
    FlatGraph,
    FusedSpec,
    InjectSpec,
    Item,
    LoopStateSpec,
    SplitSpec,
    Stream,
    TapSpec,
)
from thresher.compiler.schedule.patterns import Order

__all__ = ["readers", "simplify"]


def readers(flat: FlatGraph) -> Mapping[str, list[tuple[Item | None, str]]]:
    """Stream -> the (item, port) that read it; (None, "") for each top output."""
    found: dict[str, list[tuple[Item | None, str]]] = {name: [] for name in flat.streams}
    for item in flat.items:
        for port, name in item.inputs.items():
            found[name].append((item, port))
    for name in flat.outputs:
        found[name].append((None, ""))
    return found


def simplify(flat: FlatGraph) -> FlatGraph:
    """The same network with less; see the module's text."""
    return _split(_close(_drop(_ahead(_fuse(flat)))))


def _with_items(flat: FlatGraph, items: Iterable[Item], extra: Iterable[Stream] = ()) -> FlatGraph:
    kept = tuple(items)
    used = {*flat.inputs, *flat.outputs}
    for item in kept:
        used |= {*item.inputs.values(), *item.outputs.values()}
    streams = {**flat.streams, **{s.name: s for s in extra}}
    return replace(flat, items=kept, streams={n: s for n, s in streams.items() if n in used})


def _fuse(flat: FlatGraph) -> FlatGraph:
    """Case 1."""
    read_by = readers(flat)
    behind: dict[int, Item] = {}
    for item in flat.items:
        if isinstance(item.spec, FusedSpec):
            targets = read_by[item.outputs["o"]]
            if len(targets) == 1 and targets[0][0] and isinstance(targets[0][0].spec, ir.Step):
                behind[id(item)] = targets[0][0]
    gone = {id(item) for item in behind.values()}
    items = []
    for item in flat.items:
        if id(item) in behind:
            step = behind[id(item)]
            assert isinstance(item.spec, FusedSpec)
            assert isinstance(step.spec, ir.Step)
            spec = FusedSpec(item.spec.binary, step.spec)
            items.append(Item(spec, step.origin, item.inputs, step.outputs, item.inner))
        elif id(item) not in gone:
            items.append(item)
    return _with_items(flat, items)


def _ahead(flat: FlatGraph) -> FlatGraph:
    """Case 1 in loops."""
    maker = {name: item for item in flat.items for name in item.outputs.values()}
    items = []
    for item in flat.items:
        source = maker.get(item.inputs.get("i", "")) if item.inner else None
        spec = source.spec if source is not None else None
        if (
            source is not None
            and isinstance(item.spec, ir.Step)
            and isinstance(spec, FusedSpec)
            and spec.step is not None
            and spec.binary.op != "mul"
        ):
            first, then = spec.step, item.spec
            function, channel = composed(first.function, first.channel, then.function, then.channel)
            step = ir.Step(first.x, function, channel, then.out)
            fused = FusedSpec(spec.binary, step)
            items.append(Item(fused, item.origin, source.inputs, item.outputs, True))
        else:
            items.append(item)
    return _with_items(flat, items)


def _drop(flat: FlatGraph) -> FlatGraph:
    """Cases 2 and 3."""
    maker = {name: item for item in flat.items for name in item.outputs.values()}
    needed: set[str] = set()
    waiting = list(flat.outputs)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            if name in maker:
                waiting += maker[name].inputs.values()
    items = []
    for item in flat.items:
        outputs = {p: n for p, n in item.outputs.items() if n in needed}
        if isinstance(item.spec, TapSpec) and set(outputs) == {"final"}:
            size = item.spec.state.size
            total = item.spec.steps * size
            order = Order(total, np.arange(total - size, total))
            items.append(Item(order, item.origin, item.inputs, {"o": outputs["final"]}))
        elif isinstance(item.spec, ir.ArgMax) and set(outputs) == {"value"}:
            items.append(item)  # the index goes into a Sink
        elif outputs:
            items.append(replace(item, outputs=outputs))
    return _with_items(flat, items)


def _close(flat: FlatGraph) -> FlatGraph:
    """Case 4."""
    taps = {
        item.outputs["feedback"]: item
        for item in flat.items
        if isinstance(item.spec, TapSpec) and "feedback" in item.outputs
    }
    gone: set[int] = set()
    closed: dict[int, Item] = {}
    for item in flat.items:
        spec = item.spec
        if isinstance(spec, InjectSpec) and len(set(spec.initial or ())) == 1 and spec.steps > 1:
            tap = taps[item.inputs["feedback"]]
            assert spec.initial is not None
            rest = {port: name for port, name in tap.outputs.items() if port == "final"}
            closed[id(item)] = Item(
                LoopStateSpec(spec.steps, spec.state, spec.initial[0]),
                item.origin,
                tap.inputs,
                {**item.outputs, **rest},
                True,
            )
            gone.add(id(tap))
    return _with_items(flat, [closed.get(id(i), i) for i in flat.items if id(i) not in gone])


def _split(flat: FlatGraph) -> FlatGraph:
    """Case 5."""
    groups: dict[tuple[str, int], list[Item]] = {}
    for item in flat.items:
        if isinstance(item.spec, Order) and item.spec.segment:
            groups.setdefault((item.inputs["i"], item.spec.size), []).append(item)
    splits: dict[int, Item] = {}
    gone: set[int] = set()
    extra: list[Stream] = []
    for (source, size), members in groups.items():
        if len(members) > 1 and _disjoint(members):
            item, rests = _as_split(flat, source, size, members)
            splits[id(members[0])] = item
            gone |= {id(member) for member in members}
            extra += rests
    items = [splits.get(id(i), i) for i in flat.items if id(i) in splits or id(i) not in gone]
    return _with_items(flat, items, extra)


def _segment(item: Item) -> tuple[int, int]:
    assert isinstance(item.spec, Order)
    assert item.spec.segment is not None
    return item.spec.segment


def _disjoint(members: list[Item]) -> bool:
    parts = sorted(_segment(member) for member in members)
    return all(a[1] <= b[0] for a, b in zip(parts, parts[1:], strict=False))


def _as_split(
    flat: FlatGraph, source: str, size: int, members: list[Item]
) -> tuple[Item, list[Stream]]:
    """The Split, and the streams that hold what none of the members takes."""
    tensor = flat.streams[source].tensor
    periods = flat.streams[source].elements // size
    segments: list[int] = []
    outputs: dict[str, str] = {}
    rests: list[Stream] = []
    position = 0

    def rest(end: int) -> None:
        if end > position:
            name = f"{tensor.name}~rest{len(rests)}"
            part = ir.Tensor(name, (end - position,), tensor.lo, tensor.hi)
            rests.append(Stream(part, periods * (end - position)))
            outputs[f"o{len(segments)}"] = name
            segments.append(end - position)

    for member in sorted(members, key=_segment):
        first, end = _segment(member)
        rest(first)
        outputs[f"o{len(segments)}"] = member.outputs["o"]
        segments.append(end - first)
        position = end
    rest(size)
    inner = any(member.inner for member in members)
    return Item(SplitSpec(tuple(segments)), tensor, {"i": source}, outputs, inner), rests
