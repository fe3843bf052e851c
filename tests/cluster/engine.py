"""A Dask cluster for tests: a scheduler and its workers, each a process of its own, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from dask.distributed import Client, Security

ROOT = str(Path(__file__).resolve().parents[2])


class Engine:
    """`client` and the worker processes, by the order in which they were started. They talk in TLS if asked to."""

    def __init__(self, folder: Path, tls: bool, **environment: str):
        self.folder, self.workers, self.begun, self._environment = folder, [], 0, environment
        self._certificates = certificates(folder) if tls else {}
        self.scheduler = self._start("scheduler", "--port=0")
        self.client: Client

    def _start(self, what: str, *options: str, **environment: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", f"--scheduler-file={self.folder}/scheduler.json",
                   "--host=127.0.0.1", "--no-dashboard", *options]  # fmt: skip
        command += [f"--tls-{name}={file}" for name, file in self._certificates.items()]
        keys = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        path = os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")])
        told = (self.folder / f"{what}{self.begun}.txt").open("w")
        with told:
            return subprocess.Popen(
                command, stderr=told, env=keys | {"PYTHONPATH": path} | self._environment | environment, cwd=self.folder
            )

    @property
    def security(self) -> Security | None:
        """What the client needs, too."""
        known = self._certificates
        return Security(tls_ca_file=known["ca-file"], tls_client_cert=known["cert"], tls_client_key=known["key"],
                        require_encryption=True) if known else None  # fmt: skip

    def join(self, **environment: str) -> subprocess.Popen:
        """One worker more, which runs one task at a time."""
        self.begun += 1
        self.workers.append(self._start("worker", "--nthreads=1", "--no-nanny", f"--name=w{self.begun}", **environment))
        return self.workers[-1]

    def end(self, worker: subprocess.Popen) -> None:
        """Kill a worker."""
        self.workers.remove(worker)
        worker.kill()
        worker.wait()

    def stop(self) -> None:
        while self.workers:
            self.end(self.workers[0])
        self.scheduler.kill()
        self.scheduler.wait()


def certificates(folder: Path) -> dict[str, str]:
    """Files of a certificate, its key, and who vouches for it."""
    authority, files = trustme.CA(), {name: str(folder / f"{name}.pem") for name in ("ca-file", "cert", "key")}
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(files["ca-file"])
    issued.cert_chain_pems[0].write_to_path(files["cert"])
    issued.private_key_pem.write_to_path(files["key"])
    return files


@contextmanager
def cluster(folder: Path, n_workers: int, tls: bool = False, **environment: str) -> Iterator[Engine]:
    """So many workers, with environment variables beside those of this process (of which no key is passed on)."""
    engine = Engine(folder, tls, **environment)
    try:
        for _ in range(n_workers):
            engine.join()
        with Client(scheduler_file=f"{folder}/scheduler.json", security=engine.security) as engine.client:
            engine.client.wait_for_workers(n_workers, timeout=120)
            yield engine
    finally:
        engine.stop()
