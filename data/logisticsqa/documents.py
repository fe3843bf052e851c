"""Drawing one document of a supplier: its notes, lines, references and answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pools
from conventions import Convention


@dataclass(frozen=True)
class Supplier:
    name: str
    country: str
    city: str
    convention: Convention
    templates: dict[str, str]
    decoys: tuple[tuple[str, str], ...]  # (kind, label) in notes; (slot, "") in structured documents
    separator: str
    jam: float
    noise: tuple[str, ...]
    document: str = "Invoice"


@dataclass
class Page:
    """A document while it is drawn. Notes are (text, whether a line break must follow)."""

    notes: list[tuple[str, bool]] = field(default_factory=list)
    lines: list[list] = field(default_factory=list)  # [description, amount]
    slots: list[tuple[str, str]] = field(default_factory=list)
    document: str = "Invoice"
    id: str = ""
    answer: str = "None"
    bare: bool = False  # a None document without the reference, and with fewer rivals

    def text(self) -> str:
        """What a reader sees, for checking that the answer can be told."""
        parts = [self.id, *(note for note, _ in self.notes), *(line[0] for line in self.lines)]
        return "\n".join(parts + [value for _, value in self.slots])


def draw(rng: np.random.Generator, supplier: Supplier, none: bool) -> Page:
    """A page whose answer follows from the supplier's convention; drawn again until it is sound."""
    for _ in range(200):
        page = _page(rng, supplier, none)
        if _sound(page, supplier.convention):
            return page
    raise RuntimeError(f"no sound document for {supplier.convention.name!r} in 200 draws; check its pools")


def _page(rng, supplier: Supplier, none: bool) -> Page:
    convention = supplier.convention
    page = Page(document=supplier.document, id=f"{pools.letters(rng, 2)}{pools.digits(rng, 5)}")
    page.bare = none and convention.none_by in ("absent", "phrase", "always") and bool(rng.random() < 0.7)
    hidden = none and (convention.none_by == "absent" or page.bare)
    charges = [
        str(c) for c in rng.choice(pools.CHARGES[convention.language], rng.integers(1, 6), replace=False)
    ]
    page.lines = [[charge, round(float(rng.lognormal(5, 1)), 2)] for charge in charges]
    if convention.style == "notes":
        _decoy_notes(rng, supplier, page)
    else:
        _decoy_slots(rng, supplier, page)
    FAMILIES[convention.family](rng, supplier, page, none, hidden)
    _none_phrases(rng, convention, page, none)
    if none:
        page.answer = "None"
    if convention.cue:
        _put(rng, page, convention.cue)
    return page


def _none_phrases(rng, convention: Convention, page: Page, none: bool) -> None:
    """The phrase that means None here; elsewhere such phrases are harmless counter-examples."""
    if convention.none_by == "phrase" and none:
        page.lines.append([convention.phrase, round(float(rng.lognormal(5, 1)), 2)])
    elif rng.random() < 0.2:
        harmless = str(rng.choice(pools.NONE_CHARGES[convention.language]))
        if harmless != convention.phrase:
            page.lines.append([harmless, round(float(rng.lognormal(4, 1)), 2)])
    if convention.none_by == "unless":
        others = [s for s in pools.SERVICES[convention.language] if s != convention.phrase]
        service = str(rng.choice(others)) if none else convention.phrase
        page.lines[0][0] = f"{page.lines[0][0]} {service}"


def _entry(supplier: Supplier, label: str, value: str) -> str:
    return f"{label.rstrip('.') if supplier.separator == '. ' else label}{supplier.separator}{value}"


def _gold(rng, supplier: Supplier) -> str:
    convention = supplier.convention
    return pools.reference(
        rng, convention.kind, convention.template or supplier.templates.get(convention.kind, "")
    )


def _put(rng, page: Page, text: str) -> None:
    """A note at a random place, with a line break before and after it."""
    at = int(rng.integers(0, len(page.notes) + 1))
    if at:
        page.notes[at - 1] = (page.notes[at - 1][0], True)
    page.notes.insert(at, (text, True))


def _decoy_notes(rng, supplier: Supplier, page: Page) -> None:
    notes = [sentence for sentence in supplier.noise if rng.random() < 0.8]
    entries = [
        _entry(supplier, label, pools.reference(rng, kind, supplier.templates.get(kind, "")))
        for kind, label in supplier.decoys
        if rng.random() < 0.85 and not (page.bare and kind in pools.NATURAL)
    ]
    notes = [pools.filled(rng, note, supplier.country) for note in notes]
    split = int(rng.integers(0, len(notes) + 1))
    page.notes = [(n, bool(rng.random() >= supplier.jam)) for n in [*notes[:split], *entries, *notes[split:]]]


# ---- families of conventions: each puts the reference and its rivals on the page


def _label(rng, supplier, page, none, hidden):
    """After a label in the note."""
    convention, gold = supplier.convention, _gold(rng, supplier)
    if not hidden:
        _put(rng, page, _entry(supplier, convention.label, gold))
        if rng.random() < 0.3:
            page.lines[0][0] += f" {gold}"
    if none and convention.none_by == "several":
        for _ in range(rng.integers(1, 3)):
            _put(rng, page, _entry(supplier, convention.label, _gold(rng, supplier)))
    if convention.other:
        kind = "customer" if convention.kind == "file" else "file"
        _put(
            rng,
            page,
            _entry(supplier, convention.other, pools.reference(rng, kind, supplier.templates.get(kind, ""))),
        )
    page.answer = gold


def _line_label(rng, supplier, page, none, hidden):
    """After a label in the line descriptions."""
    convention, gold = supplier.convention, _gold(rng, supplier)
    if not hidden:
        for line in page.lines[: int(rng.integers(1, 3))]:
            line[0] += f" - {_entry(supplier, convention.label, gold)}"
    if none and convention.none_by == "several":
        page.lines.append([f"{page.lines[0][0].split(' - ')[0]} - "
                           + _entry(supplier, convention.label, _gold(rng, supplier)), 95.0])  # fmt: skip
    page.answer = gold


def _shape(rng, supplier, page, none, hidden):
    """Without a label, of a shape of its own: in the note or at the end of a line."""
    gold = _gold(rng, supplier)
    if not hidden:
        if rng.random() < 0.5:
            _put(rng, page, gold)
        else:
            page.lines[0][0] += f" {gold}"
    page.answer = gold


def _repeated(rng, supplier, page, none, hidden):
    """In every line, beside containers that change from line to line."""
    gold = _gold(rng, supplier)
    if len(page.lines) < 3:
        page.lines += [
            [str(rng.choice(pools.CHARGES[supplier.convention.language])), 50.0 + at] for at in (1, 2)
        ]
    for at, line in enumerate(page.lines):
        box = "" if at == 1 else f" {pools.container(rng, False)}"
        line[0] += "" if hidden else f"{box} {gold}"
    page.answer = gold


def _unrepeated(rng, supplier, page, none, hidden):
    """The only number given once: the others stand in the note and again in a line."""
    twice = [pools.fill(rng, supplier.templates[kind]) for kind in ("file", "customer")]
    plain = [sentence for sentence in supplier.noise if "{" not in sentence]
    page.notes = [(n, True) for n in (*plain[:3], page.id, " ".join(twice))]
    page.lines[0][0] += f" {twice[0]} {twice[1]}"
    gold = _gold(rng, supplier)
    if not hidden:
        _put(rng, page, gold)
    page.answer = gold


def _never(rng, supplier, page, none, hidden):
    """Road transport of a cooperative: order numbers only."""
    for _ in range(int(rng.integers(1, 4))):
        _put(rng, page, _entry(supplier, supplier.convention.label, _gold(rng, supplier)))
    page.answer = "None"


def _valid_container(rng, supplier, page, none, hidden):
    """The container whose check digit is right, among two that are not."""
    gold = pools.container(rng, True)
    boxes = [gold, pools.container(rng, False), pools.container(rng, False)]
    listed = [boxes[i] for i in rng.permutation(3)]
    if supplier.convention.style == "notes":
        _put(rng, page, _entry(supplier, supplier.convention.label, " ".join(listed)))
    else:
        slot = "Shipment/TransportHandlingUnit#{}/TransportEquipment/ID"
        page.slots = [s for s in page.slots if "HandlingUnit" not in s[0]]
        page.slots += [(slot.format(at), box) for at, box in enumerate(listed, 1)]
    page.answer = gold


def _joined(rng, supplier, page, none, hidden):
    """A series in the note and a number in the line, joined."""
    series, number = pools.letters(rng, 3), pools.digits(rng, 7)
    _put(rng, page, _entry(supplier, supplier.convention.label, series))
    page.lines[0][0] += f" {supplier.convention.other} {number}"
    page.answer = series + number


def _highest(rng, supplier, page, none, hidden):
    """The reference of the line with the highest amount."""
    while len(page.lines) < 3:
        page.lines.append(
            [str(rng.choice(pools.CHARGES[supplier.convention.language])), 20.0 + len(page.lines)]
        )
    found = []
    for line in page.lines:
        found.append((line[1], _gold(rng, supplier)))
        line[0] += f" {_entry(supplier, supplier.convention.label, found[-1][1])}"
    page.answer = max(found)[1]


def _latest(rng, supplier, page, none, hidden):
    """The reference of the latest of several dates."""
    days = sorted(rng.choice(np.arange(1, 29), 3, replace=False).tolist())
    month = int(rng.integers(1, 13))
    values = [_gold(rng, supplier) for _ in days]
    for at in rng.permutation(3):
        _put(rng, page, f"{days[at]:02d}.{month:02d}.2024 {supplier.convention.label} {values[at]}")
    page.answer = values[-1]


def _without_digit(rng, supplier, page, none, hidden):
    """The number without its check digit."""
    if supplier.convention.style == "notes":
        number = pools.digits(rng, 8)
        whole = f"{number}{pools.gs1_digit(number)}"
        _put(rng, page, _entry(supplier, supplier.convention.label, whole))
    else:
        whole = pools.gsin(rng)
        page.slots = [s for s in page.slots if s[0] != supplier.convention.label]
        page.slots.append((supplier.convention.label, whole))
    page.answer = whole[:-1]


# ---- structured documents


def _slot_value(rng, supplier: Supplier, slot: str) -> str:
    kind = pools.SLOT_KINDS.get(slot.split(":")[-1], "file")
    made = {"sscc": pools.sscc, "mrn": pools.mrn, "gsin": pools.gsin}.get(kind)
    return made(rng) if made else pools.reference(rng, kind, supplier.templates.get(kind, "#######"))


def _decoy_slots(rng, supplier: Supplier, page: Page) -> None:
    page.notes = [
        (pools.filled(rng, n, supplier.country), True) for n in supplier.noise[:2] if rng.random() < 0.5
    ]
    if supplier.convention.family == "by_document":
        page.document = str(rng.choice(["Waybill", "DespatchAdvice"]))
    page.slots = [
        (slot, _slot_value(rng, supplier, slot))
        for slot, _ in supplier.decoys
        if rng.random() < 0.9
        and not (page.bare and pools.SLOT_KINDS.get(slot.split(":")[-1]) in pools.NATURAL)
        and (slot.startswith("scheme:") or slot in pools.SLOTS[page.document])
    ]


def _field(rng, supplier, page, none, hidden):
    """In a field, or in a document reference with a scheme code ("scheme:BM")."""
    convention = supplier.convention
    slot = convention.label
    page.slots = [s for s in page.slots if s[0] != slot]
    gold = _slot_value(rng, supplier, slot)
    if not hidden:
        page.slots.append((slot, gold))
    if none and convention.none_by == "several":
        page.slots.append((slot, _slot_value(rng, supplier, slot)))
    if convention.other and not page.bare:
        page.slots = [s for s in page.slots if s[0] != convention.other]
        page.slots.append((convention.other, _slot_value(rng, supplier, convention.other)))
    page.answer = gold


def _by_document(rng, supplier, page, none, hidden):
    """One field on waybills, another on despatch advices, nothing on invoices."""
    if none:
        page.document = "Invoice"
        slots = pools.SLOTS["Invoice"][:5] if page.bare else pools.SLOTS["Invoice"]
        page.slots = [(s, _slot_value(rng, supplier, s)) for s in slots if rng.random() < 0.6]
        return
    for slot in (supplier.convention.label, supplier.convention.other):
        page.slots = [s for s in page.slots if s[0] != slot]
        page.slots.append((slot, _slot_value(rng, supplier, slot)))
    page.answer = page.slots[-2 if page.document == "Waybill" else -1][1]


FAMILIES = {
    "label": _label, "line_label": _line_label, "shape": _shape, "repeated": _repeated, "never": _never,
    "unrepeated": _unrepeated, "field": _field, "by_document": _by_document, "joined": _joined,
    "valid_container": _valid_container, "highest": _highest, "latest": _latest,
    "without_digit": _without_digit,
}  # fmt: skip


def number_like(text: str) -> list[str]:
    """Tokens of 6 characters and more with four digits, no amounts and no dates."""
    tokens = re.findall(r"(?<![\w./-])[A-Z0-9][A-Z0-9/-]{4,23}[A-Z0-9](?![\w/-]|\.\d)", text)
    return [t for t in tokens if sum(c.isdigit() for c in t) >= 4 and not re.fullmatch(r"\d\d/\d\d/\d\d", t)]


def _sound(page: Page, convention: Convention) -> bool:
    """Whether the answer is the one the convention's rule gives and no other."""
    if page.answer == "None" or not convention.expressible:
        return True
    found = number_like(page.text())
    if convention.family in ("label", "line_label"):
        label = re.escape(convention.label.rstrip("."))
        after = re.findall(rf"(?<!\w){label}(?!\w)[\s:.-]*(\S+)", page.text(), re.I)
        return set(after) == {page.answer}
    if convention.family == "unrepeated":
        return [t for t in found if found.count(t) == 1] == [page.answer]
    if convention.family == "repeated":
        return all(found.count(t) < found.count(page.answer) for t in found if t != page.answer)
    if convention.family == "shape":
        pattern = "".join({"#": r"\d", "?": "[A-Z]"}.get(c, re.escape(c)) for c in convention.template)
        return set(re.findall(rf"(?<!\w){pattern}(?!\w)", page.text())) == {page.answer}
    return True
