"""The one exception for everything that a user can cause and can fix."""


class EngineError(Exception):
    """What went wrong and what to do about it, each in one sentence.

    Args:
        code: stable snake_case name that programs may test for, such as ``mesh_empty``.
        message: what is wrong, naming the culprit.
        hint: what the user can do about it.
    """

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self):
        """Survive the way from a worker process to its parent."""
        return type(self), (self.code, self.message, self.hint)
