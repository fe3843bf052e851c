"""08: what others measured about merging, and what the simulated LLM does in the same form of merging.

The merger's level was chosen by the findings marked "used to choose" (`data/external_findings.csv`) alone; the others
were kept to check it. Tasks and models are others than ours, so the signs are compared, and sizes only shown.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..algorithm.benchmark import Benchmark
from ..calls.protocol import LLM
from ..calls.tokens import estimate
from ..records import Module
from ..report.summary import paired, score_matrix
from ..report.verdicts import spelled
from ..runs.places import DATA
from ..runs.result import Run
from ..runs.variants import VARIANTS
from ..simulate.model import SimulatedLLM
from ..simulate.varied import varied
from ..stats import UNDEFINED, Interval, over_seeds
from .details import kept_by_support
from .model_card import ONCE, summhay_check, trace2skill_methods

FINDINGS = DATA / "external_findings.csv"
ONES, FOURS, PARALLEL, NOTHING = trace2skill_methods(4)
LEARNING = tuple(name for name, choices in VARIANTS.items() if "counts" in choices and not choices["counts"])
"""The paper's setting of every method that learns."""
LEVELS = ("weighing", "blind")
MEASURED = {
    "parallel": (PARALLEL, FOURS), "parallel_time": (PARALLEL, FOURS), "one_by_one": (ONES, FOURS),
    "skill": (PARALLEL, NOTHING), "reduce_rules": ("one reduce",), "shuffle_time": ("combee", ONES),
    "shuffle_points": ("combee", ONES), "rewrite_tokens": ("one rewrite",), "rewrite_points": ("one rewrite", "union"),
    "coverage": (), "batch_up": ("eight at a time", ONES), "batch_down": ("all in one batch", "eight at a time"),
    "below": LEARNING,
}  # fmt: skip
"""The method that shows a finding, and the one it is compared with. What is not here is not simulated."""


def llms(size: str = "large") -> dict[str, SimulatedLLM]:
    """A simulated LLM at either level of its merger."""
    return {"weighing": varied(size, weighing=1), "blind": varied(size, weighing=0)}


def methods(n_train: int) -> dict[str, dict]:
    """What is compared, in the form of merging of each finding; all but the paper's settings learn once from a task."""
    each = {"method": "fgo", "n_subsets": n_train, **ONCE}
    batches = {"method": "bootstrapping", **ONCE}
    return trace2skill_methods(n_train) | {
        "one reduce": each | {"merge": "oneshot", "edits": "list"},
        "combee": {"method": "combee", "edits": "list", **ONCE},
        "one rewrite": each | {"merge": "oneshot", "edits": False},
        "union": each | {"merge": "concat", "edits": False},
        "eight at a time": batches | {"n_subsets": n_train // 8},
        "all in one batch": batches | {"n_subsets": 1},
    } | {name: VARIANTS[name] for name in LEARNING}  # fmt: skip


def merged(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=merged)`: what is left in the final module of what the subsets wrote, as the shares rules_left
    and tokens_left. NaN for a method without merges."""
    counts = np.array(list(kept_by_support(run.merge_tree).values())).sum(axis=0)
    written = sum(_tokens(leaf.module) for leaf in run.merge_tree.leaves) if run.merge_tree else 0
    shares = ((counts[1], counts[0]), (_tokens(run.module), written))
    left = [float(part / whole) if whole else float("nan") for part, whole in shares]
    return {"rules_left": left[0], "tokens_left": left[1]}


def _tokens(module: Module) -> int:
    return estimate("\n".join(rule.text for rule in module.rules))


def findings_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The published findings with what was simulated: one row a finding.

    rows: `compare` of `methods` with `merged`, at both levels of `llms`. Columns: those of the file, and for each of
    `LEVELS` its value, with _lo and _hi, and _sign: "+", "-", "unclear" or "not simulated". Points and per cent are
    times 100; "times" is how many times as fast, where no change is 1.
    """
    table, named = pd.read_csv(FINDINGS), llms()
    for level in LEVELS:
        runs, lines = rows[rows["llm"] == named[level].name], []
        for name, measure in zip(table["name"], table["measure"], strict=True):
            found = _simulated(runs, name, measure) if name in MEASURED else UNDEFINED
            scale = 1 if measure == "times" else 100
            lines.append([scale * found.value, scale * found.lo, scale * found.hi, sign(found, measure)])
        table = table.join(pd.DataFrame(lines, columns=[level, f"{level}_lo", f"{level}_hi", f"{level}_sign"]))
    return table


def _simulated(runs: pd.DataFrame, name: str, measure: str) -> Interval:
    """What is simulated for a finding, at one level: a difference of scores, a ratio, or a share less 1."""
    if name == "coverage":
        left = float(summhay_check().set_index("measure").loc["summhay_coverage", "large-nolima"])
        return Interval(left - 1, left - 1, left - 1)
    by_method = {method: part.set_index("seed") for method, part in runs.groupby("method", sort=False)}
    first, *others = [by_method[method] for method in MEASURED[name]]
    if name == "below":
        scores = pd.concat([part["score"] - by_method[NOTHING]["score"] for part in (first, *others)])
        return _over_seeds((scores < 0).astype(float))
    if measure == "points":
        return paired(*(score_matrix(part.reset_index()) for part in (first, *others)))
    if measure == "times":
        return _over_seeds(others[0]["chain"] / first["chain"])
    return _over_seeds(first["rules_left" if measure == "% of rules" else "tokens_left"] - 1)


def _over_seeds(values: pd.Series) -> Interval:
    return over_seeds(values.to_list(), values.index.to_list())


def sign(found: Interval, measure: str) -> str:
    """The sign of what was simulated, where its interval leaves out that nothing changes.

    >>> sign(Interval(0.3, 0.1, 0.5), "points"), sign(Interval(0.5, 0.4, 0.6), "times")
    ('+', '-')
    """
    if np.isnan(found.value):
        return "not simulated"
    unchanged = 1 if measure == "times" else 0
    return "+" if found.lo > unchanged else "-" if found.hi < unchanged else "unclear"


def missed(table: pd.DataFrame) -> list[str]:
    """Every published sign that the simulation does not show, in plain words from the numbers."""
    lines = []
    for row in table.to_dict("records"):
        for level in LEVELS:
            found = row[f"{level}_sign"]
            if found == "not simulated" or found == row["sign"] or (row["sign"] == "0 or +" and found != "-"):
                continue
            words = "the opposite" if found != "unclear" else "not significantly different from no change"
            published = f"{row['finding']}; {row['source']}: published {row['sign']}{_size(row['size'])}"
            simulated = f"simulated with a {level} merger {_of_level(row, level)} {row['measure']}"
            lines.append(f"{published}, {simulated}: {words}")
    return lines


def show_findings(table: pd.DataFrame) -> pd.DataFrame:
    """A `findings_table` for reading."""
    shown = table[["finding", "source", "form", "use", "measure"]].copy()
    shown["published"] = [row["sign"] + _size(row["size"]) for row in table.to_dict("records")]
    for level in LEVELS:
        shown[level] = [_of_level(row, level) for row in table.to_dict("records")]
    return shown


def _size(size: float) -> str:
    return "" if np.isnan(size) else f" ({abs(size):g})"


def _of_level(row: dict, level: str) -> str:
    if row[f"{level}_sign"] == "not simulated":
        return "not simulated"
    return spelled(Interval(row[level], row[f"{level}_lo"], row[f"{level}_hi"]))
