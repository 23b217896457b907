"""What the push did, for D draws at once: Table 3's differences between the paths with and without it."""

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.equilibrium.spatial.outcomes import Outcomes, welfare

#: A region gains if its heavy GDP share is higher by more than this (fraction).
GAIN = 5e-5
#: A region is industrialised if more than this share of its heavy firms adopts.
INDUSTRIALISED = 0.5
#: Heavy manufacturing's outcomes that are reported as levels on both sides, and as their difference.
DIFFERENCES = ("gdp_share", "export_intensity", "employment_share")


def stretched(values: FloatArray, periods: int) -> FloatArray:
    """Return values over so many periods: a steady state goes on for ever, and what comes later is cut off."""
    kept = values[:periods]
    missing = periods - kept.shape[0]
    return np.concatenate([kept, np.repeat(kept[-1:], missing, axis=0)]) if missing > 0 else kept


def effects_of_push(
    push: Outcomes, none: Outcomes, *, heavy: int, labour: FloatArray, discount: float = 0.85
) -> dict[str, FloatArray]:
    """Return Table 3's differences: with the push less without it, in the last period of either path.

    Parameters
    ----------
    push, none
        Outcomes of the paths, periods on the first axis and D draws on the second; the last period goes on for ever.
    heavy
        The sector whose shares are compared.
    labour
        Weights of regions in national welfare, adding up to 1, (N,).
    discount
        Of a period.

    Returns
    -------
    dict
        Fractions, (D,) unless stated.  ``gdp_share_push``, ``gdp_share_none`` and ``gdp_share`` (their difference), the
        same for ``export_intensity`` and ``employment_share``; ``gdp_share_relative``, the difference over the level
        with the push; by region ``regional_gdp_share``, ``regional_export_intensity``, ``regional_employment_share``
        and ``regional_welfare`` (D, N); ``welfare_log`` and ``welfare_linear`` (``outcomes.welfare``, weighted by
        labour); ``regions_that_gain``; ``output`` (D, J), relative change of real output, and ``output_total``, its
        mean with gross output of the first period as weights (footnote 18); ``industrialised_push`` and
        ``industrialised_none``, numbers of regions in which more than half of heavy firms adopt.

    Examples
    --------
    >>> from bigpush_est.equilibrium.spatial.scenarios import compare, example_baseline
    >>> found = compare(example_baseline(), [None])["baseline"]
    >>> effect = effects_of_push(found.push.outcomes, found.none.outcomes, heavy=1, labour=np.full(4, 0.25))
    >>> effect["gdp_share"].round(3).tolist(), effect["industrialised_push"].tolist()
    ([0.07], [3])
    """
    periods = max(push.consumption.shape[0], none.consumption.shape[0])
    paid = [stretched(side.consumption, periods) for side in (push, none)]
    gains = welfare(paid[0], paid[1], discount)
    found: dict[str, FloatArray] = {}
    for name in DIFFERENCES:
        levels = [getattr(side, name)[-1][:, heavy] for side in (push, none)]
        found[f"{name}_push"], found[f"{name}_none"] = levels
        found[name] = levels[0] - levels[1]
        local = [getattr(side, f"regional_{name}")[-1][:, heavy] for side in (push, none)]
        found[f"regional_{name}"] = local[0] - local[1]
    output = push.output[-1] / none.output[-1] - 1.0
    weight = push.gross_output[0]
    adopters = [side.adopter_share[-1][:, heavy] > INDUSTRIALISED for side in (push, none)]
    return found | {
        "gdp_share_relative": found["gdp_share"] / found["gdp_share_push"],
        "regional_welfare": gains["log"],
        "welfare_log": (gains["log"] * labour).sum(axis=1),
        "welfare_linear": (gains["linear"] * labour).sum(axis=1),
        "regions_that_gain": (found["regional_gdp_share"] > GAIN).sum(axis=1),
        "output": output,
        "output_total": (output * weight).sum(axis=1) / weight.sum(axis=1),
        "industrialised_push": adopters[0].sum(axis=1),
        "industrialised_none": adopters[1].sum(axis=1),
    }
