"""The AXI core and an AXI DMA engine at the level of their registers, in Python."""

from collections import deque
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
from serial_device import hashed

from thresher.boards.host.axi_link import AxiLink
from thresher.boards.host.frames import Frame, FramePort
from thresher.boards.host.model import Model
from thresher.boards.host.registers import ID, VERSION, Control, Flag, Register, Status
from thresher.boards.host.uio_link import UioDma

__all__ = [
    "ADDRESS", "SIZES", "WORDS", "AxiDma", "Core", "expected", "fake_pynq", "frames", "function",
    "made", "model", "uio",
]  # fmt: skip

SIZES, WORDS = (8, 4), (2, 4)
ADDRESS = 0x8_7000_0000


class Core:
    """`docs/links.md`, AXI: packets in, results out, registers.

    :param function: frame bytes -> result bytes.
    """

    def __init__(
        self,
        function: Callable[[bytes], bytes],
        sizes: tuple[int, int],
        words: tuple[int, int],
        digest: bytes = bytes(range(16)),
        samples: int = 1,
    ) -> None:
        self.function, self.sizes, self.words = function, sizes, words
        self.values = {register: 0 for register in Register}
        for k, register in enumerate(
            (Register.MODEL0, Register.MODEL1, Register.VERILOG0, Register.VERILOG1)
        ):
            self.values[register] = int.from_bytes(digest[4 * k : 4 * k + 4], "big")
        self.values |= {
            Register.ID: ID,
            Register.VERSION: VERSION,
            Register.FRAME_WORDS: sizes[0] // words[0],
            Register.RESULT_WORDS: sizes[1] // words[1],
            Register.SAMPLES: samples,
            Register.CLOCK_HZ: 10**8,
            Register.FRAMES_IN: 0xFFFF_FFFE,  # about to wrap
        }
        self.results: deque[bytes] = deque()
        self.busy_after_reset = 0
        self.resets = 0
        self.broken = False

    def read(self, offset: int) -> int:
        register = Register(offset)
        if register == Register.STATUS and self.busy_after_reset:
            self.busy_after_reset -= 1
            return int(Status.BUSY)
        if register == Register.STATUS:
            return int(Status.SENDING if self.results else 0)
        return self.values[register]

    def write(self, offset: int, value: int) -> None:
        register = Register(offset)
        if register == Register.FLAGS:
            self.values[register] &= ~value
        elif register == Register.CONTROL:
            if value & Control.RESET:
                self.resets += 1
                self._count(Register.FRAMES_LOST, len(self.results))
                if self.results:  # one has begun to leave: it is filled up
                    self.values[Register.FLAGS] |= Flag.LOST
                    self.results = deque([bytes(self.sizes[1])])
        else:
            self.values[register] = value

    def packet(self, data: bytes) -> None:
        """A packet comes in."""
        self._count(Register.FRAMES_IN, 1)
        size = self.sizes[0]
        if len(data) != size:
            self._count(Register.FRAMES_BAD, 1)
            self.values[Register.FLAGS] |= Flag.SHORT if len(data) < size else Flag.LONG
        if not self.broken:
            self.results.append(self.function(data[:size].ljust(size, b"\0")))

    def result(self) -> bytes:
        """A packet goes out."""
        self._count(Register.FRAMES_OUT, 1)
        self.values[Register.FLAGS] |= Flag.DONE
        return self.results.popleft()

    def _count(self, register: Register, by: int) -> None:
        self.values[register] = (self.values[register] + by) % (1 << 32)


_STARTED, _IDLE, _HALTED = 1, 2, 1


class AxiDma:
    """AMD's AXI DMA in simple mode (PG021), with the memory at `address`.

    :param slow: reads of a status before a transfer has ended.
    """

    def __init__(self, core: Core, memory: np.ndarray, address: int, slow: int = 2) -> None:
        self.core, self.memory, self.address, self.slow = core, memory, address, slow
        self.registers = dict.fromkeys(range(0, 0x60, 4), 0)
        self.registers[0x04] = self.registers[0x34] = _HALTED
        self.wait = {0x00: 0, 0x30: 0}
        self.pending: dict[int, int] = {}
        self.fail = 0

    def read(self, offset: int) -> int:
        for base in (0x00, 0x30):
            self._run(base)
        return self.registers[offset]

    def write(self, offset: int, value: int) -> None:
        base = 0x30 if offset >= 0x30 else 0
        if offset - base == 0x00:
            for channel in (0x00, 0x30) if value & 4 else (base,):
                self.registers[channel] = value & ~4
                self.registers[channel + 4] = 0 if value & _STARTED else _HALTED
                self.pending.pop(channel, None)
            return
        self.registers[offset] = value
        if offset - base == 0x28:
            assert not self.registers[base + 4] & _HALTED, "started while halted"
            assert base not in self.pending, "started while busy"
            self.pending[base] = value
            self.wait[base] = self.slow
            self.registers[base + 4] = 0

    def _run(self, base: int) -> None:
        if base not in self.pending:
            return
        if self.fail:
            self.registers[base + 4] = self.fail
            return
        if self.wait[base]:
            self.wait[base] -= 1
            return
        at = self.registers[base + 0x18] | self.registers[base + 0x1C] << 32
        at -= self.address
        size = self.pending[base]
        if base == 0x00:
            self.core.packet(self.memory[at : at + size].tobytes())
        elif self.core.results:
            data = np.frombuffer(self.core.result(), np.uint8)
            self.memory[at : at + len(data)] = data
            self.registers[base + 0x28] = len(data)
        else:
            return
        del self.pending[base]
        self.registers[base + 4] = _IDLE


class _Buffer(np.ndarray):
    freed = False

    def freebuffer(self) -> None:
        self.freed = True


class _Channel:
    """`pynq.lib.dma._SDMAChannel`."""

    def __init__(self, core: Core, sends: bool) -> None:
        self.core, self.sends = core, sends
        self.running = True
        self.transferred = 0
        self.error = False
        self.other: _Channel | None = None
        self._buffer: np.ndarray | None = None

    def start(self) -> None:
        self.running, self._buffer = True, None

    def transfer(self, array: np.ndarray, start: int = 0, nbytes: int = 0) -> None:
        if not self.running or self._buffer is not None:
            raise RuntimeError("DMA channel not idle")
        self._buffer = array[start : start + nbytes]

    @property
    def idle(self) -> bool:
        if self.other is not None:
            _ = self.other.idle  # the engine does both at once
        if self._buffer is None:
            return True
        if not self.sends and not self.core.results:
            return False
        if self.sends:
            self.core.packet(self._buffer.tobytes())
        else:
            data = np.frombuffer(self.core.result(), np.uint8)
            self._buffer[: len(data)] = data
            self.transferred = len(data)
        self._buffer = None
        return True

    def wait(self) -> None:
        while not self.idle:
            pass


def fake_pynq(core: Core) -> ModuleType:
    """The module `pynq`, with one overlay that holds this core."""
    send, receive = _Channel(core, True), _Channel(core, False)
    receive.other = send

    def write(offset: int, value: int) -> None:
        assert (offset, value) == (0, 4)
        send.running = receive.running = False

    dma = SimpleNamespace(sendchannel=send, recvchannel=receive, write=write, read=lambda offset: 0)

    def overlay(bitfile: str) -> SimpleNamespace:
        if not bitfile.endswith(".bit"):
            raise OSError(f"Bitstream file {bitfile} does not exist")
        return SimpleNamespace(
            ip_dict={
                "core": {"type": "thresher:thresher:thresher_axi:1.0"},
                "axi_dma_0": {"type": "xilinx.com:ip:axi_dma:7.1"},
            },
            core=core,
            axi_dma_0=dma,
        )

    module = ModuleType("pynq")
    told = {
        "Overlay": overlay,
        "allocate": lambda shape, dtype: np.zeros(shape, dtype).view(_Buffer),
        "dma": dma,
    }
    vars(module).update(told)
    return module


def function(frame: bytes) -> bytes:
    return hashed(frame[:6])


def model() -> Model:
    port = FramePort("x", 4, 2, 8, False, 2)
    result = FramePort("y", 1, 4, 8, False, 4)
    frames = {"axi": (Frame((port,)), Frame((result,)))}
    return Model("m", bytes(range(16)), 10**8, 1, 10, 5, (), (), frames)


def frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZES[0]), np.uint8)


def expected(sent: np.ndarray) -> np.ndarray:
    return np.frombuffer(b"".join(function(f.tobytes()) for f in sent), np.uint8).reshape(-1, 4)


def uio(core: Core, timeout: float = 0.05) -> AxiLink:
    memory = np.zeros(4 * 4096, np.uint8)
    dma = UioDma(AxiDma(core, memory, ADDRESS), memory, ADDRESS, *SIZES)
    return AxiLink(core, dma, WORDS, timeout=timeout)


def made(function: Callable[[bytes], bytes] = function) -> Core:
    return Core(function, SIZES, WORDS)
