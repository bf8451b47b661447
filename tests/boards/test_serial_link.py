"""The conversation over a serial link: whatever the line does, every frame has its own result."""

from collections.abc import Callable

import numpy as np
import pytest
from serial_device import Device, Faults, Line, hashed, identity

from thresher.boards.host import packets
from thresher.boards.host.errors import LinkError
from thresher.boards.host.packets import Packet, Reason, Type
from thresher.boards.host.serial_link import SerialLink, _Receiver


def make(faults: Faults | None = None, *, seed: int = 0, tries: int = 10) -> SerialLink:
    device = Device(identity(6, 4), hashed)
    return SerialLink(Line(device, faults, seed), patience=0.02, tries=tries)


def frames(count: int, seed: int = 0) -> np.ndarray:
    """Random bytes with many flags and escapes among them."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 256, (count, 6), np.uint8)
    return np.where(rng.random((count, 6)) < 0.1, np.uint8(0x7E), drawn)


def expected(sent: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(hashed(f.tobytes()) for f in sent), np.uint8).reshape(-1, 4)


def line(link: SerialLink) -> Line:
    assert isinstance(link.pipe, Line)
    return link.pipe


@pytest.mark.parametrize("count", [1, 3, 4, 5, 200])
def test_a_good_line(count: int) -> None:
    link, sent = make(), frames(count)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert (link.resent, link.damaged) == (0, 0)
    counters = link.counters()
    assert (counters.accepted, counters.finished, counters.faults) == (count, count, 0)


FAULTS = {
    "lost": Faults(lost=0.002),
    "flipped": Faults(flipped=0.004),
    "repeated": Faults(repeated=0.01),
    "noise": Faults(noise=0.002),
    "all": Faults(0.001, 0.001, 0.003, 0.001),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_thousands_of_frames_on_bad_lines(kind: str) -> None:
    """2,500 frames a kind, in transfers of all sizes."""
    link = make(FAULTS[kind], seed=7, tries=30)
    done = 0
    rng = np.random.default_rng(1)
    while done < 2500:
        sent = frames(int(rng.integers(1, 90)), seed=done)
        np.testing.assert_array_equal(link.transfer(sent), expected(sent))
        done += len(sent)
    assert link.damaged > 50
    assert link.resent > 50 or kind == "repeated"
    assert line(link).device.status.accepted >= done


def test_two_bytes_in_a_hundred_wrong() -> None:
    """Every second frame is damaged, on the way there or back."""
    link, sent = make(Faults(flipped=0.02), seed=3, tries=60), frames(100)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert link.resent > 50


@pytest.mark.parametrize("reason", list(Reason))
def test_refusals(reason: Reason) -> None:
    link, sent = make(), frames(12)
    line(link).device.refuse_next = [reason] * 3
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert link.resent == 3


def test_a_lost_frame_and_a_full_core_cost_no_timeout() -> None:
    """The next result tells that a frame is missing; room is asked for again soon."""
    for lost, busy, count in ((1, 0, 12), (0, 1, 12), (0, 1, 1)):
        device = Device(identity(6, 4), hashed)
        link, sent = SerialLink(Line(device), patience=10.0), frames(count)
        link.identity()
        device.lose_next, device.refuse_next = lost, [Reason.BUSY] * busy
        np.testing.assert_array_equal(link.transfer(sent), expected(sent))
        assert link.resent == 1
        assert link.pipe.now() < 2.0


def test_noise_without_a_flag_takes_no_memory() -> None:
    receiver = _Receiver(100)
    for _ in range(50):
        assert receiver.feed(b"x" * 99) == []
        assert len(receiver._part) <= 100
    packet = Packet(Type.RESULT, 1, b"1234")
    assert receiver.feed(packets.encode(packet)) == [packet]
    assert receiver.damaged == 1


def test_it_gives_up_in_one_line() -> None:
    link = make(tries=4)
    link.identity()
    line(link).device.refuse_next = [Reason.LENGTH] * 99
    with pytest.raises(LinkError, match="frame 0 was sent 4 times .*refused, LENGTH.*; check") as e:
        link.transfer(frames(5))
    assert "\n" not in str(e.value)


def test_silence() -> None:
    link = make(tries=3)
    link.identity()
    line(link).device.hold = True
    with pytest.raises(LinkError, match=r"frame 0 was sent 3 times .*no answer"):
        link.transfer(frames(1))
    dead = SerialLink(Line(Device(identity(6, 4), hashed), Faults(lost=1.0)), tries=3)
    with pytest.raises(LinkError, match=r"does not answer RESET \(3 tries.*check cable"):
        dead.identity()


def test_results_of_an_abandoned_transfer_never_count() -> None:
    """The frames of an earlier program are dropped, even under the same sequence numbers."""
    device = Device(identity(6, 4), hashed)
    first = SerialLink(Line(device), patience=0.02)
    first.identity()
    device.hold = True
    with pytest.raises(LinkError):
        first.transfer(frames(4, seed=1))
    device.hold = False
    sent = frames(4, seed=2)
    for link in (first, SerialLink(Line(device), patience=0.02)):
        np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert device.status.lost >= 4


def test_a_half_sent_packet_before_the_program_began() -> None:
    link = make()
    half = packets.encode(Packet(Type.FRAME, 3, bytes(6)))[:7]
    line(link).write(b"\x55\xaa" + half)
    sent = frames(3)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))


def test_sequence_numbers_wrap_without_the_unknown_one() -> None:
    link, sent = make(), frames(20)
    link.identity()
    link._sequence = packets.UNKNOWN_SEQUENCE - 10
    before = len(line(link).writes)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    used = [packets.decode(w[1:-1]).sequence for w in line(link).writes[before:]]
    assert packets.UNKNOWN_SEQUENCE not in used
    assert {0xFFFE, 0} < set(used)


def test_the_window_is_kept() -> None:
    """A good line with a slow core: nothing is ever refused for want of room."""
    device = Device(identity(6, 4, window=2), hashed, busy=300)
    link, sent = SerialLink(Line(device), patience=0.02), frames(30)
    np.testing.assert_array_equal(link.transfer(sent), expected(sent))
    assert device.status.busy == 0
    assert link.resent == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda i: i | {"magic": b"NOPE"}, "the board speaks b'NOPE' 1, not b'THRS' 1; program"),
        (lambda i: i | {"protocol": 2}, "the board speaks b'THRS' 2"),
    ],
)
def test_another_protocol(
    change: Callable[[dict[str, object]], dict[str, object]], words: str
) -> None:
    link = make()
    told = change(dict(vars(identity(6, 4))))
    line(link).device.identity = packets.Identity(**told)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match=words):
        link.identity()


def test_a_result_of_another_length() -> None:
    device = Device(identity(6, 4), lambda frame: frame)
    link = SerialLink(Line(device), patience=0.02)
    with pytest.raises(LinkError, match="a result has 6 bytes, not 4; use the driver"):
        link.transfer(frames(1))


def test_tries_are_checked() -> None:
    with pytest.raises(ValueError, match="tries must be at least 1, not 0"):
        make(tries=0)


def test_close() -> None:
    link = make()
    link.close()
    assert line(link).closed
