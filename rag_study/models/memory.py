"""Batches that do not fit into memory are computed in halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from rag_study.common.errors import StudyError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_halves(
    compute: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    too_large: Callable[[Item], StudyError],
    warn: Callable[[int], None],
) -> list[Result]:
    """What `compute` gives for all items, one result; or one for each half, quarter and so on, in
    order, where so many do not fit into memory at once (`warn` is then told how many). Raises what
    `too_large` says of an item that does not fit alone."""
    from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

    try:
        return [compute(items)]
    except RuntimeError as error:
        if not should_reduce_batch_size(error):
            raise
    # Outside the handler: the error holds on to what filled the memory.
    clear_device_cache(garbage_collection=True)
    if len(items) == 1:
        raise too_large(items[0])
    warn(len(items))
    half = len(items) // 2
    return [
        result
        for some in (items[:half], items[half:])
        for result in in_halves(compute, some, too_large, warn)
    ]
