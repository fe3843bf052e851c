"""What every test gets: no outside network, no keys, no display, its own kernel, fixed examples."""

from __future__ import annotations

import os
import sys
import tarfile
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

os.environ["MPLBACKEND"] = "Agg"
# nbmake and papermill start the kernel named python3: it must be this environment's.
os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
for _key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
    os.environ.pop(_key, None)

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")


def _is_local(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host is None or host in ("", "localhost"):
        return True
    try:
        address = ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _deny_network(event: str, args: tuple) -> None:
    """Audit hook: refuse connections and look-ups that leave this machine, as an unplugged cable would."""
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # a str or bytes is a Unix socket
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if not _is_local(host):
        raise ConnectionRefusedError(f"tests may not use the network ({event} to {host!r})")


sys.addaudithook(_deny_network)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A notebook is limited per cell, by nbmake; the limit for one test is too short for a whole notebook."""
    for item in items:
        if item.path.suffix == ".ipynb":
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True)
def no_strategy_stays():
    """Strategies that a test registers, or a notebook's cell that it runs, are gone after it."""
    from fgo_kit.algorithm.registry import REGISTRIES

    before = [(registry, dict(registry)) for registry in REGISTRIES]
    yield
    for registry, kept in before:
        registry.clear()
        registry.update(kept)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_invoices() -> Path:
    """The folder of the real invoices (matrix-paper layout); the test is skipped where there is none."""
    given = os.environ.get("FGO_LOGISTICSQA")
    if not given:
        pytest.skip("needs the real invoices: set FGO_LOGISTICSQA to the matrix-paper folder")
    folder = Path(given)
    if not (folder / "ground_truth.json").is_file():
        pytest.fail(f"FGO_LOGISTICSQA={given} holds no ground_truth.json; unset it or name the right folder")
    return folder


@pytest.fixture(scope="session")
def alfworld_official(tmp_path_factory) -> Path:
    """A folder with official ALFWorld games; the test is skipped where there are none."""
    given = os.environ.get("FGO_SHARED_DATA")
    archive = Path(given or "") / "alfworld_official_train_seen.tar.xz"
    if not given or not archive.is_file():
        pytest.skip("needs official games: set FGO_SHARED_DATA to the folder of alfworld_official_*.tar.xz")
    folder = tmp_path_factory.mktemp("official")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def source():
    """(run, bench, llm) of a small run with merges, to be made again by hand."""
    from by_hand import made

    return made()


@pytest.fixture
def session(source):
    """A session on it that saves nothing."""
    from fgo_kit.widgets.replay_decisions import desk_for
    from fgo_kit.widgets.session import Session

    return Session(desk_for(*source))
