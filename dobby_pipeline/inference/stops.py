"""What ends an answer: the model's end tokens, and texts such as a blank line.

Not here: the limit of new tokens (sessions.py).
"""

from collections.abc import Sequence

from dobby_pipeline.inference.chat import Chat


class Stops:
    """Ends of one model's answers.

    Attributes:
        tokens: that end an answer by themselves.
    """

    def __init__(self, chat: Chat, texts: Sequence[str]) -> None:
        self.tokens = frozenset(chat.end_tokens)
        self._chat = chat
        self._texts = texts
        self._last = {text[-1] for text in texts if text}
        self._may_end: dict[int, bool] = {}

    def piece(self, token: int) -> str:
        """Text of one token."""
        return self._chat.piece(token)

    def end(self, text: str, token: int) -> bool:
        """Whether `text`, which `token` has just made longer, now holds a stop text.

        Only behind something that was written; most tokens are told by themselves.
        """
        may_end = self._may_end.get(token)
        if may_end is None:
            may_end = any(character in self.piece(token) for character in self._last)
            self._may_end[token] = may_end
        return may_end and any(stop in text.lstrip() for stop in self._texts)
