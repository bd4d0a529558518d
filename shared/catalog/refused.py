"""The refusal of what a model can never do."""

from __future__ import annotations

from shared.errors import InvalidParams


class Refused(InvalidParams):
    """The model cannot do that. `field` is the param at fault."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field, self.detail = field, detail
