"""01: the methods on three sets, at matched tokens, and one change after another from fgo to fgo+."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..algorithm.benchmark import Benchmark
from ..benchmarks.logisticsqa.benchmark import is_none
from ..calls.protocol import LLM
from ..report.drawing import colour_of, draw_bars, draw_rows, finish, in_lines, tidy
from ..report.summary import REFERENCE, cells, differences, numbers, relative_tokens, show, summary
from ..report.verdicts import headline, judged
from ..runs.places import SHIPPED
from ..runs.result import Run
from ..runs.variants import PAPER, VARIANTS
from ..stats import over_seeds
from .presets import preset
from .sets import MAIN_LOG, PEERS, SETS, Grid, in_worlds, peers, three_sets

CHANGES = {
    "+ random subsets": ("divide",), "+ one merge of all": ("merge",), "+ review": ("review",),
    "+ 2 passes of 1 epoch": ("passes", "epochs"), "+ counts = fgo+": ("counts",),
}  # fmt: skip
OFFICIAL = ("base", "all_at_once", "bootstrapping", "fgo", "fgo+")
"""Played on official games, where somebody has them."""
PILOT = SHIPPED / "paper_figures" / "pilot"
ERRORS = {
    "missed": ("#0072B2", "no answer where there is one"), "invented": ("#E69F00", "an answer where there is none"),
    "other": ("#CC79A7", "another answer"),
}  # fmt: skip
"""Kinds of errors on test tasks: their colours, and what they are."""


def grids(name: str) -> dict[str, Grid]:
    """The notebook's grids at a preset: the methods on the three sets, and the steps to fgo+ on two of them.

    A preset with methods of its own has these alone, in a log of its own, which can be handed on and replayed.
    """
    chosen = preset(name)
    if chosen.methods:
        few = {method: VARIANTS[method] for method in chosen.methods}
        return three_sets(chosen, few, f"data/runs/{name}.sqlite")
    steps = ladder() | {name: VARIANTS[name] for name in ("bootstrapping", "bootstrapping + counts")}
    found = three_sets(chosen, VARIANTS | peers(), MAIN_LOG)
    if name == "full":
        own, few = {"path": True, "test_split": "valid_seen"}, {method: VARIANTS[method] for method in OFFICIAL}
        found["official games"] = Grid("alfworld", (own,), few, chosen.seeds[:1], MAIN_LOG)
    return found | {f"{played} steps": in_worlds(played, chosen, steps, MAIN_LOG) for played in ("logisticsqa", "gaia")}


def waiting_title(table: pd.DataFrame, method: str = "fgo+", other: str = "bootstrapping") -> str:
    """How many times fewer calls of one method wait for each other than of another, over a summary's benchmarks."""
    chains = table.pivot(index="benchmark", columns="method", values="chain").reindex(columns=[method, other])
    times = (chains[other] / chains[method]).dropna()
    if times.empty:
        return ""
    least, most = f"{times.min():.2g}", f"{times.max():.2g}"
    span = least if least == most else f"{least} to {most}"
    return f"{method}: {span} times fewer calls that wait for each other than {other}"


def kept(table: pd.DataFrame, method: str = "fgo+") -> pd.DataFrame:
    """How much of the best gain over base the default keeps: a row a benchmark and LLM of a summary.

    Columns: benchmark, llm, best (the method that gains most), "its gain, points", "kept, %" (NaN where none gains).
    """
    lines = []
    for (benchmark, llm), part in table.groupby(["benchmark", "llm"], sort=False):
        score = 100 * part.set_index("method")["score"]
        gain = (score - score["base"]).dropna()
        share = 100 * gain[method] / gain.max() if gain.max() > 0 else math.nan
        lines.append((benchmark, llm, gain.idxmax(), round(gain.max(), 1), round(share, 0)))
    return pd.DataFrame(lines, columns=["benchmark", "llm", "best", "its gain, points", "kept, %"])


# -- with a real model

PILOT_MODEL = "openai:gpt-6-luna"
"""Small and current in November 2026. The study may cost 5 USD with any model, and stops there."""


def pilot() -> pd.DataFrame:
    """Test scores of the study with a real model (`PRESET=pilot`), set x method, "not run" where nobody has run it."""
    shown = pd.DataFrame("not run", pd.Index(SETS.values(), name="set"), preset("pilot").methods)
    if (file := PILOT / "main_results.csv").is_file():
        table = pd.read_csv(file).dropna(subset=["score"])
        real = table[~table["llm"].str.startswith("simulated") & table["method"].isin(shown.columns)]
        for row, cell in zip(real.itertuples(), cells(real), strict=True):
            shown.loc[row.benchmark, row.method] = cell
    return shown


# -- at matched tokens


LEARNERS = (REFERENCE, "bootstrapping", *PEERS)
"""What the target is matched with."""
RANKED = ("base", "always_none", "fgo", *LEARNERS)
"""The methods of the picture at matched tokens, besides variants with more epochs and few-shot prompting."""


def matched(table: pd.DataFrame, target: str = "fgo", epochs: int = 2) -> dict[str, dict]:
    """Variants with more epochs that bring the target's and another method's total tokens as near as epochs can.

    A method cheaper than the target gets the nearest number of epochs to the target's total; compared with a dearer
    one the target gets more. table: a summary of one benchmark and LLM, measured with `epochs`; what a run takes
    grows in proportion. Whole epochs leave totals up to half an epoch apart: `show_matched` says how far.
    And few-shot prompting, with examples up to the length of the target's final prompts (column prompt_tokens).
    """
    by_method = table.set_index("method")
    totals, variants = by_method["tokens_all_in"], {}
    if not math.isnan(length := by_method.get("prompt_tokens", pd.Series(dtype=float)).get(target, math.nan)):
        variants["few_shot"] = {"method": "few_shot", "controls": {"max_tokens": round(length)}}
    for method in LEARNERS:
        times = totals.get(target, math.nan) / totals.get(method, math.nan)
        if math.isnan(times):
            continue
        cheaper, needed = (method, epochs * times) if times > 1 else (target, epochs / times)
        if (nearest := math.floor(needed + 0.5)) > epochs:
            variants[f"{cheaper}, {nearest} epochs"] = {"method": cheaper, **PAPER, "epochs": nearest}
    return variants


def ranked(table: pd.DataFrame, target: str = "fgo", within: float = 0.25) -> pd.DataFrame:
    """The rows of `tokens.with_costs` that can be ranked: peers (`sets.PEERS`) only at matched rollouts or tokens.

    Matched is what lies within that share of a row of the target, on the same benchmark and LLM.
    """
    kinds, fair = table["method"].str.partition(",")[0], pd.Series(True, table.index)
    for at, peer in table[kinds.isin(PEERS)].iterrows():
        own = table[(kinds == target) & (table["benchmark"] == peer["benchmark"]) & (table["llm"] == peer["llm"])]
        off = [(own[name] / peer[name] - 1).abs().min() for name in ("rollouts", "tokens_all_in")]
        fair[at] = min(off) <= within
    return table[fair]


def show_matched(table: pd.DataFrame, target: str = "fgo") -> pd.DataFrame:
    """A summary with gains over the target for reading, with total tokens as multiples of the target's."""
    return show(table, target).assign(**{f"tokens in total, {target} = 1": numbers(relative_tokens(table, target), 2)})


def matched_differences(rows: pd.DataFrame, target: str = "fgo") -> pd.DataFrame:
    """For every benchmark and LLM: the target against each method that learns, at the epochs whose tokens are nearest,
    and against few-shot prompting.

    rows: those of `compare` with the variants of `matched`. Columns: benchmark, llm, tokens (those of the first over
    those of the other), and those of `report.differences`, whose intervals hold together in a benchmark. What differs
    in tokens still is not corrected for.
    """
    tables = {}
    for key, part in rows.groupby(["benchmark", "llm"], sort=False):
        used = part.groupby("method", sort=False)["tokens_all_in"].mean().dropna()
        of = {kind: [method for method in used.index if method.partition(",")[0] == kind]
              for kind in (target, *LEARNERS)}  # fmt: skip
        pairs = [[(own, other) for own in of[target] for other in of[kind]] for kind in LEARNERS]
        nearest = [min(among, key=lambda pair, used=used: abs(math.log(used[pair[0]] / used[pair[1]])))
                   for among in pairs if among]  # fmt: skip
        nearest += [(own, "few_shot") for own in of[target][:1] if "few_shot" in used]
        tables[key] = differences(part, nearest)
        ratios = [used[own] / used[other] if used[other] else math.nan for own, other in nearest]
        tables[key].insert(0, "tokens", [round(ratio, 2) for ratio in ratios])
    return pd.concat(tables, names=["benchmark", "llm"]).reset_index([0, 1]).reset_index(drop=True)


# -- from fgo to fgo+


def ladder() -> dict[str, dict]:
    """Variants of `compare` from fgo to fgo+, each with one change more than the last.

    >>> list(ladder())[0], ladder()["+ counts = fgo+"] == VARIANTS["fgo+"]
    ('fgo', True)
    """
    steps = {"fgo": VARIANTS["fgo"]}
    for label, names in CHANGES.items():
        steps[label] = steps[list(steps)[-1]] | {name: VARIANTS["fgo+"][name] for name in names}
    return steps


def errors(run: Run, bench: Benchmark, llm: LLM) -> dict[str, float]:
    """For `compare(after=errors)`: shares of the test tasks by kind of error (`ERRORS`); failed calls are none."""
    kinds = dict.fromkeys(ERRORS, 0)
    gold = {task.id: task.answer for task in bench.test}
    played = [j.trajectory for j in run.state.record if j.place.phase == "test" and j.trajectory.ok]
    for trajectory in played:
        if trajectory.score < 0.5:
            expected = "invented" if is_none(gold[trajectory.task_id]) else "other"
            kinds["missed" if is_none(trajectory.answer) else expected] += 1
    return {kind: count / max(1, len(played)) for kind, count in kinds.items()}


def steps(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """`report.summary` of one set and LLM, with the shares of errors and the change that every step brought.

    Further columns: step, step_lo, step_hi: score minus that of the label before, paired on tasks and seeds; the
    intervals of all steps hold together. NaN for the first label, and for methods that are no step. missed, invented,
    other: see `ERRORS`.
    """
    table = summary(rows, labels[0])
    changes = differences(rows, zip(labels[1:], labels, strict=False)).set_index("method")
    for column, name in (("step", "difference"), ("step_lo", "lo"), ("step_hi", "hi")):
        table[column] = table["method"].map(changes[name])
    runs = dict(tuple(rows.groupby("method", sort=False)))
    for kind in ERRORS:
        table[kind] = [over_seeds(runs[method][kind], runs[method]["seed"]).value for method in table["method"]]
    return table


def show_steps(table: pd.DataFrame) -> pd.DataFrame:
    """`steps` for reading, with the verdict on every step and the gain over the first label."""
    shown = table[["benchmark", "method"]].assign(**{
        "score, %": cells(table), "step, points": cells(table, "step", "+"), "verdict": judged(table, "step"),
        "all steps, points": cells(table, "gain", "+"),
    })  # fmt: skip
    for kind, (_, meaning) in ERRORS.items():
        shown[f"{meaning}, %"] = numbers(100 * table[kind])
    shown["rules"], shown["thousand tokens in total"] = numbers(table["rules"]), numbers(table["tokens_all_in"] / 1000)
    return shown.set_index(["benchmark", "method"])


def plot_steps(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Scores with intervals, and next to them the errors as stacked bars: a row of panels a set."""
    rows = max(len(table) for table in tables.values())
    figure, axes = plt.subplots(len(tables), 2, figsize=(7.2, len(tables) * (0.2 * rows + 0.8)), sharey="row",
                                layout="constrained", squeeze=False)  # fmt: skip
    for (name, table), (left, right) in zip(tables.items(), axes, strict=True):
        labels, changed = list(table["method"]), table.dropna(subset=["step"])
        look = {label: {"color": colour_of("fgo" if label.startswith("+") else label)} for label in labels}
        verdicts = headline(changed["method"].str.removeprefix("+ "), judged(changed, "step"), "the step before")
        draw_rows(left, table, labels, ("method", "method"), "score", look, f"{name}\n{in_lines(verdicts, 48)}")
        shares = {meaning: 100 * table[kind] for kind, (_, meaning) in ERRORS.items()}
        colours = {meaning: colour for colour, meaning in ERRORS.values()}
        draw_bars(right, pd.DataFrame(shares).assign(method=range(len(table))), colours)
        tidy(right, x="errors, % of test tasks")
    return finish(figure, [constants for table in tables.values() for constants in table["constants"]])
