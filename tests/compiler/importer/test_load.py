"""What can be wrong with a file, and with the graph as a whole."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.parser import parse_model

from thresher.compiler.errors import ModelError, ThresherError
from thresher.compiler.importer import import_model, load_model
from zoo import load

GOOD = '<ir_version: 10, opset_import: ["" : 19]> g (float[1] x) => (float[1] y) { y = Relu(x) }'


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_good_file(tmp_path: Path) -> None:
    path = write(tmp_path / "good.onnx", parse_model(GOOD).SerializeToString())
    assert [node.op for node in import_model(path).nodes] == ["Relu"]
    assert load_model(str(path)).graph.name == "g"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.onnx': cannot be read \(no such file"):
        load_model(tmp_path / "none.onnx")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ThresherError, match=r"cannot be read \(is a directory\); check the path"):
        load_model(tmp_path)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n what?" * 9, b"GIF89a", b"\n" * 40])
def test_not_onnx(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX file; pass a model exported to ONNX"):
        load_model(write(tmp_path / "x.onnx", data))


@pytest.mark.parametrize("part", [0.03, 0.3, 0.6, 0.95])
def test_truncated(tmp_path: Path, part: float) -> None:
    whole = load("lstm").model.SerializeToString()
    path = write(tmp_path / "x.onnx", whole[: int(len(whole) * part)])
    with pytest.raises(ModelError, match="truncated"):
        load_model(path)


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    data = parse_model(GOOD).SerializeToString().replace(b"Relu", b"Re\xffu")
    with pytest.raises(ModelError, match="file is damaged: it holds a broken name"):
        load_model(write(tmp_path / "x.onnx", data))


def test_an_attribute_tensor_of_an_unknown_type() -> None:
    model = parse_model(
        GOOD.replace("Relu(x)", "Add(x, c) [n] c = Constant <value = float {1}> ()")
    )
    model.graph.node[1].attribute[0].t.data_type = 101
    with pytest.raises(ModelError, match="tensor 'n': tensor does not hold the data"):
        import_model(model)


def test_truncated_between_fields(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="truncated: it holds no graph"):
        load_model(write(tmp_path / "x.onnx", b"\x08\x0a"))


def test_empty_graph(tmp_path: Path) -> None:
    model = parse_model(GOOD)
    del model.graph.node[:]
    with pytest.raises(ModelError, match="graph has no nodes; export again"):
        load_model(write(tmp_path / "x.onnx", model.SerializeToString()))
    model = parse_model(GOOD)
    del model.graph.output[:]
    with pytest.raises(ModelError, match="graph has no outputs"):
        load_model(write(tmp_path / "x.onnx", model.SerializeToString()))


@pytest.mark.parametrize("version", [6, 27])
def test_opset_out_of_range(version: int) -> None:
    model = parse_model(GOOD)
    model.opset_import[0].version = version
    with pytest.raises(ModelError, match=f"opset must be 7 to 26, not {version}; export again"):
        import_model(model)


def test_no_opset() -> None:
    model = parse_model(GOOD)
    del model.opset_import[:]
    with pytest.raises(ModelError, match="says no opset version"):
        import_model(model)


def external(tmp_path: Path, location: str, length: int = 12) -> Path:
    model = parse_model(GOOD.replace("Relu(x)", "Add(x, w)"))
    tensor = numpy_helper.from_array(np.arange(3, dtype=np.float32), "w")
    onnx.external_data_helper.set_external_data(tensor, location, 4, length)
    tensor.ClearField("raw_data")
    model.graph.initializer.append(tensor)
    return write(tmp_path / "x.onnx", model.SerializeToString())


def test_external_data(tmp_path: Path) -> None:
    write(tmp_path / "w.bin", b"....".ljust(4) + np.array([1, 2, 3], np.float32).tobytes())
    graph = import_model(external(tmp_path, "w.bin"))
    np.testing.assert_array_equal(graph.constants["w"], np.array([1, 2, 3], np.float32))


def test_external_data_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'w': external data cannot be read .*No such file"):
        load_model(external(tmp_path, "w.bin"))


def test_external_data_truncated(tmp_path: Path) -> None:
    write(tmp_path / "w.bin", b"1234567")
    with pytest.raises(ModelError, match=r"external data file 'w\.bin' is truncated"):
        load_model(external(tmp_path, "w.bin"))


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "a/../../w.bin", ""])
def test_external_data_stays_in_its_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    write(tmp_path / "w.bin", bytes(64))
    with pytest.raises(ModelError, match="external data must lie in the model's folder"):
        load_model(external(folder, location))


def test_external_data_by_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    write(tmp_path / "w.bin", bytes(64))
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ModelError, match="external data must lie in the model's folder"):
        load_model(external(folder, "w.bin"))


def test_a_tensor_whose_data_is_too_short() -> None:
    model = parse_model(GOOD.replace("Relu(x)", "Add(x, w)"))
    model.graph.initializer.append(onnx.TensorProto(name="w", dims=[3], data_type=1, raw_data=b"1"))
    with pytest.raises(ModelError, match=r"'w': tensor does not hold the data .*\[3\]"):
        import_model(model)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    model = parse_model("""
        <ir_version: 10, opset_import: ["" : 19, "local" : 1]>
        g (float[1] x) => (float[1] y) { y = local.Twice <factor = 2.0> (x) }
        <opset_import: ["" : 19], domain: "local">
        Twice <factor> (a) => (b) { c = Constant <value_float: float = @factor> () b = Mul(a, c) }
    """)
    graph = import_model(write(tmp_path / "x.onnx", model.SerializeToString()))
    assert [node.op for node in graph.nodes] == ["Mul"]
    assert [float(value) for value in graph.constants.values()] == [2.0]


def test_sparse_initializer() -> None:
    model = parse_model(GOOD)
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    with pytest.raises(ModelError, match="'w': sparse tensors are unsupported; store it dense"):
        import_model(model)
