"""The key of a server, read from the environment when it is needed.

It is kept nowhere: not in a file, a log, an error or a repr. Servers repeat it, as it is or spelt
in another way: from here on it is masked (`common.secrets`).
"""

from __future__ import annotations

import os
import re

from rag_study.common import secrets
from rag_study.common.errors import StudyError

KEY_VARIABLE = "RAG_STUDY_API_KEY"
# Tools keep OpenAI's key here. A study file from elsewhere must not send it to another server.
OPENAI_KEY_VARIABLE, OPENAI_HOST = "OPENAI_API_KEY", "api.openai.com"


def read(variable: str, host: str | None) -> tuple[str, str]:
    """(name of the environment variable, key) for a server; the key is "" where none is set.

    `variable` is the one to look in; "" stands for RAG_STUDY_API_KEY, and for OpenAI's own server
    also OPENAI_API_KEY. Raises StudyError for what can be no key.
    """
    variables = [variable or KEY_VARIABLE]
    if host == OPENAI_HOST and not variable:
        variables.append(OPENAI_KEY_VARIABLE)
    for name in variables:
        if key := os.environ.get(name, "").strip():
            # The HTTP library would refuse it too, with an error that shows it.
            if not re.fullmatch(r"[!-~]+", key):
                raise StudyError(f"what {name} holds is no key: it has spaces or odd letters.")
            secrets.register(key)
            return name, key
    return " or ".join(variables), ""
