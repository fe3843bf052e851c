"""The page of all results: `paper_figures/README.md`, written from the CSVs in that folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .summary import REFERENCE, cells, numbers, p_together, p_values, relative_tokens

TITLES = {
    "main_results": "How do the methods compare on the three sets?",
    "quickstart_methods": "LogisticsQA-gen: the four profiles of the simulated LLM",
    "quickstart_sources": "LogisticsQA-gen: other readings of how far a prompt is noticed",
    "real_invoices_methods": "Real invoices (81 of matrix-paper, cross-validated)",
    "alfworld_official_methods": "ALFWorld's own games, train to valid_seen, one seed",
    "matched_tokens": "At matched tokens, compared with fgo",
    "fgo_steps": "From fgo to fgo+, one change after another",
    "without_gold": "LogisticsQA-gen: learning from a judge that does not see the right answers",
    "division_profiles": "Division strategies, compared with the default",
    "merge_profiles": "Merge strategies, compared with the default",
    "merge_plane": "Width and depth, compared with all at once under the same switches",
    "merge_plane_alfworld": "The same on ALFWorld-gen",
    "merge_plane_gaia": "The same on GAIA-like",
    "held_out_trace2skill": "Held-out check: parallel merging against learning in sequence (Trace2Skill)",
    "paper_table": "The paper's claims",
    "token_changes": "Change of fgo's tokens compared with all_at_once, per cent",
    "dataset_size_consistency": "Consistency over training-set sizes",
    "merge_gates": "What gates refuse, and whether the test split bears it out",
    "everywhere": "fgo+ compared with the best method in sequence, on every set, profile and level of merger",
    "everywhere_together": "The same, all profiles and mergers of a set together",
    "merge_oracle": "What the union of all rules would gain, were it chosen with all training answers known",
    "merge_dissection": "Why answers are wrong: shares of the test tasks, by cause",
    "merge_dissection_alfworld": "The same on ALFWorld-gen",
    "merge_dissection_gaia": "The same on GAIA-like",
    "held_out_findings": "Findings of others about merging, and what is simulated in the same form",
    "held_out_summhay": "Held-out check: SummHay",
}


SUMMARY = {"benchmark", "llm", "method", "score", "lo", "hi", "gain", "gain_lo", "gain_hi", "gain_p", "tokens_all_in",
           "chain"}  # fmt: skip
"""The columns by which a table is known to be a summary of runs."""


def results_page(folder: Path) -> str:
    """The page as Markdown: one table a question, for every CSV of `TITLES` that is in the folder.

    Of a summary: score and paired gain with 95 % intervals, the gain's p by itself and among all, all tokens compared
    with all_at_once's, and the critical path: calls that wait for each other.
    """
    parts = [
        "# Results", "", "Written from the CSV files in this folder, which hold more columns; each has its provenance",
        "in the JSON of the same name. **What is marked simulated is no evidence about any named model.**",
    ]  # fmt: skip
    for name, title in TITLES.items():
        if (folder / f"{name}.csv").is_file():
            table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
            shown = _summary_table(table) if set(table) >= SUMMARY else _plain_table(table)
            parts += ["", f"## {title}", "", f"`{name}.csv`", "", markdown(shown)]
    return "\n".join(parts) + "\n"


def _summary_table(table: pd.DataFrame) -> pd.DataFrame:
    shown = table[["benchmark", "llm", "method"]].copy()
    shown["score, %"], shown["gain, points"] = cells(table), cells(table, "gain", "+")
    shown["p"], shown["p, all rows"] = p_values(table["gain_p"]), p_values(p_together(table))
    shown["tokens, times all_at_once"] = numbers(relative_tokens(table, REFERENCE), 2)
    shown["waiting calls"] = numbers(table["chain"], 0)
    return shown[[name for name in shown if (shown[name] != "").any()]]


def _plain_table(table: pd.DataFrame) -> pd.DataFrame:
    kept = table.drop(columns=[name for name in ("constants", "simulated") if name in table])
    return kept.map(lambda value: "" if value != value else f"{value:.3g}" if isinstance(value, float) else str(value))


def markdown(table: pd.DataFrame) -> str:
    """A table of texts as Markdown.

    >>> print(markdown(pd.DataFrame({"a": ["1"], "b": ["x|y"]})))
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    """
    rows = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
