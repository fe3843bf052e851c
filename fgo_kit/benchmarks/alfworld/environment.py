"""How a game of ALFWorld is played: what the agent is shown, turn by turn, and when the game ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...algorithm.benchmark import Environment
from ...algorithm.prompts import quote, section
from ...records import Task
from .engine import NOTHING, Game

MAX_STEPS = 50
_BANNER = "-= Welcome to TextWorld, ALFRED! =-\n\n"


@dataclass
class Play(Environment):
    """The environment of one task: a game of at most 50 steps."""

    task: Task
    game: Game
    steps: int = 0
    invalid: int = 0
    final: str = ""
    info: dict[str, str] = field(default_factory=dict)

    def observe(self) -> str:
        return section("scene", quote(self.game.text.removeprefix(_BANNER)))

    def step(self, action: str) -> tuple[str, bool]:
        """Only white space is tidied: commands are lower case and without a full stop, as shown."""
        self.final = self.game.step(" ".join(action.split()))
        self.steps += 1
        self.invalid += self.final == NOTHING
        done = self.game.won or self.steps >= MAX_STEPS
        if done:
            self.info = self._told()
        return section("result", quote(self.final)), done

    def close(self) -> None:
        self.game.close()

    def _told(self) -> dict[str, str]:
        state = _state_text(self.game.state(), self.task.meta["target"])
        return {
            "task type": self.task.meta["task_type"], "steps": str(self.steps), "invalid actions": str(self.invalid),
            "won": "yes" if self.game.won else "no", "final state": state,
        }  # fmt: skip


def _state_text(state: dict, target: str) -> str:
    """Where the agent ended, and where the objects of the kind the task is about are."""
    where = f"at {state['at']}" if state["at"] else "in the middle of the room"
    things = "; ".join(f"{name}: {', '.join(of)}" for name, of in state["objects"].items() if name.split()[0] == target)
    return f"{where}, holding {state['holding'] or 'nothing'}; {things or f'no {target} in sight'}"
