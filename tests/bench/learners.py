"""One client at a whole optimisation, in a process of its own: `python learners.py CLIENT URL WORKERS TASKS.json`.

Prints a JSON line: `score` on the held-out tasks, `cpu` seconds and the time of the `end`; `reached`, when (seconds since
1970) the client first had what scores the target there, where the client can be looked into. All have the settings that
their own documentation recommends: dspy.GEPA and MIPROv2 with auto="light", GEPA, which has no such presets, with as
many metric calls as dspy.GEPA's; both stop early where all of their own validation tasks are right. MIPROv2 divides the
training tasks by itself, for the other two they are halved.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def same(given: str, right: str) -> bool:
    """Whether an answer is right, whatever its case, white space and separators."""
    given, right = (re.sub(r"[\s\-./#:]", "", text).upper() for text in (given, right))
    return given == right


def feedback(given: str, right: str) -> str:
    return f"The answer is {'right' if same(given, right) else 'wrong'}. The correct answer is '{right}'."


class Bests:
    """Stops GEPA at a perfect score on its own tasks, and remembers when it had which best candidate."""

    def __init__(self):
        self.found: list[tuple[float, dict[str, str]]] = []
        self._best = -1.0

    def __call__(self, state) -> bool:
        scores = list(state.program_full_scores_val_set)
        if scores and max(scores) > self._best:
            self._best = max(scores)
            self.found.append((time.time(), state.program_candidates[scores.index(self._best)]))
        return self._best >= 1.0


def report(score: float, earlier: list[tuple[float, Callable[[], float]]], target: float) -> dict:
    """The result. earlier: when there was what may have scored the target before, and how to score it; not timed."""
    end, cpu = time.time(), time.process_time()
    reached = next((at for at, scored in earlier if scored() >= target), end if score >= target else None)
    return {"score": score, "end": end, "cpu": cpu, "reached": reached}


def fgo(tasks: dict, url: str, workers: int, method: str = "fgo") -> dict:
    import fgo_kit

    llm = fgo_kit.load_llm(f"openai:{tasks['name']}", base_url=url, api_key="none")
    with tempfile.TemporaryDirectory() as folder:
        done = fgo_kit.run(_bench(tasks), llm, method=method, workers=workers, seed=tasks["seed"], log=Path(folder) / "log.sqlite")
        return report(done.score, [], tasks["target"])


def fgo_plus(tasks: dict, url: str, workers: int) -> dict:
    return fgo(tasks, url, workers, "fgo+")


def _bench(tasks: dict):
    import fgo_kit

    if tasks["name"] == "documents":
        from tasks import documents

        return documents(tasks["seed"])
    rows = [{"question": question, "answer": answer, "split": split} for split, part in (("train", "train"), ("test", "held_out"))
            for question, answer in tasks[part]]  # fmt: skip
    return fgo_kit.from_table(rows, instructions=tasks["instructions"], split="split")


def gepa(tasks: dict, url: str, workers: int) -> dict:
    import gepa as library
    from gepa.adapters.default_adapter.default_adapter import DefaultAdapter, EvaluationResult
    from gepa.lm import LM

    def evaluator(data, response: str) -> EvaluationResult:
        return EvaluationResult(float(same(response, data["answer"])), feedback(response, data["answer"]))

    def instances(part: list) -> list[dict]:
        return [{"input": question, "answer": answer, "additional_context": {}} for question, answer in part]

    def scored(candidate: dict[str, str]) -> float:
        scores = adapter.evaluate(instances(tasks["held_out"]), candidate).scores
        return sum(scores) / len(scores)

    model, half, bests = f"openai/{tasks['name']}", len(tasks["train"]) // 2, Bests()
    adapter = DefaultAdapter(model, evaluator, workers, {"api_base": url})  # a model by name is asked side by side
    result = library.optimize(
        {"system": tasks["instructions"]}, instances(tasks["train"][:half]), instances(tasks["train"][half:]), adapter=adapter,
        reflection_lm=LM(model, api_base=url), max_metric_calls=_light(half), stop_callbacks=bests, seed=tasks["seed"], raise_on_exception=True)  # fmt: skip
    score = scored(result.best_candidate)
    return report(score, [(at, lambda found=found: scored(found)) for at, found in bests.found], tasks["target"])


def _light(n: int) -> int:
    """Metric calls of dspy.GEPA's auto="light" for one module and so many validation tasks."""
    trials, batch, every = 10, 35, 5
    return n + 6 * 5 + trials * batch + ((trials + 1) // every + 1) * n


class _Program:
    """The task for DSPy: its examples, its metric, and one module."""

    def __init__(self, tasks: dict, url: str, workers: int):
        import dspy

        self.lm = dspy.LM(f"openai/{tasks['name']}", api_base=url, api_key="none", cache=False)
        dspy.configure(lm=self.lm)
        self.module = dspy.Predict(dspy.Signature("question -> answer", tasks["instructions"]))
        self.train, self.held_out = ([dspy.Example(question=question, answer=answer).with_inputs("question")
                                      for question, answer in tasks[part]] for part in ("train", "held_out"))  # fmt: skip
        self.evaluate = dspy.Evaluate(devset=self.held_out, metric=lambda *pair: self.right(*pair), num_threads=workers)

    @staticmethod
    def right(gold, pred, trace=None) -> bool:
        return same(str(pred.answer), gold.answer)

    def scored(self, module) -> float:
        return float(self.evaluate(module).score) / 100

    def instructed(self, candidate: dict[str, str]):
        module = self.module.deepcopy()
        for name, predictor in module.named_predictors():
            predictor.signature = predictor.signature.with_instructions(candidate[name])
        return module


def dspy_gepa(tasks: dict, url: str, workers: int) -> dict:
    import dspy

    program, bests, half = _Program(tasks, url, workers), Bests(), len(tasks["train"]) // 2

    def metric(gold, pred, *_):
        return dspy.Prediction(score=float(same(str(pred.answer), gold.answer)), feedback=feedback(str(pred.answer), gold.answer))

    optimiser = dspy.GEPA(metric, auto="light", num_threads=workers, reflection_lm=program.lm, seed=tasks["seed"],
                          gepa_kwargs={"stop_callbacks": bests})  # fmt: skip
    score = program.scored(optimiser.compile(program.module, trainset=program.train[:half], valset=program.train[half:]))
    earlier = [(at, lambda found=found: program.scored(program.instructed(found))) for at, found in bests.found]
    return report(score, earlier, tasks["target"])


def miprov2(tasks: dict, url: str, workers: int) -> dict:
    import dspy

    program = _Program(tasks, url, workers)
    optimiser = dspy.MIPROv2(program.right, auto="light", num_threads=workers, seed=tasks["seed"] + 1)  # 0 is none to it
    return report(program.scored(optimiser.compile(program.module, trainset=program.train)), [], tasks["target"])


LEARNERS = {"fgo": fgo, "fgo+": fgo_plus, "gepa": gepa, "dspy_gepa": dspy_gepa, "miprov2": miprov2}


def main(client: str, url: str, workers: int, file: str) -> None:
    """Print what a client reports."""
    os.environ |= {"OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print
    told = LEARNERS[client](json.loads(Path(file).read_text(encoding="utf-8")), url, workers)
    print(json.dumps(told), file=out, flush=True)
    os._exit(0)  # some leave threads behind


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
