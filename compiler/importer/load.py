"""Read an ONNX file: every way in which the file itself can be wrong is found here."""

import os
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]
from onnx import external_data_helper, inliner

from thresher.compiler.errors import ModelError
from thresher.compiler.importer.domains import STANDARD_DOMAINS, dialect_op
from thresher.compiler.importer.unique import unique_names

__all__ = ["MAX_OPSET", "MIN_OPSET", "load_model", "opset_of"]

MIN_OPSET = 7  # NumPy broadcasting and BatchNormalization without training outputs
MAX_OPSET = 26  # what onnxruntime 1.31, the reference of verify, reads

_EXPORT_AGAIN = "export the model again, or copy the file again"


def load_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file, with its external data inside and its local functions inlined.

    Names of tensors are unique in the whole model, see `unique_names`.

    :raises ModelError: file missing, unreadable, truncated, not ONNX, or empty; opset out of
        range; external data missing, too short, or outside the model's folder.
    """
    path = Path(path)
    model = _parse(path)
    opset_of(model, str(path))
    for tensor in _tensors(model.graph):
        _load_external(tensor, path)
    return unique_names(_inline(model))


def opset_of(model: onnx.ModelProto, name: str) -> int:
    """The version of ONNX's own operators that a model uses.

    :param name: what to call the model in an error.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    if not versions:
        if all(node.domain not in STANDARD_DOMAINS for node in model.graph.node):
            return MAX_OPSET
        raise _file_error(name, "says no opset version", _EXPORT_AGAIN)
    version = int(versions[0])
    if not MIN_OPSET <= version <= MAX_OPSET:
        rule = f"opset must be {MIN_OPSET} to {MAX_OPSET}, not {version}"
        raise _file_error(name, rule, "export again with opset_version=19")
    return version


def _file_error(path: str | Path, rule: str, remedy: str) -> ModelError:
    return ModelError(str(path), "model", rule, remedy)


def _parse(path: Path) -> onnx.ModelProto:
    try:
        data = path.read_bytes()
    except OSError as e:
        reason = (e.strerror or "unknown reason").lower()
        raise _file_error(path, f"cannot be read ({reason})", "check the path") from e
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as e:
        # A ModelProto begins with field 1, its IR version: a varint below 32.
        if len(data) > 1 and data[0] == 0x08 and data[1] < 32:
            raise _file_error(path, "file is truncated or damaged", _EXPORT_AGAIN) from e
        raise _file_error(path, "not an ONNX file", "pass a model exported to ONNX") from e
    if not _readable(model):
        raise _file_error(path, "file is damaged: it holds a broken name", _EXPORT_AGAIN)
    if not model.ir_version:
        raise _file_error(path, "not an ONNX file", "pass a model exported to ONNX")
    if not model.HasField("graph"):
        raise _file_error(path, "file is truncated: it holds no graph", _EXPORT_AGAIN)
    if not model.graph.node or not model.graph.output:
        what = "nodes" if not model.graph.node else "outputs"
        remedy = "export again; torch's dynamo exporter writes an empty graph for a QuantLSTM"
        raise _file_error(path, f"graph has no {what}", remedy)
    return model


def _readable(message: Message) -> bool:
    """Whether every string in a message is text."""
    try:
        for field, value in message.ListFields():
            if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE):
                items = [value] if isinstance(value, str | bytes | Message) else value
                if not all(
                    _readable(i) if isinstance(i, Message) else isinstance(i, str) for i in items
                ):
                    return False
    except UnicodeDecodeError:
        return False
    return True


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _load_external(tensor: onnx.TensorProto, path: Path) -> None:
    """Bring one tensor's data into the model, reading only inside the model's folder."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return
    folder = path.parent.resolve()
    try:
        info = external_data_helper.ExternalDataInfo(tensor)
        source = (folder / info.location).resolve()
        if not info.location or folder not in source.parents:
            rule = f"external data must lie in the model's folder, not at {info.location!r}"
            raise ModelError(tensor.name, "initializer", rule, "save it beside the model")
        offset = info.offset or 0
        with source.open("rb") as file:
            file.seek(offset)
            raw = file.read() if info.length is None else file.read(info.length)
    except (OSError, ValueError) as e:
        rule = f"external data cannot be read ({e})"
        remedy = "copy the data file into the model's folder"
        raise ModelError(tensor.name, "initializer", rule, remedy) from e
    if info.length is not None and len(raw) < info.length:
        rule = f"external data file {info.location!r} is truncated"
        raise ModelError(tensor.name, "initializer", rule, "copy the data file again")
    tensor.raw_data = raw
    tensor.ClearField("data_location")
    tensor.ClearField("external_data")


def _inline(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace calls of model-local functions by their bodies, except the dialects' operators."""
    kept = [
        (function.domain, function.name)
        for function in model.functions
        if dialect_op(function.domain, function.name)
    ]
    if len(kept) == len(model.functions):
        return model
    return inliner.inline_selected_functions(model, kept, exclude=True)
