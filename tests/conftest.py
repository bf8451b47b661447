"""What every test shares: derandomised hypothesis, one thread a worker, the repository's root."""

import os
from pathlib import Path

# Before NumPy, onnxruntime or torch start: two workers on two cores need one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

__all__ = ["repo", "rng"]

settings.register_profile("thresher", derandomize=True, deadline=None, database=None)
settings.load_profile("thresher")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full`: also the tests that take most of an hour, those of tests/conformance."""
    parser.addoption("--full", action="store_true", help="run the conformance tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--full`, tests marked `full` are deselected."""
    if not config.getoption("--full"):
        config.hook.pytest_deselected(items=[i for i in items if i.get_closest_marker("full")])
        items[:] = [i for i in items if not i.get_closest_marker("full")]


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator with the same seed for every test."""
    return np.random.default_rng(20240229)
