"""The file of a call log: opened, checked, upgraded, or read into memory where nothing may be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from ..records.showing import storable
from . import log_sql as sql
from .clock import TICK, held_lock
from .log_errors import BUSY_SECONDS, LogNotWritten, NotACallLog, explained
from .requests import Response

try:
    import resource
except ImportError:  # Windows
    resource = None

HEADER = 100
"""Bytes that every SQLite file begins with."""
JUST_BEGUN = 0.2
"""A file that is still empty after so many seconds is none that another process begins at this moment."""
SETTINGS = """PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 8000;
    PRAGMA cache_size = -64000; PRAGMA trusted_schema = OFF"""
_OWED: dict[Path | None, list[tuple[str, tuple]]] = {}  # paid for and not written yet, by file


@dataclass(eq=False, slots=True)
class _Waiting:
    """What one thread wants to write, and how many rows the last statement changed once it is. left: the thread waits
    no longer, it was interrupted; who writes next writes this too."""

    statements: list[tuple[str, tuple]]
    changed: int | None = None
    left: bool = False
    woken: threading.Lock = field(default_factory=held_lock)


class LogFile:
    """The tables of a call log in a file, made when there is none, or in memory with path None. Threads may share it.

    A log of an older version is upgraded. One that must not be written is read into memory: `read_only`.
    Raises NotACallLog and LogNotWritten.
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self.path = None if path is None else Path(path)
        self._file = self.path and self.path.resolve()
        self.read_only = False
        self._lock = threading.Lock()
        self._lining_up = threading.Lock()
        self._line: list[_Waiting] = []
        self._leader: _Waiting | None = None  # of those in line: the one whose thread writes for all
        with explained(self.path):
            self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            db = _connect(":memory:")
            _empty().backup(db)
            return _prepared(db, None)
        if self.path.is_dir():
            raise NotACallLog(f"{self.path} is a folder; give the path of a file")
        check_header(self.path)
        self.read_only = self.path.exists() and not all(os.access(p, os.W_OK) for p in (self.path, self.path.parent))
        if self.read_only:
            return _prepared(_in_memory(self.path), self.path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogNotWritten(f"{self.path} cannot be written ({error}); give a path that can be written") from error
        db = _prepared(_connect(self.path), self.path)
        self._inode = self.path.stat().st_ino
        return db

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def read(self, statement: str, values=()) -> list[tuple]:
        """All rows of a query."""
        with self._lock, explained(self.path):
            return self._db.execute(statement, values).fetchall()

    def write(self, statements: Iterable[tuple[str, tuple]], keep: bool = False) -> int:
        """Carry out statements as one transaction; how many rows the last one changed. It is committed then.

        While one thread writes the others wait in line, and what they have is written together by the next. keep: what
        cannot be written now is written with the next that can, by whoever has this file open here.
        """
        if self.read_only:
            raise LogNotWritten(f"{self.path} is read-only: it can be replayed, not added to; give another path")
        mine = _Waiting(list(statements))
        try:
            with self._lining_up:
                self._line.append(mine)
                self._leader = self._leader or mine
            while self._leader is not mine and mine.changed is None:
                mine.woken.acquire(timeout=TICK)
            if mine.changed is None:
                self._commit_for(mine, self._line[:])
            return mine.changed or 0
        except BaseException:
            with self._lining_up:
                mine.left = True
            if self._leader is mine and mine.changed is None:
                self._line.remove(mine)
                if keep:
                    _OWED.setdefault(self._file, []).extend(mine.statements)
            raise
        finally:
            if self._leader is mine:
                with self._lining_up:
                    self._leader = following = next((each for each in self._line if not each.left), None)
                if following:
                    following.woken.release()

    def _commit_for(self, mine: _Waiting, together: list[_Waiting]) -> None:
        """Commit all, or else one's own: each of the others tries it in its own thread then."""
        try:
            self._commit(together)
        except Exception as error:
            if together == [mine] or isinstance(error, LogNotWritten):
                raise
            self._commit([mine])

    def _commit(self, together: list[_Waiting]) -> None:
        owed = _OWED.pop(self._file, [])
        try:
            with self._lock, explained(self.path):
                self._check_there()
                with _alone(self._db):
                    for statement in owed:
                        self._execute(*statement)
                    changes = [[self._execute(*statement) for statement in each.statements][-1] for each in together]
        except BaseException:
            if owed:
                _OWED[self._file] = owed
            raise
        for each, changed in zip(together, changes, strict=True):
            each.changed = changed
            self._line.remove(each)
            if each is not self._leader:
                each.woken.release()

    def _check_there(self) -> None:
        """Raise LogNotWritten for a file that was deleted or replaced while in use; a deleted one is saved again."""
        if self.path is None:
            return
        with suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                return
            raise LogNotWritten(
                f"{self.path} was replaced by another file while in use; what was paid since is lost: run the same "
                "again, and leave the file where it is"
            )
        self._db.execute("VACUUM INTO ?", (str(self.path),))
        self._db.close()
        self._db = self._open()
        raise LogNotWritten(
            f"{self.path} was deleted while in use; all it held is saved there again: run the same again, which resumes"
        )

    def _execute(self, statement: str, values: tuple) -> int:
        try:
            return self._db.execute(statement, values).rowcount
        except UnicodeEncodeError:
            return self._db.execute(statement, tuple(storable(v) if isinstance(v, str) else v for v in values)).rowcount

    def check_room(self, size: int) -> None:
        """Raise LogNotWritten when the log cannot grow by so many bytes."""
        if self.path is None:
            return
        room = shutil.disk_usage(self.path.parent).free
        if resource:
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
            if most != resource.RLIM_INFINITY:
                files = (file for file in (self.path, f"{self.path}-wal") if os.path.exists(file))
                room = min(room, most - max(map(os.path.getsize, files)))
        if room < size:
            raise LogNotWritten(
                f"{self.path} can grow by {max(room, 0):,} bytes and the calls under way may need {size:,}; make room "
                "on its disk and run the same again, which resumes: nothing was asked for that could not be kept"
            )

    def take_over(self, other: str | os.PathLike, statements: Iterable[str]) -> None:
        """Carry out statements in one transaction while the tables of another log are there as `other`."""
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "log.sqlite"
            with explained(Path(other)), closing(LogFile(other)) as source, closing(_connect(copy)) as target:
                source._db.backup(target)
            with self._lock, explained(self.path):
                self._db.execute("ATTACH DATABASE ? AS other", (str(copy),))
                try:
                    with _alone(self._db):
                        for statement in statements:
                            self._db.execute(statement)
                finally:
                    self._db.execute("DETACH DATABASE other")


def check_header(path: Path) -> None:
    """Look at the file's header before it is opened for good, which may change it.

    Through SQLite, because a file that this process opens and closes by itself loses the locks of every connection
    the process has to it (POSIX), and another process could take away the journal below them.
    """
    if not path.exists():
        return
    if not path.stat().st_size:
        time.sleep(JUST_BEGUN)
    size = path.stat().st_size
    if not size:  # also what is left of a process that was killed as it began one
        if not Path(f"{path}-journal").exists():
            what = "if it was a call log, all it held is lost; a new one is begun"
            warnings.warn(f"{path} is empty: {what}", stacklevel=5)
        return
    if size < HEADER:
        raise _no_database(path)
    where = quote(os.fsencode(path.resolve()))
    try:
        with closing(sqlite3.connect(f"file:{where}?mode=ro&immutable=1", uri=True)) as look:
            tables = look.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application, version = _marks(look)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_NOTADB:  # so nothing of ours is open there
            raise _no_database(path) from None
        if code == sqlite3.SQLITE_CANTOPEN:
            raise NotACallLog(f"{path} cannot be opened ({error}); give another path") from None
        return  # seen in the midst of another process's checkpoint: `_prepared` looks again, with locks
    if tables or application:
        _check(path, application, version)


def _connect(where: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(where, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


@cache
def _empty() -> sqlite3.Connection:
    """A new log in memory, to be copied: that takes less time than to make all its tables."""
    return _prepared(_connect(":memory:"), None)


def _prepared(db: sqlite3.Connection, path: Path | None) -> sqlite3.Connection:
    try:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(db)
        _check(path, *_marks(db))
        db.executescript(SETTINGS)
        _upgrade(db)
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := sorted(sql.NAMES - tables):
            raise NotACallLog(f"{path} has no table {missing[0]!r}; give another path")
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    with _alone(db):
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:  # else another process was first
            for statement in (*sql.TABLES, "PRAGMA user_version = 1"):
                db.execute(statement)


def _upgrade(db: sqlite3.Connection) -> None:
    if _marks(db)[1] == sql.VERSION:
        return
    db.create_function("checksum", 1 + len(sql.RESPONSE_COLUMNS), lambda key, *row: Response(*row).checksum(key))
    db.create_function("text_checksum", 1, text_checksum)
    with _alone(db):
        for version in range(_marks(db)[1], sql.VERSION):
            for statement in (*sql.UPGRADES[version], f"PRAGMA user_version = {version + 1}"):
                db.execute(statement)


def _marks(db: sqlite3.Connection) -> tuple[int, int]:
    """The application that a database is of, and the version of its format."""
    return db.execute("SELECT * FROM pragma_application_id, pragma_user_version").fetchone()


@contextmanager
def _alone(db: sqlite3.Connection):
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it already
            db.execute("ROLLBACK")
        raise


def text_checksum(text: str | None) -> str:
    """A hash of a text as a file gives it back; "" for none."""
    return "" if text is None else sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _in_memory(path: Path) -> sqlite3.Connection:
    """A copy, with what has been written but is not yet moved into the file."""
    db = _connect(":memory:")
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "log.sqlite"
        for suffix in ("", "-wal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        with closing(_connect(copy)) as source:
            source.execute("PRAGMA journal_mode = DELETE")
            source.backup(db)
    return db


def _no_database(path: Path) -> NotACallLog:
    with path.open("rb") as file:
        return NotACallLog(f"{path} is no call log: it starts with {file.read(16)!r}; give another path")


def _check(path: Path | None, application: int, version: int) -> None:
    if application % 2**32 != sql.APPLICATION_ID:
        raise NotACallLog(
            f"{path} is an SQLite file of another program (application id {application}); give another path"
        )
    if version > sql.VERSION:
        raise NotACallLog(f"{path} has log format {version}, this fgo_kit reads up to {sql.VERSION}; update fgo_kit")
