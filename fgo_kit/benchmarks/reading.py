"""What the loaders share in reading files: where they are, what they hold, and which of many are bad."""

from __future__ import annotations

import json
import lzma
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from ..records import Task

Item, Read = TypeVar("Item"), TypeVar("Read")
POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/", b"../.git/annex/objects/")
"""How the small files begin that Git LFS and git-annex leave in place of large ones."""


def own_folder(path: str | Path | bool, env_var: str, holds: str) -> Path:
    """The folder of a user's own data: `path`, or with True what an environment variable names.

    Raises ValueError when the variable is not set and FileNotFoundError when there is no such folder.
    """
    if path is True:
        if not os.environ.get(env_var):
            raise ValueError(f"your own data are asked for, but the environment variable {env_var} is not set; set it "
                             f"to the folder that holds {holds}, e.g. export {env_var}=/data/mine, or pass "
                             "path='/data/mine'")
        path = os.environ[env_var]
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"path={str(folder)!r} is not a folder; give the folder that holds {holds}")
    return folder


def same_letters(name: str) -> str:
    """A name in the one Unicode form (NFC) in which names are compared: a Mac writes é as e and an accent."""
    return unicodedata.normalize("NFC", name)


def located(folder: Path, path: str) -> Path:
    """`folder / path`, by the names on the disk where they differ from those of the path in Unicode form alone."""
    place = folder
    for name in Path(path).parts:
        exact = place / name
        if not exact.exists() and place.is_dir() and not name.isascii():
            alike = (entry for entry in sorted(place.iterdir()) if same_letters(entry.name) == same_letters(name))
            exact = next(alike, exact)
        place = exact
    return place


def refuse_pointer(file: Path) -> None:
    """Raises ValueError for what Git LFS or git-annex left in place of the file itself."""
    with file.open("rb") as stream:
        start = stream.read(64)
    if start.startswith(POINTERS):
        raise ValueError(f"{file}: is a pointer to the file and not the file itself; fetch it in its repository with "
                         "`git lfs pull` or `git annex get .`, or download it again")


def utf8_text(file: Path) -> str:
    """The text of a file, without a mark of its byte order; ValueError for one that is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8, or download it again") from error


def json_lines(file: Path) -> list[tuple[int, str]]:
    """Number and text of the lines of a file that are not blank; a text within them may hold other line ends."""
    return [(number, line) for number, line in enumerate(utf8_text(file).split("\n"), 1) if line.strip()]


def json_object(text: str | bytes, source: str | Path, fix: str, what: str = "a JSON object") -> dict:
    """The object that a JSON text is; ValueError with the source and the fix for what is none."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: not valid JSON ({error}); {fix}") from error
    if not isinstance(held, dict):
        raise ValueError(f"{source}: must hold {what}; {fix}")
    return held


def each_readable(items: Iterable[Item], read: Callable[[Item], Read], skip: bool, kind: str) -> list[Read]:
    """What `read` makes of each item. All that it raises OSError or ValueError on are named together: in one
    FileNotFoundError or ValueError, or with `skip` in a warning. kind: what the items are, e.g. "documents"."""
    held, problems = [], []
    for item in items:
        try:
            held.append(read(item))
        except (ValueError, OSError) as error:
            problems.append(error)
    if not problems:
        return held
    listed = "\n".join(f"- {problem}" for problem in problems)
    if skip:
        warnings.warn(f"{len(problems)} {kind} cannot be read and are left out:\n{listed}", stacklevel=4)
        return held
    error = FileNotFoundError if isinstance(problems[0], FileNotFoundError) else ValueError
    message = f"{len(problems)} {kind} cannot be read:\n{listed}" if problems[1:] else str(problems[0])
    raise error(f"{message}\n(skip_unreadable=True goes on with the other {len(held)} {kind})") from problems[0]


def refuse_twice(tasks: Iterable[Task], source: str | Path) -> None:
    """Raises ValueError for tasks of one name."""
    if twice := [name for name, n in Counter(task.id for task in tasks).items() if n > 1]:
        raise ValueError(f"{source}: {len(twice)} task ids occur more than once: {', '.join(twice[:5])}; keep one each")


def shipped_rows(file: Path, remedy: str) -> list[dict]:
    """The rows of a shipped file, JSON lines compressed with xz. Raises FileNotFoundError or ValueError with the
    remedy, the command that makes the file."""
    try:
        lines = lzma.decompress(file.read_bytes()).decode("utf-8").split("\n")  # a text may hold other line ends
        return [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        raise FileNotFoundError(f"{file} is missing; make it: {remedy}") from None
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({error}); make it again: {remedy}") from error
