"""Where things are: what comes with the package, and where runs and figures are written.

In a checkout both are the checkout. Elsewhere (a wheel, `pip install .`) the shipped data and notebooks travel inside
the package, and what is written goes below the folder that Python was started in, or the one above it where that folder
is called notebooks: call logs and caches into data/runs/, figures into paper_figures/. `fgo notebooks <folder>` makes
such a folder.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

PACKAGE = Path(str(files(__name__.partition(".")[0]))).resolve()
_REPOSITORY = PACKAGE.parent
CHECKOUT = _REPOSITORY if (_REPOSITORY / "pyproject.toml").is_file() and (_REPOSITORY / "data").is_dir() else None
"""The checkout that this package is used from, None where it was installed from a wheel."""
SHIPPED = CHECKOUT or PACKAGE / "shipped"
"""Holds what comes with the package: data/, notebooks/ and the figures that the notebooks show. Only read."""


def _home() -> Path:
    here = Path.cwd()
    return CHECKOUT or (here.parent if here.name == "notebooks" else here)


HOME = _home()
"""Holds what is written: data/runs/ and paper_figures/."""
DATA = SHIPPED / "data"
RUNS = HOME / "data" / "runs"
FIGURES = HOME / "paper_figures"


def placed(path: str | os.PathLike) -> Path:
    """A path; a relative one below data/ lies below HOME, whether named there or in a notebook's folder."""
    path = Path(path).expanduser()
    return HOME / path if path.parts[:1] == ("data",) else path
