"""The stream primitives never drop, duplicate or reorder a beat, nor wait without need: proofs.

Each proof is by induction, for all inputs, stalls and resets; each planted bug must be found.
"""

from pathlib import Path

import pytest
from proof import counterexample, mutant, proved
from scoreboard import (
    BITS,
    check_concat,
    check_fifo,
    check_fork,
    check_skid,
    check_split,
    check_stages,
)

from thresher.rtl.elastic import elastic_stages
from thresher.rtl.fifo import Fifo
from thresher.rtl.fork import Fork
from thresher.rtl.route import Concat, Split
from thresher.rtl.skid import Skid

NARROW = {"lanes": 1, "lo": 0, "hi": 2**BITS - 1}
WIDE = {"lanes": 1, "lo": 0, "hi": 4**BITS - 1}


@pytest.mark.parametrize("count, inputs", [(1, 1), (3, 1), (1, 2), (2, 3)])
def test_stream_register_and_join(tmp_path: Path, count: int, inputs: int) -> None:
    assert proved(tmp_path, *check_stages(elastic_stages, count=count, inputs=inputs))


@pytest.mark.parametrize(
    "old, new",
    [
        ("with m.If(enables[k]):", "with m.If(enables[k] & i_valid):"),  # duplicates
        ("else o_ready)", "else 1)"),  # drops
        ("~valids[k] | (", "(~valids[k] & ~valids[-1]) | ("),  # waits without need
    ],
)
def test_bugs_in_stages_are_found(tmp_path: Path, old: str, new: str) -> None:
    broken = mutant("elastic", old, new).elastic_stages
    assert counterexample(tmp_path, *check_stages(broken, count=2, inputs=2))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7])
def test_fifo(tmp_path: Path, depth: int) -> None:
    assert proved(tmp_path, *check_fifo(Fifo(depth=depth, **NARROW)))


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_fifo_in_a_block(tmp_path: Path, depth: int) -> None:
    assert proved(tmp_path, *check_fifo(Fifo(depth=depth, memory="block", **NARROW)))


@pytest.mark.parametrize(
    "old, new",
    [
        ("fresh.eq(control.put & (write.addr == following))", "fresh.eq(0)"),
        ("control.put & (write.addr == following)", "write.addr == following"),
        ("read.addr.eq(following)", "read.addr.eq(self.head)"),
    ],
)
def test_bugs_in_the_fifo_in_a_block_are_found(tmp_path: Path, old: str, new: str) -> None:
    broken = mutant("fifo", old, new).Fifo
    assert counterexample(tmp_path, *check_fifo(broken(depth=4, memory="block", **NARROW)))


@pytest.mark.parametrize(
    "depth, old, new",
    [
        (2, "level != self._depth - 1", "level != self._depth"),  # overflows
        (3, "level != self._depth - 1", "level != self._depth"),
        (3, "with m.Elif(self.take & ~self.put):", "with m.Elif(self.take):"),  # loses count
        (2, "self.o_valid.eq(level != 1)", "self.o_valid.eq(1)"),  # duplicates
        (2, "front.eq(back)", "front.eq(i_payload)"),  # takes the wrong one
        (2, "with m.If(~control.o_valid | control.take):", "with m.If(control.put):"),
        (4, "write.en.eq(control.put)", "write.en.eq(control.put & ~control.take)"),
        (4, "write.addr.eq(write.addr + 1)", "write.addr.eq(write.addr - 1)"),  # reorders
    ],
)
def test_bugs_in_the_fifo_are_found(tmp_path: Path, depth: int, old: str, new: str) -> None:
    broken = mutant("fifo", old, new).Fifo
    assert counterexample(tmp_path, *check_fifo(broken(depth=depth, **NARROW)))


def test_skid(tmp_path: Path) -> None:
    assert proved(tmp_path, *check_skid(Skid(**NARROW)))


@pytest.mark.parametrize(
    "old, new",
    [
        ("full.eq(valid & ~Value.cast(o_ready))", "full.eq(valid)"),  # duplicates
        ("with m.If(~full):", "with m.If(valid):"),  # forgets what it holds
        ("self.i.ready.eq(~full)", "self.i.ready.eq(1)"),  # drops
    ],
)
def test_bugs_in_the_skid_are_found(tmp_path: Path, old: str, new: str) -> None:
    broken = mutant("skid", old, new).Skid
    assert counterexample(tmp_path, *check_skid(broken(**NARROW)))


@pytest.mark.parametrize("branches", [1, 2, 4])
def test_fork(tmp_path: Path, branches: int) -> None:
    assert proved(tmp_path, *check_fork(Fork(branches=branches, **NARROW)))


@pytest.mark.parametrize(
    "old, new",
    [
        ("busy[k].eq(o.valid & ~o.ready)", "busy[k].eq(o.valid & ~o.ready & (k == 0))"),  # drops
        ("with m.Elif(o.ready):", "with m.Elif(o.ready & self.i.valid):"),  # duplicates
        ("~busy.any()", "~busy.any() & (busy == 0) & ~outputs[0].valid"),  # waits without need
    ],
)
def test_bugs_in_the_fork_are_found(tmp_path: Path, old: str, new: str) -> None:
    broken = mutant("fork", old, new).Fork
    assert counterexample(tmp_path, *check_fork(broken(branches=2, **NARROW)))


@pytest.mark.parametrize("segments", [(1, 1), (2, 1), (1, 3, 2)])
def test_concat(tmp_path: Path, segments: tuple[int, ...]) -> None:
    assert proved(tmp_path, *check_concat(Concat(segments=segments, **WIDE)))


@pytest.mark.parametrize("segments", [(1, 1), (2, 1), (1, 3, 2)])
def test_split(tmp_path: Path, segments: tuple[int, ...]) -> None:
    assert proved(tmp_path, *check_split(Split(segments=segments, **WIDE)))
