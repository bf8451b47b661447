"""What FPGAs hold. AMD's tables: DS180 and UG474 (Spartan-7), DS891 (Zynq UltraScale+).

A LUT as memory holds 64 bits, so 150, 313 and 600 Kbit of distributed RAM are 2,400, 5,000 and
9,600 LUTs.
"""

from thresher.compiler.schedule.capacity import Capacity

__all__ = ["XC7S15", "XC7S25", "XC7S50", "XCZU7EV"]

XC7S15 = Capacity(lut=8_000, ff=16_000, lutram=2_400, bram36=10, uram=0, dsp=20)
XC7S25 = Capacity(lut=14_600, ff=29_200, lutram=5_000, bram36=45, uram=0, dsp=80)
XC7S50 = Capacity(lut=32_600, ff=65_200, lutram=9_600, bram36=75, uram=0, dsp=120)
XCZU7EV = Capacity(lut=230_400, ff=460_800, lutram=101_760, bram36=312, uram=96, dsp=1_728)
