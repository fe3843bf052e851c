"""MLflow and Weights & Biases as trackers of runs: each package is an extra, imported when it is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

LONGEST = 500
"""Characters of a parameter that MLflow surely takes."""


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"tracker={name!r} needs the package {name}, which is not installed ({error}); pip install "
                          f"'fgo-kit[{name}]'") from error


class MLflow:
    """Runs of one experiment, at the tracking URI that MLflow itself is set to (MLFLOW_TRACKING_URI)."""

    def __init__(self, experiment: str):
        self._client, self._experiment, self._run = _package("mlflow").MlflowClient(), experiment, ""

    def begin(self, name: str, params: Mapping[str, Any]) -> None:
        known = self._client.get_experiment_by_name(self._experiment)
        at = known.experiment_id if known else self._client.create_experiment(self._experiment)
        self._run = self._client.create_run(at, run_name=name).info.run_id
        for key, value in params.items():
            self._client.log_param(self._run, key, str(value)[:LONGEST])

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, timestamp=now, step=step)

    def text(self, name: str, content: str) -> None:
        self._client.log_text(self._run, content, name)

    def end(self, status: str) -> None:
        self._client.set_terminated(self._run, "FINISHED" if status == "ok" else "FAILED")


class WandB:
    """Runs of one project, where and how wandb itself is set to (WANDB_MODE=offline writes to the disk alone)."""

    def __init__(self, project: str):
        self._wandb, self._project, self._run = _package("wandb"), project, None

    def begin(self, name: str, params: Mapping[str, Any]) -> None:
        self._run = self._wandb.init(project=self._project, name=name, config=dict(params), reinit="create_new")

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def text(self, name: str, content: str) -> None:
        stem, _, _ = name.partition(".")
        artifact = self._wandb.Artifact(f"{stem}-{self._run.id}", type="module")
        with artifact.new_file(name, mode="w", encoding="utf-8") as file:
            file.write(content)
        self._run.log_artifact(artifact)

    def end(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "ok" else 1)
