"""The simulated LLM's constants are frozen before a grid is run, so that no result can shape them."""

from pathlib import Path

from fgo_kit.simulate.model import frozen_hash

FROZEN = Path(__file__).parents[2] / "data" / "simulator_constants.txt"


def test_constants_are_the_frozen_ones():
    assert frozen_hash() == FROZEN.read_text().strip(), (
        "a constant of the simulated LLM changed: write the new hash to data/simulator_constants.txt in the same "
        "commit, and run every grid again"
    )
