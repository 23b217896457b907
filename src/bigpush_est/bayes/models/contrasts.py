"""Stacked event-study data reduced to what a likelihood needs: winner minus loser, effects of match-firms taken out.

In match m, with effects of match-firms α and match-years γ that are left free,

    y_imt = α_im + γ_mt + τ_mk·1[i is a winner] + ε_it,    d_imt = y_imt − y_lmt = a_im + τ_mk + ε_it − ε_lt

l the loser, k the event time.  Differencing within match and year takes γ out and loses nothing on τ; a flat prior on
the intercepts a is integrated out by projection (the restricted likelihood), so that nothing is assumed of how winners
differ from losers in levels.  Random effects would assume it unrelated to winning.

A firm in several matches has one error, not one per copy: ε_it is shared, and the covariance of the differences,

    Ω = W (I ⊗ R_ρ) W′,    R_ρ[t, t′] = ρ^|t−t′|/(1 − ρ²),

follows, instead of being patched by clustering.  A difference that others in the same year already determine (b − c
beside b − a and c − a) is left out, and counted: it holds no further datum.  With Z mapping the effects (mean path μ
and match effects b) to differences, the likelihood needs only

    A = Z′PZ,   h = Z′Pd,   c = d′Pd,   log|Ω| + log|B′Ω⁻¹B|,    P = Ω⁻¹ − Ω⁻¹B(B′Ω⁻¹B)⁻¹B′Ω⁻¹

which are smooth in ρ, up to a unit root: with the errors' innovations as the unit, the restricted likelihood does not
break down there.  They are computed at Chebyshev points and interpolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import ColumnMissing, InvalidValue
from bigpush_est.reduced_form.events.stacking import Stack

#: Largest serial correlation, and the Chebyshev points of [0, RHO_MAX] at which the statistics are computed.
RHO_MAX = 0.98
NODES = tuple(float(0.5 * RHO_MAX * (1.0 - np.cos(np.pi * (j + 0.5) / 14))) for j in range(14))


@dataclass(frozen=True, slots=True, eq=False)
class SufficientStatistics:
    """What the likelihood takes, at each of G serial correlations; Q effects: K event times, then M matches.

    Attributes
    ----------
    nodes
        The serial correlations, shape (G,).
    information, score, square, log_determinant
        A (G, Q, Q), h (G, Q), c (G,) and the log determinants (G,).
    degrees_of_freedom
        Differences less intercepts.
    """

    nodes: tuple[float, ...]
    information: FloatArray
    score: FloatArray
    square: FloatArray
    log_determinant: FloatArray
    degrees_of_freedom: int

    def coefficients(self) -> dict[str, FloatArray]:
        """Return the statistics' Chebyshev coefficients in x = 2ρ/RHO_MAX − 1, by name, first axis G."""
        place = 2.0 * np.array(self.nodes) / RHO_MAX - 1.0
        transform = np.linalg.inv(np.polynomial.chebyshev.chebvander(place, len(self.nodes) - 1))
        names = ("information", "score", "square", "log_determinant")
        return {name: np.tensordot(transform, getattr(self, name), axes=1) for name in names}


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """Winner-minus-loser differences of a stack.

    Attributes
    ----------
    values
        d, shape (n,).
    match, winner, loser, year
        Codes of each difference's match and firms, and its year, shape (n,).
    event_time
        k, shape (n,).
    event_times
        The K event times that have an effect: all but the reference.
    matches
        Labels of the M matches.
    firms
        Number of firms.
    redundant
        Differences left out because others determine them.
    """

    values: FloatArray
    match: NDArray[np.intp]
    winner: NDArray[np.intp]
    loser: NDArray[np.intp]
    year: NDArray[np.int64]
    event_time: NDArray[np.int64]
    event_times: tuple[int, ...]
    matches: tuple[Any, ...]
    firms: int
    redundant: int

    @classmethod
    def of_stack(cls, stack: Stack, outcome: str) -> "Contrasts":
        """Difference a stack of matches, each with one control.

        Parameters
        ----------
        stack
            From ``stack_matches``; its reference is event time −1.
        outcome
            Column of its frame; rows without it are left out.

        Raises
        ------
        ColumnMissing, InvalidValue
            For an outcome that is not there, another reference, a stack with several controls, or no difference left.
        """
        if outcome not in stack.frame:
            raise ColumnMissing(
                frame="stack",
                column=outcome,
                present=", ".join(map(str, stack.frame.columns)),
                remedy="name one of them",
            )
        if stack.reference != -1:
            raise InvalidValue(
                key="reference",
                value=stack.reference,
                requirement="−1: the path starts from the year before the event",
                remedy="stack with reference=-1",
            )
        columns = ["stack", stack.unit, stack.time, "treated", "event_time", outcome]
        frame = stack.frame[columns].dropna(subset=[outcome])
        control = frame[~frame["treated"]]
        if control.groupby(["stack", stack.time]).size().max() > 1:
            raise InvalidValue(
                key="stack",
                value="several controls in one stack and year",
                requirement="one loser per match",
                remedy="stack matches (stack_matches), not events or cohorts",
            )
        pairs = frame[frame["treated"]].merge(control, on=["stack", stack.time], suffixes=("", "_loser"))
        pairs = pairs.sort_values(["stack", stack.unit, stack.time], ignore_index=True)
        if pairs.empty:
            raise InvalidValue(
                key="stack",
                value="no winner and loser in one match and year",
                requirement="rows of both",
                remedy="check the panel's years around the events",
            )
        firms = np.unique(np.concatenate([pairs[stack.unit], pairs[f"{stack.unit}_loser"]]))
        winner = np.searchsorted(firms, pairs[stack.unit])
        loser = np.searchsorted(firms, pairs[f"{stack.unit}_loser"])
        year = pairs[stack.time].to_numpy(dtype=np.int64)
        kept = _spanning(winner, loser, year)
        labels, match = np.unique(pairs["stack"].to_numpy()[kept], return_inverse=True)
        value = (pairs[outcome] - pairs[f"{outcome}_loser"]).to_numpy(dtype=np.float64)
        return cls(
            value[kept],
            match.astype(np.intp),
            winner[kept].astype(np.intp),
            loser[kept].astype(np.intp),
            year[kept],
            pairs["event_time"].to_numpy(dtype=np.int64)[kept],
            stack.event_times,
            tuple(labels.tolist()),
            int(firms.size),
            int((~kept).sum()),
        )

    @property
    def effects(self) -> FloatArray:
        """Z: event times' dummies, then each match's from the event on, shape (n, K + M)."""
        path = (self.event_time[:, None] == np.array(self.event_times)).astype(np.float64)
        own = (self.match[:, None] == np.arange(len(self.matches))) & (self.event_time >= 0)[:, None]
        return np.hstack([path, own.astype(np.float64)])

    def covariance(self, rho: float, rows: NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """Ω at a serial correlation, in units of the innovations' variance, of some rows."""
        winner, loser, year = self.winner[rows], self.loser[rows], self.year[rows]
        apart = np.abs(year[:, None] - year)
        decay = np.where(apart == 0, 1.0, rho ** np.maximum(apart, 1))
        signs: FloatArray = sum(
            sign * (first[:, None] == second)
            for first, second, sign in (
                (winner, winner, 1.0),
                (loser, loser, 1.0),
                (winner, loser, -1.0),
                (loser, winner, -1.0),
            )
        ) * np.ones(1)
        return signs * decay / (1.0 - rho**2)

    def components(self) -> list[NDArray[np.intp]]:
        """Rows of each set of matches that share no firm with others: Ω is block diagonal over them."""
        from scipy import sparse

        size = self.firms
        graph = sparse.coo_matrix((np.ones(self.winner.size), (self.winner, self.loser)), shape=(size, size))
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        own = label[self.winner]
        return [np.flatnonzero(own == one) for one in np.unique(own)]

    def simulate_errors(self, rho: float, size: int, rng: np.random.Generator) -> FloatArray:
        """Draw differences of firms' AR(1) errors, whose innovations have unit variance, shape (n, size)."""
        years = np.arange(self.year.min(), self.year.max() + 1)
        errors = np.empty((years.size, self.firms, size))
        errors[0] = rng.standard_normal((self.firms, size)) / np.sqrt(1.0 - rho**2)
        for t in range(1, years.size):
            errors[t] = rho * errors[t - 1] + rng.standard_normal((self.firms, size))
        at = self.year - years[0]
        drawn: FloatArray = errors[at, self.winner] - errors[at, self.loser]
        return drawn

    def statistics(
        self, nodes: Sequence[float] = NODES, values: FloatArray | None = None
    ) -> list[SufficientStatistics]:
        """Reduce the differences, or several vectors of them, shape (n, S), of the same design.

        Parameters
        ----------
        nodes
            Serial correlations, each in [0, 1); a single one holds it.
        values
            Differences in place of the stack's own.

        Raises
        ------
        InvalidValue
            For a serial correlation outside [0, 1), or no degree of freedom left.
        """
        if not nodes or min(nodes) < 0.0 or max(nodes) >= 1.0 or len(set(nodes)) < len(nodes):
            raise InvalidValue(
                key="nodes",
                value=list(nodes),
                requirement="serial correlations in [0, 1), each once",
                remedy="use NODES",
            )
        data = self.values[:, None] if values is None else values
        effects = self.effects
        count, number, draws = len(nodes), effects.shape[1], data.shape[1]
        information, score = np.zeros((count, number, number)), np.zeros((count, number, draws))
        square, determinant = np.zeros((count, draws)), np.zeros(count)
        freedom = 0
        for rows in self.components():
            _, pair = np.unique(np.column_stack([self.match[rows], self.winner[rows]]), axis=0, return_inverse=True)
            intercepts = (pair[:, None] == np.arange(pair.max() + 1)).astype(np.float64)
            used = np.flatnonzero(effects[rows].any(axis=0))
            freedom += rows.size - intercepts.shape[1]
            for g, rho in enumerate(nodes):
                root = np.linalg.cholesky(self.covariance(rho, rows))
                right = np.hstack([intercepts, effects[np.ix_(rows, used)], data[rows]])
                whitened = np.linalg.solve(root, right)
                basis, corner = np.linalg.qr(whitened[:, : intercepts.shape[1]])
                rest = whitened[:, intercepts.shape[1] :]
                rest = rest - basis @ (basis.T @ rest)
                z, d = rest[:, : used.size], rest[:, used.size :]
                information[g][np.ix_(used, used)] += z.T @ z
                score[g][used] += z.T @ d
                square[g] += (d**2).sum(axis=0)
                determinant[g] += 2.0 * (np.log(np.diag(root)).sum() + np.log(np.abs(np.diag(corner))).sum())
        if freedom < 1:
            raise InvalidValue(
                key="stack",
                value="as many intercepts as differences",
                requirement="pairs seen in more than one year",
                remedy="widen the window, or check the panel",
            )
        return [
            SufficientStatistics(tuple(nodes), information, score[:, :, s], square[:, s], determinant, freedom)
            for s in range(draws)
        ]


def _spanning(winner: NDArray[Any], loser: NDArray[Any], year: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which differences join two firms that earlier ones of the same year have not joined yet."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    kept = np.zeros(year.size, dtype=bool)
    for row, (first, second, t) in enumerate(zip(winner.tolist(), loser.tolist(), year.tolist(), strict=True)):
        one, other = root((first, t)), root((second, t))
        if one != other:
            parent[one] = other
            kept[row] = True
    return kept
