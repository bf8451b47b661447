"""The line buffer against its model and its timing."""

from unittest.mock import patch

import numpy as np
import pytest
from harness import check_kernel, random_inputs, simulate
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from thresher.rtl.window import Window
from thresher.rtl.windowaxis import course, courses
from thresher.rtl.windowplan import AxisPlan, places


def drawn(data: st.DataObject) -> Window:
    """Any small geometry."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups, lanes = data.draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (3, 1), (2, 2), (1, 3)]))
    size, times = data.draw(pair), data.draw(st.integers(1, 2))
    wide = size[1] if (groups, times) == (1, 1) and data.draw(st.booleans()) else 1
    try:
        return Window(
            height=data.draw(st.integers(1, 5)), width=data.draw(st.integers(1, 5)),
            channels=groups * lanes * times, groups=groups, lanes=lanes, wide=wide,
            kernel=size, strides=data.draw(pair), dilations=data.draw(pair),
            upsample=data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
            pads=data.draw(st.tuples(*[st.integers(0, 2)] * 4)),
            fill=data.draw(st.sampled_from([0, -3, 9])), lo=-3, hi=5,
            memory=data.draw(st.sampled_from(["lutram", "block"])),
        )  # fmt: skip
    except ValueError:
        reject()


@settings(max_examples=12)
@given(data=st.data())
def test_any_geometry(data: st.DataObject) -> None:
    check_kernel(drawn(data), np.random.default_rng(0), periods=3)


@settings(max_examples=24)
@given(data=st.data())
def test_any_geometry_without_tables(data: st.DataObject) -> None:
    """As in large images: axes are counted along wherever they can be."""
    with patch("thresher.rtl.windowaxis._pays", return_value=True):
        kernel = drawn(data)
        assume(any(courses(kernel.plan)))
        check_kernel(kernel, np.random.default_rng(0), periods=3)


@settings(max_examples=300)
@given(data=st.data())
def test_courses_are_the_tables(data: st.DataObject) -> None:
    size, kernel = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    stride, dilation, upsample = (data.draw(st.integers(1, 3)) for _ in range(3))
    pads = data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    at = places(size, kernel, stride, dilation, pads, upsample)
    assume(len(at) and (at >= 0).any())
    axis, depth, unit = AxisPlan(at, size), 64, data.draw(st.integers(1, 70))
    found = course(axis, unit, depth)
    assume(found)
    assert found is not None
    for o, ranks in enumerate(axis.ranks):
        pattern = found.unusual.get(o, found.usual[o % found.period])
        offsets = (o // found.period * found.step + found.offsets[o % found.period]) % depth
        for k, rank in enumerate(ranks):
            assert pattern >> k & 1 == (rank < 0)
            assert rank < 0 or offsets[k] == rank * unit % depth


CONV = {"height": 8, "width": 8, "channels": 2, "lanes": 2, "lo": 0, "hi": 3, "kernel": (3, 3)}


@pytest.mark.parametrize(
    ("stride", "dilation", "upsample"),
    [(1, 1, 1), (2, 1, 1), (3, 1, 1), (1, 2, 1), (2, 2, 1), (1, 1, 2), (1, 1, 4), (1, 2, 2)],
)
def test_large_images_have_no_tables(stride: int, dilation: int, upsample: int) -> None:
    large = {"height": 480, "width": 640, "pads": (1, 1, 1, 1), "upsample": (upsample, upsample)}
    steps = {"strides": (stride, stride), "dilations": (dilation, dilation)}
    kernel = Window(**CONV | large | steps)  # type: ignore[arg-type]
    assert any(courses(kernel.plan))
    assert kernel.resources().lut < 320


def test_a_wide_image(rng: np.random.Generator) -> None:
    wide = {"height": 3, "width": 100, "pads": (0, 1, 0, 1), "kernel": (1, 3)}
    kernel = Window(**CONV | wide)  # type: ignore[arg-type]
    assert courses(kernel.plan)[1] is not None
    check_kernel(kernel, rng, periods=2)


@pytest.mark.parametrize(
    "change",
    [
        {"pads": (1, 1, 1, 1)},
        {"pads": (1, 1, 1, 1), "wide": 3},
        {"pads": (1, 1, 1, 1), "strides": (2, 2)},
        {"kernel": (2, 2), "strides": (2, 2)},
        {"pads": (2, 2, 2, 2), "dilations": (2, 2), "lanes": 1},
    ],
)
def test_no_bubbles(change: dict[str, object], rng: np.random.Generator) -> None:
    """A place starts 3 cycles behind its last pixel; then a beat follows in every cycle."""
    kernel = Window(**CONV | change)  # type: ignore[arg-type]
    run = simulate(kernel, random_inputs(kernel, 3, rng))
    outputs = np.array(run.times["o"])
    corner = [int(axis.at[0].max()) for axis in (kernel.rows, kernel.columns)]
    pixel = np.ravel_multi_index(corner, (kernel.height, kernel.width))
    assert outputs[0] == run.times["i"][(pixel + 1) * kernel.plan.pixel - 1] + 3
    np.testing.assert_array_equal(np.diff(outputs), 1)


def test_places_start_with_their_last_pixel(rng: np.random.Generator) -> None:
    """Of a slow image each place comes as soon as it can; what no place sees is waited for by none.

    The last row and the last column are dropped.
    """
    kernel = Window(**CONV | {"kernel": (2, 2), "strides": (3, 3), "height": 6, "width": 6})  # type: ignore[arg-type]
    assert kernel.plan.kept == 16
    run = simulate(kernel, random_inputs(kernel, 1, rng), patterns={"i": [1, 0, 0, 0, 0, 0, 0, 0]})
    starts = np.array(run.times["o"]).reshape(4, -1)[:, 0]
    last = [r * 6 + c for r in (1, 4) for c in (1, 4)]
    np.testing.assert_array_equal(starts, np.array(run.times["i"])[last] + 3)


def test_memory_holds_little_more_than_is_needed() -> None:
    wide = {"height": 28, "width": 28, "pads": (1, 1, 1, 1)}
    assert Window(**CONV | wide).plan.depth == 64  # type: ignore[arg-type]
    assert Window(**CONV | wide | {"lanes": 1}).plan.depth == 128  # type: ignore[arg-type]
    pooling = {"kernel": (2, 2), "strides": (2, 2), "pads": (0, 0, 0, 0)}
    assert Window(**CONV | wide | pooling).plan.depth == 64  # type: ignore[arg-type]
    picked = {"kernel": (1, 1), "strides": (2, 2), "pads": (0, 0, 0, 0)}
    assert Window(**CONV | wide | picked).plan.depth == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"height": 0}, ValueError, "height must be at least 1, not 0"),
        ({"width": None}, TypeError, "width must be an int, not None"),
        ({"kernel": (3,)}, ValueError, r"kernel must have 2 elements, not \(3,\)"),
        ({"kernel": [3, 3]}, TypeError, r"kernel must be a tuple, not \[3, 3\]"),
        ({"strides": (0, 1)}, ValueError, r"strides\[0\] must be at least 1, not 0"),
        ({"pads": (0, 0, -1, 0)}, ValueError, r"pads\[2\] must be at least 0, not -1"),
        ({"groups": 3}, ValueError, "groups must divide channels = 2, not 3"),
        ({"groups": 2}, ValueError, "lanes must divide channels / groups = 1, not 2"),
        ({"wide": 2}, ValueError, "wide must be 1, or KW = 3 where lanes is channels = 2, not 2"),
        ({"wide": 3, "lanes": 1}, ValueError, "not 3 with lanes = 1"),
        ({"kernel": (9, 1)}, ValueError, "kernel must see a pixel along height = 8"),
        ({"fill": 0.5}, TypeError, "fill must be an int, not 0.5"),
        ({"lo": 4}, ValueError, "element must be a non-empty interval"),
        ({"memory": "logic"}, ValueError, "memory must be one of auto, lutram, block, ultra"),
    ],
)
def test_refuses(change: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Window(**CONV | change)  # type: ignore[arg-type]
