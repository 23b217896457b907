"""Where a path's next equilibrium will be: the last ones' points, extrapolated along the change of the state."""

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray, Index

#: Past changes from which the next one is predicted.
_DEPTH = 5
#: Relative Tikhonov term: late changes are nearly parallel, and known only to the equilibria's tolerance.
_REGULARISATION = 1e-8


class Secants:
    """Predicts points of one economy at new states from those at past states, per draw.

    The change of the state (shares λ_{t−1}) is written as a combination of past changes, in least squares, and the
    point's change predicted as the same combination of the points' changes.  Once a path is drawn in by a steady
    state, its changes hardly leave the space of the last few, and the prediction is right up to their squares.
    """

    def __init__(self) -> None:
        self._known: tuple[FloatArray, FloatArray] | None = None
        self._states: list[FloatArray] = []
        self._points: list[FloatArray] = []

    def keep(self, rows: Index) -> None:
        """Forget all draws but some: the arrays to come are theirs."""
        if self._known is not None:
            self._known = self._known[0][rows], self._known[1][rows]
        self._states = [one[rows] for one in self._states]
        self._points = [one[rows] for one in self._points]

    def predict(self, point: FloatArray, state: FloatArray, following: FloatArray, rows: Index) -> FloatArray:
        """Return starts (B, K) of some rows at their ``following`` states.

        ``point`` (D, K) solves the economy at ``state``; states are (D, ...).  To be called with every point of a path.
        """
        state = state.reshape(len(state), -1)
        if self._known is not None:
            self._states = [*self._states[1 - _DEPTH :], state - self._known[0]]
            self._points = [*self._points[1 - _DEPTH :], point - self._known[1]]
        self._known = state, point
        start: FloatArray = point[rows]
        if not self._states:
            return start
        change = following.reshape(state.shape)[rows] - state[rows]
        past = np.stack([one[rows] for one in self._states], axis=1)
        length = np.sqrt(np.einsum("bks,bks->bk", past, past))
        # a draw that stood still has no past
        inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)
        past *= inverse[:, :, None]
        system = np.matmul(past, past.transpose(0, 2, 1))
        np.einsum("bkk->bk", system)[...] = 1.0 + _REGULARISATION
        weights = np.linalg.solve(system, np.matmul(past, change[:, :, None]))[:, :, 0] * inverse
        for weight, one in zip(weights.T, self._points, strict=True):
            start += weight[:, None] * one[rows]
        return start
