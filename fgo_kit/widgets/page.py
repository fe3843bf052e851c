"""What all widgets share: their scripts and styles, and the plain page in the place of a live one."""

from __future__ import annotations

import os
from pathlib import Path

import anywidget

STATIC = Path(__file__).parent / "static"
LIVE = "application/vnd.jupyter.widget-view+json"


def script(*names: str) -> str:
    """A widget's script in its parts, after what all scripts share."""
    return "".join((STATIC / name).read_text("utf-8") for name in ("page.js", *names))


def headless() -> bool:
    """Whether FGO_HEADLESS=1 in the environment asks for plain pages alone, for notebooks to be committed."""
    return bool(os.environ.get("FGO_HEADLESS"))


class Page(anywidget.AnyWidget):
    """A live page. Without a kernel, or where widgets are not shown, the output is a page of plain HTML."""

    def plain(self) -> str:
        """That page: no script, no style sheet, all text escaped."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        data["text/html"] = self.plain()
        if headless():
            del data[LIVE]
        return data, metadata
