"""GAIA-like: the same file again, one right answer each, oracles that solve it through the real tools."""

from __future__ import annotations

import csv
import io
import json
import lzma
import re
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.gaia import tools as gaia_tools
from fgo_kit.benchmarks.gaia.files import names_in, read_text
from fgo_kit.benchmarks.gaia.shipped import unpacked
from fgo_kit.benchmarks.gaia.source import read_folder
from fgo_kit.sandbox import program as sandbox

DATA = Path(__file__).resolve().parents[2] / "data" / "gaia_like"
MODULES = [path.stem for path in DATA.glob("*.py")]
COLUMNS = ["Annotator Metadata", "Final answer", "Level", "Question", "family", "file_name", "files", "seen", "split",
           "task_id"]  # fmt: skip


@pytest.fixture(scope="module")
def generator():
    """The generator's modules by name, imported from the data folder for these tests only."""
    before, path = {name: sys.modules.pop(name, None) for name in MODULES}, list(sys.path)
    sys.path.insert(0, str(DATA))
    import baselines
    import formats
    import make
    import parts
    import pools
    import worlds

    yield {"baselines": baselines, "formats": formats, "make": make, "parts": parts, "pools": pools, "worlds": worlds}
    sys.path[:] = path
    for name in MODULES:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


@pytest.fixture(scope="module")
def made(generator):
    return list(generator["make"].tasks(0))


@pytest.fixture(scope="module")
def shipped():
    lines = lzma.decompress((DATA / "tasks.jsonl.xz").read_bytes()).decode().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def bench():
    return gaia.load(unsafe=True)  # the programs are our own: they need no isolation


def tasks_of(bench) -> dict:
    return {task.id: task for task in (*bench.train, *bench.gate, *bench.test)}


def test_the_shipped_file_is_what_the_seed_gives(made, shipped):
    assert [json.loads(json.dumps(row)) for row, _ in made] == shipped
    assert all(sorted(row) == COLUMNS for row in shipped)  # neither oracles nor misreadings
    assert (DATA / "tasks.jsonl.xz").stat().st_size < 300_000


def test_another_seed_gives_other_tasks(generator, made):
    other = generator["parts"].make_task(generator["parts"].FAMILIES["order_total"], 1, 0, gaia.score)[0]
    assert other.question not in {row["Question"] for row, _ in made}


@pytest.mark.parametrize("world", [1, 3])
def test_other_conventions_hold_in_other_worlds_and_the_oracles_know_them(generator, bench, tmp_path, world):
    make, house = generator["make"], generator["worlds"].conventions(world)
    made = [one for n, one in enumerate(make.tasks(world)) if n % 6 == 0]
    (tmp_path / "some.xz").write_bytes(make.packed([row for row, _ in made]))
    tasks, files = read_folder(unpacked(tmp_path / "some.xz", tmp_path))
    there, by_id = replace(bench, files=files), {task.id: task for task in tasks}
    scores = [generator["baselines"].solve(there, by_id[row["task_id"]], one.oracle)[1] for row, one in made]
    assert scores == [1.0] * len(made) and set(house.dead) != set(generator["pools"].DEAD)
    assert house.twice == (world == 3) and not set(house.dead) & set(house.live)


def test_splits_levels_and_families(shipped):
    sizes = Counter((row["split"], row["seen"]) for row in shipped)
    assert sizes == {("train", True): 256, ("gate", True): 64, ("test", True): 64, ("test", False): 64}
    families = {row["family"]: (row["Level"], row["seen"]) for row in shipped}
    assert Counter(families.values()) == {(level, seen): 10 if seen else 5 for level in (1, 2, 3) for seen in (0, 1)}
    trained = {row["family"] for row in shipped if row["split"] == "train"}
    assert all((row["family"] in trained) == row["seen"] for row in shipped)
    by_level = Counter((row["split"], row["seen"], row["Level"]) for row in shipped)
    for split, seen in sizes:
        assert np.ptp([by_level[split, seen, level] for level in (1, 2, 3)]) <= 1
    assert len({row["task_id"] for row in shipped}) == len(shipped)
    assert len({json.dumps([row["Question"], row["files"]], sort_keys=True) for row in shipped}) == len(shipped)


def test_answers_have_the_form_that_the_scorer_wants(shipped):
    for row in shipped:
        answer, question = row["Final answer"], row["Question"]
        assert answer == answer.strip() != "" and not re.search(r"\d,\d|EUR|km|FINAL", answer), row["task_id"]
        assert gaia.score(answer, answer) and not gaia.score(f"{answer} EUR", answer)
        if found := re.search(r"to (one|two|three) decimal|nearest whole", question):
            digits = {"one": 1, "two": 2, "three": 3, None: 0}[found[1]]
            assert re.fullmatch(rf"-?\d+\.\d{{{digits}}}" if digits else r"-?\d+", answer), row["task_id"]
        assert ("separated by commas" in question) == ("," in answer), row["task_id"]
        if not re.fullmatch(r"[\d.-]+", answer):
            assert answer.casefold() not in question.casefold()


def test_no_misreading_gives_the_right_answer(made):
    for row, one in made:
        for trap, answer in one.wrong.items():
            assert not gaia.score(answer, one.answer), (row["task_id"], trap)
    alone = [one for _, one in made if one.wrong]
    assert len(alone) > 350  # most tasks depend on some procedure, some on none
    assert len(made) - len(alone) > 20


def test_every_procedure_of_the_test_split_can_be_learnt_in_training(made):
    by_split: dict[str, set] = {"train": set(), "gate": set(), "test": set()}
    for row, one in made:
        by_split[row["split"]] |= set(one.wrong)
    assert by_split["test"] <= by_split["train"] and by_split["gate"] <= by_split["train"]
    unseen = set().union(*(one.wrong for row, one in made if not row["seen"]))
    assert len(unseen) > 12


def test_oracles_solve_a_task_of_each_family_through_the_tools(generator, made, bench):
    tasks, known = tasks_of(bench), set()
    for row, one in made:
        if row["family"] in known:
            continue
        known.add(row["family"])
        answer, score, turns = generator["baselines"].solve(bench, tasks[row["task_id"]], one.oracle)
        assert score == 1.0 and turns < gaia.MAX_TURNS, (row["task_id"], row["family"], answer, one.answer)
    assert len(known) == 45


@pytest.mark.slow
def test_oracles_solve_all_tasks_through_the_tools(generator):
    assert generator["baselines"].check().startswith("448 of 448 solved")


def test_an_oracle_reads_the_files_it_is_given(generator, made, bench, tmp_path):
    """Other numbers in the file give another answer: no oracle carries its answer along."""
    row, one = next((r, m) for r, m in made if r["family"] == "expenses" and r["split"] == "train")
    task = tasks_of(bench)[row["task_id"]]
    files = dict(bench.files[task.id])
    changed = tmp_path / "expenses.csv"
    changed.write_text(re.sub(r",(\d+),(\w+)$", r",1\1,\2", files["expenses.csv"].read_text(), flags=re.MULTILINE))

    def call(tool, **arguments):
        if tool == "read_file":
            return read_text(files | {"expenses.csv": changed}, arguments["name"])
        return sandbox.run(arguments["code"], files | {"expenses.csv": changed}, unsafe=True).output

    assert float(one.oracle(call)) > float(one.answer)


def test_orders_by_hand(bench):
    """The answers of the first family, added up again without any code of the generator."""
    seen = 0
    for task in (t for t in bench.train if t.meta["family"] == "order_total"):
        lines = bench.files[task.id]["orders.csv"].read_text().splitlines()
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))
        city = re.search(r"from ([A-Z][\w-]+)", task.text)[1]
        everything = re.search("including orders marked|whatever the status", task.text)
        total, met = 0, set()
        for order_id, _, _, town, status, amount in rows[1:]:
            dead = status in ("cancelled", "void", "test", "withdrawn", "rejected", "annulled")
            if town == city and order_id not in met and (everything or not dead):
                total += int(amount)
            met.add(order_id)
        thousands = re.search("thousand|kEUR", rows[0][5] + " ".join(lines[:4]))
        assert float(task.answer) == total * (1000 if thousands and "in thousand EUR" not in task.text else 1)
        seen += 1
    assert seen >= 8


def test_answers_without_tools_or_at_random_are_wrong(generator, bench):
    baselines = generator["baselines"]
    constant = baselines.most_frequent(bench)
    assert np.mean([gaia.score(constant, task.answer) for task in bench.test]) < 0.05
    some = [task for task in bench.train if "web" not in task.meta["family"]][:25]
    assert np.mean([baselines.random_pick(bench, task) for task in some]) < 0.03


def test_nothing_hints_at_the_answer(shipped, bench):
    for row in shipped:
        steps = row["Annotator Metadata"]["Steps"]
        assert row["Final answer"] not in steps or len(row["Final answer"]) <= 2, row["task_id"]
    for task in (*bench.train, *bench.test):
        assert set(task.meta) == {"level", "files", "family", "seen", "split"}


@pytest.mark.parametrize("value, digits, text", [
    (Fraction(1, 3), 2, "0.33"), (Fraction(2, 3), 0, "1"), (Fraction(-29, 10), 1, "-2.9"), (Fraction(1, 50), 2, "0.02"),
])  # fmt: skip
def test_rounding_is_exact(generator, value, digits, text):
    assert generator["parts"].rounded(value, digits) == text


def test_boundaries_and_ties_are_drawn_again(generator):
    parts = generator["parts"]
    with pytest.raises(parts.Redraw, match="rounding"):
        parts.rounded(Fraction(1249, 1000) + Fraction(1, 1000), 1)
    with pytest.raises(parts.Redraw, match="rounding"):
        parts.rounded(Fraction(12509, 10000), 1)
    with pytest.raises(parts.Redraw, match="tie"):
        parts.best({"a": 3, "b": 3, "c": 1})
    with pytest.raises(parts.Redraw, match="tie"):
        parts.best({"a": 5, "b": 3, "c": 3}, 2)
    assert parts.best({"a": 5, "b": 3, "c": 3}, 1) == "a"
    with pytest.raises(ValueError, match="rounding"):
        parts.exact(Fraction(1, 3))


def test_a_trap_that_does_not_bite_is_refused(generator):
    parts = generator["parts"]
    family = parts.Family("idle", 1, True, lambda d: (d.traps.add("dup"), "?", {}, lambda skip: "1", None)[1:])
    with pytest.raises(RuntimeError, match="'idle'"):
        parts.make_task(family, 0, 0, gaia.score)


def test_written_files_are_read_back(generator, tmp_path):
    formats = generator["formats"]
    sheets = {"first & last": [["item", "units"], ["rope <3 m>", 12], ["tin", ""]], "notes": [["Blank means zero."]]}
    made = {"book.xlsx": formats.workbook(sheets), "page.pdf": formats.pdf([["a (b) \\ c", "1.50"], ["last"]]).encode()}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    files = {name: tmp_path / name for name in made}
    assert "rope <3 m>,12" in read_text(files, "book.xlsx") and "## sheet first & last" in read_text(files, "book.xlsx")
    text = read_text(files, "page.pdf")
    assert "a (b) \\ c" in text and "last" in text and text.index("1.50") < text.index("last")
    again = formats.workbook(sheets)
    assert again == made["book.xlsx"]
    assert {info.date_time for info in zipfile.ZipFile(io.BytesIO(again)).infolist()} == {(2024, 1, 1, 0, 0, 0)}


def test_long_tables_are_longer_than_a_page(generator, made, bench):
    assert generator["parts"].PAGE == gaia_tools.PAGE
    tasks = tasks_of(bench)
    long = [row for row, one in made if "cut" in one.wrong]
    assert len(long) >= 10
    for row in long:
        sizes = [len(read_text(bench.files[row["task_id"]], name)) for name in _texts(bench, tasks[row["task_id"]])]
        assert max(sizes) > gaia_tools.PAGE


def _texts(bench, task) -> list[str]:
    return [name for name in names_in(bench.files[task.id]) if not name.endswith(".zip")]
