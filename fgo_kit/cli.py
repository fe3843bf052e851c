"""The command `fgo`: run, compare, estimate, preflight, open and notebooks, by the package's own words.

    fgo run logisticsqa simulated --method fgo --n_train 64 --save results/first
    fgo run questions.csv openai:my-model --answer gold --budget_usd 2 --export prompt.md
    fgo compare logisticsqa simulated --methods base fgo fgo+ --seeds 0 1 2 --csv rows.csv
    fgo estimate questions.csv openai:my-model --method fgo
    fgo preflight questions.csv openai:my-model --pilot 20 --seeds 5 --log mine.sqlite
    fgo open results/first
    fgo notebooks work

Every further `--name value` is a choice of the function behind the command, which has the same name (`fgo.run`), and of
`fgo.load_benchmark` or `fgo.from_table` for what belongs to the tasks. Exit codes: 0 done, 2 not, 130 stopped.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import fgo_kit as fgo

from .calls.protocol import FGOError
from .runs.places import SHIPPED
from .runs.saving import checked_folder

PLURAL = ("methods", "seeds")
"""Choices of several values."""


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    first = next((n for n, word in enumerate(words) if n and word.startswith("--")), len(words))
    asks = ["--help"] if {"-h", "--help"} & set(words) else []
    known = _parser().parse_args([*words[:first], *asks])
    try:
        choices = choices_in(words[first:])
        if choices and known.command in FOLDERS:
            raise ValueError(f"--{next(iter(choices))} is unknown here; this command takes a folder alone")
        COMMANDS[known.command](known, choices)
    except KeyboardInterrupt:
        print("fgo: stopped; with a log, the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # a reader such as head has seen enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  Python would flush the broken one when it ends
        return 0
    except (FGOError, ValueError, TypeError, OSError, ImportError) as error:
        print(f"fgo: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    own = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("fgo", **own)
    parser.add_argument("--version", action="version", version=f"fgo-kit {fgo.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="|".join(COMMANDS))
    for name, act in COMMANDS.items():
        command = commands.add_parser(name, description=act.__doc__, epilog=_choices_of(name))
        if name in FOLDERS:
            command.add_argument("folder", help=FOLDERS[name])
        else:
            known = f"{', '.join(fgo.BENCHMARKS)}, or a file of your own questions (.csv, .jsonl, .parquet)"
            command.add_argument("benchmark", help=known)
            command.add_argument("llm", nargs="?", default="simulated", help="for fgo.load_llm; default: %(default)s")
    return parser


def _choices_of(name: str) -> str:
    """The choices of the function behind a command, for its help."""
    takes = signature(getattr(fgo, name)).parameters if name in ("run", "compare") else {}
    return f"choices: {', '.join(f'--{choice}' for choice in list(takes)[2:])}" if takes else ""


def choices_in(words: list[str]) -> dict[str, Any]:
    """Choices from `--name value ...`: values are Python literals or texts, an option without one is True.

    >>> choices_in(["--n-subsets", "4", "--counts", "--seeds", "0", "1", "--gate=hard"])
    {'n_subsets': 4, 'counts': True, 'seeds': [0, 1], 'gate': 'hard'}
    """
    given: dict[str, list] = {}
    for word in words:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            if name in given:
                raise ValueError(f"--{name} is given twice")
            given[name] = [_literal(value)] if equals else []
        else:
            given[name].append(_literal(word))
    many = [name for name, values in given.items() if len(values) > 1 and name not in PLURAL]
    if many:
        raise ValueError(f"--{many[0]} takes one value, and {given[many[0]]} are given; quote a text with blanks")
    return {name: values if name in PLURAL else (values or [True])[0] for name, values in given.items()}


def _literal(text: str) -> Any:
    with suppress(ValueError, SyntaxError):
        return ast.literal_eval(text)
    return text


def tasks_of(name: str, choices: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """(the benchmark, the choices that are not its own): a known set by name, or a table of one's own by its file."""
    if name in fgo.BENCHMARKS:
        load = import_module(f"fgo_kit.benchmarks.{name}").load
        own = _split(choices, {*_parameters(fgo.load_benchmark), *_parameters(load)} - {"name", "options"})
        return fgo.load_benchmark(name, **own[0]), own[1]
    if not Path(name).exists():
        raise ValueError(f"{name!r} is neither a benchmark ({', '.join(fgo.BENCHMARKS)}) nor a file with questions")
    own, others = _split(choices, {*_parameters(fgo.from_table), "split_seed"} - {"source", "seed", "agent"})
    renamed = {"seed" if key == "split_seed" else key: value for key, value in own.items()}
    return fgo.from_table(name, **renamed), others


def _parameters(function: Any) -> list[str]:
    return [name for name, p in signature(function).parameters.items() if p.kind is not Parameter.VAR_KEYWORD]


def _split(choices: Mapping[str, Any], names: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    own = {name: value for name, value in choices.items() if name in names}
    return own, {name: value for name, value in choices.items() if name not in names}


def run(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """One run: the test score, and the prompt it ended with. --save FOLDER writes it for `fgo open`; --export PATH
    writes the module with its provenance, as --format markdown, json, skill or inspect."""
    save, path, form = (choices.pop(name, None) for name in ("save", "export", "format"))
    if save is not None:
        checked_folder(str(save))
    bench, choices = tasks_of(known.benchmark, choices)
    made = fgo.run(bench, known.llm, **choices)
    print(made, made.tokens().to_string(index=False), made.prompt(), sep="\n\n")
    if save is not None:
        print(f"\nsaved: {made.save(str(save))}")
    if path is not None:
        print(f"\nexported: {made.export(str(path), form or 'markdown')}")


def compare(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """Several methods and seeds compared. --csv FILE writes the rows, one a run."""
    path = choices.pop("csv", None)
    bench, choices = tasks_of(known.benchmark, choices)
    rows = fgo.compare(bench, known.llm, **choices)
    print(fgo.report.show(fgo.report.summary(rows)).to_string())
    if path is not None:
        rows.drop(columns="scores").to_csv(str(path), index=False)


def estimate(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """What one run would take with a model, before any of it is paid for."""
    bench, choices = tasks_of(known.benchmark, choices)
    for name, value in fgo.estimate(bench, known.llm, **choices).items():
        print(f"{name}: {'no price is known' if value is None else value}")


def preflight(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """A look before a run: what the server does wrong, a pilot, the effect that can show, and the bill."""
    bench, choices = tasks_of(known.benchmark, choices)
    print(fgo.preflight(bench, known.llm, **choices))


def show(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """A run that was saved: its score, ledger and prompt."""
    made = fgo.load_run(known.folder)
    print(made, made.tokens().to_string(index=False), made.prompt(), sep="\n\n")


def notebooks(known: argparse.Namespace, choices: dict[str, Any]) -> None:
    """Copy the notebooks and the figures they show into a folder; what is there already stays."""
    files = [*SHIPPED.glob("notebooks/*.ipynb"), *SHIPPED.glob("notebooks/*.png"), *SHIPPED.glob("paper_figures/*.png")]
    target = Path(known.folder).expanduser()
    places = {file: target / file.relative_to(SHIPPED) for file in files}
    new = {file: place for file, place in places.items() if not place.exists()}
    for file, place in new.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    print(f"{len(new)} files copied to {target}, {len(places) - len(new)} were there already and stay.")
    print(f"Open them with: jupyter lab {target / 'notebooks'}")


COMMANDS = {
    "run": run, "compare": compare, "estimate": estimate, "preflight": preflight, "open": show, "notebooks": notebooks,
}  # fmt: skip
FOLDERS = {"notebooks": "made if new", "open": "what run.save(folder) wrote"}
"""Commands that take a folder alone."""


if __name__ == "__main__":
    raise SystemExit(main())
