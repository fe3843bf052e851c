"""GAIA where something goes wrong: failed rollouts, failing machinery, odd folders, files made to take for ever."""

import io
import time
import zipfile
from pathlib import Path

import pytest
from gaia_folder import rows, write_jsonl
from helpers import ScriptedLLM, context

from fgo_kit.algorithm.benchmark import EnvironmentFailed
from fgo_kit.algorithm.rollout import rollout
from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.gaia import files as gaia_files
from fgo_kit.benchmarks.gaia.calculator import NotArithmetic, calculate
from fgo_kit.benchmarks.gaia.files import FileProblem, names_in, read_text
from fgo_kit.benchmarks.gaia.pages import MAX_PAGE
from fgo_kit.benchmarks.gaia.tools import PAGE, Desk, call
from fgo_kit.calls.log import Place
from fgo_kit.calls.protocol import BadRequest
from fgo_kit.calls.toolcalls import call_text
from fgo_kit.records import Feedback
from fgo_kit.sandbox import program as sandbox

CALL = call_text("calculator", {"expression": "6 * 7"})


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("official") / "validation")


def played(bench, answer):
    return rollout(context(ScriptedLLM(answer), bench), bench.seed_module, bench.test[0], Place("test"))


@pytest.mark.parametrize("show", [False, True])
def test_a_failed_rollout_of_a_private_task_shows_nothing_of_it(official, show):
    def answer(messages):
        if len(messages) > 2:
            raise BadRequest("refused")
        return CALL

    bench = gaia.load(official, show=show)
    trajectory = played(bench, answer)
    assert trajectory.status == "failed" and trajectory.reason == "BadRequest: refused" and len(trajectory.steps) == 1
    question = bench.test[0].text.partition("\n")[0]
    assert (question in trajectory._repr_html_()) is show
    assert show or question not in repr(trajectory)


def test_feedback_is_not_in_the_representation():
    assert repr(Feedback("t1", 0.0, "the answer is 1821")) == "Feedback(task_id='t1', score=0.0, blind=False)"


def test_the_fingerprint_tells_options_apart_that_make_runs_differ(official):
    ways = [{}, {"show": True}, {"web": str.upper}, {"web": str.lower}, {"unsafe": True}]
    found = [gaia.load(official, **options).fingerprint for options in ways]
    assert len(set(found)) == len(ways)
    assert gaia.load(official, web=str.upper).fingerprint == found[2]


RUN = call_text("run_python", {"code": "print(40 + 2, 'of them')"})


def refusing(*args, **options):
    raise BlockingIOError(11, "Resource temporarily unavailable")


def test_a_sandbox_that_cannot_start_is_a_status_and_no_wrong_answer(official, monkeypatch):
    monkeypatch.setattr(sandbox, "_tried", lambda: {"namespaces": ""})
    monkeypatch.setattr(sandbox.subprocess, "Popen", refusing)
    trajectory = played(gaia.load(official), lambda messages: RUN if len(messages) < 3 else "FINAL ANSWER: 1")
    assert trajectory.reason.startswith("EnvironmentFailed: run_python: the sandbox failed: BlockingIOError")
    assert trajectory.private


def test_an_attachment_that_cannot_be_read_is_a_status(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.setattr(Path, "read_bytes", refusing)
    with pytest.raises(EnvironmentFailed, match=r"read_file: BlockingIOError"):
        call(Desk({"a.txt": tmp_path / "a.txt"}), "read_file", {"name": "a.txt"})


def test_a_room_that_cannot_be_built_is_told_apart_from_a_program_that_says_so(monkeypatch):
    forged = "import sys; sys.stderr.write('\\0room\\0forged'); sys.exit(120)"
    done = sandbox.run(forged, unsafe=True)
    assert done.problem and not done.failed
    monkeypatch.setattr(sandbox, "_tried", lambda: {"namespaces": ""})
    monkeypatch.setattr(sandbox, "_BOOT", "raise SystemExit(1)")
    assert sandbox.run("print(1)").failed


def test_only_a_wall_that_holds_is_remembered(monkeypatch):
    monkeypatch.setattr(sandbox, "_held", {})
    monkeypatch.setattr(sandbox.sys, "platform", "linux")
    monkeypatch.setattr(sandbox, "_probed", lambda name: f"{name}: no memory just now")
    assert sandbox.available() == ""
    monkeypatch.setattr(sandbox, "_probed", lambda name: "")
    assert sandbox.available() == "namespaces"
    monkeypatch.setattr(sandbox, "_probed", lambda name: f"{name}: no memory just now")
    assert sandbox.available() == "namespaces"


def test_attachments_too_large_for_the_sandbox_are_left_out_and_named(tmp_path):
    for name, size in (("big.mov", sandbox.LIMITS.disk << 20), ("a.txt", 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    desk = Desk({name: tmp_path / name for name in ("big.mov", "a.txt")}, unsafe=True)
    said = call(desk, "run_python", {"code": "import os; print(os.listdir('.'))"})
    assert said == "(too large, not in the folder: big.mov)\n['a.txt']"


def test_a_question_may_hold_any_line_separator(tmp_path):
    first, *others = rows()
    odd = first | {"Question": "a\u2028b\x0bc\x85d?"}
    bench = gaia.load(write_jsonl(tmp_path / "x", [odd, *others]), show=True)
    texts = [task.text for task in (*bench.train, *bench.gate, *bench.test)]
    assert any(text.startswith("a\u2028b\x0bc\x85d?") for text in texts)


def cached(root, target):
    """A snapshot of Hugging Face's cache, one of whose attachments is a link to `target`."""
    folder = write_jsonl(root / "snapshots" / "abc" / "2023" / "validation")
    (root / "blobs").mkdir()
    (folder / "a1.csv").rename(target)
    (folder / "a1.csv").symlink_to(target)
    return folder


def test_the_links_of_hugging_faces_cache_are_followed_and_no_others(official, tmp_path):
    root = tmp_path / "datasets--gaia"
    expected = gaia.load(official).fingerprint
    assert gaia.load(cached(root, root / "blobs" / "5eed")).fingerprint == expected
    other = tmp_path / "datasets--other"
    with pytest.raises(ValueError, match=r"'a1.csv' lies outside .* local_dir="):
        gaia.load(cached(other, tmp_path / "secret"))


def test_two_attachments_of_one_name_are_refused(tmp_path):
    first, *others = rows()
    folder = write_jsonl(tmp_path / "x", [first | {"files": ["a/n.txt", "b/n.txt"]}, *others])
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "n.txt").write_text(name)
    with pytest.raises(ValueError, match="two attachments are named 'n.txt'"):
        gaia.load(folder)


def test_a_damaged_archive_does_not_hide_the_other_files(tmp_path):
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    (tmp_path / "a.txt").write_text("x")
    files = {name: tmp_path / name for name in ("bad.zip", "a.txt")}
    assert names_in(files) == ["a.txt", "bad.zip"]
    assert call(Desk(files, web=lambda query: "found"), "search", {"query": "x"}) == "found"


@pytest.mark.parametrize("expression", ["round(1, -4000000)", "round(2**1000, -10**9)", "round(1.5, 10**8)"])
def test_rounding_to_millions_of_digits_is_refused_at_once(expression):
    began = time.perf_counter()
    with pytest.raises(NotArithmetic, match="out of range"):
        calculate(expression)
    assert time.perf_counter() - began < 0.1
    assert (calculate("round(1234.5678, 2)"), calculate("round(1250.5, -2)")) == ("1234.57", "1300")


def workbook(path, after="", rows=""):
    """A workbook with an x in A1, whose sheet holds more rows and parts as they are written."""
    import openpyxl

    held = io.BytesIO()
    book = openpyxl.Workbook()
    book.active["A1"] = "x"
    book.save(held)
    with zipfile.ZipFile(held) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"</sheetData>", f"{rows}</sheetData>{after}".encode()))
    return {path.name: path}


AREA = "A1:XFD1048576"


@pytest.mark.parametrize(
    ("after", "rows"),
    [(f'<mergeCells count="1"><mergeCell ref="{AREA}"/></mergeCells>', ""), (f'<hyperlinks><hyperlink ref="{AREA}" location="x"/></hyperlinks>', ""),
     (f'<conditionalFormatting sqref="{AREA}"><cfRule type="expression" priority="1"/></conditionalFormatting>', ""),
     ("", f'<row r="2"><c r="A2"><f t="array" ref="{AREA}">1</f><v>1</v></c></row>'), ("", '<row r="90000"><c r="B90000"><v>1</v></c></row>'),
     ("", "<row/>" * 90_000)],
)  # fmt: skip
def test_what_a_small_workbook_says_of_large_areas_costs_nothing(tmp_path, after, rows):
    began = time.perf_counter()
    assert read_text(workbook(tmp_path / "a.xlsx", after, rows), "a.xlsx").startswith("## sheet Sheet\nx")
    assert time.perf_counter() - began < 8


@pytest.mark.parametrize("rows", ['<row r="1000000"><c r="A1000000"><v>1</v></c></row>', '<row><c r="XFD2"><v>1</v></c></row>' * 50])
def test_cells_are_counted_with_those_in_between(tmp_path, rows):
    with pytest.raises(FileProblem, match="more than 500,000 cells"):
        read_text(workbook(tmp_path / "a.xlsx", "", rows), "a.xlsx")


def test_text_in_nested_paragraphs_is_read_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        inner = f"<t>{'x' * 100_000}</t>"
        archive.writestr("word/document.xml", f"<d xmlns='w'><p><t>a</t><t>b</t></p>{'<p>' * 200}{inner}{'</p>' * 200}</d>")
    assert read_text({"a.docx": tmp_path / "a.docx"}, "a.docx") == "ab\n" + "x" * 100_000


def test_an_archive_is_not_unpacked_beyond_the_limit(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.docx", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}", bytes(1_000))
    monkeypatch.setattr(gaia_files, "MAX_UNPACKED", 3_000)
    with pytest.raises(FileProblem, match="unpacks to more than the limit of 3,000 bytes"):
        read_text({"a.docx": tmp_path / "a.docx"}, "a.docx")


def test_thousands_of_pages_in_an_archive_are_searched_in_seconds(tmp_path):
    with zipfile.ZipFile(tmp_path / "web.zip", "w") as archive:
        for number in range(4_000):
            archive.writestr(f"pages/p{number}.md", f"# Page {number}\nkelp{number}\n")
    began = time.perf_counter()
    found = call(Desk({"web.zip": tmp_path / "web.zip"}), "search", {"query": "kelp3999"})
    assert found.startswith("p3999.md | Page 3999") and time.perf_counter() - began < 5


def opened(tmp_path, page):
    folder = tmp_path / "pages"
    folder.mkdir(exist_ok=True)
    (folder / "a.html").write_text(page)
    return call(Desk({"pages/a.html": folder / "a.html"}), "open_page", {"name": "a"})


@pytest.mark.parametrize("part", ["<script ", "<!--", "<", "<br ", "<style>", "</script ", "<b>"])
def test_pages_made_to_take_for_ever_do_not(tmp_path, part):
    began = time.perf_counter()
    opened(tmp_path, "<html>" + part * (400_000 // len(part)))
    assert time.perf_counter() - began < 2
    assert "over the limit" in opened(tmp_path, "<html>" + "x" * MAX_PAGE)


def test_what_is_not_seen_of_a_page_is_left_out(tmp_path):
    page = "<html><script>a</script >b<!-- <style> -->c<STYLE>d</style><p>e</p><script>f"
    assert opened(tmp_path, page) == "bce"  # a script that never ends is none of the page's text
    assert opened(tmp_path, "<html><title>Oslo &amp; co</title><p>A city<p>in Norway<!-- x") == "Oslo & co\nA city\nin Norway"
    assert opened(tmp_path, "<html") == "(empty)"


def test_a_page_that_is_nested_too_deep_says_so(tmp_path):
    assert opened(tmp_path, "<html>" + "<div>" * 1_000 + "deep") == "deep"
    assert "nested too deep" in opened(tmp_path, "<html>" + "<div>" * 3_000 + "deep")


def test_a_pdf_that_takes_long_is_given_up_between_pages(tmp_path, monkeypatch):
    import pypdf

    writer = pypdf.PdfWriter()
    for _ in range(3):
        writer.add_blank_page(9, 9)
    writer.write(tmp_path / "a.pdf")
    files = {"a.pdf": tmp_path / "a.pdf"}
    assert read_text(files, "a.pdf").rstrip().endswith("## page 3")
    monkeypatch.setattr(gaia_files, "MAX_PDF_SECONDS", -1.0)
    with pytest.raises(FileProblem, match="longer than .* page 1 was reached"):
        read_text(files, "a.pdf")


def test_a_program_sees_neither_the_checkout_nor_what_the_current_folder_lies_in(tmp_path, monkeypatch):
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    root = Path(sandbox.__file__).resolve().parents[2]
    for base in (root, root.parent, here, tmp_path):
        monkeypatch.setattr("sys.base_prefix", str(base))
        seen = sandbox._interpreter.__wrapped__()[2]
        assert seen and not {str(root), str(root.parent), str(here), str(tmp_path)} & set(seen)


def test_only_tools_with_pages_advise_to_ask_for_one(tmp_path):
    (tmp_path / "long.txt").write_text("x" * (PAGE + 1))
    assert call(Desk({"long.txt": tmp_path / "long.txt"}), "read_file", {"name": "long.txt"}).endswith("ask for page=2]")
    found = call(Desk(web=lambda query: "x" * (PAGE + 1)), "search", {"query": "x"})
    assert found.endswith("[cut: 1 more characters; ask for less]")
