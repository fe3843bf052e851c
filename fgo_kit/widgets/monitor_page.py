"""The live view of a `Monitor`: renewed by a thread until the run has ended, with a button that stops it."""

from __future__ import annotations

import threading

import traitlets

from .page import STATIC, Page, headless, script

EVERY = 0.5
"""Seconds between looks at a run that is shown."""


class MonitorPage(Page):
    """monitor: a `Monitor`. shown: what its `shown` says. stops: how often Stop was clicked."""

    _esm = script("monitor.js")
    _css = STATIC / "monitor.css"
    shown = traitlets.Dict().tag(sync=True)
    stops = traitlets.Int(0).tag(sync=True)

    def __init__(self, monitor):
        self.monitor = monitor
        super().__init__(shown=monitor.shown())
        threading.Thread(target=self._renew, daemon=True, name="fgo monitor").start()

    def _renew(self) -> None:
        ended = False
        while not ended:
            ended = self.monitor.wait(EVERY)
            self.shown = self.monitor.shown()

    @traitlets.observe("stops")
    def _stop(self, change) -> None:
        self.monitor.stop(timeout=0)
        self.shown = self.monitor.shown()

    def plain(self) -> str:
        return self.monitor._repr_html_()

    def __repr__(self) -> str:
        return repr(self.monitor)

    def _repr_mimebundle_(self, **options):
        if headless():
            self.monitor.wait()  # a page that cannot be renewed shows how it ended
        return super()._repr_mimebundle_(**options)
