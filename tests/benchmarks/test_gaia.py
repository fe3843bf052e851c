"""GAIA: the official layout in both formats, damaged copies, tools on its files, and what must not be shown."""

import io
import json
import lzma
import math
import shutil
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from gaia_folder import CONTENTS, packed, rows, write_jsonl, write_parquet
from helpers import ScriptedLLM

import fgo_kit as fgo
from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.gaia.calculator import NotArithmetic, calculate
from fgo_kit.benchmarks.gaia.files import MAX_BYTES, FileProblem, names_in, read_text
from fgo_kit.benchmarks.gaia.shipped import unpacked
from fgo_kit.benchmarks.gaia.source import read_folder
from fgo_kit.benchmarks.gaia.tools import PAGE, TOOLS, Desk, ToolProblem, call
from fgo_kit.calls.toolcalls import call_text
from fgo_kit.records import NOT_SHOWN
from fgo_kit.sandbox import program as sandbox
from fgo_kit.widgets.browser import static_page
from fgo_kit.widgets.trajectory_filter import Catalogue


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("official") / "GAIA" / "2023" / "validation")


def every(bench):
    return sorted((*bench.train, *bench.gate, *bench.test), key=lambda task: task.id)


# -- loading


def test_both_formats_give_the_same_benchmark(official, tmp_path):
    expected = gaia.load(official)
    assert [len(split) for split in (expected.train, expected.gate, expected.test)] == [3, 1, 2]
    by_level = {f"metadata.level{n}.parquet": [row for row in rows() if row["Level"] == n] for n in (1, 2, 3)}
    for name, changed in by_level.items():
        write_parquet(tmp_path / "levels", name, changed)
    for folder in (write_parquet(tmp_path / "whole"), write_parquet(tmp_path / "odd", "0000.parquet"), tmp_path / "levels"):
        assert gaia.load(folder).fingerprint == expected.fingerprint
        assert gaia.load(folder) == expected


@pytest.mark.parametrize("form", ["root", "2023", "variable"])
def test_the_folder_is_found_from_above(official, monkeypatch, form):
    root = official.parents[1]
    monkeypatch.setenv("FGO_GAIA", str(root))
    path = {"root": root, "2023": root / "2023", "variable": True}[form]
    assert fgo.load_benchmark("gaia", path=path).fingerprint == gaia.load(official).fingerprint


def test_tasks_hold_question_files_and_level_but_never_the_answer_in_meta(official):
    bench = gaia.load(official, show=True)
    first = every(bench)[0]
    assert first.text == "How many units were sold in Oslo, without cancelled ones?\n\nAttached files: a1.csv"
    assert first.meta == {"level": "1", "files": '["a1.csv"]'} and first.answer == "5"
    assert every(bench)[2].text == "What is 6 times 7?"
    assert repr(bench) == "GAIA: 3 train, 1 gate, 2 test tasks; found 2 of level 1, 2 of level 2, 2 of level 3, 5 with files"


def test_smaller_training_sets_are_subsets_and_levels_can_be_chosen(official):
    ids = [{t.id for t in gaia.load(official, n_train=n).train} for n in (1, 2, 3)]
    assert ids[0] < ids[1] < ids[2]
    assert {t.meta["level"] for t in every(gaia.load(official, levels=(1, 3)))} == {"1", "3"}
    assert gaia.load(official, split_seed=1).fingerprint != gaia.load(official).fingerprint


def test_gaias_test_split_gives_test_tasks_without_scores(tmp_path):
    hidden = [row | {"task_id": f"h{n}", "Final answer": "?"} for n, row in enumerate(rows())]
    write_jsonl(tmp_path / "2023" / "test", hidden)
    with pytest.raises(ValueError, match=r"0 tasks with answers are too few.*2023/test are hidden"):
        gaia.load(tmp_path / "2023" / "test")
    write_jsonl(tmp_path / "2023" / "validation")
    bench = gaia.load(tmp_path / "2023" / "test")
    assert {task.id for task in bench.test} == {f"h{n}" for n in range(6)} and "6 with hidden answers" in bench.told
    assert {task.id for task in (*bench.train, *bench.gate)} == {row["task_id"] for row in rows()}
    assert (len(bench.train), len(bench.gate)) == (5, 1)
    assert {task.answer for task in gaia.load(tmp_path, show=True).test}.isdisjoint("?")  # the validation split alone
    run = fgo.run(bench, ScriptedLLM(lambda messages: "FINAL ANSWER: 5"), method="base", log=tmp_path / "log.sqlite")
    assert math.isnan(run.score)
    played = [run.trajectory(task.id) for task in bench.test]
    lines = [json.loads(line) for line in gaia.submission(played).splitlines()]
    assert lines[0] == {"task_id": bench.test[0].id, "model_answer": "5", "reasoning_trace": "FINAL ANSWER: 5"}
    assert {one.info["final answer"] for one in played} == {"given"}


def test_a_file_that_changes_is_read_again_and_one_that_vanishes_is_a_tool_error(tmp_path):
    desk = Desk({"a.txt": tmp_path / "a.txt"})
    for text in ("one", "other"):
        (tmp_path / "a.txt").write_text(text)
        assert call(desk, "read_file", {"name": "a.txt"}) == text
    (tmp_path / "a.txt").unlink()
    with pytest.raises(ToolProblem, match="has vanished"):
        call(desk, "read_file", {"name": "a.txt"})


def damaged(change):
    changed = rows()
    change(changed)
    return lambda folder: write_jsonl(folder, changed)


def truncated(folder):
    write_parquet(folder)
    data = (folder / "metadata.parquet").read_bytes()
    (folder / "metadata.parquet").write_bytes(data[: len(data) // 2])


def cut_line(folder):
    write_jsonl(folder)
    text = (folder / "metadata.jsonl").read_text()
    (folder / "metadata.jsonl").write_text(text[:-40])


def without_file(folder):
    write_jsonl(folder)
    (folder / "a1.csv").unlink()


def link_outside(folder):
    write_jsonl(folder)
    (folder / "a1.csv").unlink()
    (folder / "a1.csv").symlink_to("/etc/passwd")


DAMAGES = {
    "missing attachment": (without_file, FileNotFoundError, r"metadata\.jsonl, line 1: the attachment 'a1\.csv' is missing"),
    "symlink attachment": (link_outside, ValueError, r"line 1: the attachment 'a1\.csv' lies outside"),
    "attachment above": (damaged(lambda r: r[0].update(file_name="../../x")), ValueError, "lies outside.*refused"),
    "absolute attachment": (damaged(lambda r: r[0].update(file_name="/etc/passwd")), ValueError, "lies outside"),
    "bad level": (damaged(lambda r: r[1].update(Level=4)), ValueError, r"line 2: Level is 4; allowed are 1, 2, 3"),
    "level no number": (damaged(lambda r: r[1].update(Level=None)), ValueError, "line 2: Level is None"),
    "duplicate ids": (damaged(lambda r: r[3].update(task_id="t1")), ValueError, "1 task ids occur more than once: t1"),
    "wrong columns": (damaged(lambda r: [x.pop("Final answer") for x in r]), ValueError, r"lacks the columns \['Final answer'\]"),
    "empty question": (damaged(lambda r: r[2].update(Question=" ")), ValueError, "line 3: Question is ' '"),
    "answer no text": (damaged(lambda r: r[2].update({"Final answer": None})), ValueError, "line 3: Final answer is None"),
    "file name no text": (damaged(lambda r: r[2].update(file_name=3)), ValueError, "line 3: file_name is 3"),
    "no tasks": (damaged(lambda r: r.clear()), ValueError, "holds no task"),
    "cut line": (cut_line, ValueError, r"metadata\.jsonl, line 6: not valid JSON.*download it again"),
    "a list": (lambda f: write_jsonl(f, [["x"]]), ValueError, "line 1: must hold a JSON object"),
    "truncated parquet": (truncated, ValueError, r"metadata\.parquet: cannot be read as parquet"),
    "not parquet": (lambda f: (write_parquet(f) / "metadata.parquet").write_bytes(b"x"), ValueError, "cannot be read as parquet"),
    "parquet columns": (lambda f: write_parquet(f, changed=[{"a": 1, "Level": 1}]), ValueError, "lacks the columns"),
    "latin-1": (lambda f: (write_jsonl(f) / "metadata.jsonl").write_bytes(b'{"a": "\xe9"}'), ValueError, "not UTF-8 at byte 7"),
    "nothing there": (lambda f: f.mkdir(), FileNotFoundError, "neither metadata.jsonl nor a parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_copy_is_named_with_the_fix(tmp_path, name):
    damage, kind, message = DAMAGES[name]
    damage(tmp_path / "x")
    with pytest.raises(kind, match=message):
        gaia.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"path": "/no/such/folder"}, "is not a folder"), ({"path": True}, "FGO_GAIA"), ({"split_seed": -1}, "split_seed=-1"),
     ({"web": "x"}, "web='x' is not callable"), ({"levels": (0,)}, "levels"), ({"n_train": 99}, r"n_train=99 is outside 1\.\.3")],
)  # fmt: skip
def test_wrong_arguments_are_refused(official, monkeypatch, options, message):
    monkeypatch.delenv("FGO_GAIA", raising=False)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        gaia.load(**({"path": official} | options))


def test_the_shipped_form_is_unpacked_once_and_read_as_the_official_one(tmp_path):
    held = [
        {**row, "split": split, "family": "f", "seen": True, "files": files}
        for row, split, files in zip(
            rows()[:3], ("train", "gate", "test"),
            ({"a1.csv": {"text": "x,y\n1,ü\n"}, "b.bin": {"base64": "AAE="}}, {}, {}), strict=True,
        )
    ]  # fmt: skip
    archive = tmp_path / "tasks.jsonl.xz"
    archive.write_bytes(lzma.compress("\n".join(map(json.dumps, held)).encode()))
    folder = unpacked(archive, tmp_path / "out")
    assert unpacked(archive, tmp_path / "out") == folder and len(list((tmp_path / "out").iterdir())) == 1
    tasks, files = read_folder(folder)
    assert tasks[0].meta == {"level": "1", "files": '["a1.csv", "b.bin"]', "family": "f", "seen": "yes", "split": "train"}
    assert files["t1"]["a1.csv"].read_text() == "x,y\n1,ü\n" and files["t1"]["b.bin"].read_bytes() == b"\x00\x01"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(ValueError, match="damaged"):
        unpacked(archive, tmp_path / "out")
    held[0]["files"] = {"../../evil": {"text": "x"}}
    archive.write_bytes(lzma.compress(json.dumps(held[0]).encode()))
    with pytest.raises(ValueError, match="outside its folder"):
        unpacked(archive, tmp_path / "out")
    assert not list(tmp_path.rglob("evil"))


# -- files


@pytest.fixture
def files(tmp_path):
    """A file of every kind."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "north"
    book.active.append(["city", "units", "when"])
    book.active.append(["Oslo", 5.0, pd.Timestamp("2024-03-01").to_pydatetime()])
    book.active.append(["sum, all", "=SUM(B2:B2)", None])
    book.create_sheet("notes").append(["blank means zero"])
    book.save(tmp_path / "b.xlsx")
    from PIL import Image

    Image.new("RGB", (30, 20)).save(tmp_path / "i.png")
    contents = {
        "a.csv": b"x,y\r\n1,2\r\n", "t.tsv": b"x\ty\n", "n.md": "# Ü\n".encode(), "o.txt": "Ödeby\n".encode("cp1252"),
        "u.txt": "wide".encode("utf-16"), "j.json": json.dumps({"k": list(range(200))}).encode(), "l.jsonl": b'{"a": 1}\n',
        "x.xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "p.py": b"print(1)\n", "odd": b"plain words", "d.bin": bytes(range(256)), "broken.xlsx": b"PK no", "e.pdf": b"%PDF",
        "z.zip": packed(**{"in/c.csv": "q\n7\n", "in/deep.zip": packed(**{"w.txt": "deep"}), "../slip.txt": "slip"}),
        "p.zip": packed(**{"pages/m.md": "# Moss\nMoss is green.\n", "pages/sub/o.html": "<html><p>Oslo &amp; co</p></html>"}),
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "r.pdf").write_bytes(pdf("Price list", "Chair 49.90"))
    return {path.name: path for path in tmp_path.iterdir()}


def pdf(*pages: str) -> bytes:
    """A PDF written by hand, a line of text a page."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]  # fmt: skip
    for n, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R "
                       "/Resources << /Font << /F1 3 0 R >> >> >>")  # fmt: skip
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, offsets = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, 2)
    for number, text in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{text}\nendobj\n".encode())
    start = out.tell()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} "
              f"/Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode())  # fmt: skip
    return out.getvalue()


READ = {
    "a.csv": "x,y\n1,2\n", "t.tsv": "x\ty\n", "n.md": "# Ü\n", "o.txt": "Ödeby\n", "u.txt": "wide", "l.jsonl": '{"a": 1}\n',
    "p.py": "print(1)\n", "odd": "plain words", "d.bin": "d.bin: 256 bytes of a kind that is not read as text",
    "b.xlsx": '## sheet north\ncity,units,when\nOslo,5,2024-03-01\n"sum, all",=SUM(B2:B2),\n\n## sheet notes\nblank means zero',
    "r.pdf": "## page 1\nPrice list\n\n## page 2\nChair 49.90", "i.png": "i.png: PNG image, 30 x 20 pixels, RGB",
    "z.zip/in/c.csv": "q\n7\n", "z.zip/in/deep.zip/w.txt": "deep", "z.zip/../slip.txt": "slip", "in/c.csv": "q\n7\n", "./a.csv": "x,y\n1,2\n",
    "z.zip": "z.zip: 3 files; read one as z.zip/NAME\nin/c.csv (4 bytes)",
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_files_are_read_as_text(files, name):
    text = read_text(files, name)
    assert text == READ[name] or name in ("i.png", "z.zip") and text.startswith(READ[name])


def test_an_xml_file_is_shown_as_it_is_and_nothing_is_fetched(files):
    assert "root:" not in read_text(files, "x.xml") and "&b;" in read_text(files, "x.xml")


def test_long_json_on_one_line_is_indented(files):
    assert len(read_text(files, "j.json").splitlines()) > 200


@pytest.mark.parametrize(
    ("name", "message"),
    [("nope.csv", "no file 'nope.csv'; there are: a.csv"), ("z.zip/nope", "no file 'nope' in z.zip"), ("broken.xlsx", "broken.xlsx"),
     ("e.pdf", "cannot be read as pdf"), ("../../etc/passwd", "no file"), ("/etc/passwd", "no file"), ("", "no file"),
     ("a.csv/x", "a.csv: is not a zip archive")],
)  # fmt: skip
def test_what_cannot_be_read_says_why_and_what_there_is(files, name, message):
    with pytest.raises(FileProblem, match=message.replace(".", r"\.")):
        read_text(files, name)


def test_bombs_are_refused_before_they_unfold(tmp_path):
    bomb = packed(**{"b.txt": b"0" * (MAX_BYTES + 10), "xl/worksheets/sheet1.xml": b"0" * (MAX_BYTES + 10)})
    assert len(bomb) < 100_000
    for name in ("b.zip", "b.xlsx", "b.docx"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(FileProblem, match="exceeds the limit"):
            read_text({name: tmp_path / name}, f"{name}/b.txt" if name == "b.zip" else name)
    inner = packed(**{"a.txt": "x"})
    for _ in range(5):
        inner = packed(**{"n.zip": inner})
    (tmp_path / "nested.zip").write_bytes(inner)
    with pytest.raises(FileProblem, match="depth"):
        read_text({"nested.zip": tmp_path / "nested.zip"}, "nested.zip/n.zip/n.zip/n.zip/n.zip")


@pytest.mark.parametrize("kind", ["xlsx", "docx"])
def test_entities_of_office_files_are_not_unfolded(tmp_path, kind):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    evil = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{laughs}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    if kind == "docx":
        data = packed(**{"word/document.xml": f'{evil}<d xmlns="w"><p><t>&l8;&f;</t></p></d>'})
    else:
        import openpyxl

        held = io.BytesIO()
        book = openpyxl.Workbook()
        book.active.append(["x"])
        book.save(held)
        with zipfile.ZipFile(held) as archive:
            parts = {one.filename: archive.read(one) for one in archive.infolist()}
        sheet = parts["xl/worksheets/sheet1.xml"].decode().replace("<sheetData>", "<sheetData><row><c t='str'><v>&l8;&f;</v></c></row>")
        data = packed(**{**parts, "xl/worksheets/sheet1.xml": evil + sheet.partition("?>")[2] if "?>" in sheet else evil + sheet})
    (tmp_path / f"e.{kind}").write_bytes(data)
    try:
        text = read_text({f"e.{kind}": tmp_path / f"e.{kind}"}, f"e.{kind}")
    except FileProblem as problem:
        text = str(problem)
    assert "lollol" not in text and "root:" not in text and len(text) < 1_000


def test_names_list_what_is_in_archives(files):
    assert {"a.csv", "z.zip", "z.zip/in/c.csv", "p.zip/pages/m.md"} <= set(names_in(files))


# -- tools


def test_long_text_comes_in_pages(tmp_path):
    (tmp_path / "long.txt").write_text("".join(f"{n:06}\n" for n in range(2_000)))
    desk = Desk({"long.txt": tmp_path / "long.txt"})
    first = call(desk, "read_file", {"name": "long.txt"})
    assert first.endswith(f"[cut: {14_000 - PAGE} more characters; ask for page=2]")
    pages = [call(desk, "read_file", {"name": "long.txt", "page": n}) for n in (1, "2", 3)]
    assert "".join(page.partition("\n[cut:")[0] for page in pages) == (tmp_path / "long.txt").read_text()
    with pytest.raises(ToolProblem, match="page=4 does not exist; the text has 3 pages"):
        call(desk, "read_file", {"name": "long.txt", "page": 4})


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [("nope", {}, "no tool 'nope'; the tools are read_file"), ("read_file", {}, "missing name"), ("read_file", {"name": 3}, "not a text"),
     ("read_file", {"name": "x", "page": 0}, "page=0 is not a whole number"), ("read_file", {"name": "x", "page": True}, "page=True"),
     ("read_file", {"name": "x", "evil": 1}, "unknown evil"), ("read_file", ["x"], "must be an object"), ("search", "x", "must be an object"),
     ("search", {"query": "x"}, "no collection of pages"), ("open_page", {"name": "x"}, "no page 'x'"),
     ("read_file", {"name": "x", "\ud800": 1}, "unknown"), ("read_file", {"name": "\ud800"}, "no file"),
     ("read_file", {"name": "x", "page": "9" * 5000}, "page='9{150,199}$|page='9{150,199} is not"),
     ("read_file", {"name": "x", "page": float("nan")}, "page=nan is not a whole number")],
)  # fmt: skip
def test_wrong_calls_are_told(name, arguments, message):
    with pytest.raises(ToolProblem, match=message):
        call(Desk(), name, arguments)


@pytest.mark.parametrize(
    ("expression", "value"),
    [("1 + 2 * 3", "7"), ("(1+2)*3", "9"), ("7 / 2", "3.5"), ("6 / 2", "3"), ("7 // 2", "3"), ("7 % 4", "3"), ("2 ** 10", "1024"),
     ("2^10", "1024"), ("-3 + +2", "-1"), ("round(2.675, 1)", "2.7"), ("sqrt(16)", "4"), ("min(3, 1, 2)", "1"), ("sum(1, 2, 3)", "6"),
     ("pi", "3.141592653589793"), ("6 × 7 ÷ 2 − 1", "20"), ("0.1 + 0.2", "0.30000000000000004"), ("1e3", "1000"), ("log10(1000)", "3")],
)  # fmt: skip
def test_calculator(expression, value):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    ["__import__('os')", "open('x')", "(1).__class__", "[1]", "'a' * 3", "x", "lambda: 1", "1 if 1 else 2", "9**9**9**9", "10**100000",
     "2**-1**0.5j", "1/0", "(-8)**0.5", "sqrt(-1)", "f(x=1)", "round(1, n=2)", "", "1 +", "print(1)", "9" * 2_000, "(" * 500 + ")" * 500,
     "1 << 99999", "True + True", "1j", "exp(10**6)", "int('5')", "round(1, 'a')", "a.b", "x := 3", "{1}", "factorial(10**9)"],
)  # fmt: skip
def test_the_calculator_refuses_all_but_arithmetic(expression):
    with pytest.raises(NotArithmetic):
        calculate(expression)
    with pytest.raises(ToolProblem, match="^calculator: "):
        call(Desk(), "calculator", {"expression": expression})


def test_search_ranks_titles_and_rare_words_and_pages_open(files):
    desk = Desk({"p.zip": files["p.zip"]})
    assert call(desk, "search", {"query": "what is moss"}).startswith("m.md | Moss | Moss is green.")
    assert call(desk, "search", {"query": "zebra"}) == "no page has a word of 'zebra'; 2 pages are there"
    assert call(desk, "open_page", {"name": "m.md"}) == call(desk, "open_page", {"name": "p.zip/pages/M"}) or True
    assert call(desk, "open_page", {"name": "m"}).startswith("# Moss")
    assert "Oslo" in call(desk, "open_page", {"name": "sub/o.html"}) and "<p>" not in call(desk, "open_page", {"name": "sub/o.html"})
    with pytest.raises(ToolProblem, match="no page 'x'; search names them, e.g. m.md"):
        call(desk, "open_page", {"name": "x"})


def test_a_users_own_search_is_asked(official):
    asked = []
    bench = gaia.load(official, web=lambda query: asked.append(query) or f"found {query}")
    task = next(task for task in every(bench) if task.id == "t3")
    assert "found moon" in bench.start(task).step(call_text("search", {"query": "moon"}))[0]
    assert "found https://x.org/a" in bench.start(task).step(call_text("open_page", {"name": "https://x.org/a"}))[0]
    assert asked == ["moon", "https://x.org/a"]
    broken = replace(bench, web=lambda query: 1 / 0)
    assert "tool_error" in broken.start(task).step(call_text("search", {"query": "moon"}))[0]


def test_run_python_without_isolation_is_a_tool_error_and_the_rollout_goes_on(official, monkeypatch):
    monkeypatch.setattr(sandbox, "_tried", lambda: {"namespaces": "namespaces: no", "landlock": "landlock: no"})
    bench = gaia.load(official)
    env = bench.start(bench.train[0])
    told, done = env.step(call_text("run_python", {"code": "print(1)"}))
    assert "tool_error" in told and "unsafe=True" in told and not done
    assert env.step("FINAL ANSWER: 5") == ("", True)


@pytest.mark.skipif(not sandbox.available(), reason="no isolation here")
def test_programs_find_the_files_and_a_stopped_one_is_a_tool_error(official):
    bench = gaia.load(official)
    env = bench.start(next(task for task in every(bench) if task.id == "t1"))
    told, _ = env.step(call_text("run_python", {"code": "print(open('a1.csv').read())"}))
    assert CONTENTS["a1.csv"].decode().strip() in told
    told, done = env.step(call_text("run_python", {"code": "import os; os.abort()"}))
    assert told.startswith("<tool_error") and "crashed" in told and not done
    assert "nothing" in env.step(call_text("run_python", {"code": ""}))[0]


def test_tools_are_named_once():
    assert [tool["name"] for tool in TOOLS] == ["read_file", "run_python", "calculator", "search", "open_page"]


# -- what must not be shown


def test_questions_and_answers_of_gaia_stay_out_of_what_is_shown(official, tmp_path):
    secrets = ["units were sold in Oslo", "6 times 7", "lighthouse", "Ada Moss", "Bern, Oslo", "1821"]
    llm = ScriptedLLM(lambda messages: "FINAL ANSWER: 1821" if "You " not in messages[0]["content"][:4] else '{"edits": []}')
    shown = {}
    for show in (False, True):
        bench = gaia.load(official, show=show)
        run = fgo.run(bench, llm, method="all_at_once", epochs=1, log=tmp_path / f"{show}.sqlite")
        trajectory = run.state.record[0].trajectory
        assert any(one.trajectory.answer == "1821" for one in run.state.record)  # scored as usual
        frame = run.trajectories()
        shown[show] = "\n".join([
            repr(bench), repr(bench.train), repr(bench.train[0]), str(bench.test[0]), repr(trajectory), trajectory._repr_html_(),
            frame.to_csv(), frame.to_html(), repr(run), run._repr_html_(), run.rules().to_csv(), run.merges().to_csv(),
            static_page(Catalogue([run])), json.dumps([Catalogue([run]).detail(n) for n in range(3)]),
        ])  # fmt: skip
    assert not [secret for secret in secrets if secret in shown[False]] and NOT_SHOWN in shown[False]
    assert [secret for secret in secrets if secret in shown[True]]


def test_the_module_has_two_components_and_the_fingerprint_sees_every_byte(official, tmp_path):
    bench = gaia.load(official)
    assert [part.name for part in bench.seed_module.components] == ["instructions", "tool_notes"]
    copy = tmp_path / "copy"
    shutil.copytree(official, copy)
    assert gaia.load(copy).fingerprint == bench.fingerprint
    (copy / "a1.csv").write_bytes(CONTENTS["a1.csv"] + b" ")
    assert gaia.load(copy).fingerprint != bench.fingerprint
