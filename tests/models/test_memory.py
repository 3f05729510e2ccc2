"""Halves, quarters and so on of a batch that does not fit into memory."""

import pytest
import torch

from rag_study.common.errors import StudyError
from rag_study.models.memory import in_halves


def holds(most):
    def compute(items):
        if len(items) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return list(items)

    return compute


def test_parts_are_in_order_and_as_large_as_fits():
    warned = []
    parts = in_halves(holds(2), range(7), lambda one: StudyError(f"{one}"), warned.append)
    assert parts == [[0], [1, 2], [3, 4], [5, 6]]
    assert warned == [7, 3, 4]


def test_what_does_not_fit_alone_is_named_and_other_errors_are_not_taken_for_it():
    with pytest.raises(StudyError, match="item 5"):
        in_halves(holds(0), [5], lambda one: StudyError(f"item {one}"), print)

    def broken(items):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        in_halves(broken, [5, 6], lambda one: StudyError(""), print)
