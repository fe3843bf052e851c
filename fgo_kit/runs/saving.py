"""A run into a folder of its own: JSON alone, to be opened by `load_run` without the log it was made with.

What belongs to private tasks is left out but for their ids and meta data, so a saved run may be shared as its tables
may. Prompts and answers are not written.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..algorithm.context import Judged
from ..records import NOT_SHOWN, concealed, to_json
from ..records.later import pandas as pd
from ..records.showing import storable
from .state import stored

FILE, VERSION = "run.json", 2
LEDGERS = ("phase", "llm")
"""What a run's tokens are counted by."""
TABLES = ("calls", "failures", *LEDGERS)


def save(run: Any, folder: str | Path) -> Path:
    """Write a run into a folder, made if new: run.json, which `load_run` opens. Returns the folder.

    Raises FileExistsError for a folder with another run, NotADirectoryError for a file.
    """
    folder = checked_folder(folder, run.id)
    folder.mkdir(parents=True, exist_ok=True)
    private = any(task.private for task in run.state.tasks)
    held = {"calls": run.calls(), "failures": run.failures(), **{by: run.tokens(by) for by in LEDGERS}}
    tables = {name: _without_texts(held[name], private) for name in TABLES}
    written = {
        "fgo_run": VERSION, "id": run.id, "config": run.config, "seconds": run.seconds,
        "state": json.loads(to_json(stored(_without_private(run.state)))),
        "tables": {name: [table.dtypes.astype(str).to_dict(), table.to_dict("list")] for name, table in tables.items()},
    }  # fmt: skip
    (folder / FILE).write_text(storable(json.dumps(written, ensure_ascii=False)), encoding="utf-8")
    return folder


def checked_folder(folder: str | Path, run_id: str = "") -> Path:
    """The folder; errors as `save` raises them. run_id: that of the run to be saved, "" before it is known."""
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder, made if new")
    held = folder / FILE
    if run_id and held.is_file() and f'"id": "{run_id}"' not in held.read_text(encoding="utf-8")[:200]:
        raise FileExistsError(f"{folder} holds another run; give another folder, or delete {held.name} there")
    return folder


def _without_texts(table: pd.DataFrame, private: bool) -> pd.DataFrame:
    """A provider's words may repeat a prompt: with private tasks they are left out."""
    texts = [name for name in ("error", "reason") if private and name in table]
    return table.assign(**{name: table[name].map(lambda text: text and NOT_SHOWN) for name in texts})


def _without_private(state: Any) -> Any:
    record = list(map(public, state.record))
    tasks = (replace(task, text="", answer=NOT_SHOWN) if task.private else task for task in state.tasks)
    return replace(state, record=record, tasks=tuple(tasks))


def public(judged: Judged) -> Judged:
    """A line of the record as it may be shown: of a private task without what was read, written and said about it."""
    trajectory, feedback = judged.trajectory, judged.feedback
    if not trajectory.private:
        return judged
    shown = replace(concealed(trajectory), reason=trajectory.reason and NOT_SHOWN)
    return replace(judged, trajectory=shown, feedback=feedback and replace(feedback, text=NOT_SHOWN))
