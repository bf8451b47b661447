"""A Jupyter notebook that tries a driver out, for PYNQ's and everyone else's."""

__all__ = ["notebook"]

_CELLS = (
    (
        "markdown",
        "# {name} on a board\n"
        "\n"
        "Checks the board against recorded vectors, predicts, and measures. Run it in the driver\n"
        "folder, on the ZCU104 itself or on a computer beside a board with a serial link.",
    ),
    (
        "code",
        "# How the board is reached; one of\n"
        '#   {{"bitfile": "../thresher.bit"}}   PYNQ on the ZCU104\n'
        '#   {{"uio": True}}                    plain Linux on the ZCU104\n'
        '#   {{"port": "/dev/ttyUSB1"}}         a UART\n'
        '#   {{"spi": "/dev/spidev0.0"}}        SPI\n'
        'BOARD = {{"bitfile": "../thresher.bit"}}',
    ),
    (
        "code",
        "from thresher_driver import Accelerator, load_vectors\n"
        "\n"
        'acc = Accelerator("model.json", **BOARD)\n'
        "acc.identity",
    ),
    (
        "markdown",
        "## Check\n"
        "\n"
        "Recorded inputs go through this host's quantisation and through the core; each code must\n"
        "be the compiler's.",
    ),
    (
        "code",
        'found = acc.check("vectors.npz")\n'
        "assert found.passed, found\n"
        "found",
    ),
    (
        "markdown",
        "## Predict\n"
        "\n"
        "`predict` takes an array of samples in the model's own units, or a dictionary of arrays\n"
        "where the model has several inputs.",
    ),
    (
        "code",
        'vectors = load_vectors("vectors.npz", acc.model)\n'
        "x = {{\n"
        "    port.source: codes if values is None else values\n"
        "    for port, values, codes in zip(acc.model.inputs, vectors.values, vectors.codes)\n"
        "}}\n"
        "y = acc.predict(x)\n"
        "y",
    ),
    (
        "markdown",
        "## Measure\n"
        "\n"
        "Cycles are counted by the core; seconds are this host's and include the link.",
    ),
    (
        "code",
        "measured = acc.measure(100)\n"
        "measured",
    ),
    (
        "code",
        "acc.status()",
    ),
)  # fmt: skip


def notebook(name: str) -> dict[str, object]:
    """The notebook, for JSON (nbformat 4.5).

    :param name: of the model.
    """
    return {
        "cells": [_cell(k, kind, text.format(name=name)) for k, (kind, text) in enumerate(_CELLS)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(k: int, kind: str, text: str) -> dict[str, object]:
    cell = {
        "cell_type": kind,
        "id": f"cell-{k}",
        "metadata": {},
        "source": text.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
