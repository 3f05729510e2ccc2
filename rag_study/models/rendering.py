"""Chat templates that come with a model are programs: they are rendered in a process of their own.

transformers' sandbox keeps a template from reaching anything, but not from running for ever or
filling the memory. The process has a limit of computing time for each chat, and one of memory; it
knows no key, and ends with the one that it serves.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from typing import Any

from rag_study.common import secrets
from rag_study.common.errors import StudyError

# Of one chat. Templates take milliseconds, and write little more than they are given.
LIMIT_S = 5
LIMIT_BYTES = 1_000_000_000
LIMIT_GROWTH, LIMIT_LETTERS = 20, 1_000_000


class TemplateError(Exception):
    """What a template says itself, or jinja of it; another form of the chat may do."""


class _Renderer:
    """The process, begun when it is needed first, and again after a template has ended it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, str]:
        """What the process replies; {"end": why} where the template has used up its limits."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                process = self._process = self._started()
            try:
                process.stdin.write(json.dumps(request, default=str) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            except BaseException:  # interrupted: what it still says would be taken for another's
                process.kill()
                raise
            if line:
                return json.loads(line)
            code = process.wait()
            if code == -signal.SIGPROF:
                return {"end": f"takes more than {LIMIT_S} seconds for one prompt"}
            return {"end": f"has ended the process that renders it (status {code})"}

    def _started(self) -> subprocess.Popen[str]:
        given = {k: v for k, v in os.environ.items() if k not in secrets.VARIABLES}
        return subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={**given, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )


_RENDERER = _Renderer()


def render(template: str, chat: list[dict[str, Any]], variables: dict[str, Any]) -> str:
    """The chat as the template writes it, ready for the assistant's reply.

    Raises TemplateError for what the template does not take, and StudyError, which goes on after
    "the chat template of a model", where it takes too long, or too much memory, or writes without
    measure.
    """
    request = {"template": template, "chat": chat, "variables": variables, "seconds": LIMIT_S}
    reply = _RENDERER.ask(request)
    if "end" in reply:
        raise StudyError(reply["end"])
    if "error" in reply:
        raise TemplateError(reply["error"])
    return reply["text"]


def _serve() -> None:
    """Render what comes in, a line of JSON for each chat, until nothing comes any more."""
    from transformers.utils.chat_template_utils import render_jinja_template

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that it serves
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LIMIT_BYTES, used + LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        try:
            request = json.loads(line)
            # Of computing time: a busy machine makes no template endless.
            signal.setitimer(signal.ITIMER_PROF, request["seconds"])
            reply = _rendered(render_jinja_template, request)
            if len(reply.get("text", "")) > LIMIT_GROWTH * len(line) + LIMIT_LETTERS:
                reply = {"end": f"writes {len(reply['text']):,} letters for one prompt"}
        except MemoryError:
            reply = {"end": "takes more than a gigabyte of memory for one prompt"}
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(reply), flush=True)


def _rendered(render_jinja_template: Any, request: dict[str, Any]) -> dict[str, str]:
    try:
        texts, _ = render_jinja_template(
            conversations=[request["chat"]],
            chat_template=request["template"],
            add_generation_prompt=True,
            **request["variables"],
        )
    except MemoryError:
        raise
    except Exception as error:  # jinja2's TemplateError, and what templates raise by themselves
        words = str(error).splitlines()
        return {"error": words[0][:500] if words else type(error).__name__}
    return {"text": texts[0]}


if __name__ == "__main__":
    _serve()
