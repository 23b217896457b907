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


class SolverFailed(BigPushError):
    """{problem} was not solved: {detail}. Remedy: {remedy}."""

    exit_code = 3


class NoLoserLeft(InputError):
    """No loser is left {stage}: {reasons}. Remedy: {remedy}."""


class TooManyCombinations(InputError):
    """{problem} needs {count} combinations, more than {limit}. Remedy: {remedy}."""


class FrameError(InputError):
    """{frame}, column '{column}': {problem} ({count} of {total} rows: {rows}). Remedy: {remedy}."""


class FrameMissing(InputError):
    """The frame '{frame}' is missing: {purpose} needs it. Remedy: {remedy}."""


class ColumnMissing(InputError):
    """{frame}: the column '{column}' is missing ({present} are there). Remedy: {remedy}."""


class ColumnUnknown(InputError):
    """{frame}: the column '{column}' is not known (its first values: {rows}). Remedy: {remedy}."""


class ColumnType(InputError):
    """{frame}, column '{column}': {found} where {expected} is expected ({rows}). Remedy: {remedy}."""


class ValueMissing(FrameError):
    """{frame}, column '{column}': no value in {count} of {total} rows ({rows}). Remedy: {remedy}."""


class ColumnEmpty(InputError):
    """{frame}, column '{column}': every one of {total} values is missing (first rows: {rows}). Remedy: {remedy}."""


class ValueOutOfRange(FrameError):
    """{frame}, column '{column}': {count} of {total} values are not {requirement} ({rows}). Remedy: {remedy}."""


class NegativeValue(ValueOutOfRange):
    """{frame}, column '{column}': {count} of {total} values are negative ({rows}). Remedy: {remedy}."""


class CoordinateOutOfRange(ValueOutOfRange):
    """{frame}, column '{column}': {count} of {total} values are no {requirement} ({rows}). Remedy: {remedy}."""


class NotPositiveBeforeLogs(FrameError):
    """{frame}, column '{column}': {count} of {total} values have no logarithm ({rows}). Remedy: {remedy}."""


class DuplicateRows(FrameError):
    """{frame}: {count} of {total} rows repeat an earlier ({column}): {rows}. Remedy: {remedy}."""


class FirmInTwoRegions(FrameError):
    """{frame}, column '{column}': {count} firms stand in more than one {column} ({rows}). Remedy: {remedy}."""


class CancellationWithoutDate(FrameError):
    """{frame}, column '{column}': {count} of {total} are cancelled without a date ({rows}). Remedy: {remedy}."""


class CancellationWithoutParty(FrameError):
    """{frame}, column '{column}': {count} of {total} cancelled by nobody ({rows}). Remedy: {remedy}."""


class CancellationBeforeContract(FrameError):
    """{frame}, column '{column}': {count} of {total} cancelled before they were signed ({rows}). Remedy: {remedy}."""


class UnknownFirm(FrameError):
    """{frame}, column '{column}': {count} of {total} name a firm that the panel lacks ({rows}). Remedy: {remedy}."""


class UnknownRegion(FrameError):
    """{frame}, column '{column}': {count} of {total} name a region that is not listed ({rows}). Remedy: {remedy}."""


class UnknownSector(FrameError):
    """{frame}, column '{column}': {count} of {total} name a sector that is not listed ({rows}). Remedy: {remedy}."""


class GroupWithoutRegion(FrameError):
    """{frame}, column '{column}': {count} of {total} groups have no firm in any region ({rows}). Remedy: {remedy}."""


class GroupsDisagree(FrameError):
    """{frame}, column '{column}': {count} of {total} rows contradict the panel ({rows}). Remedy: {remedy}."""


class FirmInTwoGroups(FrameError):
    """{frame}, column '{column}': {count} of {total} rows: a firm in two groups at once ({rows}). Remedy: {remedy}."""


class ShiftShareRefused(InputError):
    """The shift-share structure does not hold: {reason} ({evidence}). Remedy: {remedy}."""


class DiagnosticsFailed(BigPushError):
    """The run finished, but its diagnostics failed: {failures}. Do not rely on its numbers. Remedy: {remedy}."""

    exit_code = 3


class Interrupted(BigPushError):
    """Interrupted during '{stage}'. What was finished is kept in {path}. Remedy: finish it with --resume."""

    exit_code = 130


class TheoryInterrupted(Interrupted):
    """Interrupted during '{stage}'. Remedy: give the same command again."""


# -- work on several processes ----------------------------------------------------------------------------------------


class ChunkFailed(BigPushError):
    """{chunk} failed with {kind}: {reason}. Remedy: run that chunk alone, with one worker, to see where."""


class WorkersLost(BigPushError):
    """Workers were lost {times}; {chunks} chunks are not done. Remedy: {remedy}."""


class ClusterUnreachable(InputError):
    """The Dask scheduler at {address} cannot be used: {reason}. Remedy: start it and its workers, check the address."""


class ClusterMismatch(InputError):
    """Results would depend on who computes them: {who} has {differences}. Remedy: install the same versions there."""


# -- reduced form -----------------------------------------------------------------------------------------------------


class UnknownColumn(InputError):
    """The column '{column}' ({role}) is not in the data. Remedy: {remedy}."""


class InvalidFormula(InputError):
    """The formula '{formula}' is refused: {reason}. Remedy: {remedy}."""


class AllMissing(InputError):
    """The column '{column}' ({role}) is missing in all {rows} rows. Remedy: pass a column that has values."""


class NonFiniteValues(InputError):
    """The column '{column}' has {count} infinite values, the first in row {row}. Remedy: {remedy}."""


class NonPositiveWeights(InputError):
    """The weights '{column}' have {count} values ≤ 0, the first in row {row}: {value}. Remedy: {remedy}."""


class EmptySample(InputError):
    """No observation is left of {rows} rows: {dropped}. Remedy: {remedy}."""


class MissingCluster(InputError):
    """The cluster '{column}' is missing in {count} rows of the sample, the first {row}. Remedy: {remedy}."""


class OneCluster(InputError):
    """The cluster '{name}' has the single value {value}: its variance is not defined. Remedy: {remedy}."""


class NoVariation(InputError):
    """The {role} {columns} has no variation of its own {after}. Remedy: {remedy}."""


class UnderIdentified(InputError):
    """The model is not identified: {detail}. Remedy: {remedy}."""


class TooFewObservations(InputError):
    """{observations} observations cannot estimate {parameters} parameters. Remedy: {remedy}."""


class NotPositiveSemiDefinite(InputError):
    """The covariance clustered by {clusters} is not positive semi-definite: its smallest eigenvalue is {minimum}.

    {detail}. Remedy: {remedy}.
    """


class UnalignedEstimates(InputError):
    """The estimates cannot be put together: {detail}. Remedy: {remedy}."""


class DemeaningFailed(BigPushError):
    """The fixed effects {effects} could not be taken out within {iterations} iterations. Remedy: {remedy}."""

    exit_code = 3


class BigPushWarning(UserWarning):
    """The result deserves a second look: {detail}."""

    def __init__(self, **context: object) -> None:
        self.context = context
        super().__init__(" ".join(cleandoc(type(self).__doc__ or "").split()).format(**context))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_warning, (type(self), self.context))


def _rebuild_warning(kind: type[BigPushWarning], context: dict[str, object]) -> BigPushWarning:
    return kind(**context)


class CollinearRegressors(BigPushWarning):
    """Dropped as collinear with {with_what}: {columns}. Remedy: leave them out, or change the fixed effects."""


class RepairedCovariance(BigPushWarning):
    """The covariance clustered by {clusters} has the eigenvalue {minimum} < 0; negative ones were set to zero."""


class UndefinedValues(BigPushWarning):
    """{count} rows were dropped where a transformation in the formula is not defined: {terms}."""
