"""What a measurement knows of the loaded model besides its engine."""

from __future__ import annotations

from pathlib import Path

import msgspec

from grid.errors import InputError, Unsupported
from grid.models.chat import ChatTemplate, read_chat_template


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The file or folder that was loaded, and the longest context it is made for, in tokens; 0
    where that is not known."""

    path: Path = Path()
    context_length: int = 0

    def find_chat_template(self) -> ChatTemplate | None:
        """None where the model has none. Raises Unsupported where it cannot be read."""
        try:
            return read_chat_template(self.path)
        except InputError as error:
            raise Unsupported(str(error)) from error

    def require_chat_template(self) -> ChatTemplate:
        """Raises Unsupported where the model has none, or it cannot be read."""
        template = self.find_chat_template()
        if template is None:
            raise Unsupported(
                f"{self.path.name} has no chat template; ask without one (chat = false, --plain), "
                "or use the instruction-tuned model"
            )
        return template


UNKNOWN = ModelFacts()
"""Where a caller says nothing of the model."""
