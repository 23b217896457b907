"""Effective draws per second from the posterior of adoption counts on a small economy: batched SMC against NUTS.

NUTS gets the gradient by central differences, all points of one gradient in one batched solve.  Seconds are of one
processor (``time.process_time``), so that other work on the machine does not count.

Run as ``python benchmarks/bench_adoption_samplers.py``: it prints what it finds.
"""

import time
import warnings
from typing import Any

import numpy as np

from bigpush_est.bayes.models.adoption import AdoptionCounts, AdoptionModel, HeldFundamentals, adoption_prior
from bigpush_est.bayes.nuts import import_pymc
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, diagnose
from bigpush_est.bayes.smc import SMCSettings, normal_scores_inverted, sample_smc
from bigpush_est.equilibrium.spatial.scenarios import example_baseline

TRUTH = {"log_eta": np.log(1.25), "delta": 0.68, "subsidy": 0.10, "sigma": 5.0, "pareto_ratio": 1.06}
OWN = {"adoption_cost": 0.25, "kappa": 1.4, "overdispersion": 0.0}
FREE: dict[str, dict[str, Any]] = {
    "delta": {"family": "half_normal", "scale": 1.0},
    "subsidy": {"family": "beta", "a": 1.5, "b": 10.0},
    "adoption_cost": {"family": "log_normal", "median": 0.3, "log_sd": 0.4},
}
STEP = 1e-4
#: Tuning steps, and draws after them.
LENGTH = 100


def example_model() -> AdoptionModel:
    """Counts simulated at the truth: four regions, three periods, 200 firms each."""
    tables = {name: {"family": "fixed", "value": value} for name, value in (TRUTH | OWN).items()} | FREE
    priors = tuple(
        Prior.parse(name, table) if name in PARAMETERS else adoption_prior(name, table)
        for name, table in tables.items()
    )
    blank = AdoptionCounts(np.zeros((3, 4)), np.full((3, 4), 200.0))
    model = AdoptionModel(priors, blank, HeldFundamentals(example_baseline()))
    return AdoptionModel(priors, model.simulate(TRUTH | OWN, np.random.default_rng(1)), model.shares)


def log_posterior(model: AdoptionModel, scores: Any) -> Any:
    """Log density in normal scores of the prior, at points (P, dim)."""
    free = [prior for prior in model.priors if not prior.fixed]
    p = {prior.parameter: np.full(scores.shape[0], prior.numbers[0]) for prior in model.priors}
    p |= {prior.parameter: normal_scores_inverted(prior, scores[:, k]) for k, prior in enumerate(free)}
    return model.log_likelihood(p) - 0.5 * (scores**2).sum(axis=1)


def nuts(model: AdoptionModel, draws: int) -> tuple[dict[str, Any], int]:
    """One chain of PyMC's NUTS with gradients by central differences; draws, and likelihoods asked for."""
    pm: Any = import_pymc()
    import pytensor.tensor as pt
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op

    count = [0]

    class Gradient(Op):
        def make_node(self, *inputs: Any) -> Any:
            return Apply(self, [pt.as_tensor(inputs[0])], [pt.dvector()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            (x,) = inputs
            step = STEP * np.eye(x.size)
            value = log_posterior(model, np.concatenate([x + step, x - step]))
            count[0] += value.size
            output_storage[0][0] = (value[: x.size] - value[x.size :]) / (2.0 * STEP)

    class Density(Op):
        def make_node(self, *inputs: Any) -> Any:
            return Apply(self, [pt.as_tensor(inputs[0])], [pt.dscalar()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            count[0] += 1
            output_storage[0][0] = np.asarray(log_posterior(model, inputs[0][None])[0])

        def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
            return [cotangents[0] * Gradient()(inputs[0])]

    with pm.Model(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = pm.Flat("x", shape=len(FREE))
        pm.Potential("density", Density()(x))
        tree = pm.sample(
            draws=draws,
            tune=draws,
            chains=1,
            cores=1,
            random_seed=1,
            initvals={"x": np.zeros(len(FREE))},
            progressbar=False,
            compute_convergence_checks=False,
        )
    values = tree["posterior"].dataset["x"].values
    return {name: values[..., k] for k, name in enumerate(FREE)}, count[0]


def main() -> None:
    """Print what one likelihood costs by batch size, and effective draws per second of either sampler."""
    model = example_model()
    rng = np.random.default_rng(0)
    for size in (1, 7, 100, 1000):
        p = {prior.parameter: prior.draw(size, rng) for prior in model.priors}
        model.log_likelihood(p)
        start = time.process_time()
        model.log_likelihood(p)
        spent = time.process_time() - start
        print(f"batch of {size}: {1e3 * spent:.1f} ms, {1e3 * spent / size:.2f} ms each")
    start = time.process_time()
    found = sample_smc(model, SMCSettings(particles=250), seed=3)
    spent = time.process_time() - start
    effective = found.posterior.diagnostics.effective_draws
    print(
        f"SMC, 4 × 250 particles: {spent:.1f} s, {found.evaluations} likelihoods, smallest ESS {effective:.0f}, "
        f"{effective / spent:.1f} a second"
    )
    start = time.process_time()
    draws, count = nuts(model, LENGTH)
    spent = time.process_time() - start
    effective = diagnose(draws, 0, SamplerSettings(chains=1)).effective_draws
    print(
        f"NUTS, one chain of {LENGTH} + {LENGTH}: {spent:.1f} s, {count} likelihoods, smallest ESS {effective:.0f}, "
        f"{effective / spent:.1f} a second"
    )


if __name__ == "__main__":
    main()
