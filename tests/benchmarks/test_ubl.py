"""Reading UBL: what an agent gets to read, and what is refused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgo_kit.benchmarks.logisticsqa.opening import DocumentError
from fgo_kit.benchmarks.logisticsqa.ubl import MAX_CHARS, read_ubl

SPACES = (
    'xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" '
    'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"'
)


def invoice(inside: str, head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    return f"{head}<Invoice {SPACES}>{inside}</Invoice>".encode()


def note(text: str) -> str:
    return f"<cbc:Note>{text}</cbc:Note>"


def test_reads_paths_schemes_lines_amounts_and_parties():
    text = read_ubl(
        invoice(
            "<cbc:UBLVersionID>2.1</cbc:UBLVersionID><cbc:ID>7</cbc:ID>"
            + note("EXEMPT\n B/L:  X1 ")
            + "<cac:OrderReference><cbc:ID>PO-1</cbc:ID></cac:OrderReference>"
            '<cac:AdditionalDocumentReference><cbc:ID schemeID="AAJ">D9</cbc:ID>'
            "</cac:AdditionalDocumentReference>"
            "<cac:AccountingSupplierParty><cac:Party><cac:PartyName>"
            "<cbc:Name>Nord Ltd</cbc:Name></cac:PartyName>"
            "<cac:PostalAddress><cbc:StreetName>Quay 4</cbc:StreetName><cbc:CityName>Dover</cbc:CityName>"
            "<cac:Country><cbc:IdentificationCode>GB</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
            "</cac:Party></cac:AccountingSupplierParty>"
            + f"<cac:PaymentTerms>{note('EXEMPT B/L: X1')}</cac:PaymentTerms>"
            '<cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR"> 9.50 </cbc:PayableAmount>'
            "</cac:LegalMonetaryTotal><cac:InvoiceLine><cbc:ID>1</cbc:ID><cac:Item>"
            "<cbc:Description>Freight</cbc:Description><cbc:Name>Freight</cbc:Name></cac:Item></cac:InvoiceLine>"
            "<cac:InvoiceLine><cbc:ID>2</cbc:ID><cac:Item><cbc:Description>None</cbc:Description></cac:Item>"
            "</cac:InvoiceLine>"
        ),
        "a.xml",
    )
    assert text.splitlines() == [
        "Document: Invoice",
        "ID: 7",
        "Note: EXEMPT / B/L: X1",
        "OrderReference/ID: PO-1",
        "AdditionalDocumentReference/ID (AAJ): D9",
        "AccountingSupplierParty: Nord Ltd, Dover, GB",
        "PayableAmount: 9.50 EUR",
        "Line 1 Item/Description: Freight",
    ]


def test_repeated_identifiers_are_kept_because_their_place_tells():
    inside = "<cbc:ID>X1</cbc:ID><cac:OrderReference><cbc:ID>X1</cbc:ID></cac:OrderReference>"
    assert read_ubl(invoice(inside), "a").splitlines()[1:] == ["ID: X1", "OrderReference/ID: X1"]


def test_the_better_spaced_of_two_copies_is_kept():
    spaced = note("Totals\nREF 1\nVessel")
    inside = note("TotalsREF 1Vessel") + f"<cac:PaymentTerms>{spaced}</cac:PaymentTerms>"
    assert read_ubl(invoice(inside), "a").splitlines()[1:] == ["Note: Totals / REF 1 / Vessel"]


def test_long_words_attachments_and_long_documents_are_cut():
    lines = "".join(
        f"<cac:InvoiceLine><cbc:ID>{n}</cbc:ID>"
        f"<cbc:AccountingCost>cost {n} of a long budget</cbc:AccountingCost>"
        f"<cac:Item><cbc:Description>carriage {n}</cbc:Description></cac:Item></cac:InvoiceLine>"
        for n in range(90)
    )
    blob = f"<cbc:EmbeddedDocumentBinaryObject>{'QUJD' * 1000}</cbc:EmbeddedDocumentBinaryObject>"
    attachment = (
        f"<cac:AdditionalDocumentReference><cbc:ID>D</cbc:ID>{blob}</cac:AdditionalDocumentReference>"
    )
    text = read_ubl(invoice(note("stamp " + "x" * 90 + " REF1") + attachment + lines), "a.xml")
    assert len(text) <= MAX_CHARS
    assert "x" * 40 + "… REF1" in text
    assert "QUJD" not in text
    assert "carriage 89" in text and "cost 89" not in text  # descriptions outlive other elements
    assert text.endswith("lines left out)")


BOMB = '<!DOCTYPE Invoice [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
MALFORMED = {
    "truncated": (invoice(note("x"))[:-20], ["line 1, column", "truncated", "export or copy it again"]),
    "entity bomb": (invoice(note("&b;"), BOMB), ["entity 'a'", "expand without bound", "remove the DTD"]),
    "entity bomb, UTF-16": (
        invoice(note("&b;"), BOMB).decode().encode("utf-16"),
        ["entity 'a'", "entities are refused"],
    ),
    "bomb in an attribute": (
        invoice('<cbc:ID schemeID="&b;">1</cbc:ID>', BOMB),
        ["entity 'a'", "entities are refused"],
    ),
    "external entity": (
        invoice(note("&x;"), '<!DOCTYPE Invoice [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        ["external entity 'x'", "remove the DTD"],
    ),
    "parameter entity": (
        invoice(note("x"), '<!DOCTYPE Invoice [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd">%p;]>'),
        ["external entity 'p'", "remove the DTD"],
    ),
    "50 MB": (b" " * 50_000_000, ["50,000,000 bytes", "5,000,000", "leave the file out"]),
    "Latin-1 called UTF-8": (
        invoice(note("Gümrük")).decode().encode("latin-1"),
        ["encoding UTF-8", "save it again as UTF-8"],
    ),
    "unknown encoding": (
        invoice(note("x"), '<?xml version="1.0" encoding="UTF-99"?>'),
        ["encoding UTF-99", "save it again as UTF-8"],
    ),
    "empty": (b" \n", ["is empty", "export it again"]),
    "no XML": (b"REF 123", ["not well-formed", "line 1"]),
    "no text": (invoice(note(" ")), ["no filled text element"]),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_documents_say_file_reason_and_fix(case):
    data, said = MALFORMED[case]
    with pytest.raises(DocumentError) as error:
        read_ubl(data, "folder/bad.xml")
    assert str(error.value).startswith("folder/bad.xml: ")
    for words in said:
        assert words in str(error.value)


def test_a_deep_tree_is_refused_and_not_a_crash():
    with pytest.raises(DocumentError):
        read_ubl(invoice("<cac:A>" * 5000 + "</cac:A>" * 5000), "deep.xml")


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=200))
def test_any_note_is_read_or_refused(text):
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    with suppress(DocumentError):
        assert len(read_ubl(invoice(note(escaped)), "a.xml")) <= MAX_CHARS


def test_all_shared_real_documents_are_read():
    shared = os.environ.get("FGO_SHARED_DATA")
    if not shared:
        pytest.skip("needs real UBL documents: set FGO_SHARED_DATA to the folder that holds real_ubl")
    files = sorted((Path(shared) / "real_ubl").glob("*/*.xml"))
    assert files
    for file in files:
        text = read_ubl(file.read_bytes(), file.name)
        assert 20 < len(text) <= MAX_CHARS
        assert "�" not in text
