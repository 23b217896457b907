"""What winners against losers compare besides technology, and what their standard error rests on.

A winner's adoption counts in the adopter share of its loser's neighbours, and not in its own: the loser has the higher
share, and more spillover.  With d_k the event study's estimate of that difference k years on,

    E[b_direct] = e·log η − (σ−1)·q·log(1−s̄) + d·e·δ,    d the mean of d_k over the chosen k

(``docs/methods/evidence.md``).  Four and more years on matches are few, and lie in few regions: standard errors by
region and business group count those as if they were many.  The event study's own, by match and by firm, do not.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.data.frames import MicroData
from bigpush_est.pipeline.estimates import DIRECT, MicroEstimates, effective_clusters
from bigpush_est.reduced_form.events.contract_events import contract_events
from bigpush_est.reduced_form.events.event_study import EventStudy, stacked_event_study
from bigpush_est.reduced_form.events.stacking import term_of
from bigpush_est.reduced_form.spillovers.adopter_shares import adopter_shares
from bigpush_est.reduced_form.spillovers.sample import SpilloverDesign


def differences_in_share(data: MicroData, study: EventStudy, lag: int = SpilloverDesign().lag) -> pd.Series:
    """Return d_k: the event study with neighbours' lagged adopter share, as records have it, as its outcome.

    Parameters
    ----------
    data
        The panel and its contracts.
    study
        Winners against losers on it.
    lag
        Years by which the share is earlier, as in Table 1.

    Returns
    -------
    pandas.Series
        Shares of 0 to 1, by event time.

    Notes
    -----
    A firm without neighbours on record, and years before the panel, have a share of 0: nobody is known to have adopted.
    """
    frame = study.stack.frame.loc[study.regression.rows]
    firms = data.panel.drop_duplicates("firm").set_index("firm").loc[frame["firm"]]
    rows = frame[["firm", "year"]].assign(region=firms["region"].to_numpy(), sector=firms["sector"].to_numpy())
    dates = data.panel["firm"].map(contract_events(data).adoption).astype(float)
    panel = data.panel.assign(adopter=(data.panel["year"] >= dates).astype(float))
    share = np.nan_to_num(adopter_shares(panel, lag=lag, at=rows).share)
    compared = stacked_event_study(replace(study.stack, frame=frame.assign(share=share)), "share")
    return pd.Series(compared.coefficients, index=compared.event_times)


def exposed(evidence: EvidenceSet, exposure: float) -> EvidenceSet:
    """Return the set with the spillover on losers in the direct estimate's mean.

    Examples
    --------
    >>> two = EvidenceSet.from_published(direct_standard_error=0.24, direct_source="assumed")
    >>> [one.exposure for one in exposed(two, -0.03).estimates]
    [-0.03, 0.0]
    """
    changed = tuple(replace(one, exposure=exposure) if one.kind == "direct" else one for one in evidence.estimates)
    return replace(evidence, estimates=changed)


def with_own_clusters(found: MicroEstimates) -> MicroEstimates:
    """Return the estimates with the event study's own standard error of the direct effect; correlations stay."""
    fit, times = found.event_study.regression, list(found.design.event_times)
    weights = np.zeros(fit.k)
    weights[[fit.position(term_of(k)) for k in times]] = 1.0 / len(times)
    joint, scale = found.joint, np.ones(len(found.joint.names))
    place = joint.position(DIRECT)
    scale[place] = np.sqrt(weights @ fit.covariance.matrix @ weights) / joint.standard_errors[place]
    influence = fit.influence @ weights
    effective = {name: effective_clusters(influence, fit.labels[name]) for name in fit.covariance.cluster_names}
    return replace(
        found,
        joint=replace(joint, matrix=joint.matrix * np.outer(scale, scale)),
        effective_clusters=found.effective_clusters | {DIRECT: effective},
    )
