"""Execute every notebook in order and show what came out: `python -m fgo_kit.reproduce --help`.

Executed copies go to data/runs/executed/, figures to where the notebooks write them (paper_figures/, or
a folder of it with the name of another preset than full). Exit codes: 0 all ran, 1 a notebook failed, 2 not started.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .calls.budget import Tariff
from .calls.limits import Limits
from .runs.places import FIGURES, HOME, RUNS

HEADLINE = "quickstart_methods.csv"


@dataclass(frozen=True)
class Outcome:
    """What one notebook did: seconds taken, figure files it wrote, and its error ("" when it ran)."""

    name: str
    seconds: float
    figures: tuple[Path, ...] = field(default=())
    error: str = ""


def find_notebooks(folder: Path, pattern: str = "*") -> list[Path]:
    """The notebooks named NN_*.ipynb that are like the pattern, in order. Raises FileNotFoundError without any."""
    found = sorted(p for p in folder.glob(f"{pattern}.ipynb") if re.match(r"\d\d_", p.name))
    if not found:
        raise FileNotFoundError(f"no notebook named NN_*.ipynb in {folder}; give its folder with --notebooks, or copy "
                                "those that come with the package: fgo notebooks .")
    return found


def _stamps(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in sorted(folder.glob("*")) if p.is_file()}


def execute(notebook: Path, copy: Path, parameters: dict[str, str], figures: Path) -> Outcome:
    """Run one notebook in its own folder; inject those parameters which its `parameters` cell defines."""
    import papermill

    copy.parent.mkdir(parents=True, exist_ok=True)
    before, start, error = _stamps(figures), time.monotonic(), ""
    try:
        known = papermill.inspect_notebook(str(notebook))
        papermill.execute_notebook(
            str(notebook), str(copy), parameters={k: v for k, v in parameters.items() if k in known},
            kernel_name="python3", cwd=str(notebook.parent),
            extra_arguments=["--log-level=CRITICAL"],  # its errors are in the copy; that it is told to end is none
            progress_bar={"leave": False} if sys.stderr.isatty() else False,
        )  # fmt: skip
    except papermill.PapermillExecutionError as failure:
        error = f"cell In [{failure.exec_count}]: {failure.ename}: {failure.evalue}"
    except Exception as failure:  # a dead kernel or a broken file must not hide the other notebooks
        error = f"{type(failure).__name__}: {failure}"
    written = tuple(p for p, stamp in _stamps(figures).items() if before.get(p) != stamp)
    return Outcome(notebook.stem, time.monotonic() - start, written, error)


def check(model: str, preset: str) -> None:
    """Raises what is wrong with a model's spec, key or price or the preset, before anything is installed or run."""
    import fgo_kit as fgo

    Tariff(fgo.load_llm(model), Limits(budget_usd=fgo.preset(preset).total_usd))


def agreed(model: str, preset: str, yes: bool) -> bool:
    """True when the run may start: it is offline, `yes` was given, or the user accepts the estimate."""
    if model.partition(":")[0] in ("simulated", "replay"):
        return True
    import fgo_kit as fgo

    e = fgo.estimate_notebooks(fgo.load_benchmark("logisticsqa", n_train=fgo.preset(preset).n_train), model, preset)
    usd = "the price of this model is unknown" if e["usd"] is None else f"about {e['usd']:.2f} USD"
    print(f"{model}, preset {preset}: about {e['calls']:,} calls, {e['prompt_tokens']:,} prompt and "
          f"{e['completion_tokens']:,} completion tokens, {usd}. {e.get('note') or ''}".rstrip())
    if (total := fgo.preset(preset).total_usd) is not None:
        print(f"It stops before it has cost {total:g} USD in total; what is paid for is never paid for again.")
    if yes:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        print("Stopped: a paid model and no terminal to ask at; agree with YES=1 or --yes.", file=sys.stderr)
        return False
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


def headline(path: Path) -> str:
    """The scores in the methods table that the quickstart wrote, with their 95 % intervals."""
    import pandas as pd

    from .report.summary import cells

    table = pd.read_csv(path)
    return table.assign(score=cells(table))[["llm", "method", "score"]].to_string(index=False)


def write_page(figures: Path) -> None:
    """Write the page of all results into the folder of its tables."""
    from .report.results_page import results_page

    if any(figures.glob("*.csv")):
        (figures / "README.md").write_text(results_page(figures), encoding="utf-8")
        print(f"\nAll results: {figures / 'README.md'}")


def show(outcomes: list[Outcome], figures: Path) -> None:
    """Print the closing table: notebook, seconds, figures; then the headline scores if they are new."""
    width = max(len(o.name) for o in outcomes)
    print(f"\n{'notebook':<{width}}  {'seconds':>7}  figures written")
    for o in outcomes:
        names = "FAILED" if o.error else " ".join(p.name for p in o.figures)
        print(f"{o.name:<{width}}  {o.seconds:>7.1f}  {names}".rstrip())
    if any(figures / HEADLINE in o.figures for o in outcomes):
        print("", HEADLINE, headline(figures / HEADLINE), sep="\n")


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fgo_kit.reproduce", description="Execute all notebooks in order.")
    parser.add_argument("--preset", default="fast", help="fast, full or pilot; default: %(default)s")
    parser.add_argument("--model", default="simulated", help="as for fgo.load_llm; default: %(default)s")
    parser.add_argument("--check", action="store_true", help="only see whether preset and model can be had")
    parser.add_argument("--yes", action="store_true", help="do not ask before a paid model")
    parser.add_argument("--notebooks", type=Path, default=HOME / "notebooks", metavar="DIR")
    parser.add_argument("--out", type=Path, default=RUNS / "executed", metavar="DIR")
    args = parser.parse_args(argv)
    import fgo_kit as fgo

    try:
        check(args.model, args.preset)
        notebooks = find_notebooks(args.notebooks, fgo.preset(args.preset).notebooks)
        if args.check:
            return 0
        if not agreed(args.model, args.preset, args.yes):
            return 2
    except Exception as error:  # such as an unknown model: nothing has run yet, so say why and stop
        print(f"Stopped: {error}", file=sys.stderr)
        return 2

    # The kernel named python3 must be this interpreter's, not one in the user's own Jupyter folders.
    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
    os.environ["FGO_HEADLESS"] = "1"  # no progress bars, which a saved notebook keeps at 0 %
    figures = FIGURES if args.preset == "full" else FIGURES / args.preset
    parameters, outcomes = {"PRESET": args.preset, "MODEL": args.model}, []
    for n, notebook in enumerate(notebooks, 1):
        print(f"[{n}/{len(notebooks)}] {notebook.stem} ... ", end="", flush=True)
        copy = args.out / notebook.name
        outcomes.append(o := execute(notebook, copy, parameters, figures))
        print(f"FAILED, {o.error} (see {copy})" if o.error else "ok", f"{o.seconds:.1f} s", flush=True)
    show(outcomes, figures)
    write_page(figures)
    return 1 if any(o.error for o in outcomes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
