"""What loaders once dropped without a word, or refused whole: each kind of odd input, read or named."""

import base64
import json
import lzma
import unicodedata
import warnings

import pytest
from gaia_folder import rows, write_jsonl, write_parquet
from hypothesis import given
from hypothesis import strategies as st

from fgo_kit.benchmarks.gaia import benchmark as gaia
from fgo_kit.benchmarks.gaia.tools import Desk, call
from fgo_kit.benchmarks.logisticsqa import benchmark as lqa
from fgo_kit.benchmarks.logisticsqa.opening import DocumentError
from fgo_kit.benchmarks.logisticsqa.ubl import read_ubl
from fgo_kit.benchmarks.reading import shipped_rows

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
INVOICE = "<Invoice><ID>7</ID><Note>B/L MAEU123456789 für Zoë</Note></Invoice>"
READ = ["Document: Invoice", "ID: 7", "Note: B/L MAEU123456789 für Zoë"]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("a" * 64)
ANNEX = "/annex/objects/SHA256E-s12345--abc.xml\n"


def invoice(text: str) -> str:
    return f"<Invoice><ID>7</ID><Note>{text}</Note></Invoice>"


# -- before the declaration, and after the end


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "before",
    ["", "\n", " \r\n\t", "\ufeff", "\ufeff\ufeff", "\ufeff\n\ufeff", "\0", "\0\0\ufeff", "<!-- by export -->\n\ufeff",
     "\ufeff<!-- a > b --><!----> ", "\u200b", "\xa0\n", "ï»¿"],
)  # fmt: skip
@pytest.mark.parametrize("declaration", [DECLARATION, ""])
def test_what_stands_before_a_document_is_no_content(before, declaration, codec):
    if codec != "utf-8":
        before = before.translate({0x200B: None, 0xA0: None, 0xEF: None, 0xBB: None, 0xBF: None})
    assert read_ubl((before + declaration + INVOICE).encode(codec), "a.xml").splitlines() == READ


@pytest.mark.parametrize("after", ["\0", "\0\0\0\n", "\x1a", " \n\0"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_nuls_and_blanks_after_a_document_are_no_content(after, codec):
    assert read_ubl((DECLARATION + INVOICE + after).encode(codec), "a.xml").splitlines() == READ


@pytest.mark.parametrize("before", ["REF 1 ", "HTTP/1.1 200 OK\n\n", "<a/>", "<!-- open -- "])
def test_content_before_a_document_is_not_dropped(before):
    with pytest.raises(DocumentError, match="^a.xml: not well-formed"):
        read_ubl((before + DECLARATION + INVOICE).encode(), "a.xml")


@given(st.text("\ufeff\n \0<!->?x", max_size=12))
def test_any_start_is_read_or_refused(before):
    try:
        assert read_ubl((before + DECLARATION + INVOICE).encode(), "a.xml").splitlines() == READ
    except DocumentError as error:
        assert str(error).startswith("a.xml: ")


# -- documents in documents


def in_cdata(inner):
    return f"<AttachedDocument><ID>9</ID><Attachment><Description><![CDATA[{inner}]]></Description></Attachment></AttachedDocument>"


def escaped(inner):
    return in_cdata("").replace("<![CDATA[]]>", inner.replace("&", "&amp;").replace("<", "&lt;"))


def in_base64(inner, codec="utf-8"):
    data = base64.b64encode(inner.encode(codec)).decode()
    return f"<AttachedDocument><EmbeddedDocumentBinaryObject>{data}</EmbeddedDocumentBinaryObject></AttachedDocument>"


def in_sbdh(inner):
    header = "<StandardBusinessDocumentHeader><Sender><Identifier>0088:1</Identifier></Sender></StandardBusinessDocumentHeader>"
    return f'<s:StandardBusinessDocument xmlns:s="urn:sbdh">{header}{inner}</s:StandardBusinessDocument>'


def in_soap(inner):
    return f'<s:Envelope xmlns:s="urn:soap"><s:Header><To>x</To></s:Header><s:Body>{inner}</s:Body></s:Envelope>'


def in_xhe(inner):
    return f"<XHE><Header><ID>1</ID></Header><Payloads><Payload><PayloadContent>{inner}</PayloadContent></Payload></Payloads></XHE>"


WRAPPED = {
    "CDATA": in_cdata(DECLARATION + INVOICE),
    "CDATA, a line for the declaration": in_cdata(DECLARATION + "\n" + INVOICE),
    "CDATA, without declaration": in_cdata(INVOICE),
    "CDATA, after a line and a BOM": in_cdata("\n\ufeff" + DECLARATION + INVOICE),
    "CDATA that says another encoding": in_cdata(DECLARATION.replace("UTF-8", "ISO-8859-1") + INVOICE),
    "escaped": escaped(DECLARATION + INVOICE),
    "base64": in_base64(DECLARATION + INVOICE),
    "base64 of Latin-1": in_base64(DECLARATION.replace("UTF-8", "ISO-8859-1") + INVOICE, "latin-1"),
    "base64 of UTF-16": in_base64(INVOICE, "utf-16"),
    "SBDH": in_sbdh(INVOICE),
    "SBDH with base64": in_sbdh("<BinaryContent>" + base64.b64encode(INVOICE.encode()).decode() + "</BinaryContent>"),
    "SOAP": in_soap(INVOICE),
    "XHE": in_xhe(INVOICE),
    "SBDH around AttachedDocument": in_sbdh(in_cdata(DECLARATION + INVOICE)),
    "AttachedDocument in CDATA in SOAP": in_soap(in_cdata(in_base64(INVOICE))),
    "an answer after the invoice": in_cdata(INVOICE).replace(
        "</AttachedDocument>", "<Reference><Description>&lt;ApplicationResponse>&lt;ID>1&lt;/ID>&lt;/ApplicationResponse></Description></Reference></AttachedDocument>"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_a_document_that_another_carries_is_the_one_that_is_read(name):
    assert read_ubl((DECLARATION + WRAPPED[name]).encode(), "a.xml").splitlines() == READ


def test_a_carrier_of_nothing_is_read_itself_and_damage_inside_is_named():
    assert "Description: see paper" in read_ubl(in_cdata("see paper").encode(), "a.xml")
    assert "ID: 9" in read_ubl(in_base64("%PDF-1.7 x").replace("<Emb", "<ID>9</ID><Emb").encode(), "a.xml")
    with pytest.raises(DocumentError, match=r"a\.xml, the document in its Description: not well-formed"):
        read_ubl(in_cdata(INVOICE[:-9]).encode(), "a.xml")
    bomb = '<!DOCTYPE Invoice [<!ENTITY a "ha">]>' + invoice("&a;")
    with pytest.raises(DocumentError, match="entities are refused"):
        read_ubl(in_cdata(bomb).encode(), "a.xml")


def test_an_invoice_that_quotes_xml_is_no_carrier():
    assert "Note: <Invoice>1</Invoice>" in read_ubl(invoice("&lt;Invoice>1&lt;/Invoice>").encode(), "a.xml")


# -- long words


@pytest.mark.parametrize(
    "word",
    ["MAEU123456789MSKU1234567TCLU7654321HLCU1112223OOLU9998887", "BL:MAEU123456789;CNTR:MSKU1234567;BOOKING:987654321012345",
     "PO-1234/PO-1235/PO-1236/PO-1237/PO-1238/PO-1239/PO-1240", "BillOfLadingNumberAsWrittenOnTheDocument:HLCUHAM210512345",
     "020-12345675,020-12345686,020-12345690,020-12345701"],
)  # fmt: skip
def test_references_joined_without_blanks_are_kept_whole(word):
    assert len(word) > 40 and f"Note: see {word} end" in read_ubl(invoice(f"see {word} end").encode(), "a.xml")


@pytest.mark.parametrize("word", ["_" * 90, "XXXX" * 30, "sNuEzRPdkauHCAbPmJzGxWfMarwQMMkuUzeFVswyDJmzvUFYkyKZueJLpysCGbfawAnM=="])
def test_seals_and_lines_to_fill_in_are_cut(word):
    assert f"Note: {word[:40]}… end" in read_ubl(invoice(f"{word} end").encode(), "a.xml")


# -- folders of documents


def documents(folder, texts, answers=None):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    answers = {name: "None" for name in texts} | (answers or {})
    (folder / "ground_truth.json").write_text(json.dumps(answers), encoding="utf-8")
    return folder


WORDS = ("anchor", "barge", "cargo", "dock", "export", "freight", "gauge", "hold", "jetty", "keel", "lading", "mast", "ocean", "port", "quay")


def many(**changed):
    texts = {f"d{n:02}.xml": invoice(f"{word} {word}{word} BOOKING{10000 + n}") for n, word in enumerate(WORDS)}
    return texts | {name.replace("_", "."): text for name, text in changed.items()}


def every(bench):
    return {task.id: task for task in (*bench.train, *bench.gate, *bench.test)}


def test_gold_answers_that_the_text_does_not_hold_are_listed(tmp_path):
    hidden = f"<Invoice><ID>7</ID><Note>x</Note><Contact><Name>REF998877</Name></Contact>{'<Note>filler of a note</Note>' * 3}</Invoice>"
    folder = documents(tmp_path / "x", many(h_xml=hidden), {"h.xml": "REF998877", "d01.xml": "booking 10001", "d02.xml": "B-777"})
    with pytest.warns(UserWarning, match=r"2 gold answers .*d02\.xml \('B-777'\), h\.xml \('REF998877'\).*Correct these answers"):
        bench = lqa.load(folder)
    assert every(bench)["h"].answer == "REF998877"


def test_answers_that_are_there_in_another_form_are_not_listed(tmp_path):
    folder = documents(tmp_path / "x", many(), {"d01.xml": "booking-10001", "d02.xml": "ＢＯＯＫＩＮＧ10002", "d03.xml": "n/a"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lqa.load(folder)


BAD = {"cut": INVOICE[:-5], "empty": " ", "pointer": POINTER, "annex": ANNEX, "words": "no XML", "binary": "\0\1\2"}


def test_all_unreadable_documents_are_named_at_once_and_the_rest_is_usable(tmp_path):
    folder = documents(tmp_path / "x", many(**{f"{name}_xml": text for name, text in BAD.items()}))
    with pytest.raises(ValueError, match="6 documents cannot be read") as error:
        lqa.load(folder)
    assert all(f"/{name}.xml: " in str(error.value) for name in BAD)
    assert "skip_unreadable=True goes on with the other 15 documents" in str(error.value)
    with pytest.warns(UserWarning, match="6 documents cannot be read and are left out"):
        assert sorted(every(lqa.load(folder, skip_unreadable=True))) == sorted(name[:-4] for name in many())


@pytest.mark.parametrize("text", [POINTER, "[" * 100_000, '{"a": ' * 100_000])
def test_answers_that_are_no_answers_are_named(tmp_path, text):
    folder = documents(tmp_path / "x", many())
    (folder / "ground_truth.json").write_text(text)
    with pytest.raises(ValueError, match=r"ground_truth\.json: (is a pointer|nested too deep|invalid JSON)"):
        lqa.load(folder)


NAMES = ["Zoë.xml", "ångström-é.xml", "한글.xml", "ﬁ ü.xml"]


@pytest.mark.parametrize(("on_disk", "in_answers"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_documents_are_found_by_names_of_another_unicode_form(tmp_path, on_disk, in_answers):
    texts = many(**{unicodedata.normalize(on_disk, name).replace(".xml", "_xml"): invoice(name[:-4]) for name in NAMES})
    folder = documents(tmp_path / "x", texts)
    answers = {unicodedata.normalize(in_answers, name): "None" for name in texts}
    (folder / "ground_truth.json").write_text(json.dumps(answers))
    assert set(every(lqa.load(folder))) == {unicodedata.normalize("NFC", name)[:-4] for name in texts}


# -- GAIA


@pytest.mark.parametrize(("on_disk", "in_rows"), [("NFD", "NFC"), ("NFC", "NFD")])
@pytest.mark.parametrize("name", ["été.txt", "Größe/ñandú.txt", "한글.txt"])
def test_attachments_are_found_by_names_of_another_unicode_form(tmp_path, name, on_disk, in_rows):
    first, *others = rows()
    folder = write_jsonl(tmp_path / "x", [first | {"file_name": unicodedata.normalize(in_rows, name)}, *others])
    place = folder / unicodedata.normalize(on_disk, name)
    place.parent.mkdir(exist_ok=True)
    place.write_text("it is there")
    bench = gaia.load(folder, show=True)
    last = unicodedata.normalize("NFC", name.rpartition("/")[2])
    assert every(bench)["t1"].text.endswith(f"Attached files: {last}")
    for form in ("NFC", "NFD"):
        given = {"name": unicodedata.normalize(form, last)}
        assert call(Desk(bench.files["t1"]), "read_file", given) == "it is there"


def test_two_files_whose_names_differ_in_form_are_each_found(tmp_path):
    first, second, *others = rows()
    names = [unicodedata.normalize(form, "é.txt") for form in ("NFC", "NFD")]
    changed = [row | {"file_name": name} for row, name in zip((first, second), names, strict=True)]
    folder = write_jsonl(tmp_path / "x", [*changed, *others])
    for name in names:
        (folder / name).write_text(f"{len(name)}")
    files = gaia.load(folder).files
    assert [next(iter(files[task].values())).read_text() for task in ("t1", "t2")] == ["5", "6"]


@pytest.mark.parametrize("text", [POINTER, ANNEX])
def test_pointers_in_place_of_attachments_are_all_named(tmp_path, text):
    folder = write_jsonl(tmp_path / "x")
    for name in ("a1.csv", "a3.zip"):
        (folder / name).write_text(text)
    (folder / "a2.txt").unlink()
    with pytest.raises(ValueError, match="5 tasks cannot be read") as error:
        gaia.load(folder)
    message = str(error.value)
    assert "a1.csv: is a pointer" in message and "'a2.txt' is missing" in message and "git lfs pull" in message
    with pytest.raises(ValueError, match="n_train|too few"), pytest.warns(UserWarning, match="5 tasks"):
        gaia.load(folder, skip_unreadable=True)  # one task is left
    write_jsonl(tmp_path / "x")
    (folder / "a2.txt").unlink()
    with pytest.warns(UserWarning, match="2 tasks cannot be read and are left out"):
        assert sorted(every(gaia.load(folder, skip_unreadable=True))) == ["t1", "t3", "t4", "t5"]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.parquet", "metadata.level1.parquet"])
def test_a_pointer_in_place_of_the_metadata_is_named(tmp_path, name):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(ValueError, match=rf"{name}: is a pointer to the file"):
        gaia.load(tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "é" * 200])
def test_attachments_whose_names_no_file_can_have_are_named(tmp_path, name):
    first, *others = rows()
    with pytest.raises((ValueError, FileNotFoundError), match="metadata.jsonl, line 1: the attachment '"):
        gaia.load(write_jsonl(tmp_path / "x", [first | {"file_name": name}, *others]))


def test_all_bad_rows_are_named_at_once(tmp_path):
    changed = rows()
    changed[0]["Level"], changed[2]["Question"], changed[4]["Final answer"] = 9, "", True
    folder = write_jsonl(tmp_path / "x", changed)
    with (folder / "metadata.jsonl").open("a") as file:
        file.write("[" * 100_000 + "\n{}\n")
    with pytest.raises(ValueError, match="5 tasks cannot be read") as error:
        gaia.load(folder)
    for words in ("line 1: Level is 9", "line 3: Question is ''", "line 5: Final answer is True", "line 7: not valid", "line 8: lacks"):
        assert words in str(error.value)


SEPARATORS = "\u2028 \u2029 \x85 \x0b \x0c \x1c \x1d \x1e"


def test_line_separators_inside_json_lines_do_not_end_them(tmp_path):
    held = [{"id": "1", "text": f"a{SEPARATORS}b"}, {"id": "2", "text": SEPARATORS}]
    file = tmp_path / "x.jsonl.xz"
    file.write_bytes(lzma.compress("\n".join(json.dumps(row, ensure_ascii=False) for row in held).encode()))
    assert shipped_rows(file, "make it") == held


@pytest.mark.parametrize("damage", [lambda d: d[:-9], lambda d: d[:3], lambda d: b"", lambda d: b"x" + d, lambda d: d[:40] + b"\0\0" + d[42:]])
def test_a_damaged_shipped_file_is_named_with_the_remedy(tmp_path, damage):
    file = tmp_path / "x.jsonl.xz"
    file.write_bytes(damage(lzma.compress(b'{"a": 1}\n' * 500)))
    with pytest.raises(ValueError, match=r"x\.jsonl\.xz is damaged .*make it again: python make\.py"):
        shipped_rows(file, "python make.py")


def test_a_parquet_file_that_crashes_or_stalls_its_reader_is_named(tmp_path):
    folder = write_parquet(tmp_path / "x")
    whole = (folder / "metadata.parquet").read_bytes()
    for cut in (b"", b"PAR1", whole[:-6], whole[: len(whole) // 3] + whole[-40:], b"PAR1" + b"\xff" * 200 + b"PAR1"):
        (folder / "metadata.parquet").write_bytes(cut)
        with pytest.raises(ValueError, match=r"metadata\.parquet: cannot be read as parquet \(.+\); download it again"):
            gaia.load(folder)
