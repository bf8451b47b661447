"""Lower bounds on interval and latency against the solver, over drawn foldings."""

import random

import numpy as np
import pytest
from loopgraphs import bidirectional, gates, lstm, rnn_last

from thresher.compiler.schedule.assemble import lower
from thresher.compiler.schedule.candidate import Candidate
from thresher.compiler.schedule.rounds import Rounds
from thresher.compiler.schedule.search import Space


@pytest.mark.parametrize("graph", [bidirectional, gates, lstm, rnn_last])
def test_no_design_is_below_its_bounds_and_some_are_near(graph) -> None:  # type: ignore[no-untyped-def]
    lowered = lower(graph(np.random.default_rng(1)))
    space, rounds, rng = Space(lowered, {}), Rounds(lowered), random.Random(2)
    assert rounds.steps
    near = []
    for _ in range(6):
        folding = {name: rng.choice(found).folding for name, found in space.choices.items()}
        kernels = {name: r.kernel(folding[name]) for name, r in lowered.requests.items()}
        found = {name: rounds.transfers(name, kernel) for name, kernel in kernels.items()}
        for name, link in rounds.links.items():
            (source, out), (target, port) = link.source, link.target
            lanes = kernels[source].outputs[out].lanes, kernels[target].inputs[port].lanes
            found[name] = rounds.between(name, *lanes)
        cycles = Candidate(lowered, folding).final.predicted
        path, through = rounds.round_loops(found)[0], rounds.through(found)[0]
        assert path.cycles <= cycles.interval
        assert through.cycles <= cycles.latency
        near.append(through.cycles >= 0.8 * cycles.latency)
    assert sum(near) >= 4
