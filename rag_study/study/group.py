"""What all groups of settings are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Group(BaseModel):
    """Some settings that belong together. Unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def unused(self) -> frozenset[str]:
        """Keys that mean nothing beside the other values: they make no difference to any run."""
        return frozenset()
