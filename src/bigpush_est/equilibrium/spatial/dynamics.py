"""Paths of Section 5's economy: period by period, then frozen, to a steady state, a cycle or neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray, Index
from bigpush_est.equilibrium.spatial.outcomes import Outcomes, measure
from bigpush_est.equilibrium.spatial.prediction import Secants
from bigpush_est.equilibrium.spatial.static import StaticEquilibrium, solve_static
from bigpush_est.errors import InvalidValue


class Economy(Protocol):
    """One period's economy of some draws: ``SpatialEconomy``, or what another static solver takes."""

    @property
    def n_draws(self) -> int:
        """D."""
        ...

    def select(self, index: Index) -> Self:
        """Return the economy of some of its draws."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Paths of D draws over T periods (the last one repeats if a draw reached its steady state before others).

    Attributes
    ----------
    shares
        λ before the first period and after each: (T + 1, D, J, N).
    outcomes
        Each period's outcomes, first axis T.
    fate
        ``"steady state"``, ``"cycle"`` or ``"not converged"``, (D,); never a steady state if an equilibrium failed.
    cycle_length, periods
        Periods of the cycle (1 for a steady state, 0 for neither) and periods taken in all, (D,).
    last
        The last period's equilibrium.
    worst_residual
        Largest residual of any static equilibrium on the way, (D,).
    """

    shares: FloatArray
    outcomes: Outcomes
    fate: NDArray[np.str_]
    cycle_length: NDArray[np.int64]
    periods: NDArray[np.int64]
    last: StaticEquilibrium
    worst_residual: FloatArray


def solve_path[E: Economy](
    economies: Sequence[E],
    initial_share: FloatArray,
    *,
    solve: Callable[..., StaticEquilibrium] = solve_static,
    starts: Sequence[FloatArray] | None = None,
    preconditioners: Sequence[FloatArray] | None = None,
    renew: Callable[[StaticEquilibrium], FloatArray] | None = None,
    max_periods: int = 100,
    tolerance: float = 1e-8,
) -> Path:
    """Solve one economy after the other; the last one repeats until its shares stand still.

    Parameters
    ----------
    economies
        One per period; the last is frozen for ever.
    initial_share
        λ before the first period, (J, N) or (D, J, N).
    solve
        The static equilibrium's solver, with ``solve_static``'s arguments.
    starts, preconditioners
        Points and preconditioners to use in each period, the last ones for all later ones.
    renew
        Makes a preconditioner from the last equilibrium; called on a long way to the steady state, where it pays.
    max_periods
        Periods after which a draw counts as not converged.
    tolerance
        A steady state's shares change by no more than this anywhere; a cycle's repeat to this, and change by more
        than a thousand times as much within it.
    """
    return solve_paths(
        [economies],
        initial_share,
        solve=solve,
        starts=starts,
        preconditioners=preconditioners,
        renew=renew,
        max_periods=max_periods,
        tolerance=tolerance,
    )[0]


def solve_paths[E: Economy](
    sequences: Sequence[Sequence[E]],
    initial_share: FloatArray,
    *,
    solve: Callable[..., StaticEquilibrium] = solve_static,
    starts: Sequence[FloatArray] | None = None,
    preconditioners: Sequence[FloatArray] | None = None,
    renew: Callable[[StaticEquilibrium], FloatArray] | None = None,
    max_periods: int = 100,
    tolerance: float = 1e-8,
) -> list[Path]:
    """Solve several paths that end in one frozen economy: ``solve_path`` of each sequence, in less time.

    Sequences are equally long, and their last economies are one object.  Paths are solved once for as long as their
    economies are the same objects; once fundamentals are frozen, the paths of all draws are one batch.
    """
    economies = [economy for sequence in sequences for economy in sequence]
    frozen, before = sequences[0][-1], len(sequences[0]) - 1
    if any(len(sequence) != before + 1 or sequence[-1] is not frozen for sequence in sequences):
        raise InvalidValue(
            key="sequences",
            value="sequences of other lengths or last economies",
            requirement="equally long, with one last economy",
            remedy="solve them one by one with solve_path",
        )
    lag = np.asarray(initial_share, dtype=np.float64)
    lag = lag if lag.ndim == 3 else lag[None]
    draws = max(len(lag), *(economy.n_draws for economy in economies))
    stems = [_Stem(list(range(len(sequences))), [np.array(np.broadcast_to(lag, (draws, *lag.shape[1:])))])]

    def of_period[T](values: Sequence[T] | None, t: int) -> T | None:
        return None if values is None else values[min(t, len(values) - 1)]

    for t in range(min(before, max_periods)):
        stems = [branch for stem in stems for branch in stem.branches([sequence[t] for sequence in sequences])]
        for stem in stems:
            start = starts[t] if starts is not None and t < len(starts) else stem.point
            preconditioner = of_period(preconditioners, t)
            economy = sequences[stem.paths[0]][t]
            stem.add(solve(economy, stem.shares[-1], start=start, preconditioner=preconditioner))
    rows = _Rows(stems, draws)
    secants, renewed, spent = Secants(), None, 0
    economy, chosen = frozen, rows.active
    for t in range(before, max_periods):
        start = None
        if starts is not None and t < len(starts):
            start = starts[t]
            start = start[rows.draw] if start.ndim == 2 and start.shape[0] == draws else start
        elif t > before:
            start = secants.predict(rows.point, rows.lag, rows.share, np.arange(rows.active.size))
        elif before:
            start = rows.point
        if frozen.n_draws > 1 and (economy is frozen or chosen is not rows.active):
            chosen = rows.active
            economy = frozen if len(stems) == 1 and chosen.size == draws else frozen.select(rows.draw)
        preconditioner = renewed if renewed is not None else of_period(preconditioners, t)
        solved = solve(economy, rows.share, start=start, preconditioner=preconditioner)
        if renew is not None:
            spent += int(solved.iterations.sum())
            if spent >= _RENEWAL * solved.point.shape[1] and solved.converged[0]:
                renewed, spent = renew(solved), 0
        staying = rows.add(t, solved, tolerance)
        if not staying.size:
            break
        if staying.size < chosen.size:
            secants.keep(staying)
    paths: dict[int, Path] = {}
    for place, stem in enumerate(stems):
        path = rows.path(place, stem)
        paths.update(dict.fromkeys(stem.paths, path))
    return [paths[number] for number in range(len(sequences))]


#: Iterations of all draws, per unknown of one, after which a new preconditioner is worth its cost.
_RENEWAL = 5

#: Longest cycle that is looked for, and the least change in a period of one, in units of the tolerance.
_LONGEST_CYCLE, _LEAST_SWING = 12, 1e3


class _Stem:
    """Paths that are one until their economies differ: shares before and after each period, and what was solved."""

    def __init__(self, paths: list[int], shares: list[FloatArray], solved: "list[_Solved] | None" = None) -> None:
        self.paths, self.shares, self.solved = paths, shares, solved or []
        self.last: StaticEquilibrium | None = None

    @property
    def point(self) -> FloatArray | None:
        """Where the last equilibrium is."""
        return None if self.last is None else self.last.point

    def branches(self, economies: Sequence[object]) -> "list[_Stem]":
        """Return the stems that this one becomes as its paths have these economies (of all paths) in a period."""
        groups: dict[int, list[int]] = {}
        for path in self.paths:
            groups.setdefault(id(economies[path]), []).append(path)
        found = []
        for paths in groups.values():
            branch = _Stem(paths, [*self.shares], [*self.solved])
            branch.last = self.last
            found.append(branch)
        return found

    def add(self, solved: StaticEquilibrium) -> None:
        """Take in a period's equilibrium."""
        self.shares.append(solved.adopter_share)
        self.solved.append(_Solved(measure(solved), solved.residual, solved.converged))
        self.last = solved


@dataclass(frozen=True, slots=True)
class _Solved:
    """What is kept of a period."""

    outcomes: Outcomes
    residual: FloatArray
    converged: NDArray[np.bool_]


class _Rows:
    """The frozen phase of U stems and D draws: a batch of U·D rows, of which those that have ended leave.

    ``active`` are the rows still on their way, in their order; ``draw`` (their draws), ``lag``, ``share`` (last
    period's shares and this one's) and ``point`` are theirs.
    """

    def __init__(self, stems: list[_Stem], draws: int) -> None:
        count = len(stems) * draws
        self.draws, self.stems = draws, stems
        self.active: NDArray[np.intp] = np.arange(count)
        self.share: FloatArray = np.concatenate([stem.shares[-1] for stem in stems])
        self.lag = self.share
        points = [stem.point for stem in stems if stem.point is not None]
        self.point = np.concatenate(points) if points else np.empty(0)
        self.fate = np.full(count, "not converged", dtype="<U13")
        self.length, self.periods = np.zeros((2, count), dtype=np.int64)
        self.worst, self.failed = np.zeros(count), np.zeros(count, dtype=bool)
        for place, stem in enumerate(stems):
            mine = slice(place * draws, (place + 1) * draws)
            self.periods[mine] = len(stem.solved)
            for solved in stem.solved:
                np.maximum(self.worst[mine], solved.residual, out=self.worst[mine])
                self.failed[mine] |= ~solved.converged
        #: of every period: rows, shares after it, outcomes
        self.series: list[tuple[NDArray[np.intp], FloatArray, Outcomes]] = []
        #: shares after each of the last periods, of the active rows
        self.recent: list[FloatArray] = []
        #: rows that have ended, their shares before their last period, and its equilibrium
        self.ends: list[tuple[NDArray[np.intp], FloatArray, dict[str, FloatArray]]] = []
        self.first: StaticEquilibrium | None = None

    @property
    def draw(self) -> NDArray[np.intp]:
        """Draws of the active rows."""
        return self.active % self.draws

    def add(self, t: int, solved: StaticEquilibrium, tolerance: float) -> NDArray[np.intp]:
        """Take in period t's equilibria of the active rows; return which of these stay active, by their places."""
        active, before, after = self.active, self.share, solved.adopter_share
        self.first = self.first or solved
        self.series.append((active, after, measure(solved)))
        self.worst[active] = np.maximum(self.worst[active], solved.residual)
        self.failed[active] |= ~solved.converged
        self.periods[active] = t + 1
        change = np.abs(after - before).max(axis=(1, 2))
        still, length = change <= tolerance, np.zeros(active.size, dtype=np.int64)
        # an oscillation that dies out slowly also looks the same two periods later, once it is small
        for lag in range(2, len(self.recent) + 1):
            swings = np.flatnonzero((change > _LEAST_SWING * tolerance) & (length == 0))
            if not swings.size:
                break
            again = np.abs(after[swings] - self.recent[-lag][swings]).max(axis=(1, 2)) <= tolerance
            length[swings[again]] = lag
        self.fate[active[still]], self.fate[active[length > 0]] = "steady state", "cycle"
        self.length[active] = np.where(still, 1, length)
        ended = still | (length > 0) | self.failed[active]
        self.lag, self.share, self.point = before, after, solved.point
        self.recent = [*self.recent[1 - _LONGEST_CYCLE :], after]
        staying = np.flatnonzero(~ended)
        if staying.size < active.size:
            self._end(np.flatnonzero(ended), solved)
            self.active, self.lag, self.share = active[staying], before[staying], after[staying]
            self.point, self.recent = self.point[staying], [shares[staying] for shares in self.recent]
        self._solved = solved, staying
        return staying

    def _end(self, places: NDArray[np.intp], solved: StaticEquilibrium) -> None:
        names = [entry.name for entry in fields(solved) if entry.name not in ("economy", "lagged_share")]
        values = {name: getattr(solved, name)[places] for name in names}
        self.ends.append((self.active[places], self.lag[places], values))

    def path(self, place: int, stem: _Stem) -> Path:
        """Return the paths of one stem."""
        mine, draws = slice(place * self.draws, (place + 1) * self.draws), self.draws
        periods, start = self.periods[mine], len(stem.solved)
        length = max(int(periods.max()), start)
        fate = np.where(self.failed[mine], "not converged", self.fate[mine])
        pieces: list[tuple[NDArray[np.intp], slice, FloatArray, Outcomes]] = []
        for rows, after, outcome in self.series[: length - start]:
            low, high = np.searchsorted(rows, [mine.start, mine.stop])
            pieces.append((rows[low:high] - mine.start, slice(low, high), after, outcome))
        shares = np.empty((length + 1, *stem.shares[0].shape))
        shares[: start + 1] = stem.shares
        for t, (who, part, after, _) in enumerate(pieces, start=start + 1):
            shares[t] = shares[t - 1]
            shares[t, who] = after[part]
        values = {}
        for entry in fields(Outcomes):
            known = [getattr(one.outcomes, entry.name) for one in stem.solved]
            shape = (known[0] if known else getattr(self.series[0][2], entry.name)).shape[1:]
            whole = values[entry.name] = np.empty((length, draws, *shape))
            for t, one in enumerate(known):
                whole[t] = one
            for t, (who, part, _, outcome) in enumerate(pieces, start=start):
                if who.size < draws:
                    whole[t] = whole[t - 1]
                whole[t, who] = getattr(outcome, entry.name)[part]
        return Path(
            shares, Outcomes(**values), fate, self.length[mine], periods, self._last(mine, stem), self.worst[mine]
        )

    def _last(self, mine: slice, stem: _Stem) -> StaticEquilibrium:
        """Return the last period's equilibria of a stem."""
        if self.first is None:
            assert stem.last is not None
            return stem.last
        if self.active.size and self.periods[self.active].max() and self._solved[1].size:
            solved, staying = self._solved
            self._end_of_time(solved, staying)
        economy = self.first.economy
        if len(self.stems) > 1 and economy.n_draws > 1:
            economy = economy.select(np.arange(mine.start, mine.stop))
        lagged = np.empty((self.draws, *self.share.shape[1:]))
        whole: dict[str, FloatArray] = {}
        for rows, lag, values in self.ends:
            chosen = (rows >= mine.start) & (rows < mine.stop)
            who = rows[chosen] - mine.start
            lagged[who] = lag[chosen]
            for name, value in values.items():
                into = whole.setdefault(name, np.empty((self.draws, *value.shape[1:]), dtype=value.dtype))
                into[who] = value[chosen]
        rest: dict[str, Any] = whole
        return replace(self.first, economy=economy, lagged_share=lagged, **rest)

    def _end_of_time(self, solved: StaticEquilibrium, staying: NDArray[np.intp]) -> None:
        """Put the rows that are still on their way with those that have ended."""
        names = [entry.name for entry in fields(solved) if entry.name not in ("economy", "lagged_share")]
        values = {name: getattr(solved, name)[staying] for name in names}
        self.ends.append((self.active, self.lag, values))
        self.active = self.active[:0]
