"""Operators that are refused on purpose, each with what to do instead."""

import pytest
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.importer import import_model


@pytest.mark.parametrize(
    ("node", "remedy"),
    [
        ("LSTM <hidden_size = 1> (x, w, w)", r"export with thresher\.quant\.export_onnx"),
        ("GRU <hidden_size = 1> (x, w, w)", "write the recurrence as a Scan"),
        ("RNN <hidden_size = 1> (x, w, w)", "write the recurrence as a Scan"),
        ("Softmax(x)", "leave it to the host"),
        ("LogSoftmax(x)", "leave it to the host"),
        ("MatMulInteger(x, x)", "export as QCDQ"),
        ("ConvInteger(x, x)", "export as QCDQ"),
        ("QLinearMatMul(x, w, w, w, w, w, w, w)", "export as QCDQ"),
        ("QLinearConv(x, w, w, w, w, w, w, w)", "export as QCDQ"),
        ("Det(x)", r"operators in thresher\.compiler\.importer\.SUPPORTED_OPS"),
    ],
)
def test_refused(node: str, remedy: str) -> None:
    model = parse_model(
        '<ir_version: 10, opset_import: ["" : 19]> g (float[1,1,1] x) => (float y) '
        f"<float[1,1,1] w = {{1}}> {{ [n] y = {node} }}"
    )
    with pytest.raises(ModelError, match=f"{node.split()[0].split('(')[0]} 'n': unsup.*{remedy}"):
        import_model(model)


def test_dynamic_quantisation() -> None:
    model = parse_model("""
        <ir_version: 10, opset_import: ["" : 19]> g (float[1] x) => (uint8[1] y)
        { y, s, z = DynamicQuantizeLinear(x) }""")
    with pytest.raises(ModelError, match="'DynamicQuantizeLinear_0': unsupported op.* as QCDQ"):
        import_model(model)


@pytest.mark.parametrize(
    ("node", "remedy"),
    [
        (
            "If <then_branch = a () => (float p) { p = Relu(x) }, "
            "else_branch = b () => (float q) { q = Exp(x) }> (c)",
            "without data-dependent branches",
        ),
        (
            "Loop <body = a (int64 i, bool d, float s) => (bool e, float t) "
            '{ e = Not(d) t = Exp(s) }> ("", c, x)',
            "write the recurrence as a Scan",
        ),
    ],
)
def test_control_flow(node: str, remedy: str) -> None:
    model = parse_model(
        '<ir_version: 10, opset_import: ["" : 19]> g (float x, bool c) => (float y) '
        f"{{ [n] y = {node} }}"
    )
    with pytest.raises(ModelError, match=f"'n': unsupported operator; .*{remedy}"):
        import_model(model)


@pytest.mark.parametrize("domain", ["com.microsoft", "ai.onnx.ml", "qonnx.custom_op.channels_last"])
def test_other_domains(domain: str) -> None:
    model = parse_model(
        f'<ir_version: 10, opset_import: ["" : 19, "{domain}" : 1]> '
        f"g (float[1] x) => (float[1] y) {{ [n] y = {domain}.Conv(x) }}"
    )
    with pytest.raises(ModelError, match=f"Conv 'n': unsupported operator of domain '{domain}'"):
        import_model(model)


def test_the_long_name_of_onnxs_domain() -> None:
    model = parse_model(
        '<ir_version: 10, opset_import: ["ai.onnx" : 19]> '
        "g (float[1] x) => (float[1] y) { y = ai.onnx.Relu(x) }"
    )
    assert [node.op for node in import_model(model).nodes] == ["Relu"]
