"""The sandbox against hostile programs: behind each wall, as whoever runs the tests and, for root, as an ordinary user."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import hostile
import pytest

from fgo_kit.sandbox import program as sandbox

HERE = Path(__file__).parent
NOBODY = 65534
PEOPLE = ("me", "an ordinary user") if os.name == "posix" and os.getuid() == 0 else ("me",)
OLD = "landlock of Linux 5.19"
WAYS = [*((who, wall) for who in PEOPLE for wall in sandbox.WALLS), (PEOPLE[-1], OLD)]
AS_OLD = """
_true = _checked
def _checked(result, what):
    return _true(min(result, 2) if what == "landlock" else result, what)
"""


@pytest.fixture(scope="module")
def folder():
    """The sandbox's modules where every user can read them, as in an installed package."""
    path = Path(tempfile.mkdtemp(prefix="fgo-tests-"))
    for file in [*Path(sandbox.__file__).parent.glob("*.py"), HERE / "hostile.py"]:
        shutil.copy(file, path)
        (path / file.name).chmod(0o644)
    path.chmod(0o755)
    shutil.copytree(path, path / "old")
    with (path / "old" / "walls.py").open("a") as file:
        file.write(AS_OLD)
    yield path
    shutil.rmtree(path)


@cache
def python_of(who: str) -> str:
    """An interpreter that a user may run: a root's own may lie in a folder closed to others."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        new_enough = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(new_enough, **as_user(who), capture_output=True).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip(f"no Python 3.11 that {who} may run")


def as_user(who: str) -> dict:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if who != "me" else {}


@pytest.fixture(scope="module")
def started(folder):
    """All programs for each user and wall, side by side: most of them wait to be stopped."""
    if sys.platform != "linux":
        pytest.skip("the sandbox needs Linux")
    running = {}
    for who, wall in WAYS:
        python = python_of(who if wall == "namespaces" else PEOPLE[-1])  # Landlock leaves root's own folders closed
        place = folder / "old" if wall == OLD else folder
        command = [python, str(place / "hostile.py"), str(place), wall.partition(" ")[0]]
        running[who, wall] = subprocess.Popen(
            command, **as_user(who), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
        )
    try:
        return {way: process.communicate(timeout=200) for way, process in running.items()}
    finally:
        for process in running.values():
            process.kill()


@pytest.fixture(params=WAYS, ids=[f"{who}-{wall}".replace(" ", "_") for who, wall in WAYS], scope="module")
def told(request, started):
    """What came of all programs as one user behind one wall."""
    out, errors = started[request.param]
    assert out, errors[-2000:]
    found = json.loads(out)
    assert "broken" not in found["probe"]  # a wall that is there and has a hole
    if found["probe"]:
        pytest.skip(f"as {request.param[0]}: {found['probe']}")
    return found


def test_there_are_enough_hostile_programs():
    assert len(hostile.PROGRAMS) >= 25


@pytest.mark.parametrize("name", [*hostile.PROGRAMS, *hostile.FRIENDLY])
def test_program(told, name):
    problem, output = told["results"][name]
    wanted = {**hostile.PROGRAMS, **hostile.FRIENDLY}[name][1]
    assert "BROKEN" not in output, f"{name} got through: {output}"
    assert "sk-" not in output + problem  # neither a key nor a canary
    assert re.search(wanted, f"{problem}\n{output}", re.DOTALL), (problem, output[-500:])
    assert len(output) < 60_000


@pytest.mark.parametrize("name", hostile.LOOKING)
def test_namespaces_hide_that_a_file_is_there_and_landlock_is_said_not_to(told, name):
    held = "held" in told["results"][name][1]
    assert held == (told["wall"] == "namespaces")
    assert held or "it can see that one is there" in " ".join(sandbox.__doc__.split())


def test_nothing_is_left_and_nothing_outside_has_changed(told):
    after = told["after"]
    assert after["canary"] == "sk-canary"
    assert after["room"] == ["a.csv", "canary", "datagrams", "home", "slip.zip", "socket"]
    assert after["threads"] == 1
    assert after["received"] == [False, False]
    assert after["attributes"] == [True, True]
    assert after["xattrs"] == []
    assert after["victim"] is None
    assert not Path("/tmp/slipped.txt").exists()


def test_no_process_of_a_program_lives_on(told):
    time.sleep(0.2)
    alive = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            alive += [folder.name] if told["mark"].encode() in (folder / "environ").read_bytes() else []
        except OSError:
            continue
    assert alive == []


needs_walls = pytest.mark.skipif(
    not sandbox.available(), reason=f"no isolation here: {'; '.join(sandbox._tried().values())}"
)


@needs_walls
def test_a_run_starts_fast_enough_for_grids():
    times = []
    for _ in range(8):
        began = time.perf_counter()
        assert sandbox.run("print(1)").output == "1"
        times.append(time.perf_counter() - began)
    print(f"[a sandboxed run takes {1000 * min(times):.0f} ms] ", end="")
    assert min(times) < 0.3  # about 50 ms on an idle machine


@needs_walls
def test_sets_come_out_in_the_same_order_every_time():
    outputs = [sandbox.run("print({'a', 'b', 'c', 'd', 'e', 'f'})").output for _ in range(3)]
    assert len(set(outputs)) == 1


@needs_walls
def test_the_packages_of_this_environment_can_be_imported():
    done = sandbox.run("import openpyxl, numpy; print(numpy.arange(3).sum(), openpyxl.Workbook().active.title)")
    assert (done.problem, done.output) == ("", "3 Sheet")


@needs_walls
def test_the_repository_with_its_answers_cannot_be_seen():
    root = str(Path(sandbox.__file__).parents[2])
    done = sandbox.run(f"import os\nprint(os.path.exists({root!r} + '/data'), os.path.exists({root!r} + '/pyproject.toml'))")
    assert done.output == "False False"


@needs_walls
def test_a_program_in_any_characters_runs():
    assert sandbox.run("print('ä 東 \\x00 \\u2028x')").output == "ä 東 \x00 \u2028x"
    assert "SyntaxError" in sandbox.run("print('\x00')").output
    assert sandbox.run("print(len('\ud800'))").output == "1"


def test_without_walls_nothing_runs_unless_unsafe(monkeypatch):
    monkeypatch.setattr(sandbox, "_tried", lambda: {"namespaces": "namespaces: no", "landlock": "landlock: no"})
    with pytest.raises(sandbox.SandboxUnavailable, match=r"namespaces: no; landlock: no.*unsafe=True"):
        sandbox.run("print(1)")
    assert sandbox.run("print(1)", unsafe=True).output == "1"
    limits = sandbox.Limits(wall=1.0)
    assert "longer than 1 s" in sandbox.run("import time; time.sleep(60)", unsafe=True, limits=limits).problem


def test_a_wall_with_a_hole_is_not_used():
    """The probe is what decides: limits and a folder alone do not pass it."""
    assert re.search("broken: .*reading a file outside, writing outside, connecting", sandbox._probed("none"))


@pytest.mark.skipif(len(PEOPLE) == 1 or not shutil.which("setpriv"), reason="needs root and setpriv")
@pytest.mark.parametrize(("dropped", "expected"), [("-sys_admin", "landlock"), ("-sys_admin,-setuid,-setgid", "")])
def test_without_privileges_landlock_takes_over_or_nothing_runs(folder, dropped, expected):
    """As root of an ordinary container, which may make no namespaces, and of one without any capability."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); import program as sandbox; print(sandbox.available() or sandbox._tried())"
    command = ["setpriv", "--bounding-set", dropped, python_of(PEOPLE[-1]), "-c", script, str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, cwd="/").stdout.strip()
    if expected and "landlock: " in said:
        pytest.skip(f"no Landlock here: {said}")
    assert said == expected if expected else "unshare as root" in said
