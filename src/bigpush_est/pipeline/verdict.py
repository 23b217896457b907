"""What a run says of itself: failures, after which its answer is not to be relied on, and warnings beside the answer.

| What | Failure | Warning |
|---|---|---|
| a gate of the posterior | always | |
| the calibration at the medians did not converge | always | |
| draws did not converge | a larger share than ``propagation.tolerated_unconverged`` | any fewer |
| a variant could not be run | | always: its row says why |
| fewer than 40 clusters, or fewer than 20 in effect, under the joint covariance | | always |
| a first-stage F at which tF widens intervals, with the normal likelihood | | always |

Draws that did not converge are counted and bounded (all a yes, all a no) in either case.
"""

from typing import Any

from bigpush_est.reduced_form.weak_iv.tf import tf_critical_value

type Results = dict[str, Any]

#: Clusters, and clusters in effect, below which normal and clustered inference understates: t(20) is 6% wider.
FEW_CLUSTERS, FEW_EFFECTIVE = 40, 20
#: First-stage effective F below which the bias may exceed a tenth of the worst case (Montiel Olea and Pflueger, 5%
#: level, one instrument), and from which tF's critical value is the usual one.
WEAK_F, STRONG_F = 23.1, 104.67
_DIMENSIONS = {"region": "regions", "group_cluster": "business groups", "stack": "matches", "firm": "firms of matches"}


def failures(results: Results, tolerated: float) -> list[str]:
    """Return every diagnostic that failed, in words.

    Parameters
    ----------
    results
        The content of ``results.json`` but for failures and warnings.
    tolerated
        Share of draws that may stay unconverged.
    """
    found = []
    for name, part in (("", results), ("second mapping: ", results["second"])):
        if part is None:
            continue
        found += [f"{name}posterior: {failure}" for failure in part["posterior"]["diagnostics"]["failures"]]
        if not part["point"]["converged"]:
            found.append(f"{name}the point calibration did not converge")
    for name, lost, draws in _unconverged(results):
        if lost > tolerated * draws:
            found.append(f"{name}: {lost} of {draws} draws did not converge, more than {100 * tolerated:g}%")
    return found


def warnings(results: Results, tolerated: float) -> list[str]:
    """Return what limits the answer without making it one not to be relied on, in words; arguments as ``failures``."""
    within = [
        f"{name}: {lost} of {draws}" for name, lost, draws in _unconverged(results) if 0 < lost <= tolerated * draws
    ]
    found = []
    if within:
        found.append(
            f"{', '.join(within)} draws did not converge, within the {100 * tolerated:g}% that the study tolerates; "
            "they count as a no, and the table of probabilities bounds them"
        )
    failed = [f"“{row['group']}: {row['label']}”" for row in results["variants"] if row.get("failed")]
    if failed:
        verb = "was" if len(failed) == 1 else "were"
        found.append(
            f"{len(failed)} of {len(results['variants'])} variants {verb} not run, their rows say why: "
            f"{', '.join(failed)}"
        )
    return found + _clusters(results) + _instrument(results)


def _unconverged(results: Results) -> list[tuple[str, int, int]]:
    return [
        (name, answer["solver"]["unconverged"], answer["solver"]["draws"])
        for name, answer in results["answers"].items()
    ]


def _clusters(results: Results) -> list[str]:
    """Say where the joint covariance of a panel's estimates rests on few clusters."""
    micro = results["evidence"]["micro"]
    if micro is None:
        return []
    joint = micro["joint"]
    entered = [one["name"] for one in results["evidence"]["estimates"]]
    found = []
    for dimension, words in _DIMENSIONS.items():
        count = joint["clusters"].get(dimension)
        effective = {
            name: numbers[dimension]
            for name, numbers in joint.get("effective_clusters", {}).items()
            if name in entered and dimension in numbers
        }
        few = {name: number for name, number in effective.items() if number < FEW_EFFECTIVE}
        if count is None or (count >= FEW_CLUSTERS and not few):
            continue
        shown = ", ".join(f"{number:.1f} for {name}" for name, number in (few or effective).items())
        in_effect = f", in effect {shown}" if shown else ""
        found.append(
            f"the joint covariance rests on {count} {words}{in_effect}: with fewer than "
            f"{FEW_CLUSTERS}, or {FEW_EFFECTIVE} in effect, it is likely too small, and the posterior too narrow"
        )
    return found


def _instrument(results: Results) -> list[str]:
    """Say where the normal likelihood takes an instrument to be stronger than it is."""
    strength = results["evidence"]["effective_f"]
    if strength is None or strength >= STRONG_F or results["study"]["likelihood"].startswith("weak_instrument"):
        return []
    text = f"the first-stage F of the spillover’s instrument is {strength:.1f}"
    text += f", under {WEAK_F}, where its bias may be large" if strength < WEAK_F else ""
    value = tf_critical_value(strength)
    return [
        f"{text}: at this F tF takes {value:.2f} standard errors for a 95% interval in place of 1.96, and the normal "
        "likelihood understates"
    ]
