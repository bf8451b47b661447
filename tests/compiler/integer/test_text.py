"""The listing for people."""

from textwrap import dedent

import numpy as np

from thresher.compiler.expr import Apply, Constant, Leaf
from thresher.compiler.integer.build import Builder
from thresher.compiler.integer.ir import Block, InputPort, IntegerGraph, OutputPort
from thresher.compiler.integer.text import to_text
from thresher.rtl.stepfunction import StepFunction


def test_listing():
    b = Builder()
    scale = Constant(np.array([0.25], np.float32))
    x = b.input((3, 1, 2), -8, 7, name="x")
    product = b.matmul(x, np.array([[1, 2], [3, 4]]), np.array([1, 2]), name="product")
    body = b.child()
    now = b.scan_input(body, product, name="now")
    state = body.input((1, 2), 0, 1, name="state")
    total = body.binary("sub", now, state, 0, 1, name="total")
    step = StepFunction(total.lo, total.hi, np.array([[0]]), np.array([[0, 1]]))
    update = body.step(total, step, name="update")
    zero = np.zeros((1, 2), int)
    loop = b.loop(
        3, body, [(product, now)], [(zero, state, update, "end")], [(update, "all")], name="loop"
    )
    joined = b.concat([b.reshape(loop.outputs[1], (1, 6), name="flat"), loop.outputs[0]], 1)
    back = b.reorder(joined, np.arange(8)[None, ::-1], name="back")
    shifted = b.binary("add", back, np.array([[1, 2] * 4]), name="shifted")
    best = b.argmax(shifted, name="best")
    port = InputPort(x, "in", "float32", Apply("Quantize", (Leaf(), scale), {"lo": -8, "hi": 7}))
    outputs = (
        OutputPort("y", shifted, "float32", Apply("Mul", (Leaf(), scale))),
        OutputPort("n", best, "int64", None),
    )
    expected = """\
    graph listing
        input %x: int4[3,1,2] in [-8, 7] = Quantize(x, 0.25, hi=7, lo=-8) of x = 'in' float32
        %product: int7[3,1,2] in [-46, 44] = matmul(%x; 2 x 2, bias, weights in [1, 4])
        loop loop, 3 steps:
            scan %now: int7[1,2] in [-46, 44] = %product[t]
            state %state: uint1[1,2] in [0, 1] = const[1,2] in [0, 0], then %update
            %total: int7[1,2] in [-48, 44] = %now - (%state << 1)
            %update: uint1[1,2] in [0, 1] = step(%total; 1 thresholds, per tensor)
            final %end: uint1[1,2] in [0, 1] = %update
            stack %all: uint1[3,1,2] in [0, 1][t] = %update
        %flat: uint1[1,6] in [0, 1] = reshape(%all)
        %concat: uint1[1,8] in [0, 1] = concat(%flat, %end; axis 1)
        %back: uint1[1,8] in [0, 1] = reorder(%concat; 7, 6, 5, 4, ...)
        %shifted: uint2[1,8] in [1, 3] = %back + const[1,8] in [1, 2]
        %best: uint3[1,1] in [0, 7] = argmax(%shifted; first of equals)
        output 'y' float32 = Mul(%shifted, 0.25)
        output 'n' int64 = %best
    """
    graph = IntegerGraph("listing", (port,), Block(b.nodes), outputs)
    assert to_text(graph) == dedent(expected)
