"""The conventions of a world: where groups of suppliers put the reference, and when they give none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pools

LANGUAGES = ("en", "en", "it", "tr", "es", "de")


@dataclass(frozen=True)
class Convention:
    """Where a group of suppliers puts the transport reference, and when their documents have none.

    none_by: "absent" the reference is left out; "phrase" the document mentions `phrase`; "several" it
    names more than one; "unless" it does not mention `phrase`; "always".
    """

    name: str
    family: str
    style: str
    language: str
    kind: str = "file"
    label: str = ""
    other: str = ""
    template: str = ""
    cue: str = ""
    none_by: str = "absent"
    phrase: str = ""
    expressible: bool = True


def pick(rng, values):
    return values[int(rng.integers(0, len(values)))]


def cue(rng) -> str:
    return pick(rng, pools.CUES).format(pick(rng, pools.NETWORKS))


def conventions(rng) -> list[Convention]:
    """About two dozen ways to give, or not to give, a reference."""
    made: list[Convention] = []
    unnatural = ["file", "customer", "booking", "trip", "order"]
    natural = ["bl", "awb", "shipment", "cmr", "bl"]

    def notes(family, kind, none_by, **given):
        language = given.pop("language", None) or pick(rng, LANGUAGES)
        labels = pools.LABELS[language][kind]
        given.setdefault("label", pick(rng, labels))
        phrases = pools.SERVICES if none_by == "unless" else pools.NONE_CHARGES
        given.setdefault("phrase", pick(rng, phrases[language]))
        made.append(
            Convention(f"{family}-{len(made)}", family, "notes", language, kind, none_by=none_by, **given)
        )

    for kind in rng.permutation(unnatural)[:3]:
        notes("label", str(kind), pick(rng, ["phrase", "absent"]), cue=cue(rng) if rng.random() < 0.6 else "")
    for kind in natural:
        notes("label", kind, pick(rng, ["phrase", "absent", "phrase"]))
    language = pick(rng, LANGUAGES)
    first, second = pick(rng, pools.LABELS[language]["file"]), pick(rng, pools.LABELS[language]["customer"])
    notes("label", "file", "phrase", language=language, label=first, other=second, cue=cue(rng))
    notes("label", "customer", "phrase", language=language, label=second, other=first, cue=cue(rng))
    for kind in ("booking", "trip"):
        template = pools.keep(rng, pick(rng, ["@@@#######", "@@@-########", "@@@#?#####", "@@######@"]))
        notes("shape", kind, pick(rng, ["phrase", "absent"]), template=template)
    notes("repeated", "bl", "phrase", language="es")
    notes("repeated", pick(rng, ["file", "booking"]), "phrase")
    notes("unrepeated", "trip", "phrase")
    notes("line_label", pick(rng, unnatural), "several")
    notes("line_label", pick(rng, natural), "phrase", cue=cue(rng))
    notes("label", pick(rng, natural), "unless")
    notes("label", pick(rng, natural), "several")
    notes("never", "order", "always", cue="cooperative")
    notes("never", "customer", "always", cue=cue(rng))
    made += _structured(rng, len(made))
    return [replace(c, cue=pools.COOPERATIVE[c.language]) if c.cue == "cooperative" else c for c in made]


def _structured(rng, start: int) -> list[Convention]:
    made: list[Convention] = []

    def add(family, label, none_by, **given):
        language = pick(rng, LANGUAGES)
        phrase = pick(rng, pools.NONE_CHARGES[language])
        name = f"{family}-{start + len(made)}"
        made.append(
            Convention(
                name, family, "structured", language, label=label, none_by=none_by, phrase=phrase, **given
            )
        )

    natural = [f"scheme:{code}" for code in rng.permutation(["BM", "AWB", "MB", "CMR", "HWB", "SRN"])]
    other = [
        f"scheme:{code}" for code in rng.permutation(["AAJ", "AAK", "AAM", "ON", "CT", "CU", "AAO", "FF"])
    ]
    add("field", natural[0], "phrase", other=other[0], cue=cue(rng))
    add("field", other[0], "phrase", other=natural[0], cue=cue(rng))
    add("field", natural[1], "absent")
    add(
        "field",
        pick(rng, ["BuyerReference", "DespatchDocumentReference/ID", "ContractDocumentReference/ID"]),
        "phrase",
    )
    add("field", pick(rng, pools.SLOTS["DespatchAdvice"][2:6]), "absent")
    add("field", pick(rng, pools.SLOTS["Waybill"][:4]), "phrase")
    add("by_document", pick(rng, pools.SLOTS["Waybill"][2:7]), "phrase", other=pools.SLOTS["Waybill"][7])
    return made


def inexpressible(rng, start: int) -> list[Convention]:
    """Four of the conventions that no rule of the learner's language states."""
    kinds = [
        ("valid_container", "notes", "container"), ("joined", "notes", "file"),
        ("highest", "notes", "shipment"), ("latest", "notes", "booking"),
        ("without_digit", "notes", "cmr"), ("without_digit", "structured", "file"),
        ("valid_container", "structured", "container"),
    ]  # fmt: skip
    made = []
    for at in rng.permutation(len(kinds))[:4]:
        family, style, kind = kinds[at]
        language = pick(rng, LANGUAGES)
        labels = pools.LABELS[language][kind]
        label = pick(rng, labels) if style == "notes" else "Shipment/Consignment/ID"
        made.append(
            Convention(f"{family}-{start + len(made)}", family, style, language, kind, label=label,
                       other=pick(rng, pools.LABELS[language]["shipment"]) if family == "joined" else "",
                       none_by="phrase", phrase=pick(rng, pools.NONE_CHARGES[language]), expressible=False)
        )  # fmt: skip
    return made
