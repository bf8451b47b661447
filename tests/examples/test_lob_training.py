"""Training the order book's network: scores, what is kept, when it ends, and one whole run."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from torch import Tensor, nn
from torch.nn import functional

import training
from data import Split, Windows
from model import EVENTS, FEATURES, ConvLstm, Widths
from thresher.quant.check import run_onnx
from train import main
from training import Phase, as_quantised, fit, predict, scores


def some(count: int, seed: int = 0) -> Windows:
    """Random windows with random classes."""
    generator = torch.Generator().manual_seed(seed)
    events = torch.randn(EVENTS + count - 1, FEATURES, generator=generator)
    classes = torch.randint(0, 3, (count,), generator=generator)
    return Windows(events, torch.arange(EVENTS - 1, EVENTS + count - 1), classes)


def logits_of(found: list[int]) -> Tensor:
    return functional.one_hot(torch.tensor(found), 3).float()


def test_scores_by_hand() -> None:
    """Up twice right of three, stationary never found, down three times found, once right."""
    got = scores(logits_of([0, 0, 2, 2, 2]), torch.tensor([0, 0, 0, 1, 2]))
    assert got["windows"] == 5
    assert (got["accuracy"], got["majority"]) == (0.6, 0.6)
    assert got["confusion"] == [[2, 0, 1], [0, 0, 1], [0, 0, 1]]
    assert got["classes"] == {
        "up": {"windows": 3, "precision": 1.0, "recall": 2 / 3, "f1": pytest.approx(0.8)},
        "stationary": {"windows": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0},
        "down": {"windows": 1, "precision": 1 / 3, "recall": 1.0, "f1": pytest.approx(0.5)},
    }
    assert got["macro_f1"] == pytest.approx(1.3 / 3)


def test_scores_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    logits, wanted = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    found = logits.argmax(axis=1)
    got = scores(torch.from_numpy(logits), torch.from_numpy(wanted))
    assert got["accuracy"] == accuracy_score(wanted, found)
    assert got["macro_f1"] == pytest.approx(f1_score(wanted, found, average="macro"))
    classes = got["classes"]
    assert isinstance(classes, dict)
    for key, score in (("precision", precision_score), ("recall", recall_score)):
        wanted_scores = score(wanted, found, average=None)
        assert [c[key] for c in classes.values()] == pytest.approx(wanted_scores.tolist())


def test_the_best_epoch_is_kept_and_twenty_without_gain_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = Split(some(2), some(4, 1), some(1, 2))
    wrong = [4, 3, 1, 2, 2, 1, *[2] * 40]  # of four windows, epoch by epoch
    states: list[dict[str, Tensor]] = []

    def scripted(model: ConvLstm, windows: Windows) -> Tensor:
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        found = windows.classes.clone()
        missed = wrong[len(states) - 1]
        found[:missed] = (found[:missed] + 1) % 3
        return functional.one_hot(found, 3).float()

    monkeypatch.setattr(training, "predict", scripted)
    kept, told = fit(ConvLstm(None), split, Phase("float", 100, 2, 1e-3), seed=0)
    assert (told.epochs, told.best) == (23, 3)
    for name, value in kept.state_dict().items():
        assert torch.equal(value, states[2][name]), name
    assert not torch.equal(kept.get_parameter("dense.weight"), states[3]["dense.weight"])
    assert not kept.training


def test_the_loss_is_that_of_what_is_kept() -> None:
    split = Split(some(24), some(16, 1), some(1, 2))
    kept, told = fit(ConvLstm(None), split, Phase("float", 3, 8, 3e-3), seed=0)
    loss = functional.cross_entropy(predict(kept, split.validation), split.validation.classes)
    assert told.loss == pytest.approx(loss.item(), abs=1e-6)
    assert told.epochs == 3


def test_a_wide_network_starts_as_the_float_one() -> None:
    """Weights, gates and statistics arrive; what differs is eight bits of rounding."""
    torch.manual_seed(0)
    windows = some(96)
    model = ConvLstm(None)
    with torch.no_grad():
        for layer in model.convolutions:
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = None
        model.train()
        model(windows.inputs(torch.arange(96)))
        model.get_parameter("dense.weight").mul_(4)
        model.get_parameter("lstm.weight_ih_l0").mul_(2)
    quantised = ConvLstm(Widths(8, 8, 8))
    as_quantised(model, quantised, windows)
    wanted, found = predict(model, windows), predict(quantised, windows)
    assert wanted.std(dim=0).min() > 0.01
    correlation = torch.corrcoef(torch.stack([wanted.flatten(), found.flatten()]))[0, 1]
    assert correlation > 0.98
    pairs = zip(model.convolutions, quantised.convolutions, strict=True)
    norms = [(a, b) for a, b in pairs if isinstance(a, nn.BatchNorm2d)]
    assert len(norms) == 6
    for a, b in norms:
        for name in ("running_mean", "running_var"):
            assert torch.equal(a.get_buffer(name), b.get_buffer(name))


def test_a_run_of_seconds_writes_what_its_record_says(tmp_path: Path) -> None:
    arguments = ["--synthetic", "--events", "150", "--horizon", "1", "--windows", "64"]
    assert main([*arguments, "--epochs", "1", "--out", str(tmp_path)]) == 0
    names = [f"convlstm_lob_1.{kind}" for kind in ("json", "npz", "onnx")]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    record = json.loads((tmp_path / names[0]).read_text())
    data = np.load(tmp_path / names[1])
    assert record["data"] == {
        "source": "synthetic",
        "events_a_day": 150,
        "windows": {"train": 64, "validation": 6, "held_out": 102},
    }
    assert record["horizon"] == 1
    assert [phase["epochs"] for phase in record["training"].values()] == [1, 1]
    assert [phase["rate"] for phase in record["training"].values()] == [0.001, 0.01]
    assert [phase["batch"] for phase in record["training"].values()] == [16, 32]
    assert data["x"].shape == (16, 1, 1, EVENTS, FEATURES)
    (logits,) = run_onnx(onnx.load(tmp_path / names[2]), [data["x"][:, 0]])
    assert (logits == data["brevitas"][:, 0]).all()


def test_wrong_data_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"train.py: {tmp_path} must hold Train_Dst_NoAuction_ZScore_CF_7.txt")


@pytest.mark.parametrize("wrong", [["--epochs", "0"], ["--horizon", "4"], ["--data", "x"]])
def test_wrong_arguments(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--synthetic", "--events", "150", "--windows", "8", *wrong])
