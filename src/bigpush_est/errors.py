"""One exception class per failure: its docstring is the message, and says the remedy.

The docstring of a class is a template; what is raised fills it in, so that the text that a user reads and the
text that the documentation shows cannot drift apart.  ``exit_code`` is what the command line returns:
2 for bad input, 3 for failed diagnostics, 130 for an interruption.

Examples
--------
>>> from bigpush_est.errors import InvalidValue
>>> str(InvalidValue(key="sigma", value=1.5, requirement="greater than 2", remedy="set sigma above 2"))
'sigma = 1.5 is refused: it must be greater than 2. Remedy: set sigma above 2.'
"""

from inspect import cleandoc
from typing import ClassVar


class BigPushError(Exception):
    """Something failed: {detail}."""

    exit_code: ClassVar[int] = 1

    def __init__(self, **context: object) -> None:
        self.context = context
        template = " ".join(cleandoc(type(self).__doc__ or "").split())
        place = f"{context['_where']}: " if "_where" in context else ""
        super().__init__(place + template.format(**context))

    def located(self, where: str) -> "BigPushError":
        """Return the same error with the place where it came up in front of its message."""
        return _rebuild(type(self), self.context | {"_where": where})

    def __reduce__(self) -> tuple[object, ...]:  # keyword-only construction has to survive a process boundary
        return (_rebuild, (type(self), self.context))


def _rebuild(kind: type[BigPushError], context: dict[str, object]) -> BigPushError:
    return kind(**context)


class InputError(BigPushError):
    """The input is refused: {detail}."""

    exit_code = 2


class InvalidValue(InputError):
    """{key} = {value} is refused: it must be {requirement}. Remedy: {remedy}."""


class WrongType(InputError):
    """{key} = {value} has the wrong type: {expected} is expected. Remedy: {remedy}."""


class MissingKey(InputError):
    """{where}: the key '{key}' is missing. Remedy: add it; {remedy}."""


class UnknownKey(InputError):
    """{where}: the key '{key}' (value {value}) is not known. Remedy: {remedy}."""


class UnknownModel(InputError):
    """{where}: the model '{value}' is not known. Remedy: choose one of {choices}."""


class UnknownFigure(InputError):
    """The published figure '{figure}' is not in the tables. Remedy: choose one of {choices}."""


class AmbiguousSource(InputError):
    """{where}: {detail}. Remedy: {remedy}."""


class UnreadableFile(InputError):
    """The file {path} cannot be read: {reason}. Remedy: {remedy}."""


class EmptyFile(InputError):
    """The file {path} is empty. Remedy: {remedy}."""


class ShapeMismatch(InputError):
    """{key} has shape {shape}, but {expected} is expected. Remedy: {remedy}."""


class AssumptionViolated(InputError):
    """{assumption} is violated: {key} = {value} ({count} of {total} draws). Remedy: {remedy}."""


class OutputOccupied(InputError):
    """The folder {path} holds {holds}; nothing was written. Remedy: {remedy}."""


class UnwritableFolder(InputError):
    """{path} cannot be written: {reason}. Remedy: free space, or choose another folder; finished work is kept."""


class NoStartingPoint(InputError):
    """The sampler finds no point to start from: {reason}. Remedy: mend priors or evidence: they contradict."""

    #: The sampler's library crashes on the way out of a process in which this happened.
    unsafe_exit: ClassVar[bool] = True


class ResumeRefused(InputError):
    """The run in {path} cannot be resumed: {changed}. Remedy: {remedy}."""


class DiagnosticsFailed(BigPushError):
    """The run finished, but its diagnostics failed: {failures}. Do not rely on its numbers. Remedy: {remedy}."""

    exit_code = 3


class Interrupted(BigPushError):
    """Interrupted during '{stage}'. What was finished is kept in {path}. Remedy: finish it with --resume."""

    exit_code = 130


class TheoryInterrupted(Interrupted):
    """Interrupted during '{stage}'. Remedy: give the same command again."""
