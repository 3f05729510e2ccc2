"""Which served vector store a study file names. Nothing here connects to one (for plans)."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from rag_study.common import secrets
from rag_study.common.errors import StudyError
from rag_study.common.paths import portable

POSTGRESQL, QDRANT = "postgresql", "qdrant"
LOCAL_QDRANT = "qdrant:"
_SCHEMES = {"postgresql": POSTGRESQL, "postgres": POSTGRESQL, "http": QDRANT, "https": QDRANT}
# What needs which packages, by the extra that installs them.
_PACKAGES = {
    POSTGRESQL: ("llama_index.vector_stores.postgres", "psycopg2", "pgvector"),
    QDRANT: ("llama_index.vector_stores.qdrant", "qdrant_client"),
}
EXTRAS = {POSTGRESQL: "postgres", QDRANT: "qdrant"}
PASSWORDS = {POSTGRESQL: "PGPASSWORD or ~/.pgpass", QDRANT: "QDRANT_API_KEY"}
# Of an address of PostgreSQL; everything else may hold a secret or is not known to be harmless.
_OPTIONS = ("host", "port", "sslmode", "sslrootcert", "connect_timeout")
_FORMS = (
    "postgresql://user@host:5432/database, http://host:6333 (Qdrant), or qdrant:FOLDER (Qdrant "
    "without a server)"
)


def kind_of(store: str) -> str:
    """POSTGRESQL or QDRANT. In run ids this stands for the store: exact search finds the same in
    every one, and where it is changes nothing.

    Raises StudyError for what names none; the message does not repeat it, since it may hold a
    password.
    """
    if store.startswith(LOCAL_QDRANT) and len(store) > len(LOCAL_QDRANT) and "//" not in store:
        return QDRANT
    try:
        parts = urlsplit(store)
        kind, port = _SCHEMES.get(parts.scheme), parts.port
    except ValueError:  # no such port, or half an IPv6 address
        kind, port = None, 0
    if kind is None or port == 0 or re.search(r"\s|#", store):
        raise StudyError(f"retrieval.store has one of the forms {_FORMS}.")
    options = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True)]
    allowed = _OPTIONS if kind == POSTGRESQL else ()
    user = parts.username if kind == QDRANT else None
    if parts.password or user or secrets.hidden(store) != store or {*options} - {*allowed}:
        raise StudyError(
            "retrieval.store holds a password, a key or an option that may be one; study files and "
            f"results are shown to others. It comes from the environment ({PASSWORDS[kind]})"
            + (f"; options may be {', '.join(allowed)}." if allowed else ".")
        )
    if kind == POSTGRESQL and not parts.path.strip("/"):
        raise StudyError("retrieval.store names no database: postgresql://user@host:5432/database")
    if kind == QDRANT and parts.path.strip("/"):
        raise StudyError("retrieval.store: an address of Qdrant ends after its port.")
    return kind


def check(store: str) -> None:
    """Raise StudyError for what names no store, and where its packages are not installed."""
    kind = kind_of(store)
    if missing := [name for name in _PACKAGES[kind] if not _is_installed(name)]:
        raise StudyError(
            f"retrieval.store: for {kind}, packages are missing ({missing[0]}).\n"
            f'Install them with:  {sys.executable} -m pip install "rag-study[{EXTRAS[kind]}]"'
        )


def beside(folder: Path, store: str) -> str:
    """A store as a study file in `folder` means it: a relative folder counts from there."""
    if not store.startswith(LOCAL_QDRANT):
        return store
    place = Path(store.removeprefix(LOCAL_QDRANT)).expanduser()
    return f"{LOCAL_QDRANT}{portable(folder / place)}"


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False
