"""The rows of a parquet file, read in a process of its own: a damaged file can crash its reader, and Python with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

MAX_ROWS = 100_000
MAX_BYTES = 100_000_000
"""Longest text of all rows, as JSON."""
MEMORY = 2 << 30
"""Address space of the process, in bytes."""
SECONDS = 30


def parquet_rows(file: Path, columns: tuple[str, ...] = ()) -> list[dict]:
    """The rows of a file, with those of the columns that it has (all where none is named). Raises ValueError for one
    that cannot be read."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__, str(file), *columns], capture_output=True, timeout=SECONDS, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        problem = "" if done.returncode == 0 else _problem(done)
    except subprocess.TimeoutExpired:
        problem = f"it takes longer than {SECONDS} s"
    if problem:
        raise ValueError(f"{file}: cannot be read as parquet ({problem}); download it again")
    return json.loads(done.stdout)


def _problem(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"its reader was ended by {signal.Signals(-done.returncode).name}"
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return (last or [f"its reader ended with code {done.returncode}"])[0][:200]


def main(file: str, columns: list[str]) -> None:
    """In the process: print the rows, or end with what was wrong as the last line of the errors."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # of an option of pandas that fastparquet looks at
    from fastparquet import ParquetFile

    table = ParquetFile(file)
    if table.count() > MAX_ROWS:
        raise ValueError(f"{table.count():,} rows exceed the limit of {MAX_ROWS:,}")
    wanted = [name for name in table.columns if not columns or name in columns]
    rows = table.to_pandas(columns=wanted).to_dict("records")
    held = json.dumps([{k: None if v != v else v for k, v in row.items()} for row in rows], default=str)
    if len(held) > MAX_BYTES:
        raise ValueError(f"{len(held):,} characters exceed the limit of {MAX_BYTES:,}")
    sys.stdout.write(held)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
