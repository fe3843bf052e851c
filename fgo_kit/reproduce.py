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
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .calls.budget import Tariff
from .calls.limits import Limits
from .runs.places import FIGURES, HOME, RUNS

HEADLINE = "quickstart_methods.csv"
AT_ONCE = 2
"""Notebooks at a time that ask nobody: one makes tables and figures while the runs of the other fill the cores."""


@dataclass(frozen=True)
class Outcome:
    """What one notebook did: seconds taken, and its error ("" when it ran)."""

    name: str
    seconds: float
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


def execute(notebook: Path, copy: Path, parameters: dict[str, str]) -> Outcome:
    """Run one notebook in its own folder; inject those parameters which its `parameters` cell defines."""
    import papermill

    copy.parent.mkdir(parents=True, exist_ok=True)
    start, error = time.monotonic(), ""
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
    return Outcome(notebook.stem, time.monotonic() - start, error)


def executed(notebooks: Sequence[Path], out: Path, parameters: dict[str, str], at_once: int) -> Iterator[Outcome]:
    """What each did, in order. The first of those under way is waited for: what a notebook needs of the one before the
    last, such as the runs in its log, is there."""
    under_way: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        for notebook in notebooks:
            if len(under_way) == at_once:
                yield under_way.popleft().result()
            under_way.append(threads.submit(execute, notebook, out / notebook.name, parameters))
        while under_way:
            yield under_way.popleft().result()


def is_offline(model: str) -> bool:
    """Whether nothing is asked of anybody."""
    return model.partition(":")[0] in ("simulated", "replay")


def agreed(model: str, preset: str, yes: bool) -> bool:
    """True when the run may start: it is offline, `yes` was given, or the user accepts the estimate."""
    if is_offline(model):
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


def show(outcomes: list[Outcome], figures: list[Path]) -> None:
    """Print the closing table: notebook and seconds; the figure files written; then the headline scores if new."""
    width = max(len(o.name) for o in outcomes)
    print(f"\n{'notebook':<{width}}  {'seconds':>7}")
    for o in outcomes:
        print(f"{o.name:<{width}}  {o.seconds:>7.1f}{'  FAILED' * bool(o.error)}")
    print("\nfigures written:", " ".join(path.name for path in figures) or "none")
    for path in figures:
        if path.name == HEADLINE:
            print("", HEADLINE, headline(path), sep="\n")


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
        # the spec, key and price of the model, and the preset: what is wrong is said before anything runs
        Tariff(fgo.load_llm(args.model), Limits(budget_usd=fgo.preset(args.preset).total_usd))
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
    before, outcomes = _stamps(figures), []
    at_once = AT_ONCE if is_offline(args.model) else 1
    done = executed(notebooks, args.out, {"PRESET": args.preset, "MODEL": args.model}, at_once)
    for n, o in enumerate(done, 1):
        outcomes.append(o)
        ended = f"FAILED, {o.error} (see {args.out / f'{o.name}.ipynb'})" if o.error else "ok"
        print(f"[{n}/{len(notebooks)}] {o.name} ... {ended} {o.seconds:.1f} s", flush=True)
    show(outcomes, [path for path, stamp in _stamps(figures).items() if before.get(path) != stamp])
    write_page(figures)
    return 1 if any(o.error for o in outcomes) else 0


if __name__ == "__main__":
    raise SystemExit(main())
