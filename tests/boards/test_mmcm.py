"""Clock managers: what is planned is exact and within the data sheet, what is refused cannot be."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.boards.mmcm import LIMITS, Limits, Mmcm, exact_hz, nearest, plan

SOURCES = (12_000_000, 50_000_000, 100_000_000, 125_000_000)
LIMIT = st.sampled_from(sorted(LIMITS)).map(LIMITS.__getitem__)


def legal(found: Mmcm, source: int, limits: Limits) -> bool:
    """The data sheet's rules, written down once more."""
    detector = Fraction(source, found.divide)
    return (
        1 <= found.divide <= 106
        and 2 <= found.multiply <= limits.multiply
        and 2 <= found.output <= 128
        and (found.multiply * 8).denominator == (found.output * 8).denominator == 1
        and limits.detector[0] <= detector <= limits.detector[1]
        and limits.oscillator[0] <= detector * found.multiply <= limits.oscillator[1]
        and found.frequency(source) <= limits.output
    )


def every(source: int, limits: Limits) -> set[Fraction]:
    """All frequencies that there are, by trying all settings."""
    found = set()
    for divide in range(1, limits.divide + 1):
        for multiply in range(16, limits.multiply * 8 + 1):
            vco = Fraction(source, divide) * Fraction(multiply, 8)
            if not limits.oscillator[0] <= vco <= limits.oscillator[1]:
                continue
            for output in range(16, 1025):
                made = Mmcm(divide, Fraction(multiply, 8), Fraction(output, 8))
                if legal(made, source, limits):
                    found.add(made.frequency(source))
    return found


@given(
    st.sampled_from(SOURCES), LIMIT, st.integers(1, 106), st.integers(16, 1024),
    st.integers(16, 1024),
)  # fmt: skip
def test_what_a_legal_setting_makes_is_found(
    source: int, limits: Limits, divide: int, multiply: int, output: int
) -> None:
    setting = Mmcm(divide, Fraction(multiply, 8), Fraction(output, 8))
    wanted = setting.frequency(source)
    found = plan(source, wanted, limits)
    if legal(setting, source, limits):
        assert found is not None
    if found is not None:
        assert legal(found, source, limits)
        assert found.frequency(source) == wanted


@settings(max_examples=40)
@given(st.sampled_from(SOURCES), LIMIT, st.integers(1, 700_000_000))
def test_neighbours_can_be_made_and_stand_on_either_side(
    source: int, limits: Limits, wanted: int
) -> None:
    below, above = nearest(source, Fraction(wanted), limits)
    assert below is not None or above is not None
    for made in (below, above):
        if made is not None:
            assert plan(source, Fraction(made), limits) is not None
    assert below is None or below <= wanted
    assert above is None or above >= wanted
    if plan(source, Fraction(wanted), limits) is not None:
        assert below == above == wanted


def test_nothing_stands_between_the_neighbours() -> None:
    small = Limits(
        detector=(10_000_000, 450_000_000), oscillator=(600_000_000, 612_000_000),
        output=464_000_000, multiply=64, divide=2,
    )  # fmt: skip
    there = sorted(f for f in every(12_000_000, small) if f.denominator == 1)
    for wanted in (5_000_001, 33_333_333, 77_777_777, 99_000_001, 123_456_789, 299_999_999):
        below, above = nearest(12_000_000, Fraction(wanted), small)
        assert below == max(f for f in there if f <= wanted)
        assert above == min(f for f in there if f >= wanted)


@pytest.mark.parametrize(
    ("source", "key", "mhz", "found"),
    [
        (12_000_000, ("xc7", 1), 100.0, Mmcm(1, Fraction(50), Fraction(6))),
        (100_000_000, ("xc7", 1), 80.0, Mmcm(1, Fraction(12), Fraction(15))),
        (100_000_000, ("xc7", 2), 100.0, Mmcm(1, Fraction(14), Fraction(14))),
        (100_000_000, ("xcup", 2), 200.0, Mmcm(1, Fraction(16), Fraction(8))),
    ],
)
def test_choices(source: int, key: tuple[str, int], mhz: float, found: Mmcm) -> None:
    assert plan(source, exact_hz(mhz), LIMITS[key]) == found


def test_what_cannot_be_made() -> None:
    limits = LIMITS["xc7", 1]
    assert plan(100_000_000, exact_hz(465.0), limits) is None
    assert plan(100_000_000, exact_hz(4.0), limits) is None
    assert nearest(100_000_000, exact_hz(465.0), limits) == (464_000_000, None)
    assert nearest(100_000_000, exact_hz(4.0), limits)[0] is None
    assert plan(100_000_000, Fraction(100_000_001), limits) is None


def test_megahertz_are_taken_as_written() -> None:
    assert exact_hz(0.1) == 100_000
    assert exact_hz(33.333) == 33_333_000
    assert exact_hz(1e-7) == Fraction(1, 10)
