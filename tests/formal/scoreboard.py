"""What it means that a stream component neither drops, duplicates nor reorders, as assertions.

The n-th beat that goes in carries n (modulo a power of two greater than what the component can
hold), so each beat that comes out tells which one it is. The components never look at a payload,
so what holds for these payloads holds for all. Besides the property itself the scoreboards assert
what the registers hold in every reachable state: that makes the induction go through.

Each function gives the top module and its free inputs: nothing is assumed of the environment.
"""

from collections.abc import Callable

from amaranth.hdl import Assert, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring

from thresher.rtl.elastic import Stages
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.route import Concat, Split
from thresher.rtl.sequencer import Sequencer
from thresher.rtl.skid import Skid

__all__ = [
    "BITS",
    "check_concat",
    "check_fifo",
    "check_fork",
    "check_skid",
    "check_split",
    "check_stages",
    "opened",
]

BITS = 4  # of a payload: beats are told apart modulo 16

Proof = tuple[Module, list[Value]]


def _count(m: Module, name: str, when: Value) -> Signal:
    counter = Signal(BITS, name=name)
    with m.If(when):
        m.d.sync += counter.eq(counter + 1)
    return counter


def _transfers(m: Module, name: str, port: stream.Interface) -> Signal:
    """The number of beats that went through the port."""
    return _count(m, f"{name}_count", port.valid & port.ready)


def opened(dut: wiring.Component) -> Module:
    """The component's module, which it then also gives to whoever elaborates it."""
    inner = dut.elaborate(None)
    dut.elaborate = lambda platform: inner
    return inner


def _payload(port: stream.Interface) -> Value:
    return Value.cast(port.payload)


def _assert_patient(m: Module, port: stream.Interface) -> None:
    """A beat that was not taken is still there in the next cycle, and the same."""
    waiting, payload = Signal(), Signal(len(_payload(port)))
    m.d.sync += [waiting.eq(port.valid & ~port.ready), payload.eq(_payload(port))]
    with m.If(waiting):
        m.d.comb += [Assert(port.valid), Assert(_payload(port) == payload)]


def check_stages(elastic_stages: Callable[..., Stages], *, count: int, inputs: int) -> Proof:
    """Register stages behind `inputs` streams that move in step: a stream register, a join."""
    m = Module()
    valids, o_ready = Signal(inputs), Signal()
    numbers = []
    stages = elastic_stages(m, count=count, i_valid=valids.all(), o_ready=o_ready)
    for k in range(inputs):  # input k is taken when all the others are there as well
        ready = stages.ready & (Cat(valids, 1) | Const(1 << k)).all()
        numbers.append(_count(m, f"put{k}", valids[k] & ready))
    taken = _count(m, "taken", stages.valid & o_ready)
    incoming, held = Cat(numbers), Signal(BITS)
    m.d.comb += held.eq(sum(stages.valids))
    for k, enable in enumerate(stages.enables):
        register = Signal(BITS * inputs, name=f"register{k}")
        with m.If(enable):
            m.d.sync += register.eq(incoming)
        behind = sum(stages.valids[k + 1 :], start=Const(0, BITS))
        with m.If(stages.valids[k]):
            for n in range(inputs):
                number = register.word_select(n, BITS)
                m.d.comb += Assert(number == (taken + behind)[:BITS])
        incoming = register
    for number in numbers:
        m.d.comb += Assert(number == (taken + held)[:BITS])
    # never a needless wait: a free place anywhere makes the first stage ready
    m.d.comb += Assert(stages.ready == (o_ready | ~Cat(stages.valids).all()))
    return m, [valids, o_ready]


def check_fifo(kernel: Fifo) -> Proof:
    """A FIFO of one lane; the memory is read by a port that the scoreboard adds."""
    m, dut = Module(), kernel.create()
    m.submodules.dut = dut
    inner = opened(dut)
    put, taken = _transfers(m, "put", dut.i), _transfers(m, "taken", dut.o)
    m.d.comb += _payload(dut.i).eq(put)
    control = inner.submodules.control
    m.d.comb += [
        Assert(control.level <= kernel.depth),
        Assert(put == (taken + control.level)[:BITS]),
        Assert(dut.i.ready == (control.level < kernel.depth)),
        Assert(dut.o.valid == (control.level > 0)),
    ]
    with m.If(dut.o.valid):
        m.d.comb += Assert(_payload(dut.o) == taken)
    if kernel.in_memory:
        _check_storage(m, inner.submodules.storage, dut.head, control.level, taken)
    elif kernel.depth == 2:
        with m.If(control.level == 2):
            m.d.comb += Assert(dut.back == (taken + 1)[:BITS])
    _assert_patient(m, dut.o)
    return m, [dut.i.valid, dut.o.ready]


def check_skid(kernel: Skid) -> Proof:
    """A skid of one lane; it is full exactly while it takes nothing."""
    m, dut = Module(), kernel.create()
    m.submodules.dut = dut
    full = ~dut.i.ready
    put, taken = _transfers(m, "put", dut.i), _transfers(m, "taken", dut.o)
    m.d.comb += [
        _payload(dut.i).eq(put),
        Assert(put == (taken + full)[:BITS]),
        Assert(dut.o.valid == (full | dut.i.valid)),
    ]
    with m.If(dut.o.valid):
        m.d.comb += Assert(_payload(dut.o) == taken)
    _assert_patient(m, dut.o)
    return m, [dut.i.valid, dut.o.ready]


def _check_storage(
    m: Module, storage: memory.Memory, read: Value, level: Value, taken: Value
) -> None:
    write = storage.write_ports[0].addr
    m.d.comb += Assert(write == (read + level)[: len(write)])
    for k in range(storage.depth):
        probe = storage.read_port(domain="comb")
        m.d.comb += probe.addr.eq(read + k)
        with m.If(level > k):
            m.d.comb += Assert(probe.data == (taken + k)[:BITS])


def check_fork(kernel: Fork) -> Proof:
    """A fork of one lane."""
    m, dut = Module(), kernel.create()
    m.submodules.dut = dut
    put = _transfers(m, "put", dut.i)
    m.d.comb += _payload(dut.i).eq(put)
    outputs = [getattr(dut, name) for name in kernel.outputs]
    for k, o in enumerate(outputs):
        taken = _transfers(m, f"taken{k}", o)
        m.d.comb += Assert(put == (taken + o.valid)[:BITS])
        with m.If(o.valid):
            m.d.comb += Assert(_payload(o) == taken)
        _assert_patient(m, o)
    # never a needless wait, and never more than one beat between the branches
    m.d.comb += Assert(dut.i.ready == Cat(~o.valid | o.ready for o in outputs).all())
    return m, [dut.i.valid, *(o.ready for o in outputs)]


def _place(m: Module, name: str, segments: tuple[int, ...], when: Value) -> list[Signal]:
    """Counts beats of a period; one signal per segment: the next beat lies in it."""
    place = Signal(range(sum(segments)), name=f"{name}_place")
    with m.If(when):
        m.d.sync += place.eq(place + 1)
        with m.If(place == sum(segments) - 1):
            m.d.sync += place.eq(0)
    m.d.comb += Assert(place < sum(segments))
    within = []
    for k, count in enumerate(segments):
        inside = Signal(name=f"{name}_in{k}")
        first = sum(segments[:k])
        m.d.comb += inside.eq((place >= first) & (place < first + count))
        within.append(inside)
    return [place, *within]


def _assert_sequencer(
    m: Module, sequencer: Sequencer, segments: tuple[int, ...], place: list[Signal]
) -> None:
    for k, inside in enumerate(place[1:]):
        with m.If(inside):
            last = sum(segments[: k + 1]) - 1
            m.d.comb += [
                Assert(sequencer.index == k),
                Assert(sequencer.left + place[0] == last),
            ]


def check_concat(kernel: Concat) -> Proof:
    """Streams in turn. A beat carries its input's number and its own among those of that input."""
    m, dut = Module(), kernel.create()
    m.submodules.dut = dut
    inner = opened(dut)
    ports = [getattr(dut, name) for name in kernel.inputs]
    moved = Cat(port.valid & port.ready for port in ports).any()
    entering = _place(m, "entering", kernel.segments, moved)
    leaving = _place(m, "leaving", kernel.segments, dut.o.valid & dut.o.ready)
    _assert_sequencer(m, inner.submodules.sequencer, kernel.segments, entering)
    following = Mux(leaving[0] == sum(kernel.segments) - 1, 0, leaving[0] + 1)
    m.d.comb += Assert(entering[0] == Mux(dut.o.valid, following, leaving[0]))
    for k, port in enumerate(ports):
        put = _transfers(m, f"put{k}", port)
        taken = _count(m, f"taken{k}", leaving[1 + k] & dut.o.valid & dut.o.ready)
        held = leaving[1 + k] & dut.o.valid
        m.d.comb += [
            _payload(port).eq(Cat(put, Const(k, BITS))),
            Assert(put == (taken + held)[:BITS]),
        ]
        with m.If(held):
            m.d.comb += Assert(_payload(dut.o) == Cat(taken, Const(k, BITS)))
    _assert_patient(m, dut.o)
    return m, [*(port.valid for port in ports), dut.o.ready]


def check_split(kernel: Split) -> Proof:
    """Streams in turn. A beat carries its output's number and its own among those for it."""
    m, dut = Module(), kernel.create()
    m.submodules.dut = dut
    inner = opened(dut)
    moved = dut.i.valid & dut.i.ready
    entering = _place(m, "entering", kernel.segments, moved)
    _assert_sequencer(m, inner.submodules.sequencer, kernel.segments, entering)
    outputs = [getattr(dut, name) for name in kernel.outputs]
    for k, o in enumerate(outputs):
        put = _count(m, f"put{k}", entering[1 + k] & moved)
        taken = _transfers(m, f"taken{k}", o)
        with m.If(entering[1 + k]):
            m.d.comb += _payload(dut.i).eq(Cat(put, Const(k, BITS)))
        m.d.comb += Assert(put == (taken + o.valid)[:BITS])
        with m.If(o.valid):
            m.d.comb += Assert(_payload(o) == Cat(taken, Const(k, BITS)))
        _assert_patient(m, o)
    return m, [dut.i.valid, *(o.ready for o in outputs)]
