"""Competences are found in the folders of the package; a benchmark from outside brings its own."""

import pytest

import fgo_kit as fgo
import fgo_kit.simulate
from fgo_kit.calls.protocol import BadRequest
from fgo_kit.simulate.competence import Known
from fgo_kit.simulate.registry import by_rules, by_tag, competences, frozen

PARROT = '''
"""Says what stands in the section."""

from fgo_kit.simulate.competence import Competence, section


def act(call, rules):
    return "I repeat it.", section("saying", call.user), ()


def parse_rule(text):
    return text if text.startswith("Repeat") else None


COMPETENCE = Competence("saying", ["parrots"], act, None, None, None, None, lambda known, draw: [], parse_rule)
'''


@pytest.fixture
def parrot(tmp_path):
    folder = tmp_path / "parrot"
    folder.mkdir()
    (folder / "__init__.py").write_text(PARROT)
    fgo_kit.simulate.__path__.append(str(tmp_path))
    yield
    fgo_kit.simulate.__path__.remove(str(tmp_path))


def test_a_folder_added_to_the_package_is_a_competence(parrot):
    said = fgo.load_llm("simulated").complete([{"role": "user", "content": "<saying>\nhello\n</saying>"}])
    assert said.text == "THOUGHT: I repeat it.\nANSWER: hello"
    assert by_rules([Known("r1", "Repeat what is said.")]) is competences()["parrot"]
    assert frozen().splitlines()[-1] == f"parrot {competences()['parrot'].hash}"


def test_every_competence_is_known_by_its_tag_and_a_prompt_without_one_is_refused():
    for competence in competences().values():
        assert by_tag(f"<{competence.tag}>") is competence
    with pytest.raises(BadRequest, match="<document> or <question> or <scene>"):
        fgo.load_llm("simulated").complete([{"role": "user", "content": "hello"}])


def test_answers_from_before_a_competence_changed_are_not_taken_from_a_log(tmp_path, monkeypatch):
    bench = fgo.load_benchmark("logisticsqa", n_train=4, n_test=4)

    def paid(epochs):  # a run of its own each time, which asks the same
        run = fgo.run(bench, "simulated", method="base", epochs=epochs, log=tmp_path / "log.sqlite")
        return run.tokens()["paid_calls"].sum()

    assert (paid(1), paid(2)) == (4, 0)
    monkeypatch.setattr(type(competences()["logisticsqa"]), "hash", "another")
    assert paid(3) == 4
