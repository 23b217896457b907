"""Steady states of Section 5's economy that are found by iterating it from several starts.

With frozen fundamentals the map λ ↦ λ′ can have many fixed points: industrialised regions sit near λ = 1, others at 0.
Regions compete, so that the map is not monotone, and nothing says how many fixed points there are.  What is counted
here are the distinct steady states that were *found*: there may be more.  Iteration finds only states that attract
their start, so that unstable ones are not among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.dynamics import Path, solve_path
from bigpush_est.equilibrium.spatial.economy import SpatialEconomy
from bigpush_est.errors import InvalidValue, ShapeMismatch

#: Largest difference of a share between two paths' ends that count as the same steady state.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class FoundSteadyStates:
    """The distinct steady states found from S starts, for each of D draws: at least so many exist.

    Attributes
    ----------
    starts
        Names of the starts, (S,).
    state
        Which of the draw's states each start leads to, in the order in which they were found; −1 where a start leads
        to no steady state, (S, D).
    shares
        λ at the end of each path, (S, D, J, N).
    fate
        ``"steady state"``, ``"cycle"`` or ``"not converged"``, (S, D).
    periods, worst_residual
        Periods taken, and the largest residual of a static equilibrium on the way, (S, D).
    tolerance
        States that differ by no more than this in any share count as one.
    separation
        Smallest difference (the largest one over cells) between two of the draw's states: infinite with one, (D,).
        Where it is not much larger than ``tolerance`` the count depends on it.
    """

    starts: tuple[str, ...]
    state: NDArray[np.int64]
    shares: FloatArray
    fate: NDArray[np.str_]
    periods: NDArray[np.int64]
    worst_residual: FloatArray
    tolerance: float
    separation: FloatArray

    @property
    def count(self) -> NDArray[np.int64]:
        """Number of distinct steady states found, (D,): a lower bound of how many there are."""
        count: NDArray[np.int64] = self.state.max(axis=0) + 1
        return count

    @property
    def multiple(self) -> NDArray[np.bool_]:
        """At least two were found, (D,); False says that one was found (or none), not that there is one."""
        return self.count >= 2

    def states(self, draw: int = 0) -> FloatArray:
        """Return a draw's states, in the order in which they were found, (K, J, N)."""
        first = [int(np.argmax(self.state[:, draw] == k)) for k in range(int(self.count[draw]))]
        found: FloatArray = self.shares[first, draw]
        return found

    def basins(self, draw: int = 0) -> list[list[str]]:
        """Return the names of the starts that lead to each of a draw's states."""
        return [
            [name for name, state in zip(self.starts, self.state[:, draw], strict=True) if state == k]
            for k in range(int(self.count[draw]))
        ]

    def astray(self, draw: int = 0) -> dict[str, str]:
        """Return the starts of a draw that lead to no steady state, and where they lead."""
        return {
            name: str(fate)
            for name, fate, state in zip(self.starts, self.fate[:, draw], self.state[:, draw], strict=True)
            if state < 0
        }

    def describe(self, draw: int = 0) -> str:
        """Say what was found from which starts.

        Examples
        --------
        >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
        >>> print(search_steady_states(example_baseline().frozen()).describe())
        2 steady states found from 2 starts (shares that differ by up to 0.0001 count as the same; there may be others).
          1: mean share 0.500, from none
          2: mean share 1.000, from full
        """
        count = int(self.count[draw])
        plural = "" if count == 1 else "s"
        lines = [
            f"{count} steady state{plural} found from {len(self.starts)} starts (shares that differ by up to "
            f"{self.tolerance:g} count as the same; there may be others)."
        ]
        adopting = self.shares[:, draw].any(axis=(0, 2))
        for k, (state, names) in enumerate(zip(self.states(draw), self.basins(draw), strict=True)):
            mean = state[adopting].mean() if adopting.any() else 0.0
            lines.append(f"  {k + 1}: mean share {mean:.3f}, from {', '.join(names)}")
        lines += [f"  {name}: {fate}" for name, fate in self.astray(draw).items()]
        return "\n".join(lines)


def distinct_steady_states(
    shares: FloatArray, steady: NDArray[np.bool_] | None = None, tolerance: float = TOLERANCE
) -> tuple[NDArray[np.int64], FloatArray]:
    """Tell which paths end in the same steady state.

    Parameters
    ----------
    shares
        λ at the end of S paths, (S, D, J, N).
    steady
        Which of them are steady states, (S, D); all by default.
    tolerance
        Largest difference of any share between two ends that count as the same state.  A path joins the first state
        that is this close.

    Returns
    -------
    state
        Number of each path's state, in the order in which they are first met; −1 where there is none, (S, D).
    separation
        Smallest difference between two states of a draw, (D,); infinite where there are fewer than two.

    Examples
    --------
    >>> import numpy as np
    >>> ends = np.array([0.1, 0.9, 0.10001, 0.5]).reshape(4, 1, 1, 1)
    >>> state, separation = distinct_steady_states(ends, np.array([[True], [True], [True], [False]]))
    >>> state[:, 0].tolist(), separation.round(3).tolist()
    ([0, 1, 0, -1], [0.8])
    """
    shares = np.asarray(shares, dtype=np.float64)
    if shares.ndim != 4:
        raise ShapeMismatch(key="shares", shape=shares.shape, expected="(S, D, J, N)", remedy="one end of a path each")
    if not tolerance >= 0.0:
        raise InvalidValue(key="tolerance", value=tolerance, requirement="at least 0", remedy="pass a small number")
    paths, draws = shares.shape[:2]
    counted = np.ones((paths, draws), dtype=bool) if steady is None else steady
    state = np.full((paths, draws), -1, dtype=np.int64)
    separation = np.full(draws, np.inf)
    count = np.zeros(draws, dtype=np.int64)
    first = np.zeros((paths, draws), dtype=np.intp)  # the path that found the k-th state
    every = np.arange(draws)
    for path in range(paths):
        for k in range(int(count.max(initial=0))):
            gap = np.abs(shares[path] - shares[first[k], every]).max(axis=(1, 2))
            joins = counted[path] & (state[path] < 0) & (k < count) & (gap <= tolerance)
            state[path, joins] = k
        new = counted[path] & (state[path] < 0)
        for k in range(int(count[new].max(initial=0))):
            gap = np.abs(shares[path] - shares[first[k], every]).max(axis=(1, 2))
            closer = new & (k < count)
            separation[closer] = np.minimum(separation[closer], gap[closer])
        state[path, new] = count[new]
        first[count[new], every[new]] = path
        count[new] += 1
    return state, separation


def search_steady_states(
    economy: SpatialEconomy,
    starts: Mapping[str, FloatArray] | None = None,
    *,
    extra: int = 0,
    seed: int = 0,
    tolerance: float = TOLERANCE,
    point: FloatArray | None = None,
    preconditioner: FloatArray | None = None,
    **options: Any,
) -> FoundSteadyStates:
    """Iterate an economy with frozen fundamentals from several starts and count the steady states that are found.

    Parameters
    ----------
    economy
        D draws; its subsidies stay for ever, so pass one without.
    starts
        Further starts by name, each (J, N) or (D, J, N): for instance the shares at the end of the paths with and
        without the push (``Path.shares[-1]``, or those after the last policy period).
    extra, seed
        Random starts, half of them with shares uniform on [0, 1] in every cell that can adopt, half with shares of 0
        or 1, the chance of a 1 being uniform too; the same for all draws.
    tolerance
        See ``distinct_steady_states``.
    point, preconditioner
        Where the first period's search starts and what it uses (``StaticEquilibrium.point``,
        ``static_preconditioner``).
    options
        ``solve_path``'s.

    Returns
    -------
    FoundSteadyStates
        Starts are λ = 0 (``"none"``), λ = 1 (``"full"``), the further ones and ``"random 1"``, ….  A path that ends in
        a cycle, or does not converge, is no steady state.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import example_baseline
    >>> found = search_steady_states(example_baseline().frozen(), extra=4)
    >>> found.count.tolist(), found.basins()[0]
    ([5], ['none'])
    """
    every = all_starts(economy, starts, extra=extra, seed=seed)
    names = tuple(every)
    alone = economy.n_draws == 1  # the starts are then solved together
    batches = [np.concatenate(list(every.values()))] if alone else list(every.values())
    paths = [
        solve_path(
            [economy],
            batch,
            starts=None if point is None else [point],
            preconditioners=None if preconditioner is None else [preconditioner],
            **options,
        )
        for batch in batches
    ]
    if not alone:
        return gather(names, paths, tolerance)
    path = paths[0]
    return _found(
        names,
        path.shares[-1][:, None],
        path.fate[:, None],
        path.periods[:, None],
        path.worst_residual[:, None],
        tolerance=tolerance,
    )


def all_starts(
    economy: SpatialEconomy, starts: Mapping[str, FloatArray] | None = None, *, extra: int = 0, seed: int = 0
) -> dict[str, FloatArray]:
    """Return the starts of ``search_steady_states`` by name, each (D, J, N)."""
    shape = (economy.n_draws, economy.n_sectors, economy.n_regions)
    can = np.array(economy.adopts)[:, None] & (economy.firm_mass > 0.0)
    found = {"none": np.zeros(shape), "full": np.broadcast_to(can.astype(np.float64), shape)}
    for name, share in (starts or {}).items():
        if name in found or name.startswith("random "):
            raise InvalidValue(key="starts", value=name, requirement="a name of its own", remedy="rename the start")
        values = np.asarray(share, dtype=np.float64)
        if values.shape not in (shape[1:], (1, *shape[1:]), shape):
            raise ShapeMismatch(
                key=name, shape=values.shape, expected=f"{shape[1:]} or {shape}", remedy="one share per cell"
            )
        found[name] = np.broadcast_to(values, shape)
    rng = np.random.default_rng(seed)
    for i in range(extra):
        share = rng.uniform(size=shape[1:])
        if i % 2:
            share = (share < rng.uniform()).astype(np.float64)
        found[f"random {i + 1}"] = np.broadcast_to(np.where(can, share, 0.0), shape)
    return found


def gather(names: Sequence[str], paths: Sequence[Path], tolerance: float = TOLERANCE) -> FoundSteadyStates:
    """Count the distinct steady states in which paths end: those of other searches, or of policies."""
    return _found(
        tuple(names),
        np.stack([path.shares[-1] for path in paths]),
        np.stack([path.fate for path in paths]),
        np.stack([path.periods for path in paths]),
        np.stack([path.worst_residual for path in paths]),
        tolerance=tolerance,
    )


def _found(
    names: tuple[str, ...],
    shares: FloatArray,
    fate: NDArray[np.str_],
    periods: NDArray[np.int64],
    worst: FloatArray,
    *,
    tolerance: float,
) -> FoundSteadyStates:
    state, separation = distinct_steady_states(shares, fate == "steady state", tolerance)
    return FoundSteadyStates(names, state, shares, fate, periods, worst, tolerance, separation)
