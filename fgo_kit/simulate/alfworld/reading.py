"""Reading a household game as text: the room, the goal, and what happened turn by turn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ..competence import find_section

Turn = tuple[str, str]
"""(action, result): what the agent did, and the text that came back ("" while it is not known)."""

NOTHING = "Nothing happens"
VERBS = ("clean", "heat", "cool")
_ADJECTIVES = {
    "clean": "clean", "cleaned": "clean", "washed": "clean", "rinsed": "clean", "wash": "clean", "rinse": "clean",
    "hot": "heat", "heated": "heat", "warm": "heat", "cooked": "heat", "heat": "heat", "warmed": "heat",
    "cold": "cool", "cool": "cool", "cooled": "cool", "chilled": "cool", "chill": "cool",
}  # fmt: skip
_LISTED = re.compile(r"\b([a-z]+ \d+)\b")  # some official games list without articles
_GOAL = re.compile(r"(?:your task is to|task|goal):?\s*(.+)", re.I)
_ARTICLE = r"(?:an?|some|the|one)\s+"
_IN = r"\s+(?:in|on|into|onto|to|at|inside)(?:/on)?\s+(?:the |an? |some )?"
_TWO = re.compile(rf"\b(?:two|2|both)\s+(.+?)(?:\s+and\s+(?:put|place|move)\s+(?:them|both))?{_IN}(.+)", re.I)
_LIGHT = re.compile(rf"\b(?:look at|examine|inspect|read|see)\s+(?:{_ARTICLE})?(.+?)\s+"
                    r"(?:under|with|by|using|in|beneath|near)\s+(?:the |an? )?(?:light of (?:the |an? )?)?(.+)", re.I)
_THEN = re.compile(rf"\b(\w+)\s+(?:{_ARTICLE})(.+?)\s+and\s+(?:then\s+)?(?:put|place|move)\s+it{_IN}(.+)", re.I)
_PUT = re.compile(rf"\b(?:put|place|move|bring)\s+(?:{_ARTICLE})?(.+?){_IN}(.+)", re.I)


@dataclass(frozen=True)
class Goal:
    """What is to be done: `verb` is "", one of VERBS or "look" (then `target` is the lamp)."""

    verb: str
    thing: str
    target: str
    count: int = 1


@dataclass(frozen=True)
class Game:
    """A game as its prompt shows it: the receptacles of the room, the goal, and the turns so far.

    `put` is how the instructions say that things are put down: "put" or "move", "" where they do not say.
    """

    room: tuple[str, ...]
    goal: Goal | None
    turns: tuple[Turn, ...]
    put: str = ""


def stem(name: str) -> str:
    """A type name without blanks, numbers and plural, as they differ between people and games.

    >>> stem("Coffee machines"), stem("shelves"), stem("glassbottle 2")
    ('coffeemachine', 'shelf', 'glassbottle')
    """
    word = re.sub(r"[^a-z]", "", name.casefold())
    if word.endswith("shelves"):
        return word.removesuffix("ves") + "f"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=65_536)
def kind(entity: str) -> str:
    """
    >>> kind("mug 2")
    'mug'
    """
    return stem(entity.rsplit(" ", 1)[0] if entity[-1:].isdigit() else entity)


@lru_cache(maxsize=8_192)
def read_scene(text: str) -> tuple[tuple[str, ...], Goal | None]:
    """(receptacles of the room, goal) of a game's first observation."""
    about, _, rest = text.partition("you see ")
    room = tuple(_LISTED.findall(rest.split("\n", 1)[0].casefold())) if rest else ()
    goals = _GOAL.findall(text)
    return room, read_goal(goals[-1]) if goals else None


@lru_cache(maxsize=8_192)
def read_goal(sentence: str) -> Goal | None:
    """The goal that a sentence states, or None.

    >>> read_goal("put a clean mug in cabinet.")
    Goal(verb='clean', thing='mug', target='cabinet', count=1)
    """
    text = sentence.strip().rstrip(".!").casefold()
    if match := _TWO.search(text):
        return Goal("", stem(match[1]), stem(match[2]), 2)
    if (match := _LIGHT.search(text)) and "lamp" in match[2]:
        return Goal("look", stem(match[1]), stem(match[2]))
    if (match := _THEN.search(text)) and match[1] in _ADJECTIVES:
        return Goal(_ADJECTIVES[match[1]], stem(match[2]), stem(match[3]))
    if match := _PUT.search(text):
        first, _, rest = match[1].partition(" ")
        verb = _ADJECTIVES.get(first, "") if rest else ""
        return Goal(verb, stem(rest if verb else match[1]), stem(match[2]))
    return None


_CLOSED = re.compile(r"\b([a-z]+ \d+) is closed\.")
_SEEN = re.compile(r"(?:\b([a-z]+ \d+) is open\. )?\b[IO]n (?:the )?([a-z]+ \d+|it), you see ([^.]*)\.")


@lru_cache(maxsize=65_536)
def read_result(text: str) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    """What a result shows of receptacles: (receptacle, things seen, or None where it is closed).

    >>> read_result("You open the drawer 1. The drawer 1 is open. In it, you see a pen 1.")
    (('drawer 1', ('pen 1',)),)
    """
    shown: list = [(name, None) for name in _CLOSED.findall(text)]
    for before, name, things in _SEEN.findall(text):
        shown.append((before if name == "it" else name, tuple(_LISTED.findall(things))))
    return tuple((name, things) for name, things in shown if name)


@dataclass
class Memory:
    """What a player knows from the turns it is shown.

    here: the receptacles it stands at; seen: things by receptacle, as last seen; closed: receptacles seen
    closed and not opened since; held: what it carries; done: (verb, thing) that worked; placed: things it
    put down, with their receptacle; failed: how often an action did nothing; put: the verb it took.
    """

    here: list[str] = field(default_factory=list)
    seen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    closed: dict[str, bool] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    done: dict[tuple[str, str], str] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    last: Turn = ("", "")
    put: str = ""

    def delivered(self, goal: Goal) -> list[str]:
        """The things of the goal's kind that were put where it says."""
        placed = self.placed.items()
        return [name for name, place in placed if kind(name) == goal.thing and kind(place) == goal.target]

    def where(self, thing: str) -> list[tuple[str, str]]:
        """(entity, receptacle) of all things of a kind that were seen and not taken since."""
        return [(name, place) for place, names in self.seen.items() for name in names if kind(name) == thing]


_TAKE = re.compile(r"take (.+) from (.+)$")
_PLACE = re.compile(r"(?:put|move|place) (.+?) (?:in/on|into|in|on|to) (.+)$")
_WITH = re.compile(r"(clean|heat|cool) (.+) with (.+)$")


@lru_cache(maxsize=65_536)
def read_action(action: str) -> tuple[str, str, str]:
    """(verb, first, second) of an action; verb "" for one that is none of the game's.

    >>> read_action("put mug 1 in/on shelf 2"), read_action("go to desk 1")
    (('put', 'mug 1', 'shelf 2'), ('go', 'desk 1', ''))
    """
    text = " ".join(action.casefold().split())
    if match := _TAKE.match(text):
        return "take", match[1], match[2]
    if match := _WITH.match(text):
        return match[1], match[2], match[3]
    if match := _PLACE.match(text):
        return "put", match[1], match[2]
    verb, _, rest = text.partition(" ")
    if verb == "go":
        return "go", rest.removeprefix("to ").strip(), ""
    return (verb, rest, "") if verb in ("open", "close", "use", "examine", "look", "inventory") else ("", text, "")


def remember(turns: Iterable[Turn]) -> Memory:
    """The memory of a player who was shown these turns."""
    memory = Memory()
    for action, result in turns:
        update(memory, action, result)
    return memory


def update(memory: Memory, action: str, result: str) -> None:
    """Take one turn into the memory."""
    memory.last = (action, result)
    verb, first, second = read_action(action)
    if NOTHING in result:
        memory.failed[action] = memory.failed.get(action, 0) + 1
        if verb == "go" and first not in memory.here:  # it stands there already, at another name
            memory.here.append(first)
        return
    if not result:
        return
    if verb == "go":
        memory.here = [first]
    elif verb == "take":
        memory.held = [first]
        memory.placed.pop(first, None)
        memory.seen[second] = tuple(name for name in memory.seen.get(second, ()) if name != first)
    elif verb == "put":
        memory.held = [name for name in memory.held if name != first]
        memory.placed[first] = second
        memory.seen[second] = (*memory.seen.get(second, ()), first)
        memory.put = action.split(" ", 1)[0]
    elif verb in VERBS:
        memory.done[verb, first] = second
    elif verb in ("examine", "open"):  # once is enough, even where the text cannot be read
        memory.closed[first] = False
        memory.seen.setdefault(first, ())
    for name, things in read_result(result):
        memory.closed[name] = things is None
        if things is not None:
            memory.seen[name] = things
    if "are carrying" in result:  # the inventory
        memory.held = _LISTED.findall(result.partition("are carrying")[2])


_ANSWER = re.compile(r"^[\W_]*(?:ANSWER|ACTION)[^\w\n]*:[\s*`]*(.*?)[\s*`]*$", re.MULTILINE | re.IGNORECASE)


def read_chat(messages: Sequence[dict], instructions: str = "") -> Game:
    """The game as a player's own prompt shows it: scene first, then its replies and their results."""
    scenes = (find_section("scene", message["content"]) for message in messages if message["role"] == "user")
    room, goal = read_scene(next((scene for scene in scenes if scene is not None), ""))
    turns, action = [], ""
    for message in messages:
        if message["role"] == "assistant":
            action = _answer(message["content"])
        elif action:
            turns.append((action, _result(message["content"])))
            action = ""
    return Game(room, goal, tuple(turns), _put_form(instructions))


@lru_cache(maxsize=1_024)
def _put_form(instructions: str) -> str:
    forms = re.findall(r"\b(put|move) \w+ (?:in/on|to) ", instructions + " ")
    return forms[0] if len(set(forms)) == 1 else ""


@lru_cache(maxsize=65_536)
def _answer(reply: str) -> str:
    answers = _ANSWER.findall(reply)
    return " ".join((answers[-1] if answers else reply).split())


@lru_cache(maxsize=65_536)
def _result(content: str) -> str:
    result = find_section("result", content)
    return content if result is None else result


@lru_cache(maxsize=4_096)
def read_trajectory(body: str) -> Game | None:
    """The game as evaluator and optimiser are shown it; None where the text shows none."""
    scene, turns = find_section("scene", body), find_section("turns", body)
    if scene is None:
        return None
    if turns is None:
        played = [(action.strip(), "") for action in _ANSWER.findall(body)[-1:]]
    else:
        blocks = [block.splitlines() for block in re.split(r"^> ", turns, flags=re.MULTILINE)[1:]]
        played = [(action.strip(), " ".join(line for line in lines if not line.startswith("THOUGHT:")))
                  for action, *lines in (block or [""] for block in blocks)]
    return Game(*read_scene(scene), tuple(played))
