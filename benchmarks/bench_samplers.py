"""Effective draws per second of this package's NUTS against nutpie called directly, PyMC's own NUTS and tempered SMC.

Two models of the shipped evidence: (a) normal, the published estimates; (b) weak instrument, reduced form and first
stage as they would be at the published first-stage F.  "Direct" compiles the very PyMC model and calls
``nutpie.sample``; "by hand" is (a) as a user of PyMC would write it, with constants in place of data and built-in
distributions in place of a potential.  All take turns, with one seed a round.

An effective draw is the smallest bulk effective sample size over free parameters.  Seconds are of one processor
(``time.process_time``), compilation apart: it is shown in a column of its own, and so is the second posterior of a
structure, which compiles nothing.  What this package adds to nutpie's call (log-likelihood, R-hat, ESS and gates) is in
its seconds.

Run as ``python benchmarks/bench_samplers.py``; ``--rounds`` and ``--draws`` change the size.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np  # noqa: E402

from bigpush_est.bayes.estimates import FirstStage  # noqa: E402
from bigpush_est.bayes.evidence_set import EvidenceSet  # noqa: E402
from bigpush_est.bayes.models.normal import NormalModel  # noqa: E402
from bigpush_est.bayes.models.weak_iv import WeakInstrumentModel, weak_prior  # noqa: E402
from bigpush_est.bayes.nuts import import_pymc  # noqa: E402
from bigpush_est.bayes.priors import PARAMETERS, Prior  # noqa: E402
from bigpush_est.bayes.sampling import SamplerSettings, sample_model  # noqa: E402
from bigpush_est.bayes.smc import SMCSettings, sample_smc  # noqa: E402

PRIORS: dict[str, dict[str, Any]] = {
    "log_eta": {"family": "half_normal", "scale": 0.5},
    "delta": {"family": "half_normal", "scale": 1.0},
    "subsidy": {"family": "beta", "a": 1.0, "b": 9.0},
    "sigma": {"family": "fixed", "value": 5.0},
    "pareto_ratio": {"family": "fixed", "value": 1.06},
}


def priors() -> tuple[Prior, ...]:
    return tuple(Prior.parse(name, PRIORS[name]) for name in PARAMETERS)


def published() -> EvidenceSet:
    return EvidenceSet.from_published(direct_standard_error=0.24, direct_source="the benchmark", subsidised_share=0.5)


def weak_model() -> WeakInstrumentModel:
    """The published 2.70 as reduced form over a first stage of 0.10, whose F is the published 21.6."""
    evidence = published()
    error = 0.10 / np.sqrt(21.56)
    covariance = np.array([[0.06**2, 0.3 * 0.06 * error], [0.3 * 0.06 * error, error**2]])
    name = next(one.name for one in evidence.estimates if one.kind == "spillover")
    stage = FirstStage(name, 0.27, 0.10, covariance, np.zeros((2, len(evidence.estimates))))
    return WeakInstrumentModel((*priors(), weak_prior(3.0)), replace(evidence, first_stage=stage))


def by_hand() -> Any:
    """Return (a) as one would write it in PyMC."""
    pm = import_pymc()
    import pytensor.tensor as pt

    evidence = published()
    with pm.Model() as model:
        log_eta = pm.HalfNormal("log_eta", 0.5)
        delta = pm.HalfNormal("delta", 1.0)
        subsidy = pm.Beta("subsidy", 1.0, 9.0)
        direct = 4.0 * log_eta - 4.0 * 0.5 * pt.log1p(-subsidy)
        mean = pt.stack([direct if one.kind == "direct" else 4.0 * delta for one in evidence.estimates])
        pm.MvNormal("estimates", mu=mean, cov=evidence.covariance, observed=evidence.values)
    return model


def clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    before = time.process_time()
    found = work()
    return found, time.process_time() - before


def nutpie_direct(model: Any) -> tuple[Any, float]:
    import nutpie

    return clocked(lambda: nutpie.compile_pymc_model(model))


def direct(compiled: Any, settings: SamplerSettings, seed: int) -> tuple[float, float]:
    """Sample by nutpie's own call, and return the smallest bulk ESS of the free parameters and the mean of δ."""
    import arviz as az
    import nutpie

    tree = nutpie.sample(
        compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=1,
        seed=seed,
        target_accept=settings.target_accept,
        save_warmup=False,
        progress_bar=False,
    )
    posterior = tree["posterior"].dataset
    free = [str(name) for name in posterior.data_vars if not str(name).endswith("__")]
    ess = az.ess(posterior[free], method="bulk")
    return min(float(ess[name]) for name in free), float(posterior["delta"].mean())


def smallest(diagnostics: Any) -> float:
    return min(float(row["ess_bulk"]) for row in diagnostics.table.values())


def ours(model: Any, settings: SamplerSettings, seed: int) -> tuple[float, float]:
    found = sample_model(model, settings, seed=seed)
    return smallest(found.diagnostics), float(found.draws["delta"].mean())


def tempered(model: Any, settings: SMCSettings, seed: int) -> tuple[float, float]:
    found = sample_smc(model, settings, seed=seed).posterior
    return smallest(found.diagnostics), float(found.draws["delta"].mean())


def measured(model: Any, settings: SamplerSettings, rounds: int, plain: Any = None) -> dict[str, dict[str, float]]:
    """Time every sampler on one model, in turns."""
    import_pymc()  # importing it takes seconds that are nobody's
    compilation: dict[str, float] = {}
    contenders: dict[str, Callable[[int], tuple[float, float]]] = {}
    short = replace(settings, draws=10, tune=10)
    _, compilation["this package"] = clocked(lambda: sample_model(model, short, seed=0))
    contenders["this package"] = partial(ours, model, settings)
    for name, pymc_model in (("nutpie, direct", model.build()), ("nutpie, by hand", plain)):
        if pymc_model is None:
            continue
        compiled, compilation[name] = nutpie_direct(pymc_model)
        contenders[name] = partial(direct, compiled, settings)
    contenders["PyMC's NUTS, compilation in it"] = partial(ours, model, replace(settings, sampler="pymc"))
    contenders["tempered SMC"] = partial(tempered, model, SMCSettings(particles=settings.draws, runs=settings.chains))
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for seed in range(rounds):
        for name, work in contenders.items():
            (ess, mean), seconds = clocked(partial(work, seed))
            rows[name].append((ess, seconds, mean))
    speeds = {name: float(np.median([ess / seconds for ess, seconds, _ in found])) for name, found in rows.items()}
    return {
        name: {
            "effective_draws_per_second": speeds[name],
            "ratio_to_direct": speeds[name] / speeds["nutpie, direct"],
            "seconds": float(np.median([seconds for _, seconds, _ in found])),
            "effective_draws": float(np.median([ess for ess, _, _ in found])),
            "mean_of_delta": float(np.mean([mean for *_, mean in found])),
            "compilation_seconds": compilation.get(name, float("nan")),
        }
        for name, found in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--draws", type=int, default=2000)
    given = parser.parse_args()
    settings = SamplerSettings(draws=given.draws)
    found = {
        "(a) normal": measured(NormalModel(priors(), published()), settings, given.rounds, by_hand()),
        "(b) weak instrument": measured(weak_model(), settings, given.rounds),
    }
    for model, rows in found.items():
        print(f"\n{model}: {settings.chains} chains of {settings.draws} draws after {settings.tune}")
        for name, row in rows.items():
            print(
                f"  {name:31s} {row['effective_draws_per_second']:9.0f} eff. draws/s  {row['ratio_to_direct']:5.2f}"
                f"  {row['seconds']:6.2f} s  compiles {row['compilation_seconds']:5.1f} s"
                f"  delta {row['mean_of_delta']:.4f}"
            )
    target = Path(__file__).parent / "results" / "bench_samplers.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written to {target.name}")


if __name__ == "__main__":
    main()
