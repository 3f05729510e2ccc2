"""Vectors in a served store: PostgreSQL with pgvector, or Qdrant, by LlamaIndex's classes.

A table (a collection) holds one index and is named by its content, vectors included. It is
searched exactly: none of the approximate indexes of these stores is built. It is used only when it
is whole. In PostgreSQL it is filled under another name and renamed; in Qdrant a point is known by
its place, so that filling again changes nothing.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag_study.common import files, secrets
from rag_study.common.errors import StudyError
from rag_study.common.paths import located
from rag_study.common.wording import counted
from rag_study.retrieval import store_names
from rag_study.retrieval.store_names import LOCAL_QDRANT, PASSWORDS, POSTGRESQL

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import VectorStoreQuery, VectorStoreQueryResult

STORE_FILE = "store.json"
# Vectors that fit into a page of PostgreSQL stay in their rows: reading all takes 0.4 of the time.
_IN_ROW = 1900
_TOGETHER = 1000  # passages that are sent at once
# LlamaIndex puts this before the names of its tables; and where they are.
_TABLE, _SCHEMA = "data_", "public"
_KEY_VARIABLE, _TIMEOUT_S = "QDRANT_API_KEY", 120


@dataclass(frozen=True)
class Served:
    """Where the vectors of an index are: `name` in `store`, so many `passages` of so many
    `dimensions`."""

    store: str
    name: str
    dimensions: int
    passages: int

    @classmethod
    def read(cls, folder: Path) -> Served | None:
        """What `write` kept in the folder of an index; None where its vectors lie in the folder."""
        file = folder / STORE_FILE
        return cls(**files.read_json(file)) if file.exists() else None

    def write(self, folder: Path) -> None:
        files.write_json(folder / STORE_FILE, asdict(self))

    def open(self) -> Any:
        """The LlamaIndex vector store. Raises StudyError where it is not whole or not there."""
        with _in_words(self.store):
            is_table = store_names.kind_of(self.store) == POSTGRESQL
            opened, count = _open_table(self) if is_table else _open_collection(self)
            if count != self.passages:
                raise StudyError(
                    f"{self.store}: {self.name} has {count} of "
                    f"{counted(self.passages, 'passage')} of this "
                    "index. Somebody changed it: make the index again (rag-study run --force)."
                )
            return opened


def ids_of(count: int) -> list[str]:
    """What the passages of an index are called in a store: Qdrant takes UUIDs only."""
    return [str(uuid.UUID(int=position)) for position in range(count)]


def fill(store: str, nodes: Sequence[TextNode], vectors: np.ndarray) -> Served:
    """Have a store hold these passages with their vectors, (passages, dimensions); one that holds
    them already is left as it is.

    Raises StudyError where the store cannot be reached, refuses, or lacks what it needs.
    """
    store_names.check(store)
    served = Served(store, _name(nodes, vectors), vectors.shape[1], len(nodes))
    with _in_words(store):
        fill_it = _fill_table if store_names.kind_of(store) == POSTGRESQL else _fill_collection
        fill_it(served, _batches(nodes, vectors))
    return served


def query(store: Any, wanted: VectorStoreQuery) -> VectorStoreQueryResult:
    """Ask any LlamaIndex vector store, exactly and within `node_ids` where it can do so."""
    match store.class_name():
        case "PGVectorStore":
            return store.query(wanted, node_ids=wanted.node_ids)  # `_within` reads them
        case "QdrantVectorStore":
            return store.query(wanted, search_params={"exact": True})
    return store.query(wanted)


def _name(nodes: Sequence[TextNode], vectors: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
    for node in nodes:
        digest.update(f"\0{node.node_id}\0{node.ref_doc_id}\0{node.text}".encode())
    return f"rag_study_{digest.hexdigest()[:24]}"


def _batches(nodes: Sequence[TextNode], vectors: np.ndarray) -> Iterator[list[TextNode]]:
    """The passages as they are kept: under their ids in the store, with title and document."""
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    every = zip(ids_of(len(nodes)), nodes, vectors, strict=True)
    while some := list(itertools.islice(every, _TOGETHER)):
        yield [
            TextNode(
                id_=store_id,
                text=node.text,
                metadata={**node.metadata, "chunk_id": node.node_id},
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=node.ref_doc_id)},
                embedding=vector.tolist(),
            )
            for store_id, node, vector in some
        ]


@contextmanager
def _in_words(store: str) -> Iterator[None]:
    """What goes wrong with a store, in a sentence."""
    try:
        yield
    except StudyError:
        raise
    except Exception as error:  # of the kinds of three libraries and of the network
        said = str(getattr(error, "orig", None) or error).strip().splitlines() or [repr(error)]
        password = PASSWORDS[store_names.kind_of(store)]
        raise StudyError(
            f"the vector store {store}: {secrets.hidden(said[0])}\n"
            f"Is it running, and may this user write there? Its password comes from {password}."
        ) from None


# --- PostgreSQL ----------------------------------------------------------------------------------


def _engines(store: str) -> dict[str, Any]:
    """How LlamaIndex and this module reach the database; nothing is connected yet. The libraries
    read PGPASSWORD and ~/.pgpass themselves."""
    from sqlalchemy import create_engine
    from sqlalchemy.ext.asyncio import create_async_engine

    address = store.partition("://")[2]
    return {
        "engine": create_engine(f"postgresql+psycopg2://{address}"),
        "async_engine": create_async_engine(f"postgresql+asyncpg://{address}"),
    }


def _table(name: str, dimensions: int, engines: dict[str, Any]) -> Any:
    from llama_index.vector_stores.postgres import PGVectorStore

    return PGVectorStore(
        **engines,
        table_name=name,
        schema_name=_SCHEMA,
        embed_dim=dimensions,
        perform_setup=False,  # it would need the rights of the database's owner
        customize_query_fn=_within,
    )


def _within(statement: Any, table: Any, node_ids: Sequence[str] | None = None, **_: Any) -> Any:
    return statement if node_ids is None else statement.where(table.node_id.in_(node_ids))


def _rows(engine: Any, name: str) -> int:
    """Passages in a table; 0 where there is none of the name."""
    import sqlalchemy

    with engine.connect() as connection:
        if not sqlalchemy.inspect(connection).has_table(f"{_TABLE}{name}", schema=_SCHEMA):
            return 0
        counting = f'SELECT count(*) FROM {_SCHEMA}."{_TABLE}{name}"'
        return connection.execute(sqlalchemy.text(counting)).scalar_one()


def _open_table(served: Served) -> tuple[Any, int]:
    engines = _engines(served.store)
    return _table(served.name, served.dimensions, engines), _rows(engines["engine"], served.name)


def _fill_table(served: Served, batches: Iterator[list[TextNode]]) -> None:
    from sqlalchemy import text

    engines = _engines(served.store)
    new = f"{served.name}_new"
    try:
        with engines["engine"].connect() as connection:
            # One process at a time. The server lets go of the lock with the connection, also where
            # the process was killed.
            lock = {"key": int(served.name[-15:], 16)}
            connection.execute(text("SELECT pg_advisory_lock(:key)"), lock)
            if _rows(engines["engine"], served.name) == served.passages:
                return
            for name in (served.name, new):
                connection.execute(text(f'DROP TABLE IF EXISTS {_SCHEMA}."{_TABLE}{name}"'))
            _have_pgvector(connection)
            connection.commit()
            table = _table(new, served.dimensions, engines)
            table._initialize()
            table._create_tables_if_not_exists()
            if served.dimensions <= _IN_ROW:
                in_row = f'ALTER TABLE {_SCHEMA}."{_TABLE}{new}" ALTER embedding SET STORAGE PLAIN'
                connection.execute(text(in_row))
                connection.commit()
            for batch in batches:
                table.add(batch)
            connection.execute(
                text(f'ALTER TABLE {_SCHEMA}."{_TABLE}{new}" RENAME TO "{_TABLE}{served.name}"')
            )
            connection.commit()
    finally:
        engines["engine"].dispose()


def _have_pgvector(connection: Any) -> None:
    from sqlalchemy import text

    if connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")).first():
        return
    there = text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")
    if not connection.execute(there).first():
        raise StudyError(
            "the PostgreSQL server of retrieval.store lacks pgvector (Debian: the package "
            "postgresql-NN-pgvector)."
        )
    connection.execute(text("CREATE EXTENSION vector"))


# --- Qdrant --------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _client(store: str) -> Any:
    """One for each store: a folder can be opened once only."""
    from qdrant_client import QdrantClient

    if store.startswith(LOCAL_QDRANT):
        # It says of payload indexes and search parameters that it needs none.
        warnings.filterwarnings("ignore", message=".*no effect", module="llama_index")
        client = QdrantClient(path=str(located(store.removeprefix(LOCAL_QDRANT))))
        atexit.register(client.close)
        return client
    key = os.environ.get(_KEY_VARIABLE) or None
    return QdrantClient(url=store, api_key=key, timeout=_TIMEOUT_S, check_compatibility=False)


def _collection(served: Served) -> Any:
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client.models import Distance, HnswConfigDiff, VectorParams

    exact_only = HnswConfigDiff(m=0)  # no graph: it takes memory and is not searched
    return QdrantVectorStore(
        collection_name=served.name,
        client=_client(served.store),
        dense_config=VectorParams(
            size=served.dimensions, distance=Distance.COSINE, hnsw_config=exact_only
        ),
    )


def _points(served: Served) -> int:
    """Passages in a collection; 0 where there is none of the name."""
    client = _client(served.store)
    if not client.collection_exists(served.name):
        return 0
    return client.count(served.name, exact=True).count


def _open_collection(served: Served) -> tuple[Any, int]:
    return _collection(served), _points(served)


def _fill_collection(served: Served, batches: Iterator[list[TextNode]]) -> None:
    if _points(served) != served.passages:
        collection = _collection(served)
        for batch in batches:
            collection.add(batch)
