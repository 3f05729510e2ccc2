"""A server of one's own (vLLM's): started when it is first asked, and ended with its owner."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets as random_words
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rag_study.common import circumstances, machine, secrets
from rag_study.common.errors import StudyError
from rag_study.models import api_key, watchdog
from rag_study.models.endpoint import Endpoint

# A large model may come from a slow disk, and kernels are compiled.
START_TIMEOUT_S = 1800.0
# Another process may take the free port before the server does.
_STARTS = 3
_TAKEN = re.compile(r"address already in use", re.IGNORECASE)
_CAUSES, _LAST_LINES = 3, 6
_CAUSE = re.compile(r"\b[A-Za-z]+(Error|Exception): ")
_WATCHED = (sys.executable, "-P", watchdog.__file__)
# Gigabytes for keys and values on a processor, where vLLM would take nine tenths of the memory.
_CACHE_ON_CPU = "4"
_KEYS = "RAG_STUDY_VLLM_KEY_"


class Server:
    """`command` serves OpenAI's API once it is told `--host` and `--port`; what it says goes to the
    file `log`. It listens to this machine alone, and takes a key that only this process knows.

    A context manager that ends it. It also ends where this process does, however that happens
    (`watchdog`).
    """

    def __init__(self, command: Sequence[str], log: Path, start_timeout_s: float = START_TIMEOUT_S):
        self.command, self.log = [*command], log
        self.start_timeout_s = start_timeout_s
        self._process: subprocess.Popen | None = None
        self._url, self._variable = "", f"{_KEYS}{random_words.token_hex(4)}"
        self._lock = threading.Lock()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def endpoint(self, model: str, **options: object) -> Endpoint:
        """One of its models, `options` as of Endpoint; the server is started where it is not yet.

        Raises StudyError, with the last lines of its log, where it does not start.
        """
        with self._lock:
            if self._process is None:
                self._start()
        return Endpoint(f"{self._url}/v1", model, self._variable, **options)

    def stop(self) -> None:
        """End the server and everything that it has started; nothing where it does not run."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            os.environ.pop(self._variable, None)
            process.stdin.close()
            try:
                process.wait(2 * watchdog.GRACE_S)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
            secrets.hide_in_file(self.log)

    def _start(self) -> None:
        key = os.environ[self._variable] = random_words.token_urlsafe(32)
        secrets.register(key)
        for attempt in range(1, _STARTS + 1):
            port = _free_port()
            self._url = f"http://127.0.0.1:{port}"
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*_WATCHED, *self.command, "--host", "127.0.0.1", "--port", str(port)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for its owner
                    env=_environment(key),
                )
            try:
                problem = self._wait_until_ready(key)
            except BaseException:  # interrupted
                self._give_up()
                raise
            if problem is None:
                return
            said = self._give_up()
            if attempt == _STARTS or not _TAKEN.search(said):
                break
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        # The cause is named first, and what follows from it after it, in processes that wait.
        causes = [line for line in lines if _CAUSE.search(line)][:_CAUSES]
        telling = dict.fromkeys([*causes, *lines[-_LAST_LINES:]])
        shown = "\n".join(f"  {line[:300]}" for line in telling) or "  (it has said nothing)"
        raise StudyError(f"vLLM {problem}. In {self.log} it said, at last:\n{shown}")

    def _give_up(self) -> str:
        """End a server that is of no use; what it has said."""
        process, self._process = self._process, None
        process.stdin.close()
        process.wait()
        secrets.hide_in_file(self.log)
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _wait_until_ready(self, key: str) -> str | None:
        """Waits until the server answers with this key; else what went wrong."""
        until = time.monotonic() + self.start_timeout_s
        while time.monotonic() < until:
            if (code := self._process.poll()) is not None:
                return f"ended before it could be asked (exit code {code})"
            with contextlib.suppress(OSError, ValueError):
                self._told("/v1/models", key)
                with contextlib.suppress(OSError, ValueError, KeyError):
                    version = self._told("/version", key)["version"]
                    circumstances.remember(f"Answers were written by version {version} of vLLM.")
                return None
            time.sleep(0.25)
        return f"could not be asked after {self.start_timeout_s / 60:.3g} minutes"

    def _told(self, path: str, key: str) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._url}{path}", headers={"Authorization": f"Bearer {key}"}
        )
        # No proxy can reach this machine itself.
        client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with client.open(request, timeout=5) as reply:
            return json.load(reply)


def _environment(key: str) -> dict[str, str]:
    """That of this process, without the keys of other servers. vLLM would tell its makers how it is
    used. On a processor it has the threads and the memory of one run, not those of the machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (api_key.KEY_VARIABLE, api_key.OPENAI_KEY_VARIABLE)
        and not name.startswith(_KEYS)
    }
    if not machine.has_gpu():
        kept.setdefault("VLLM_CPU_KVCACHE_SPACE", _CACHE_ON_CPU)
        kept.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    private = {"VLLM_API_KEY": key, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return {**kept, **private}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
