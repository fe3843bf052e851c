"""What can be wrong with the file of a call log."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 30
"""So long a writer waits for another program."""


class NotACallLog(Exception):
    """The file is no call log that this version can use, or is damaged; it was left as it is."""


class LogNotWritten(OSError):
    """The call log cannot be written: disk full, read-only, or in use for too long. Nothing more was asked."""


@contextmanager
def explained(path: Path | None):
    """SQLite's errors, raised in here, become NotACallLog or LogNotWritten and name the file."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # an error of this package
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise LogNotWritten(
                f"{path} cannot be written ({error}); make room on its disk and run the same again, which resumes"
            ) from error
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            raise LogNotWritten(f"{path} cannot be written ({error}); give a path that can be written") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise LogNotWritten(
                f"{path} has been in use by another program for {BUSY_SECONDS} s ({error}); end that program, or wait "
                "and run the same again"
            ) from error
        raise damaged(path, str(error)) from error
    except UnicodeDecodeError as error:  # SQLite's own message quotes what is damaged
        raise damaged(path, str(error)) from error


def damaged(path: Path | None, what: str) -> NotACallLog:
    """The error for a log that was found to be damaged."""
    return NotACallLog(f"{path} is damaged or no call log ({what}); use a copy of it, or give another path")
