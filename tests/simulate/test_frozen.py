"""The simulated LLM's constants are frozen before a grid is run, so that no result can shape them."""

from pathlib import Path

import pytest

from fgo_kit.simulate.registry import competences, frozen

FROZEN = dict(line.split() for line in (Path(__file__).parents[2] / "data" / "simulator_constants.txt").open())


@pytest.mark.parametrize("name", ["limits", *sorted(competences())])
def test_constants_are_the_frozen_ones(name):
    now = dict(line.split() for line in frozen().splitlines())
    assert list(now) == list(FROZEN)
    assert now[name] == FROZEN[name], (
        f"a constant of the simulated LLM changed ({name}): write the lines of `simulate.registry.frozen()` to "
        "data/simulator_constants.txt in the same commit, and run every grid that rests on it again"
    )
