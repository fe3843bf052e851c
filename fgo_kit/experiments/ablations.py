"""Ablations: grids over several factors, and what a row of `compare` does not hold.

`crossed` makes the variants of a grid, `details` gives the further columns of a run (rule overlap, rules
kept by support, gate decisions), and the tables set them out with intervals. Their figures are in
`plots`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ..algorithm.benchmark import Benchmark
from ..algorithm.context import Context
from ..algorithm.gates import mean_score
from ..algorithm.rollout import rollouts
from ..algorithm.settings import Settings
from ..calls.limits import Limits
from ..calls.log import CallLog, Place
from ..calls.meter import Meter
from ..calls.protocol import LLM
from ..records import MergeNode, Module, Rule
from ..report.summary import REFERENCE, percent, score_matrix, summary
from ..runs.result import Run
from ..stats import Interval, paired_difference

SUPPORT = ("1", "2-3", "4+", "unknown")
"""Classes of rules by the number of training tasks said to speak for them; unknown after a rewrite."""
NAN = Interval(float("nan"), float("nan"), float("nan"))


# -- the grid


def crossed(**factors: Sequence) -> dict[str, dict]:
    """Every combination of the factors' values as variants of `compare`, under labels that name them.

    >>> list(crossed(divide=["random", "similar"], n_subsets=[4], gate=["none"]))
    ['random, N = 4, no gate', 'similar, N = 4, no gate']
    """
    variants = {}
    for values in product(*factors.values()):
        chosen = dict(zip(factors, values, strict=True))
        variants[label(**chosen)] = chosen
    return variants


def label(**chosen: object) -> str:
    """The label that `crossed` gives one combination.

    >>> label(divide="similar", n_subsets=None)
    'similar, N by budget'
    """
    return ", ".join(said(name, value) for name, value in chosen.items())


def said(factor: str, value: object) -> str:
    """A setting in the words of labels, tables and figures.

    >>> said("n_subsets", None), said("edits", False), said("gate", "hard"), said("merge", "oneshot")
    ('N by budget', 'rewrite', 'hard gate', 'oneshot')
    """
    if factor == "n_subsets":
        return {None: "N by budget", "sqrt": "N = √n", "each": "N = n"}.get(value, f"N = {value}")
    if factor == "edits":
        return "edits" if value else "rewrite"
    if factor == "gate":
        return "no gate" if value == "none" else f"{value} gate"
    return str(value) if isinstance(value, str) else f"{factor.replace('_', '-')} {value}"


def one_at_a_time(default: Mapping, **factors: Sequence) -> dict[str, dict]:
    """The default, and every variant that differs from it in one factor, labelled as by `crossed`.

    >>> list(one_at_a_time({"gate": "none", "fan_in": 2}, gate=["hard"], fan_in=[2, 4]))
    ['no gate, fan-in 2', 'hard gate, fan-in 2', 'no gate, fan-in 4']
    """
    changes = [{}, *({name: value} for name, values in factors.items() for value in values)]
    chosen = [{**default, **change} for change in changes]
    return {label(**one): one for one in chosen}


def with_factors(table: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """The table with every factor of the variants as a column of words (see `said`), from its column `method`."""
    factors = list(dict.fromkeys(name for chosen in variants.values() for name in chosen if name != "method"))

    def column(name: str) -> list[str]:
        chosen = [variants.get(label, {}) for label in table["method"]]
        return [said(name, one[name]) if name in one else "" for one in chosen]

    return table.assign(**{name: column(name) for name in factors})


# -- further columns of a run


def details(run: Run, bench: Benchmark, llm: LLM) -> dict:
    """For `compare(after=details)`: what the merge tree of a run says, in a few numbers.

    overlap: see `rule_overlap`. leaf_rules: rules of all subsets. kept_by_support: for every class of
    `SUPPORT` [rules the subsets wrote, those that went into the final module]. gated: see `gate_decisions`.
    Empty or NaN for a method without merges.
    """
    tree = run.merge_tree
    leaves = [node.module for node in tree.walk() if not node.children] if tree else []
    return {
        "overlap": rule_overlap(leaves), "leaf_rules": sum(len(module.rules) for module in leaves),
        "kept_by_support": kept_by_support(tree), "gated": gate_decisions(run, bench, llm),
    }  # fmt: skip


def rule_overlap(leaves: Sequence[Module]) -> float:
    """Share of the subsets' rules that another subset wrote too, in the same words but for case and spaces.

    Every subset's own repetitions count once. NaN for fewer than two subsets, or without any rule.
    """
    texts = [{" ".join(rule.text.casefold().split()) for rule in module.rules} for module in leaves]
    shared = sum(any(text in other for j, other in enumerate(texts) if j != i)
                 for i, own in enumerate(texts) for text in sorted(own))  # fmt: skip
    written = sum(map(len, texts))
    return shared / written if written and len(leaves) > 1 else float("nan")


def kept_by_support(tree: MergeNode | None) -> dict[str, list[int]]:
    """For every class of `SUPPORT`: [rules in the leaves, those that live on in the tree's own module].

    A rule lives on as itself or in rules that name it as a parent, through every merge. A rewrite says
    nothing of lineage: there a rule lives on only word for word.
    """
    counts = {name: [0, 0] for name in SUPPORT}
    final = {rule.id for rule in tree.module.rules} if tree else set()
    for rule, lives in _leaf_rules(tree, final) if tree else ():
        counts[support_class(len(rule.support))][0] += 1
        counts[support_class(len(rule.support))][1] += lives
    return counts


def support_class(support: int) -> str:
    """The class of a rule with so many supporting tasks.

    >>> [support_class(n) for n in (0, 1, 3, 9)]
    ['unknown', '1', '2-3', '4+']
    """
    return "unknown" if support < 1 else "1" if support == 1 else "2-3" if support <= 3 else "4+"


def _leaf_rules(node: MergeNode, alive: set[str]) -> Iterator[tuple[Rule, bool]]:
    """Every leaf's rules, with whether they live on; `alive`: the ids at `node` that do."""
    if not node.children:
        yield from ((rule, rule.id in alive) for rule in node.module.rules)
        return
    below = alive | {parent for rule in node.module.rules if rule.id in alive for parent in rule.parents}
    for child in node.children:
        yield from _leaf_rules(child, below)


def gate_decisions(run: Run, bench: Benchmark, llm: LLM) -> list[dict]:
    """Every gated merge: how its candidate compares with the best child, on the gate split and on the test split.

    accepted; gate, test: mean score of the candidate minus that of the child which the gate has in its
    place. The test split is rolled out for this alone, outside the run and its tokens, and only with a
    simulated LLM: with another, `test` is NaN.
    """
    if run.config["gate"] == "none" or run.merge_tree is None:
        return []
    at_gate: dict[str, list[float]] = {}
    for judged in run.state.record:
        if judged.place.phase == "gate":
            at_gate.setdefault(judged.place.node, []).append(judged.trajectory.score)
    on_test = _test_means(run, bench, llm)
    found = []
    for node in run.merge_tree.walk():
        of_child = [mean_score(at_gate.get(f"{node.id}<{child.id}", [])) for child in node.children]
        if node.candidate is None or not np.isfinite(of_child).any() or node.id not in at_gate:
            continue
        best = node.children[int(np.nanargmax(of_child))].module
        found.append({
            "node": node.id, "accepted": not node.decision.startswith("kept"),
            "gate": mean_score(at_gate[node.id]) - float(np.nanmax(of_child)),
            "test": on_test(node.candidate) - on_test(best),
        })  # fmt: skip
    return found


def _test_means(run: Run, bench: Benchmark, llm: LLM) -> Callable[[Module], float]:
    """Mean test score of a module under a run's settings, each text rolled out once."""
    if not llm.simulated:
        return lambda module: float("nan")
    settings = Settings(counts=run.config["counts"], audit=run.config["audit"], seed=run.config["seed"])
    seed, known = run.config["seed"], {str(run.module): run.score}

    def of(module: Module) -> float:
        if str(module) not in known:
            ctx = Context(bench, Meter(llm, CallLog(None), "gates", Limits(workers=1), sample=seed), settings)
            scores = [t.score for t in rollouts(ctx, module, bench.test, Place("test"))]
            known[str(module)] = mean_score(scores)
        return known[str(module)]

    return of


# -- tables


def ablation(rows: pd.DataFrame, variants: Mapping[str, dict], reference: str = REFERENCE) -> pd.DataFrame:
    """`report.summary` with the factors of the variants, and rule overlap with its interval over seeds."""
    table = with_factors(summary(rows, reference), variants)
    keys = [(row["llm"], row["method"]) for row in table.to_dict("records")]
    runs = dict(tuple(rows.groupby(["llm", "method"], sort=False)))
    shares = [over_seeds(runs[key]["overlap"], runs[key]["seed"]) for key in keys]
    return table.assign(overlap=[s.value for s in shares], overlap_lo=[s.lo for s in shares],
                        overlap_hi=[s.hi for s in shares])  # fmt: skip


def over_seeds(values: Sequence[float], seeds: Sequence[int], weights: Sequence[float] | None = None) -> Interval:
    """Mean with a 95 % interval over seeds: values of one seed stay together, as they share their luck.

    Student's t for the ratio of seed totals (Cochran 1977, 6.3). weights: how much each value counts, e.g. rules
    written where values are shares kept. NaN values are left out; without any left, all is NaN, and the
    interval is with values of fewer than two seeds. Values within [0, 1] have an interval within it.

    >>> over_seeds([0.5, 0.5, 1.0, 0.0], [1, 1, 2, 2]).value
    0.5
    """
    frame = pd.DataFrame({"v": np.asarray(values, float), "s": np.asarray(seeds), "w": 1.0})
    frame = frame.assign(w=1.0 if weights is None else np.asarray(weights, float)).dropna()
    frame = frame[frame["w"] > 0]
    if frame.empty:
        return NAN
    sums = frame.assign(v=frame["v"] * frame["w"]).groupby("s")[["v", "w"]].sum().to_numpy()
    total, n = sums[:, 1].sum(), len(sums)
    mean = float(sums[:, 0].sum() / total)
    if n < 2:
        return Interval(mean, float("nan"), float("nan"))
    rest = sums[:, 0] - mean * sums[:, 1]
    half = float(stdtrit(n - 1, 0.975) * np.sqrt(n / (n - 1) * (rest**2).sum()) / total)
    bounds = (0.0, 1.0) if frame["v"].between(0, 1).all() else (-np.inf, np.inf)
    return Interval(mean, *np.clip([mean - half, mean + half], *bounds).tolist())


def show_grid(table: pd.DataFrame, down: str, across: str, value: str = "score") -> pd.DataFrame:
    """A table for reading: a row for every value of one factor, a column for every value of another, in per cent."""
    bounds = (f"{value}_lo", f"{value}_hi") if f"{value}_lo" in table else ("lo", "hi")
    cells = table.assign(cell=[percent(*row) for row in table[[value, *bounds]].to_numpy()])
    wide = cells.pivot(index=down, columns=across, values="cell").fillna("")
    return wide.loc[list(dict.fromkeys(table[down])), list(dict.fromkeys(table[across]))].rename_axis(columns=None)


TOKEN_FIGURES = {
    "tokens_call_mean": "mean of a call", "tokens_optimiser": "all calls together", "tokens_all_in": "all in",
}  # fmt: skip


def token_table(rows: pd.DataFrame, variants: Mapping[str, dict]) -> pd.DataFrame:
    """The three token figures in thousands as rows: method and factors, figure, mean with its interval over seeds."""
    table = []
    for (llm, method), runs in rows.groupby(["llm", "method"], sort=False):
        for name, title in TOKEN_FIGURES.items():
            found = over_seeds(runs[name] / 1000, runs["seed"])
            line = {"llm": llm, "method": method, "figure": title, "constants": runs["constants"].iloc[0]}
            table.append(line | {"value": found.value, "lo": found.lo, "hi": found.hi})
    return with_factors(pd.DataFrame(table).dropna(subset=["value"]), variants)


def kept_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an LLM, method and class of support: rules that subsets wrote, in all runs, and the share kept.

    share, lo, hi: of all rules of that class that subsets wrote, pooled over runs, with its
    interval over seeds. Classes nobody wrote a rule of are left out.
    """
    table = []
    for (llm, method), runs in rows.dropna(subset=["kept_by_support"]).groupby(["llm", "method"], sort=False):
        for name in SUPPORT:
            written, kept = np.array([counts[name] for counts in runs["kept_by_support"]], float).T
            share = over_seeds(kept / np.where(written, written, np.nan), runs["seed"], written)
            if written.any():
                line = {"llm": llm, "method": method, "support": name, "rules": int(written.sum())}
                line |= {"share": share.value, "lo": share.lo, "hi": share.hi}
                table.append(line | {"constants": runs["constants"].iloc[0]})
    return pd.DataFrame(table, columns=["llm", "method", "support", "rules", "share", "lo", "hi", "constants"])


def gate_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a gated merge of any run: method, kind of gate, seed and what `gate_decisions` found."""
    table = [
        {**{name: row[name] for name in ("llm", "method", "seed", "constants")}, "kind": row["gate"], **decision}
        for row in rows.to_dict("records") if isinstance(row.get("gated"), list) for decision in row["gated"]
    ]  # fmt: skip
    columns = ["llm", "method", "seed", "constants", "kind", "node", "accepted", "gate", "test"]
    return pd.DataFrame(table, columns=columns)


def gate_table(decisions: pd.DataFrame) -> pd.DataFrame:
    """What each kind of gate refused and let through, and how that looks on the test split.

    right: share of refused candidates that are worse there than what was kept (of accepted ones: no worse),
    ties counted as half for refusals. gate, test: mean difference of the candidate to the best child on
    the two splits. Intervals resample seeds.
    """
    table = []
    for (llm, kind, accepted), part in decisions.groupby(["llm", "kind", "accepted"], sort=False):
        right = np.where(part["test"] == 0, 1.0 if accepted else 0.5, (part["test"] > 0) == accepted).astype(float)
        right[part["test"].isna()] = np.nan
        line = {"llm": llm, "gate": kind, "candidates": "accepted" if accepted else "refused", "merges": len(part)}
        for name, values in (("right", right), ("on_gate", part["gate"]), ("on_test", part["test"])):
            found = over_seeds(values, part["seed"])
            line |= {name: found.value, f"{name}_lo": found.lo, f"{name}_hi": found.hi}
        table.append(line)
    return pd.DataFrame(table)


def differences(
    rows: pd.DataFrame, pairs: Sequence[tuple[str, str]], level: float = 0.95, seeds: Sequence[int] | None = None
) -> pd.DataFrame:
    """Paired difference in score for pairs of methods (one LLM's rows), with simultaneous intervals.

    The intervals hold together at `level` (Bonferroni over the pairs). verdict: better, worse, unclear, or "not
    known" where the two have no scored task of a seed in common. seeds: only those; all by default.
    """
    rows = rows if seeds is None else rows[rows["seed"].isin(seeds)]
    scores = {method: score_matrix(runs) for method, runs in rows.groupby("method", sort=False)}
    each, table = 1 - (1 - level) / max(len(pairs), 1), []
    for method, other in pairs:
        mine, theirs = scores[method].align(scores[other], join="inner")
        enough = mine.size > 0
        rng = np.random.default_rng(0)
        found = bounded(paired_difference([mine.to_numpy()], [theirs.to_numpy()], rng, each)) if enough else NAN
        told = "better" if found.lo > 0 else "worse" if found.hi < 0 else "unclear"
        verdict = "not known" if np.isnan(found.value) else told
        line = {"method": method, "other": other, "difference": found.value, "lo": found.lo, "hi": found.hi}
        table.append(line | {"verdict": verdict})
    return pd.DataFrame(table, columns=["method", "other", "difference", "lo", "hi", "verdict"])


def bounded(found: Interval) -> Interval:
    """A difference of two scores, which lies within [-1, 1]; with few seeds Student's t reaches far beyond."""
    return Interval(found.value, *np.clip([found.lo, found.hi], -1, 1).tolist())
