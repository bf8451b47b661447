"""The driver folder: what a host needs to use a compiled model, and nothing of the compiler.

| file | content |
|---|---|
| `model.json` | the manifest |
| `vectors.npz` | recorded inputs, their codes and the golden model's output codes |
| `predict.ipynb` | a notebook that checks, predicts and measures |
| `thresher_driver/` | `boards.host` under a name of its own |
"""

import io
import json
import zipfile
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from thresher.boards.host.errors import InputError
from thresher.boards.host.model import Model, load_model
from thresher.boards.host.ports import codes_of
from thresher.boards.host.vectors import Vectors
from thresher.boards.manifest import manifest
from thresher.boards.notebook import notebook
from thresher.compiler.integer.ports import quantised
from thresher.gen.compiled import Compiled
from thresher.sim.inputs import random_inputs

__all__ = ["driver_files", "recorded", "write_driver"]

_PACKAGE, _COPY = "thresher.boards.host", "thresher_driver"
_SAMPLES = 16
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can tell


def write_driver(compiled: Compiled, folder: Path) -> None:
    """Write the driver folder; equal models give equal bytes."""
    for name, data in driver_files(compiled).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def driver_files(compiled: Compiled) -> dict[str, bytes]:
    """The driver folder's files by their path in it."""
    told = manifest(compiled)
    made = {
        "model.json": _json(told),
        "vectors.npz": _npz(recorded(compiled, load_model(told)).arrays()),
        "predict.ipynb": _json(notebook(compiled.design.name)),
    }
    return made | {f"{_COPY}/{name}": data for name, data in _package(files(_PACKAGE)).items()}


def recorded(compiled: Compiled, model: Model) -> Vectors:
    """Random samples that use the whole range of every input, and what the golden model says."""
    graph = compiled.streamlined.graph
    arrays = random_inputs(graph, max(_SAMPLES, 2 * compiled.design.samples), 0)
    codes = quantised(graph.inputs, arrays)
    results = compiled.golden.run(codes)
    values: list[np.ndarray | None] = []
    for port in model.inputs:
        try:
            codes_of([port], arrays)
            values.append(arrays[port.source])
        except InputError:  # only codes can be given
            values.append(None)
    return Vectors(
        tuple(values),
        tuple(codes[p.tensor.name] for p in graph.inputs),
        tuple(results[o.name] for o in graph.outputs),
    )


def _package(folder: Traversable, prefix: str = "") -> dict[str, bytes]:
    """The package's modules by path, with its own name in their imports."""
    found: dict[str, bytes] = {}
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            found |= _package(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            found[prefix + entry.name] = entry.read_text().replace(_PACKAGE, _COPY).encode()
    return found


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """A .npz without the time of day in it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _DATE), entry.getvalue())
    return data.getvalue()


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
