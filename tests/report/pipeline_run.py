"""A run of the whole way that never ran: its outcomes are drawn, its files come from the code that a run writes by."""

import copy
import csv
import html
import io
import re
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bigpush_est.bayes.evidence import Source
from bigpush_est.bayes.evidence_set import EvidenceSet
from bigpush_est.bayes.sampling import Diagnostics, Posterior
from bigpush_est.data.sample_panel import sample_panel
from bigpush_est.equilibrium.spatial.calibration import PARAMETERS
from bigpush_est.equilibrium.spatial.scenarios import SCENARIOS
from bigpush_est.pipeline.assembly import assemble, variant_summary
from bigpush_est.pipeline.estimates import micro_estimates
from bigpush_est.pipeline.evidence import Gathered, gather, micro_tables
from bigpush_est.pipeline.results import Mapped
from bigpush_est.pipeline.study import PipelineStudy, load_pipeline_study
from bigpush_est.run_folder import RunFolder

CHAINS, LENGTH, PERIODS = 2, 60, 25
VARIANTS = (
    ("Mapping", "exponent σ", 0.4),
    ("Mapping", "half of winners subsidised", 0.2),
    ("Prior of δ", "half-normal, scale 2", 0.7),
    ("Column of Table 1", "column 2", 0.0),
    ("Column of Table 1", "column 6", 1.0),
)


@dataclass(frozen=True)
class Made:
    """A run's results and arrays, as a run writes them, and its study."""

    study: PipelineStudy
    results: dict[str, Any]
    arrays: dict[str, Any]

    def written(self, folder: RunFolder, results: dict[str, Any] | None = None, fingerprint: str = "") -> RunFolder:
        """Write what a report reads, and mark the folder as that of a finished run."""
        folder.open(self.study.raw, self.study.spec.name, fingerprint or "made", resume=False, overwrite=True)
        folder.write_json("results.json", self.results if results is None else results)
        folder.write_arrays("figures.npz", self.arrays)
        folder.write_manifest(self.study.spec.name, finished=True)
        folder.release()
        return folder


@cache
def _panel_tables() -> tuple[EvidenceSet, dict[str, Any]]:
    """Estimates and tables of the panel that ships: the first of a micro run's stages is too quick to be made up."""
    study = load_pipeline_study("korea_micro", {"evidence.micro.event_times": [4, 5, 6]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = micro_estimates(sample_panel(), study.micro_design())
        tables = micro_tables(study, found)
    evidence = EvidenceSet.from_estimates(
        found.joint,
        provenance="firm panel, clustered by region and business group",
        label="synthetic",
        exponent=study.spec.mapping.exponent,
        subsidised_share=study.spec.mapping.subsidised_share,
        tail_index=study.point.tail_index,
        xi=study.tables.value("xi_heavy"),
        sources=(Source("Direct effect", "0.9", "log points", "derived", "the panel"),),
    )
    return evidence.without("complementarity"), tables


def made(
    name: str = "korea_micro",
    *,
    seed: int = 1,
    versions: tuple[str, ...] = ("recalibrated", "fixed", "second_mapping"),
    moved: float = 0.6,
    unconverged: float = 0.05,
    scenarios: bool = True,
    smallest_push: bool = True,
    variants: bool = True,
    effect: float = 0.035,
) -> Made:
    """Return a run whose draws, equilibria and variants are random numbers.

    Parameters
    ----------
    name
        The shipped study whose economy and settings it has.
    seed
        Of the random numbers.
    versions
        Propagations that it has.
    moved, unconverged
        Shares of draws that the push moves, and whose solver fails.
    scenarios, smallest_push, variants
        Whether it has them.
    effect
        Size of the push's effect on the GDP share.
    """
    rng = np.random.default_rng(seed)
    micro = name == "korea_micro"
    changes: dict[str, Any] = {
        "sampler.chains": CHAINS,
        "propagation.recalibrate": "recalibrated" in versions,
        "propagation.fixed_too": "fixed" in versions,
    }
    if "second_mapping" not in versions:
        changes["mapping"] = {"exponent": "undistorted"}
    study = load_pipeline_study(name, changes | ({"evidence.micro.event_times": [4, 5, 6]} if micro else {}))
    gathered = Gathered(*_panel_tables()) if micro else gather(study)
    posterior = _posterior(rng)
    draws = {key: values[:, ::2].reshape(-1) for key, values in posterior.draws.items()}
    options = {"moved": moved, "unconverged": unconverged, "effect": effect}
    outcomes = {
        version: _outcomes(rng, study, draws, scenarios=scenarios, smallest_push=smallest_push, **options)
        for version in versions
    }
    if "fixed" in outcomes:
        parameters = outcomes["fixed"]["parameters"]
        parameters[:] = parameters[0]
    rows: list[dict[str, Any]] = []
    for group, label, chance in VARIANTS if variants else ():
        found = _outcomes(rng, study, draws, moved=chance, unconverged=0.0, effect=effect)
        rows.append({"group": group, "label": label, **variant_summary(study, gathered, posterior, found)})
    if variants:
        rows.append({"group": "Economy", "label": "another one", "failed": "no fundamentals can be inverted"})
    point = {
        "parameters": np.array([2e-4, 0.1, 0.05, 0.09, 0.7, 0.8]),
        "moments": 1.1 * study.point.target(),
        "target": study.point.target(),
        "criterion": 0.12,
        "converged": True,
    }
    second = None
    if (other := study.second()) is not None:
        second = Mapped(other, gathered.mapped_as(other), _posterior(rng, 1.6), point, draws)
    results, arrays = assemble(Mapped(study, gathered, posterior, point, draws), outcomes, rows, second)
    return Made(study, results, arrays)


def _posterior(rng: np.random.Generator, scale: float = 1.0) -> Posterior:
    shape = (CHAINS, 2 * LENGTH)
    draws = {
        "log_eta": scale * np.abs(rng.normal(0.22, 0.06, shape)),
        "delta": scale * np.abs(rng.normal(0.65, 0.17, shape)),
        "subsidy": rng.beta(1.0, 9.0, shape),
        "sigma": np.full(shape, 5.0),
        "pareto_ratio": np.full(shape, 1.06),
    }
    row = {"rhat": 1.001, "ess_bulk": 210.0, "ess_tail": 190.0, "mcse_mean": 0.004, "mcse_sd": 0.003}
    diagnostics = Diagnostics({name: dict(row) for name in ("log_eta", "delta", "subsidy")}, 0, ())
    return Posterior(draws, np.zeros(shape), np.zeros(shape, dtype=bool), diagnostics)


def _outcomes(
    rng: np.random.Generator,
    study: PipelineStudy,
    draws: dict[str, Any],
    *,
    moved: float,
    unconverged: float,
    effect: float,
    scenarios: bool = False,
    smallest_push: bool = False,
) -> dict[str, Any]:
    count, bundle = draws["delta"].size, study.point.bundle
    regions, sectors = len(bundle.regions), len(bundle.sectors)
    # more complementarity, more of a push: figures of the draws then have something to show
    pull = draws["delta"] * np.exp(draws["log_eta"]) + rng.normal(0.0, 0.1, count)
    hits = pull >= np.quantile(pull, 1.0 - moved) if 0.0 < moved < 1.0 else np.full(count, moved == 1.0)
    several = hits | (pull >= np.quantile(pull, 0.2)) if moved > 0.0 else np.zeros(count, dtype=bool)
    lost = rng.uniform(size=count) < unconverged
    size = np.where(hits, effect * rng.uniform(0.5, 1.5, count), rng.normal(0.0, 1e-4, count))
    found: dict[str, Any] = {
        "parameters": np.array([2e-4, 0.1, 0.05, 0.09, 0.7, 0.8]) * rng.lognormal(0.0, 0.1, (count, len(PARAMETERS))),
        "moments": study.point.target() * rng.lognormal(0.0, 0.1, (count, 7)),
        "residual": rng.uniform(0.0, 1e-10, count),
        "converged": ~lost,
        "fate_push": np.where(lost, "no end", "steady state"),
        "fate_none": np.full(count, "steady state"),
        "count": np.where(several, rng.integers(2, 5, count), 1),
        "multiple": several,
        "moved": hits,
        "needed": hits & (rng.uniform(size=count) < 0.7),
        "output": np.stack([size * k for k in range(sectors)], axis=1),
        "output_total": size,
        "welfare_log": 3.0 * size,
        "welfare_linear": 3.3 * size,
        "regional_gdp_share_difference": size[:, None] * rng.uniform(-0.2, 3.0, regions),
        "regional_welfare": size[:, None] * rng.uniform(0.2, 4.0, regions),
    }
    rise = 1.0 - np.exp(-np.arange(PERIODS) / 4.0)
    for name, level in (("gdp_share", 0.09), ("export_intensity", 0.2), ("employment_share", 0.06)):
        none = level * rng.uniform(0.9, 1.1, count)
        found[f"{name}_none"], found[f"{name}_push"] = none, none + size
        found[f"path_{name}_none"] = 0.7 * level + (none - 0.7 * level)[:, None] * rise
        found[f"path_{name}_push"] = 0.7 * level + (none + size - 0.7 * level)[:, None] * rise
    if smallest_push:
        found["smallest_push"] = np.where(hits, rng.uniform(0.02, 0.1, count), np.nan)
        found["smallest_push_status"] = np.where(hits, "found", "none")
    for k, one in enumerate(SCENARIOS if scenarios else ()):
        found[f"scenario_{one.name}_gdp_share"] = size * rng.uniform(0.1 * k, 1.2, count)
    return found


# -- what tests of the pages share -------------------------------------------------------------------------------------


def quiet(stage: str, done: int, total: int) -> None:
    """Say nothing."""


def seen(text: str) -> str:
    """Return the text of a page: no style, no tags, single spaces."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def read_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def plain(run: Made, tmp_path):
    """Return a run's results as they come back from JSON, to be changed."""
    folder = run.written(RunFolder(tmp_path / "plain"))
    return copy.deepcopy(folder.read_json("results.json"))
