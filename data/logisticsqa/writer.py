"""A drawn page as UBL 2.1 XML: invoice, despatch advice or waybill, in the order of the standard's own."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

import pools
from documents import Page, Supplier


def xml(rng, supplier: Supplier, page: Page, date: str) -> str:
    """The page as UBL 2.1, elements in the order of the standard's own."""
    note = "".join(text + ("\n" if brk else "") for text, brk in page.notes).strip()
    head = [leaf("UBLVersionID", "2.1"), leaf("CustomizationID", _CUSTOMIZATION[page.document])]
    head += [leaf("ID", page.id)]
    slots = _ordered(page)
    parties = _parties(rng, supplier, page.document)
    if page.document == "Invoice":
        body = _invoice(rng, supplier, page, (note, date, slots, parties, head))
    else:
        body = _transport(page, (note, date, slots, parties, head))
    space = f"urn:oasis:names:specification:ubl:schema:xsd:{page.document}-2"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{page.document} xmlns="{space}" xmlns:cac="{_COMMON}'
        f'AggregateComponents-2" xmlns:cbc="{_COMMON}BasicComponents-2">\n'
        + "\n".join(body)
        + f"\n</{page.document}>\n"
    )


_COMMON = "urn:oasis:names:specification:ubl:schema:xsd:Common"
_CUSTOMIZATION = {
    "Invoice": "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
    "DespatchAdvice": "urn:fdc:peppol.eu:poacc:trns:despatch_advice:3",
    "Waybill": "urn:oasis:names:specification:ubl:xpath:Waybill-2.1",
}


def leaf(name: str, text: str, **attributes: str) -> str:
    given = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<cbc:{name}{given}>{escape(text)}</cbc:{name}>"


def node(name: str, *children: str) -> str:
    return f"<cac:{name}>" + "".join(f"\n{child}" for child in children) + f"\n</cac:{name}>"


def _ordered(page: Page) -> list[tuple[str, str]]:
    order = {slot: at for at, slot in enumerate(pools.SLOTS[page.document])}
    return sorted(
        page.slots, key=lambda s: order.get(re.sub(r"#\d", "", s[0]), 5 if page.document != "Invoice" else 6)
    )


def _nested(slots: list[tuple[str, str]]) -> list[str]:
    """Elements of (path, value), neighbours with the same first step put into one."""
    made, at = [], 0
    while at < len(slots):
        step, _, rest = slots[at][0].partition("/")
        same = [s for s in slots[at:] if s[0].partition("/")[0] == step] if rest else [slots[at]]
        inner = [(path.partition("/")[2], value) for path, value in same]
        name = step.split("#")[0]
        made.append(node(name, *_nested(inner)) if rest else leaf(name, slots[at][1]))
        at += len(same)
    return made


def _references(slots) -> list[str]:
    coded = [(s.split(":")[1], v) for s, v in slots if s.startswith("scheme:")]
    return [node("AdditionalDocumentReference", leaf("ID", v, schemeID=code), leaf("DocumentTypeCode", "130"))
            for code, v in coded]  # fmt: skip


def _parties(rng, supplier: Supplier, document: str) -> list[str]:
    names = {
        "Invoice": ("AccountingSupplierParty", "AccountingCustomerParty"),
        "DespatchAdvice": ("DespatchSupplierParty", "DeliveryCustomerParty"),
        "Waybill": ("ConsignorParty", "CarrierParty"),
    }[document]
    buyer = str(rng.choice(pools.BUYERS))
    made = [
        _party(supplier.name, supplier.city, supplier.country),
        _party(buyer, str(rng.choice(pools.PORTS)).title(), "NL"),
    ]
    made = made[::-1] if document == "Waybill" else made
    if document == "Waybill":
        return [node(name, *party) for name, party in zip(names, made, strict=True)]
    return [node(name, node("Party", *party)) for name, party in zip(names, made, strict=True)]


def _party(name: str, city: str, country: str) -> list[str]:
    address = [leaf("StreetName", "Harbour Road 1"), leaf("CityName", city)]
    return [
        node("PartyName", leaf("Name", name)),
        node("PostalAddress", *address, node("Country", leaf("IdentificationCode", country))),
    ]


def _invoice(rng, supplier: Supplier, page: Page, parts) -> list[str]:
    note, date, slots, parties, head = parts
    currency = {"TR": "TRY", "US": "USD", "MX": "USD", "GB": "GBP"}.get(supplier.country, "EUR")
    total = sum(amount for _, amount in page.lines)
    amount = lambda name, value: leaf(name, f"{value:.2f}", currencyID=currency)  # noqa: E731
    early = [s for s in slots if not s[0].startswith(("scheme:", "Delivery"))]
    late = [s for s in slots if s[0].startswith("Delivery")]
    body = [*head, leaf("IssueDate", date), leaf("InvoiceTypeCode", "380")]
    body += [leaf("Note", note)] if note else []
    body += [
        leaf("DocumentCurrencyCode", currency),
        *_nested(early),
        *_references(slots),
        *parties,
        *_nested(late),
    ]
    body += (
        [node("PaymentTerms", leaf("Note", note))] if note and supplier.convention.style == "notes" else []
    )
    body += [
        node("LegalMonetaryTotal", amount("LineExtensionAmount", total), amount("PayableAmount", total * 1.2))
    ]
    for number, (text, value) in enumerate(page.lines, 1):
        item = node("Item", leaf("Description", text), leaf("Name", text))
        line = [leaf("ID", str(number)), leaf("InvoicedQuantity", "1", unitCode="EA")]
        line += [amount("LineExtensionAmount", value), item, node("Price", amount("PriceAmount", value))]
        body.append(node("InvoiceLine", *line))
    return body


def _transport(page: Page, parts) -> list[str]:
    note, date, slots, parties, head = parts
    notes = [leaf("Note", note)] if note else []
    early = [s for s in slots if not s[0].startswith(("scheme:", "Shipment/"))]
    shipment = [s for s in slots if s[0].startswith("Shipment/")]
    if page.document == "Waybill":
        carrier = [s for s in early if s[0] == "CarrierAssignedID"]
        rest = [s for s in early if s[0] != "CarrierAssignedID"]
        body = [
            *head,
            *_nested(carrier),
            leaf("IssueDate", date),
            leaf("Name", "Waybill"),
            *notes,
            *_nested(rest),
            *parties,
        ]
        goods = [(f"Shipment/GoodsItem#{n}/Description", text) for n, (text, _) in enumerate(page.lines, 1)]
        references = [
            r.replace("AdditionalDocumentReference", "DocumentReference") for r in _references(slots)
        ]
        return [*body, *_nested(_with_goods(shipment, goods)), *references]
    body = [
        *head,
        leaf("IssueDate", date),
        *notes,
        *_nested(early),
        *_references(slots),
        *parties,
        *_nested(shipment),
    ]
    order = next((v for s, v in slots if s == "OrderReference/ID"), "")
    for number, (text, _) in enumerate(page.lines, 1):
        inner = [leaf("LineID", str(number))] + ([node("OrderReference", leaf("ID", order))] if order else [])
        line = [leaf("ID", str(number)), leaf("DeliveredQuantity", "1", unitCode="EA")]
        line += [node("OrderLineReference", *inner), node("Item", leaf("Description", text))]
        body.append(node("DespatchLine", *line))
    return body


def _with_goods(shipment, goods):
    """Goods items stand between consignment and handling units."""
    cut = next(
        (at for at, s in enumerate(shipment) if "Delivery" in s[0] or "HandlingUnit" in s[0]), len(shipment)
    )
    return [*shipment[:cut], *goods, *shipment[cut:]]
