"""The DSP block of UltraScale and UltraScale+ as a multiplier with accumulator."""

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Dsp48e2"]

A_WIDTH, B_WIDTH, P_WIDTH = 27, 18, 48

_PRODUCT = 0b0101  # OPMODE[3:0]: X and Y together are the product
_Z_IS_P, _Z_IS_C = 0b010, 0b011  # OPMODE[6:4]

PARAMETERS = {
    "USE_MULT": "MULTIPLY", "USE_SIMD": "ONE48", "AMULTSEL": "A", "BMULTSEL": "B",
    "A_INPUT": "DIRECT", "B_INPUT": "DIRECT", "AREG": 1, "ACASCREG": 1, "BREG": 1, "BCASCREG": 1,
    "CREG": 0, "MREG": 0, "PREG": 1, "OPMODEREG": 0, "INMODEREG": 0, "ALUMODEREG": 0,
    "CARRYINREG": 0, "CARRYINSELREG": 0,
}  # fmt: skip
"""Parameters of the primitive; all others as they are by default (UG579, table 3-3)."""


class Dsp48e2(wiring.Component):
    """``p <= (c if load else p) + a * b`` of the operands of the cycle before, where `enable` is 1.

    `load`, `c` and `enable` belong to the cycle in which the product is made: one after that of `a`
    and `b`. There is no product register. Reset leaves everything as it is.

    Elaborated for a platform with an attribute `dsp` equal to "dsp48e2", this is the primitive;
    otherwise, so in every simulation, a model of it: of its registers, of its ports' widths and of
    what OPMODE selects (UG579, figure 2-1 and tables 2-1 to 2-7).
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "a": In(signed(A_WIDTH)),
                "b": In(signed(B_WIDTH)),
                "c": In(signed(P_WIDTH)),
                "load": In(1),
                "enable": In(1),
                "p": Out(signed(P_WIDTH)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        opmode = Signal(9)
        m.d.comb += opmode.eq(Cat(C(_PRODUCT, 4), Mux(self.load, _Z_IS_C, _Z_IS_P)))
        if getattr(platform, "dsp", None) == "dsp48e2":
            m.submodules.dsp = self._primitive(opmode)
        else:
            self._model(m, opmode)
        return m

    def _primitive(self, opmode: Signal) -> Instance:
        ports = {
            "i_CLK": ClockSignal("sync"), "i_A": Cat(self.a, self.a[-1].replicate(3)),
            "i_B": self.b, "i_C": self.c, "i_D": C(0, 27), "i_OPMODE": opmode, "i_ALUMODE": C(0, 4),
            "i_INMODE": C(0, 5), "i_CARRYIN": C(0, 1), "i_CARRYINSEL": C(0, 3),
            "i_CEA1": C(0, 1), "i_CEA2": C(1, 1), "i_CEB1": C(0, 1), "i_CEB2": C(1, 1),
            "i_CEC": C(0, 1), "i_CED": C(0, 1), "i_CEAD": C(0, 1), "i_CEM": C(0, 1),
            "i_CEP": self.enable, "i_CECTRL": C(0, 1), "i_CEINMODE": C(0, 1),
            "i_CEALUMODE": C(0, 1), "i_CECARRYIN": C(0, 1),
            "o_P": self.p,
        }  # fmt: skip
        resets = ("A", "B", "C", "D", "M", "P", "CTRL", "INMODE", "ALUMODE", "ALLCARRYIN")
        ports |= {f"i_RST{name}": C(0, 1) for name in resets}
        ports |= {f"p_{name}": value for name, value in PARAMETERS.items()}
        return Instance("DSP48E2", **ports)

    def _model(self, m: Module, opmode: Signal) -> None:
        a = Signal(signed(A_WIDTH), reset_less=True)
        b = Signal(signed(B_WIDTH), reset_less=True)
        product, z = Signal(signed(A_WIDTH + B_WIDTH)), Signal(signed(P_WIDTH))
        with m.If(opmode[:4] == _PRODUCT):
            m.d.comb += product.eq(a * b)
        with m.Switch(opmode[4:7]):
            with m.Case(_Z_IS_P):
                m.d.comb += z.eq(self.p)
            with m.Case(_Z_IS_C):
                m.d.comb += z.eq(self.c)
        m.d.sync += [a.eq(self.a), b.eq(self.b)]
        p = Signal(signed(P_WIDTH), reset_less=True)
        with m.If(self.enable):
            m.d.sync += p.eq(z + product)
        m.d.comb += self.p.eq(p)
