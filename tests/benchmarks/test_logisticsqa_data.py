"""The generated worlds: same bytes again, gold answers that can be told, check digits, splits."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest
from stdnum import iban, iso6346
from stdnum.exceptions import ValidationError

from fgo_kit.benchmarks.logisticsqa import benchmark as lqa

DATA = Path(__file__).resolve().parents[2] / "data" / "logisticsqa"
ALL_WORLDS = pytest.mark.parametrize("world", lqa.WORLDS)


@pytest.fixture(scope="module")
def generator():
    """The generator's modules, imported from the data folder for these tests only."""
    names = ("make", "conventions", "documents", "pools", "writer")
    before = {name: sys.modules.pop(name, None) for name in names}
    path = list(sys.path)
    sys.path.insert(0, str(DATA))
    import make
    import pools

    yield make, pools
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def all_tasks(world: int) -> list:
    bench = lqa.load(world=world)
    return [*bench.train, *bench.gate, *bench.test]


@ALL_WORLDS
def test_shipped_file_is_what_the_generator_writes(generator, world):
    make, _ = generator
    shipped = (DATA / f"world{world}.jsonl.xz").read_bytes()
    made = make.packed(make.world_rows(world))
    assert lzma.decompress(made) == lzma.decompress(shipped)
    assert len(shipped) < 400_000


def test_same_world_same_rows_and_another_world_differs(generator):
    make, _ = generator
    again, other = make.world_rows(7), make.world_rows(8)
    assert again == make.world_rows(7)
    assert {row["xml"] for row in again}.isdisjoint(row["xml"] for row in other)
    assert {row["meta"]["supplier"] for row in again} != {row["meta"]["supplier"] for row in other}


@ALL_WORLDS
def test_expressible_answers_stand_in_the_text(world):
    for task in all_tasks(world):
        if task.meta["expressible"] == "yes" and not lqa.is_none(task.answer):
            assert task.answer in task.text, task.id


@ALL_WORLDS
def test_shares(world):
    bench, tasks = lqa.load(world=world), all_tasks(world)
    assert (len(bench.train), len(bench.gate), len(bench.test)) == (256, 64, 128)
    assert 0.40 <= np.mean([lqa.is_none(task.answer) for task in tasks]) <= 0.50
    assert 0.07 <= np.mean([task.meta["expressible"] == "no" for task in tasks]) <= 0.13
    seen = {task.meta["supplier"] for task in bench.train}
    assert 0.05 <= np.mean([task.meta["supplier"] not in seen for task in bench.test]) <= 0.25
    assert 150 <= np.median([len(task.text) / 4 for task in tasks]) <= 450


@ALL_WORLDS
def test_splits_are_disjoint(world):
    bench = lqa.load(world=world)
    ids = [task.id for split in (bench.train, bench.gate, bench.test) for task in split]
    texts = [task.text for split in (bench.train, bench.gate, bench.test) for task in split]
    assert len(set(ids)) == len(ids) == 448
    assert len(set(texts)) == len(texts)


def test_a_label_is_right_with_one_supplier_and_a_decoy_with_another():
    """Over-general rules must have counter-examples: a label before the answer here, not the answer there."""
    tasks = all_tasks(0)
    answered = [task for task in tasks if f": {task.answer} /" in task.text]
    labels = {task.text.split(f": {task.answer} /")[0].split(" / ")[-1].strip() for task in answered}
    decoyed = {
        label
        for task in tasks
        for label in labels
        if f"/ {label}: " in task.text and f"{label}: {task.answer}" not in task.text
    }
    assert decoyed


def test_rows_are_well_formed_and_hold_no_answer_elsewhere():
    lines = lzma.decompress((DATA / "world0.jsonl.xz").read_bytes()).decode().splitlines()
    for line in lines:
        row = json.loads(line)
        assert set(row) == {"id", "split", "xml", "answer", "meta"}
        assert all(isinstance(value, str) for value in row["meta"].values())


# Worked examples: the container of ISO 6346's own text, the SSCC of the GS1 specification's example,
# air waybill 020-1234 5675 (1234567 mod 7 = 5).
def test_check_digits_by_hand(generator):
    _, pools = generator
    assert pools.iso6346_digit("CSQU305438") == 3
    assert pools.gs1_digit("00614141123456789") == 0
    assert 1234567 % 7 == 5


def test_check_digits_against_stdnum(generator):
    _, pools = generator
    rng = np.random.default_rng(0)
    for _ in range(200):
        assert iso6346.is_valid(pools.container(rng, True))
        assert not iso6346.is_valid(pools.container(rng, False))
        waybill = pools.air_waybill(rng)
        assert int(waybill[4:11]) % 7 == int(waybill[11])
        for number, length in ((pools.sscc(rng), 18), (pools.gsin(rng), 17)):
            assert len(number) == length and number[-1] == str(pools.gs1_digit(number[:-1]))
        assert len(pools.mrn(rng)) == 18
        account = pools.iban(rng, "DE")
        iban.mod_97_10.validate(account[4:] + account[:4])
    with pytest.raises(ValidationError):
        iban.mod_97_10.validate("1" + account[4:] + account[:4])


def test_command_line_writes_and_describes(generator, tmp_path, monkeypatch, capsys):
    make, _ = generator
    monkeypatch.setattr(sys, "argv", ["make.py", "--world", "9", "--out", str(tmp_path / "w.xz")])
    make.main()
    assert len(lzma.decompress((tmp_path / "w.xz").read_bytes()).splitlines()) == 448
    monkeypatch.setattr(sys, "argv", ["make.py", "--describe"])
    make.main()
    out = capsys.readouterr().out
    table = out[out.index("| world |") :].strip()
    assert table in (DATA / "README.md").read_text(encoding="utf-8")
