"""`load_run`: a run from the folder that `Run.save` wrote, on any machine; nothing is executed when it is opened."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from ..calls.log import CallLog
from ..records import from_json
from ..records.later import pandas as pd
from .result import Run
from .saving import FILE, LEDGERS, TABLES, VERSION
from .state import State, restored


class SavedLog(CallLog):
    """An empty call log in memory that knows one run's tables: its calls, ledger and failures, without their texts."""

    def __init__(self, run_id: str, tables: dict[str, pd.DataFrame]):
        super().__init__(None)
        self._saved, self._tables = run_id, tables

    def calls(self, run_id: str | None = None) -> pd.DataFrame:
        return self._tables["calls"].copy() if run_id == self._saved else super().calls(run_id)

    def tokens(self, run_id: str | None = None, by: str = "phase") -> pd.DataFrame:
        known = run_id == self._saved and by in LEDGERS
        return self._tables[by].copy() if known else super().tokens(run_id, by)

    def failures(self, run_id: str | None = None) -> pd.DataFrame:
        return self._tables["failures"].copy() if run_id == self._saved else super().failures(run_id)


def load_run(folder: str | Path) -> Run:
    """The run that `run.save(folder)` wrote: score, module, trees and tables are those it had.

    Prompts and answers are not saved, so nothing can be replayed from it. Raises FileNotFoundError and ValueError that
    say what is wrong with the folder.

    >>> load_run("results/mine").merges()                                                    # doctest: +SKIP
    """
    folder = Path(folder).expanduser()
    file = folder / FILE if folder.is_dir() else folder
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no saved run ({FILE}); give the folder that run.save(folder) wrote")
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        if held["fgo_run"] > VERSION:
            raise ValueError(f"it has format {held['fgo_run']}, and this fgo_kit reads up to {VERSION}; update fgo_kit")
        tables = {name: _table(*held["tables"][name]) for name in TABLES}
        state = restored(from_json(State, json.dumps(held["state"])))
        return Run(held["id"], held["config"], state, SavedLog(held["id"], tables), held["seconds"])
    except (LookupError, TypeError, AttributeError, RecursionError, ValidationError, UnicodeDecodeError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise ValueError(f"{file} is no saved run, or is damaged ({why}); save it anew: run.save(folder)") from error
    except ValueError as error:
        raise ValueError(f"{file} cannot be opened: {error}") from error


def _table(types: dict[str, str], columns: dict[str, list]) -> pd.DataFrame:
    return pd.DataFrame(columns, columns=list(types)).astype(types)
