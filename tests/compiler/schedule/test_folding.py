"""folding.json: written, read back, and every way in which it can be wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from graphs import mlp
from loopgraphs import lstm, rnn

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.capacity import Capacity
from thresher.compiler.schedule.foldingfile import read_folding, written
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule


def test_a_folding_comes_back(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = rnn(rng)
    design = schedule(graph)
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(written(design)))
    again = schedule(graph, ScheduleOptions(folding=read_folding(path)))
    assert again.folding == design.folding
    assert again.kernels == design.kernels
    assert again.edges == design.edges


def test_products_in_luts_come_back(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = lstm(rng)
    options = ScheduleOptions(capacity=Capacity(dsp=0, lut=1_500))
    design = schedule(graph, options)
    in_luts = {name for name, folding in design.folding.items() if folding.get("lut")}
    assert {name.split("_")[0] for name in in_luts} == {"mvau", "elementwise"}
    path = tmp_path / "folding.json"
    path.write_text(json.dumps(written(design)))
    again = schedule(graph, ScheduleOptions(folding=read_folding(path)))
    assert again.kernels == design.kernels


def test_kernels_may_be_missing(rng: np.random.Generator) -> None:
    design = schedule(mlp(rng), ScheduleOptions(folding={"mvau_matmul": {"pe": 2, "simd": 3}}))
    assert design.folding["mvau_matmul"] == {"pe": 2, "simd": 3}
    assert set(design.folding) > {"mvau_matmul"}


@pytest.mark.parametrize(
    ("folding", "words"),
    [
        ({"mvau_matmul": {"pe": 3, "simd": 1}}, r"mvau_matmul.*pe must divide.*3.*1, 2, 4, 8"),
        ({"mvau_matmul": {"pe": 1, "simd": 7}}, r"mvau_matmul.*simd must divide.*7.*1, 2, 3, 6"),
        ({"mvau_matmul": {"pe": "2", "simd": 1}}, r"pe must be an int, not \"2\".*choose from"),
        ({"mvau_matmul": {"pe": True, "simd": 1}}, "pe must be an int, not true"),
        ({"mvau_matmul": {"pe": 1}}, "it must give 'pe' and 'simd'"),
        ({"mvau_matmul": {"lanes": 1}}, "it must give 'pe' and 'simd'"),
        ({"mvau_matmul": 4},
         "it must give 'pe' and 'simd', or 'rows' and 'lanes', not 4; 'lut' may be added; "
         "'pack' may be added; write"),
        ({"mvau_matmul": {"pe": 2, "simd": 1, "lut": 0}},
         "lut must be left out or be allowed, not 0; choose from 1"),
        ({"mvau_matmul": {"rows": 8, "lanes": 1, "lut": 3}},
         "lut must be left out or be allowed, not 3; choose from 1, 2, 4, 8"),
        ({"mvau_matmul": {"rows": 4, "lanes": 1, "lut": 8}},
         "lut must be rows / lanes = 4 or a power of two below, not .* write lut as 1"),
        ({"mvau_matmul": {"pe": 2, "simd": 1, "pack": 1}},
         "pack must be left out or be allowed, not 1; choose from [234]$"),
        ({"mvau_matmul": {"pe": 1, "simd": 1, "pack": 3}},
         "pack must be left out, for no products of two neighbouring PEs .*; leave pack out"),
        ({"mvau_matmul": {"pe": 8, "simd": 6, "pack": 3}},
         "pack must be left out, for without folds nothing is multiplied, not"),
        ({"mvau_matmul": {"rows": 2, "lanes": 4}}, "lanes must divide rows, not .* write lanes"),
        ({"argmax_argmax": {"lanes": 3}}, r"argmax_argmax.*lanes must divide.*1, 2, 4"),
        ({"nobody": {"lanes": 1}}, r"'nobody': the design has no such kernel; choose from .*mvau"),
    ],
)  # fmt: skip
def test_a_wrong_folding_is_refused(
    folding: dict[str, dict[str, int]], words: str, rng: np.random.Generator
) -> None:
    with pytest.raises(ThresherError, match=words) as caught:
        schedule(mlp(rng), ScheduleOptions(folding=folding))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it must be JSON"),
        ("[]", "it must be an object of kernels, not list"),
        (None, "it must be a readable file"),
        (b"\xff\xfe", "it must be a readable file"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str | bytes | None, words: str) -> None:
    path = tmp_path / "folding.json"
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text)
    with pytest.raises(ThresherError, match=words) as caught:
        read_folding(path)
    assert "\n" not in str(caught.value)
