"""The seeded generator of LogisticsQA-gen.

    python data/logisticsqa/make.py --world 0 --out data/logisticsqa/world0.jsonl.xz
    python data/logisticsqa/make.py --describe

A world is one draw of suppliers, conventions, label phrases and rates; the same number gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import pools  # noqa: E402
from conventions import Convention, conventions, inexpressible, pick  # noqa: E402
from documents import Supplier, draw  # noqa: E402
from writer import xml  # noqa: E402

SPLITS = {"train": 256, "gate": 64, "test": 128}
N_SUPPLIERS = 40
N_UNSEEN = 6  # suppliers that are in gate and test only
N_CONVENTIONS = 20  # in use in one world, beside the inexpressible ones; the other suppliers share them
NONE_SHARE = 0.44
INEXPRESSIBLE_SHARE = (
    0.12  # of the suppliers' weight; documents without reference among them count as expressible
)
EXTRA_NOISE = [
    "Vessel/Voyage {vessel} {voyage}", "VESSEL : {vessel}", "Weight : {kg} KGM", "Exchange Rate : {rate}",
    "Loading Port : {port}", "Only #{words} TL#", "IBAN: {iban}", "Sello: {stamp}", "Due Date: {day}",
    "Bank: [REDACTED] IBAN: {iban}", "IN WORDS: {words}", "ETA {day} {port}",
]  # fmt: skip


def suppliers(rng) -> list[tuple[Supplier, float]]:
    """The suppliers with their weights: a long tail, a few of them (weight 0) unseen in training."""
    plain = conventions(rng)
    odd = inexpressible(rng, len(plain))
    weights = [(rank + 5) ** -1.6 for rank in range(N_SUPPLIERS - N_UNSEEN)]
    weights = [w / sum(weights) for w in weights]
    odd_ranks = _ranks_of_weight(rng, weights, INEXPRESSIBLE_SHARE)
    shared = _interleaved(rng, plain)[:N_CONVENTIONS]
    names: set[str] = set()
    made, given = [], 0
    for rank in range(N_SUPPLIERS):
        if rank in odd_ranks:
            convention = odd[odd_ranks.index(rank) % len(odd)]
        elif given < len(shared):
            convention, given = shared[given], given + 1
        else:
            convention = pick(rng, shared)
        made.append((_supplier(rng, convention, names), weights[rank] if rank < len(weights) else 0.0))
    return made


def _interleaved(rng, made: list[Convention]) -> list[Convention]:
    """Shuffled, every third of the structured style, so that worlds differ little in the share of styles."""
    styles = {style: [c for c in made if c.style == style] for style in ("notes", "structured")}
    notes, structured = ([part[i] for i in rng.permutation(len(part))] for part in styles.values())
    order = []
    while notes or structured:
        order += [*notes[:2], *structured[:1]]
        notes, structured = notes[2:], structured[1:]
    # Not the largest suppliers: one that never gives a reference would be most of the None class.
    never = [c for c in order if c.family == "never"]
    order = [c for c in order if c.family != "never"]
    return [*order[:5], *never[:1], *order[5:9], *never[1:], *order[9:]]


def _ranks_of_weight(rng, weights: list[float], share: float) -> list[int]:
    """Ranks whose weights add up to about `share`; never the few largest."""
    chosen: list[int] = []
    for rank in rng.permutation(np.arange(3, len(weights))).tolist():
        if sum(weights[r] for r in chosen) + weights[rank] <= share * 1.04:
            chosen.append(rank)
    return chosen


def _supplier(rng, convention: Convention, names: set[str]) -> Supplier:
    country, city, form = pick(rng, pools.COUNTRIES[convention.language])
    name = ""
    while not name or name in names:
        name = f"{pick(rng, pools.NAME_FIRST)} {pick(rng, pools.NAME_SECOND)} {form}"
    names.add(name)
    templates = {kind: pools.keep(rng, pick(rng, formats)) for kind, formats in pools.FORMATS.items()}
    sentences = [*rng.permutation(pools.NOISE[convention.language])[:4], *rng.permutation(EXTRA_NOISE)[:5]]
    document, decoys = "Invoice", _label_decoys(rng, convention)
    if convention.style == "structured":
        document = _document(rng, convention)
        decoys = _slot_decoys(rng, convention, document)
    return Supplier(
        name, country, city, convention, templates, decoys, pick(rng, [": ", " : ", " ", ". ", " - "]),
        pick(rng, [0.0, 0.0, 0.3, 0.8]), tuple(str(s) for s in rng.permutation(sentences)), document,
    )  # fmt: skip


def _document(rng, convention: Convention) -> str:
    if convention.label.startswith("scheme:"):
        return pick(rng, ["Invoice", "Invoice", "DespatchAdvice"])
    return pick(
        rng, [name for name, slots in pools.SLOTS.items() if convention.label in slots] or ["DespatchAdvice"]
    )


def _label_decoys(rng, convention: Convention) -> tuple[tuple[str, str], ...]:
    """Other numbers of the supplier's notes, with labels that cannot be taken for one another."""
    used = [label.casefold() for label in (convention.label, convention.other) if label]
    decoys = []
    for kind in rng.permutation(list(pools.LABELS["en"])):
        language = "en" if rng.random() < 0.1 else convention.language
        label = pick(rng, pools.LABELS[language][str(kind)])
        common = kind not in pools.NATURAL or rng.random() < 0.4
        if (
            common
            and kind != convention.kind
            and not any(label.casefold() in u or u in label.casefold() for u in used)
        ):
            decoys.append((str(kind), label))
            used.append(label.casefold())
    return tuple(decoys[: int(rng.integers(2, 5))])


def _slot_decoys(rng, convention: Convention, document: str) -> tuple[tuple[str, str], ...]:
    pool = (
        [*pools.SLOTS["Waybill"], *pools.SLOTS["DespatchAdvice"]]
        if convention.family == "by_document"
        else pools.SLOTS[document]
    )
    slots = [str(s) for s in rng.permutation(pool)[: int(rng.integers(2, 5) if document == "Invoice" else 7)]]
    codes = [f"scheme:{code}" for code in rng.permutation(pools.SCHEMES)[: int(rng.integers(0, 3))]]
    kept = [
        slot for slot in [*dict.fromkeys(slots), *codes] if slot not in (convention.label, convention.other)
    ]
    return tuple((slot, "") for slot in kept)


def none_rates(drawn: list[tuple[Supplier, float]]) -> list[float]:
    """How often each supplier's documents have no reference, so that the world's share is about 44 %."""
    always = sum(w for s, w in drawn if s.convention.none_by == "always")
    odd = sum(w for s, w in drawn if not s.convention.expressible)
    base = (NONE_SHARE - always - 0.2 * odd) / (1 - always - odd)
    fixed = {True: 1.0, False: min(max(base, 0.1), 0.7)}
    return [fixed[s.convention.none_by == "always"] if s.convention.expressible else 0.2 for s, _ in drawn]


def world_rows(world: int) -> list[dict]:
    """All documents of a world."""
    rng = np.random.default_rng([20250503, world])
    drawn = suppliers(rng)
    rates = none_rates(drawn)
    unseen = [0.15 / N_UNSEEN if weight == 0 else weight * 0.85 for _, weight in drawn]
    rows = []
    for split, count in SPLITS.items():
        weights = [weight for _, weight in drawn] if split == "train" else unseen
        chosen = _spread(rng, weights, count)
        nones = _spread_flags(rng, [rates[i] for i in chosen])
        for at in rng.permutation(count):
            supplier = drawn[chosen[at]][0]
            rows.append(_row(rng, world, split, len(rows), supplier, nones[at]))
    return rows


def _spread(rng, weights: list[float], count: int) -> list[int]:
    """`count` draws by systematic sampling: every supplier about as often as its weight says."""
    edges = np.cumsum(weights) / sum(weights)
    points = (rng.random() + np.arange(count)) / count
    return np.searchsorted(edges, np.minimum(points, edges[-1] - 1e-12), side="right").tolist()


def _spread_flags(rng, rates: list[float]) -> list[bool]:
    """True about as often as the running sum of rates says."""
    total = np.cumsum(rates) + rng.random()
    return (np.floor(total) > np.floor(np.concatenate([[total[0] - rates[0]], total[:-1]]))).tolist()


def _row(rng, world: int, split: str, number: int, supplier: Supplier, none: bool) -> dict:
    page = draw(rng, supplier, none)
    date = f"2024-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
    convention = supplier.convention
    beyond = not convention.expressible and page.answer != "None"
    meta = {
        "style": convention.style, "language": convention.language, "convention": convention.name,
        "expressible": "no" if beyond else "yes", "world": str(world), "supplier": supplier.name,
    }  # fmt: skip
    text = xml(rng, supplier, page, date)
    return {"id": f"w{world}-{number:03d}", "split": split, "xml": text, "answer": page.answer, "meta": meta}


def packed(rows: list[dict]) -> bytes:
    """The rows as xz-compressed JSON lines; the settings are fixed, so equal rows give equal bytes."""
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    return lzma.compress(text.encode("utf-8"), check=lzma.CHECK_CRC64, preset=9)


def describe() -> str:
    """A Markdown table of the shipped worlds."""
    from fgo_kit.benchmarks.logisticsqa.benchmark import WORLDS

    columns = [_column(world) for world in WORLDS]
    heads = "| world | " + " | ".join(map(str, WORLDS)) + " |\n" + "|---" * (len(WORLDS) + 1) + "|\n"
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return heads + "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _column(world: int) -> dict[str, str]:
    from fgo_kit.benchmarks.logisticsqa import benchmark as lqa
    from fgo_kit.records import Trajectory

    bench = lqa.load(world=world)
    tasks = [*bench.train, *bench.gate, *bench.test]
    met = Counter(task.meta["supplier"] for task in bench.train)
    frequent = [bench.score(t, Trajectory(t.id, (), lqa.most_frequent_reference(t))) for t in tasks]
    sizes = [len(task.text) / 4 for task in tasks]
    return {
        "documents (train + gate + test)": f"{len(bench.train)} + {len(bench.gate)} + {len(bench.test)}",
        "suppliers": str(len({t.meta["supplier"] for t in tasks})),
        "suppliers with one or two training documents": str(sum(n <= 2 for n in met.values())),
        "conventions": str(len({t.meta["convention"] for t in tasks})),
        "structured documents": _share(t.meta["style"] == "structured" for t in tasks),
        "answer None": _share(lqa.is_none(t.answer) for t in tasks),
        "answer None, test (the score of always None)": _share(lqa.is_none(t.answer) for t in bench.test),
        "beyond the rule language": _share(t.meta["expressible"] == "no" for t in tasks),
        "test documents of unseen suppliers": _share(t.meta["supplier"] not in met for t in bench.test),
        "score of most frequent reference, all": _share(frequent),
        "characters/4, median and 95 %": f"{np.median(sizes):.0f}, {np.quantile(sizes, 0.95):.0f}",
        "file": f"{(HERE / f'world{world}.jsonl.xz').stat().st_size / 1000:.0f} kB",
    }


def _share(flags) -> str:
    return f"{100 * np.mean(list(flags)):.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description="make or describe the worlds of LogisticsQA-gen")
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: world<n>.jsonl.xz beside this file")
    parser.add_argument("--describe", action="store_true", help="print a table of the shipped worlds")
    given = parser.parse_args()
    if given.describe:
        print(describe())
        return
    out = given.out or HERE / f"world{given.world}.jsonl.xz"
    out.write_bytes(packed(world_rows(given.world)))
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
