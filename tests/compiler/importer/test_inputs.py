"""Graph inputs and outputs: names, shapes, element types, FINN's annotations."""

import onnx
import pytest
from onnx import TensorProto, helper
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError
from thresher.compiler.importer import import_model


def model(value: str, body: str = "y = Identity(x)") -> onnx.ModelProto:
    return parse_model(
        f'<ir_version: 10, opset_import: ["" : 19]> g ({value} x) => ({value} y) {{ {body} }}'
    )


def test_symbolic_shape() -> None:
    item = import_model(model("float[T, N, 4, ?]")).inputs[0]
    assert (item.name, item.shape, item.dtype) == ("x", ("T", "N", 4, ""), "float32")
    assert item.integer is None


@pytest.mark.parametrize(
    ("dtype", "interval"),
    [("int8", (-128, 127)), ("uint8", (0, 255)), ("int16", (-32768, 32767)), ("bool", (0, 1))],
)
def test_integer_inputs(dtype: str, interval: tuple[int, int]) -> None:
    item = import_model(model(f"{dtype}[1]")).inputs[0]
    assert (item.dtype, item.integer) == (dtype, interval)


@pytest.mark.parametrize(
    ("datatype", "interval"),
    [
        ("INT8", (-128, 127)),
        ("INT4", (-8, 7)),
        ("UINT4", (0, 15)),
        ("UINT1", (0, 1)),
        ("BIPOLAR", (-1, 1)),
        ("BINARY", (0, 1)),
        ("TERNARY", (-1, 1)),
        ("FLOAT32", None),
        ("FIXED<8,4>", None),
        ("SCALEDINT<8>", None),
        ("INT0", None),
        ("UFLOAT", None),
        ("INT", None),
    ],
)
def test_finn_annotations(datatype: str, interval: tuple[int, int] | None) -> None:
    proto = model("float[1, 4]", "y = Relu(x)")
    entry = onnx.StringStringEntryProto(key="finn_datatype", value=datatype)
    proto.graph.quantization_annotation.append(
        onnx.TensorAnnotation(tensor_name="x", quant_parameter_tensor_names=[entry])
    )
    assert import_model(proto).inputs[0].integer == interval


@pytest.mark.parametrize("dtype", ["double", "float16", "bfloat16", "string", "float8e4m3fn"])
def test_element_types_refused(dtype: str) -> None:
    with pytest.raises(ModelError, match="'x': element type must be float32 or integer, not "):
        import_model(model(f"{dtype}[1]"))


def test_shape_missing() -> None:
    proto = model("float[1]")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="'x': shape is missing; export with input shapes"):
        import_model(proto)


def test_input_that_is_no_tensor() -> None:
    proto = model("float[1]")
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    proto.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(tensor))
    with pytest.raises(ModelError, match="'x': input must be a tensor, not sequence_type"):
        import_model(proto)


def test_initializers_are_no_inputs() -> None:
    graph = import_model(
        parse_model("""
        <ir_version: 10, opset_import: ["" : 19]>
        g (float[1] x, float[1] w = {3}) => (float[1] y) { y = Mul(x, w) }
    """)
    )
    assert [item.name for item in graph.inputs] == ["x"]
    assert graph.constants["w"].tolist() == [3.0]


def test_outputs_keep_their_names() -> None:
    graph = import_model(
        parse_model("""
        <ir_version: 10, opset_import: ["" : 19]>
        g (float[1] x) => (float[1] y, float[1] z, float[1] x) { y = Relu(x) z = Identity(y) }
    """)
    )
    assert graph.outputs == ("y", "z", "x")
    assert [(node.op, node.inputs, node.outputs) for node in graph.nodes] == [
        ("Relu", ("x",), ("y",)),
        ("Identity", ("y",), ("z",)),
    ]
