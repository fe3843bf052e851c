"""JupyterLab on loopback and a real Chromium, for the tests that `make test-browser` runs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "data" / "runs" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay on the page
}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(240))


def find_chromium() -> str | None:
    """The browser to drive: CHROMIUM= in the environment, else the first that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Lab:
    """A JupyterLab server whose files, settings and runtime are all in one temporary folder."""

    def __init__(self, folder: Path):
        self.folder, self.token = folder / "files", secrets.token_hex(16)
        self.folder.mkdir()
        for name, chosen in SETTINGS.items():
            file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(chosen))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        own = {
            "HOME": "home", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTER_DATA_DIR": "data", "JUPYTERLAB_SETTINGS_DIR": "settings", "IPYTHONDIR": "ipython",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }  # fmt: skip
        environment = os.environ | {name: str(folder / part) for name, part in own.items()}
        (folder / "home").mkdir()
        options = [
            "--no-browser", "--ip=127.0.0.1", f"--port={self.port}", f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.folder}", "--expose-app-in-browser", "--ServerApp.allow_root=True",
            "--ServerApp.port_retries=0",
        ]  # fmt: skip
        self.output = (folder / "lab.txt").open("w")
        command = [sys.executable, "-m", "jupyterlab", *options]
        self.process = subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=self.output, stderr=subprocess.STDOUT
        )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url("api"), timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        raise RuntimeError(f"JupyterLab did not start: {Path(self.output.name).read_text()[-2000:]}")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}?token={self.token}"

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.output.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser():
    where = find_chromium()
    if where is None:
        pytest.skip("no Chromium found: install one (Debian: apt install chromium) or set CHROMIUM=/path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=where, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


class Notebook:
    """A notebook open in the browser. `problems` collects dialogs and script errors of the page."""

    def __init__(self, lab: Lab, page, name: str):
        self.lab, self.page, self.name = lab, page, name
        self.problems: list[str] = []
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.goto(lab.url(f"lab/workspaces/{Path(name).stem}/tree/{name}"))
        self.wait_idle()
        self.command("application:toggle-left-area")

    def _dialog(self, dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def wait_idle(self) -> None:
        """Until the kernel is idle: Lab drops a Run All that comes before."""
        self.page.wait_for_function(
            "() => { const p = window.jupyterapp?.shell?.currentWidget;"
            " const k = p?.sessionContext?.session?.kernel; return k && k.status === 'idle'; }",
            timeout=60_000,
        )

    def command(self, name: str) -> None:
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self) -> None:
        self.wait_idle()
        self.page.evaluate("() => { window.fgoAll = window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def wait_all(self) -> None:
        """Until every cell has run: what is clicked before then reaches Python only after the last cell."""
        self.page.evaluate("async () => { await window.fgoAll; }")

    def restart(self) -> None:
        """A new kernel, and what the old one showed cleared."""
        self.page.evaluate(
            "async () => { const p = window.jupyterapp.shell.currentWidget;"
            " await p.sessionContext.session.kernel.restart(); }"
        )
        self.command("notebook:clear-all-cell-outputs")
        self.wait_idle()

    def shot(self, name: str, **options) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", **options)


@pytest.fixture
def open_notebook(browser, lab):
    """open_notebook(name, cells or path, ..., **parameters): a copy of a notebook, in a page of its own."""
    opened = []

    def open_one(name: str, source, width: int = 1280, height: int = 1600, dark: bool = False, **parameters):
        target = lab.folder / name
        if isinstance(source, Path):
            notebook = nbformat.read(source, 4)
            if parameters:
                cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
                cell.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
        else:
            cells = [nbformat.v4.new_code_cell(text) for text in source]
            notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, target)
        scheme = "dark" if dark else "light"
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.set_default_timeout(60_000)
        opened.append(page)
        notebook = Notebook(lab, page, name)
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        return notebook

    yield open_one
    for page in opened:
        page.evaluate("async () => { await window.jupyterapp.serviceManager.sessions.shutdownAll(); }")
        page.close()
