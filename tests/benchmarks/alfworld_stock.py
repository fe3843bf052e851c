"""A script that plays games in the stock engine, as alfworld sets it up, for comparison. Not a test.

Reads {"game": content, "actions": [...]} a line, or {"game": content, "seed": n, "steps": k} to draw actions
from what is possible, every sixth one nonsense. Writes a line per game: the actions, and per state text,
won and commands; CPU seconds of start and of all steps.
"""

import json
import os
import random
import sys
import tempfile
import time
import types


def stock_env():
    os.environ["ALFWORLD_DATA"] = tempfile.mkdtemp()
    try:
        import jericho  # noqa: F401
    except ImportError:
        stub = types.ModuleType("jericho")
        stub.UnsupportedGameWarning = stub.TruncatedInputActionWarning = UserWarning
        sys.modules["jericho"] = stub
    from alfworld.agents.utils.misc import Demangler
    from textworld.core import EnvInfos, Wrapper
    from textworld.envs.pddl import PddlEnv

    class AlfredDemangler(Wrapper):  # as in alfworld's alfred_tw_env, which needs more packages
        def load(self, *args, **kwargs):
            super().load(*args, **kwargs)
            names = Demangler(game_infos=self._entity_infos, shuffle=False)
            for info in self._entity_infos.values():
                info.name = names.demangle_alfred_name(info.id)

    return AlfredDemangler(PddlEnv(EnvInfos(won=True, admissible_commands=True)))


def play(env, request):
    chance, actions = random.Random(request.get("seed", 0)), request.get("actions")
    started = time.process_time()
    env.load(request["game"])
    state = env.reset()
    loaded = time.process_time() - started
    states, done, seconds = [shown(state)], [], 0.0
    for at in range(len(actions) if actions is not None else request["steps"]):
        drawn = chance.choice(state["admissible_commands"]) if at % 6 != 5 else "dance with cabinet 1"
        action = actions[at] if actions is not None else drawn
        started = time.process_time()
        state, _, _ = env.step(action)
        seconds += time.process_time() - started
        states.append(shown(state))
        done.append(action)
    return {"actions": done, "states": states, "start": loaded, "seconds": seconds}


def shown(state):
    return [state.feedback, bool(state["won"]), state["admissible_commands"]]


if __name__ == "__main__":
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    env = stock_env()
    for line in sys.stdin:
        print(json.dumps(play(env, json.loads(line))), file=pipe, flush=True)
