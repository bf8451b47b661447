"""Nodes that no kernel exists for."""

import pytest

from thresher.compiler.errors import ModelError
from thresher.compiler.importer import import_model
from thresher.compiler.schedule import ScheduleOptions, schedule
from thresher.compiler.streamline import streamline
from zoo import load, names


@pytest.mark.parametrize("name", [n for n in names(rtl=False) if "float" not in n])
def test_images_are_refused_in_one_line(name: str) -> None:
    graph = streamline(import_model(load(name).model)).graph
    with pytest.raises(
        ModelError, match=r"no hardware for grouped convolution.*; compile"
    ) as caught:
        schedule(graph, ScheduleOptions())
    assert "\n" not in str(caught.value)
