"""The shape of a pipeline's study file (``model = "posterior"``): tables, keys, types and ranges."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bigpush_est.bayes.evidence import Exponent
from bigpush_est.quantitative.spec import CalibrationSection, EconomySection, PathsSection
from bigpush_est.study_spec import CorrelationRange, DirectEffect, Positive, SamplerSection, Share, Spillover, Text

#: Where the estimates come from, and how they enter the likelihood.
type EvidenceSource = Literal["micro", "published", "estimates"]
type Likelihood = Literal["normal", "weak_instrument"]
#: What can be held at other values, to see how far it must move for an answer to change.
type Breakable = Literal["delta", "eta", "subsidy", "sigma", "pareto_ratio", "kappa", "xi", "exponent"]
#: What becomes of Panel B's estimate, and what says which slope parameters imply.
type ComplementarityUse = Literal["none", "test", "likelihood"]
type ComplementarityMapping = Literal["indirect_inference", "own_region"]


class _Section(BaseModel):
    """A table of the study file: unknown keys are refused, numbers are not guessed from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MicroSection(_Section):
    """A firm panel: a folder of frames, the sample that ships ("sample_panel"), or one simulated from the seed."""

    data: Text = "simulated"
    scale: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0
    design: dict[str, Any] = {}
    outcome: Text = "log_sales"
    event_times: Annotated[list[Annotated[int, Field(ge=0, le=20)]], Field(min_length=1)] = [4, 5, 6, 7]
    direct_clusters: Literal["joint", "own"] = "joint"
    spillover_on_losers: bool = False
    column: Annotated[int, Field(ge=2, le=8)] = 3


class PublishedSection(_Section):
    """The paper's figures, as the study of Section 4 takes them."""

    direct_effect: DirectEffect
    spillover: Spillover
    correlation: CorrelationRange = CorrelationRange()


class EstimatesSection(_Section):
    """Estimates of the user's own, in CSV."""

    file: Text


class AdoptionSection(_Section):
    """Counts of adopters by region and year, the equilibrium inside the likelihood; priors of its own parameters."""

    counts: Text = "panel"
    years: list[int] = []
    cells: Literal["regions", "nation"] = "regions"
    fundamentals: Literal["inverted", "held"] = "inverted"
    misrecorded: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.001
    max_moves: Annotated[int, Field(ge=1, le=1000)] = 40
    adoption_cost: dict[str, Any]
    kappa: dict[str, Any]
    overdispersion: dict[str, Any]


class EvidenceSection(_Section):
    """What the likelihood takes: one of three sources, and counts of adopters beside it."""

    source: EvidenceSource
    likelihood: Likelihood = "normal"
    direct: Literal["event_study", "hierarchical"] = "event_study"
    without: list[Literal["direct", "spillover"]] = []
    complementarity: ComplementarityUse = "test"
    complementarity_mapping: ComplementarityMapping = "indirect_inference"
    micro: MicroSection | None = None
    published: PublishedSection | None = None
    estimates: EstimatesSection | None = None
    adoption: AdoptionSection | None = None


class MappingSection(_Section):
    """From effects on sales to η and δ."""

    exponent: Exponent = "undistorted"
    #: A second answer of the same run: the same estimates, mapped with this exponent.
    second: Exponent | None = None
    subsidised_share: Share = 0.0
    subsidised_share_source: Text = "the paper's mapping"
    tail_index: Positive | None = None


class PropagationSection(_Section):
    """Posterior draws through the quantitative model."""

    draws: Annotated[int, Field(ge=8, le=1_000_000)] = 1000
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 50
    recalibrate: bool = True
    fixed_too: bool = True
    subsidy: Literal["recalibrated", "given"] = "recalibrated"
    scenarios: bool = True
    smallest_push: bool = True
    highest_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.4
    random_starts: Annotated[int, Field(ge=0, le=1000)] = 2
    variant_draws: Annotated[int, Field(ge=8, le=1_000_000)] = 200
    #: Share of draws that may stay unconverged; they are counted and bounded all the same, and a larger one fails.
    tolerated_unconverged: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.01


class SensitivitySection(_Section):
    """What moves the answer: breakdown values, each parameter in turn held at the values of a grid."""

    breakdown: bool = True
    parameters: list[Breakable] = [*get_args(Breakable.__value__)]
    grid: Annotated[int, Field(ge=3, le=101)] = 5
    halvings: Annotated[int, Field(ge=0, le=20)] = 2
    draws: Annotated[int, Field(ge=4, le=100_000)] = 50
    ranges: dict[Breakable, Annotated[list[float], Field(min_length=2, max_length=2)]] = {}


class PipelineVariant(_Section):
    """The same study with some keys set to other values."""

    group: Text
    label: Text
    set: Annotated[dict[str, Any], Field(min_length=1)]


class PipelineSpec(_Section):
    """A whole study file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
    title: Text
    model: Literal["posterior"]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    evidence: EvidenceSection
    mapping: MappingSection = MappingSection()
    priors: dict[str, Any]
    sampler: SamplerSection = SamplerSection()
    economy: EconomySection
    calibration: CalibrationSection = CalibrationSection()
    paths: PathsSection = PathsSection()
    propagation: PropagationSection = PropagationSection()
    sensitivity: SensitivitySection = SensitivitySection()
    variants: list[PipelineVariant] = []
