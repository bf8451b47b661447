"""folding.json: written, read back, and every way in which it can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from graphs import mlp, rnn

from thresher.compiler.errors import ThresherError
from thresher.compiler.schedule.folding import read_folding, write_folding
from thresher.compiler.schedule.scheduler import ScheduleOptions, schedule


def test_a_folding_comes_back(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = rnn(rng)
    design = schedule(graph)
    path = tmp_path / "folding.json"
    write_folding(path, design.folding)
    again = schedule(graph, ScheduleOptions(folding=read_folding(path)))
    assert again.folding == design.folding
    assert again.kernels == design.kernels
    assert again.edges == design.edges


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
        ({"mvau_matmul": 4}, "it must give 'pe' and 'simd', or 'rows' and 'lanes', not 4"),
        ({"argmax_argmax": {"lanes": 3}}, r"argmax_argmax.*lanes must divide.*1, 2, 4"),
        ({"nobody": {"lanes": 1}}, r"'nobody': the design has no such kernel; choose from .*mvau"),
    ],
)
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
