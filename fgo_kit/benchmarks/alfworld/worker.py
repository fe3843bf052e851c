"""One ALFWorld engine in a process of its own: reads JSON lines on stdin, answers on stdout.

A script, not a module of the package: it starts with nothing but the standard library and textworld. The
stock engine is slow and leaks because of a few spots only, which are replaced here. What is played stays
textworld's: PDDL state, grammar and planner library; texts and commands are identical (tests compare them).

    {"op": "start", "game": path or object}  ->  {"text", "won", "commands"}
    {"op": "step", "action": "look"}         ->  {"text", "won", "commands"}
    {"op": "state"}                          ->  {"at", "holding", "objects"}

Every answer may instead be {"error": text}. The process ends when stdin does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import types
import zlib
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path

CACHE_FORMAT = "2"
STAND_INS = ("jericho", "networkx", "prompt_toolkit", "prompt_toolkit.completion", "prompt_toolkit.history")
_GOAL = re.compile(r'("rhs":\s*)("Your task is to: (?:[^"\\]|\\.)*")')
_STATES = ("isclean", "ishot", "iscool", "issliced", "istoggled")


def import_engine():
    """textworld's PDDL environment, patched, without the packages that only other kinds of games need:
    importing them takes half the start of a worker, and jericho is GPL and has to be compiled."""
    for name in STAND_INS:
        stand_in = sys.modules[name] = types.ModuleType(name)
        stand_in.__path__ = []
        stand_in.__getattr__ = lambda wanted: type(wanted, (Warning,), {})  # jericho's are warnings
    from textworld.envs.pddl import logic, pddl, textgen

    _patch_grammar(textgen, logic)
    return logic, pddl


def _patch_grammar(textgen, logic) -> None:
    """Parse every text once; copy what is changed and nothing else."""
    parse_symbols, parse_game, parse_query = (
        textgen._parse_and_convert, logic._parse_and_convert, textgen.Rule.parse_conjunctive_query,
    )  # fmt: skip
    symbols = lru_cache(maxsize=20_000)(lambda text: parse_symbols(text, rule_name="symbols"))
    compiled = lru_cache(maxsize=1_000)(lambda text: compile(text, "<grammar>", "eval"))
    logic_of = lru_cache(maxsize=16)(lambda text: parse_game(text, rule_name="pddlStart"))

    def copied(thing):
        # As deepcopy, for what it is used on: lists of symbols, and symbols in symbols. `derive` writes contexts.
        if isinstance(thing, list):
            return [copied(part) for part in thing]
        made = object.__new__(type(thing))
        made.__dict__.update(thing.__dict__)
        for name, value in thing.__dict__.items():
            if isinstance(value, textgen.Symbol):
                made.__dict__[name] = copied(value)
        return made

    def copied_symbols(text, **_):
        return copied(symbols(text))

    def game(text, **_):
        # Games differ in the goal sentence alone, so the rest of the grammar is parsed once.
        goal = _GOAL.search(text)
        if goal is None:
            return parse_game(text, rule_name="pddlStart")
        actions, parsed = logic_of(_GOAL.sub(r'\1"Your task is to: GOAL"', text, count=1))
        rule = textgen.ProductionRule(lhs="task", rhs=copied_symbols(json.loads(goal.group(2))))
        grammar = textgen.ContextSensitiveGrammar()
        grammar.update(parsed)
        grammar._rules["task"] = [rule]
        return actions, grammar

    def copy_context(context):
        return {**context, "variables": dict(context["variables"]), "mapping": dict(context["mapping"])}

    def derive(self, context=None):
        # Upstream updates locals() and evaluates in them, which does nothing since Python 3.13 (PEP 667).
        variables = (context or self.context)["variables"]
        return [textgen.TerminalSymbol(eval(compiled(self.expression), {}, dict(variables)))]

    textgen._parse_and_convert, textgen.deepcopy = copied_symbols, copied
    textgen.copy_context = copy_context
    textgen.EvalSymbol.derive = derive
    textgen.Rule.parse_conjunctive_query = lru_cache(maxsize=2_000)(parse_query)
    logic._parse_and_convert = game


class Translations:
    """PDDL to SAS, the slowest part of a start: kept in memory for the game at hand, on disk for all."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._last = ("", {})

    def of(self, domain: str, problem: str) -> dict:
        text = "\n".join((CACHE_FORMAT, domain, problem))
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        if self._last[0] != key:
            found = self._read(key)
            if found is None:
                found = translate(domain, problem)
                self._write(key, found)
            self._last = (key, found)
        return self._last[1]

    def _read(self, key: str) -> dict | None:
        if self.folder is None:
            return None
        try:
            return json.loads(zlib.decompress((self.folder / key).read_bytes()))
        except (OSError, ValueError, zlib.error):  # absent or damaged: made again
            return None

    def _write(self, key: str, translation: dict) -> None:
        if self.folder is None:
            return
        part = self.folder / f"{key}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(zlib.compress(json.dumps(translation).encode(), 1))
            os.replace(part, self.folder / key)
        except OSError:  # a cache that cannot be written is no reason to stop
            part.unlink(missing_ok=True)


def translate(domain: str, problem: str) -> dict:
    """What playing needs of fast-downward's translation, as plain data."""
    import fast_downward
    from fast_downward.translate.pddl.conditions import Atom
    from fast_downward.translate.pddl.f_expression import Assign

    task, sas = fast_downward.pddl2sas(domain, problem)
    facts = []
    for atom in task.init:  # equalities and numbers are no facts, as upstream
        if isinstance(atom, Atom) and atom.predicate != "=":
            facts.append([atom.predicate, *atom.args])
        elif isinstance(atom, Assign) and atom.fluent.symbol != "total-cost":
            name = str(atom.expression.value)
            if not name.isdigit():
                facts.append([name, *atom.fluent.args])
    return {
        "sas": sas,
        "facts": facts,
        "types": [[t.name, list(t.supertype_names)] for t in task.types],
        "objects": {o.name: o.type_name for o in task.objects},
        "changing": sorted({e.literal.predicate for a in task.actions for e in a.effects}),
        "actions": {a.name: [[p.name, p.type_name] for p in a.parameters] for a in task.actions},
    }


def engine_class(translations: Translations):
    """The environment class to play with: textworld's, without planning and template lists."""
    logic, pddl = import_engine()
    from alfworld.agents.utils.misc import Demangler
    from mementos.core import _memento_cache
    from textworld.core import EnvInfos
    from textworld.logic import Action, Placeholder, Proposition, Type, Variable

    class State(logic.PddlState):
        def __init__(self, library, problem, game_logic):
            # As upstream, but with the kept translation, and without a second one for the planner.
            self._facts, self._vars_by_name = defaultdict(set), {}
            self._vars_by_type, self._var_counts = defaultdict(set), Counter()
            self._logic, self.downward_lib, self.pddl_problem = game_logic, library, problem
            found = translations.of(game_logic.domain, problem)
            self._actions = {
                name: types.SimpleNamespace(
                    parameters=[types.SimpleNamespace(name=n, type_name=t) for n, t in parameters]
                )
                for name, parameters in found["actions"].items()
            }
            for name, supertypes in found["types"]:
                with contextlib.suppress(ValueError):  # known already, as upstream
                    game_logic.types.add(Type(name, supertypes))
            library.load_sas(found["sas"].encode())
            self.name2type, self.changing = found["objects"], set(found["changing"])
            self.add_facts(
                Proposition(name, [Variable(arg, self.name2type[arg]) for arg in args])
                for name, *args in found["facts"]
            )
            atoms = (logic.Atom * library.get_state_size())()
            library.get_state(atoms)
            true = [atom for atom in atoms if not atom.name.startswith("NegatedAtom")]
            facts = [atom.get_fact(self.name2type) for atom in true]
            self.add_facts(fact for fact in facts if not fact.is_negation)
            self._mappings = {}

        def all_applicable_actions(self):
            # As upstream, but an operator's arguments are looked up once a game.
            count = self.downward_lib.get_applicable_operators_count()
            operators = (logic.fast_downward.Operator * count)()
            self.downward_lib.get_applicable_operators(operators)
            self._operators, found = {op.id: op for op in operators}, {}
            for operator in operators:
                if (full := operator.name) not in found:
                    name, *arguments = full.split()
                    if full not in self._mappings:
                        self._mappings[full] = {
                            Placeholder(p.name.strip("?"), p.type_name): Variable(arg, p.type_name)
                            for p, arg in zip(self._actions[name].parameters, arguments, strict=False)
                        }
                    action = found[full] = Action(name=name, preconditions=[], postconditions=[])
                    action.id, action.mapping = operator.id, self._mappings[full]
                    action.command_template = self._logic.actions[name].template
                    action.feedback_rule = self._logic.actions[name].feedback_rule
            return list(found.values())

    loaded: list[State] = []  # the state that `load` made, which `reset` would make again

    class Engine(pddl.PddlEnv):
        def __init__(self):
            super().__init__(EnvInfos(won=True, admissible_commands=True))

        def load(self, data):
            _memento_cache.clear()  # every fact of every game would be kept for ever
            loaded.clear()
            super().load(data)
            loaded.append(self._pddl_state)
            self._commands, self._settled = {}, {}  # of this game: what `derive` made of a template
            names = Demangler(game_infos=self._entity_infos)
            for info in self._entity_infos.values():
                info.name = names.demangle_alfred_name(info.id)

        def _key(self, action):
            """What a command's text depends on, None where on facts that change or on others' arguments."""
            template, own = action.command_template, {ph.name: var.name for ph, var in action.mapping.items()}
            if template not in self._settled:
                words = set(re.findall(r"\w+", template))
                predicates = {name.removeprefix("not_") for name in re.findall(r"(\w+)\(", template)}
                open_places = set(re.findall(r"(\w+):", template)) - set(own)
                settled = "#" not in template and not open_places and not predicates & self._pddl_state.changing
                self._settled[template] = words if settled else None
            words = self._settled[template]
            if words is None:
                return None
            return (template, *(value for name, value in own.items() if name in words))

        def _gather_infos(self):
            state, facts = self.state, list(self._pddl_state.facts)
            state["won"], state["lost"] = self._pddl_state.check_goal(), False
            state["_valid_actions"] = list(self._pddl_state.all_applicable_actions())
            mapping = {k: info.name for k, info in self._entity_infos.items()}
            state["_valid_commands"] = []
            for action in state["_valid_actions"]:
                key = self._key(action)
                if key not in self._commands:
                    variables = {ph.name: self._entity_infos[v.name] for ph, v in action.mapping.items()}
                    context = {
                        "state": self._pddl_state, "facts": facts, "variables": variables,
                        "mapping": action.mapping, "entity_infos": self._entity_infos,
                    }  # fmt: skip
                    derived = self._logic.grammar.derive(action.command_template, context)
                    action.command_template = derived
                    self._commands[key] = (derived, action.format_command(mapping))
                action.command_template, command = self._commands[key]
                state["_valid_commands"].append(command)
                self._commands.pop(None, None)
            state["admissible_commands"] = sorted(set(state["_valid_commands"]))

    pddl.pddl_logic.PddlState = lambda *given: loaded.pop() if loaded else State(*given)
    return Engine


def summary(engine) -> dict:
    """Where the agent is, what it holds, and for every object where it lies and what was done to it."""
    names = {key: info.name.strip() for key, info in engine._entity_infos.items()}
    holding, places, done, here, standing = "", {}, {}, [], []
    facts = sorted((f.name, [a.name for a in f.arguments]) for f in engine._pddl_state.facts)
    for name, args in facts:
        if name == "holds":
            holding = names[args[1]]
        elif name == "inreceptacle":
            places[names[args[0]]] = names[args[1]]
        elif name in _STATES:
            done.setdefault(names[args[0]], []).append(name[2:])
        elif name == "atlocation":
            here.append(args[1])
        elif name == "receptacleatlocation":
            standing.append((args[1], names[args[0]]))
    at = ", ".join(sorted(name for place, name in standing if place in here))
    objects = {o: [place, *done.get(o, [])] for o, place in sorted(places.items())}
    if holding:
        objects[holding] = ["held", *done.get(holding, [])]
    return {"at": at, "holding": holding, "objects": objects}


def answer(engine, request: dict) -> dict:
    if request["op"] == "state":
        return summary(engine)
    if request["op"] == "start":
        game = request["game"]
        engine.load(json.loads(Path(game).read_text(encoding="utf-8")) if isinstance(game, str) else game)
        state = engine.reset()
    else:
        state, _, _ = engine.step(request["action"])
    return {"text": state.feedback, "won": bool(state["won"]), "commands": state["admissible_commands"]}


def serve(cache: str) -> None:
    """Answer requests until stdin ends."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever the engine prints must not reach the pipe
    try:
        engine = engine_class(Translations(Path(cache) if cache else None))()
        reply = {"ready": True}
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), file=pipe, flush=True)
    for line in sys.stdin:
        try:
            reply = answer(engine, json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=pipe, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1] if len(sys.argv) > 1 else "")
