"""The shape of a study file: its tables, keys, types and ranges, and one clear message for the first thing wrong."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bigpush_est.bayes.evidence import Exponent, Feedback
from bigpush_est.errors import InvalidValue, MissingKey, UnknownKey, WrongType

type Share = Annotated[float, Field(ge=0.0, le=1.0)]
type Positive = Annotated[float, Field(ge=1e-6, le=1e6)]
type Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    """A table of the study file: unknown keys are refused, numbers are not guessed from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DirectEffect(_Section):
    """Winners vs losers, seven years on."""

    figure: Text
    standard_error: Positive
    standard_error_source: Text
    subsidised_share: Share = 0.0
    subsidised_share_source: Text = "the paper's mapping"


class Spillover(_Section):
    """Columns of Table 1."""

    panel: Literal["A"] = "A"
    columns: Annotated[list[Annotated[int, Field(ge=1, le=8)]], Field(min_length=1)]
    combine: Literal["single", "average", "joint"] = "single"
    within_correlation: Annotated[float, Field(gt=-1.0, lt=1.0)] = 0.9
    within_correlation_source: Text = "assumed"


class CorrelationRange(_Section):
    """Correlation of the two estimates, and the range over which the answer is shown."""

    main: Annotated[float, Field(gt=-1.0, lt=1.0)] = 0.0
    range: list[Annotated[float, Field(gt=-1.0, lt=1.0)]] = []


class SubsidyEvidence(_Section):
    """Adopter shares and credit."""

    adopter_shares: bool = True
    shares: Literal["data", "model"] = "data"
    fundamentals_sd: Positive = 0.7
    fundamentals_sd_source: Text = "assumed"
    feedback: Feedback = "cut"
    subsidised_regions: Text = "subsidised_regions"
    credit: bool = True
    credit_figure: Text = "interest_saving"
    credit_standard_error: Positive = 0.001
    credit_standard_error_source: Text = "assumed"
    exposure: Positive = 0.10
    exposure_log_sd: Positive = 0.15
    exposure_source: Text = "assumed"


class Evidence(_Section):
    """What the likelihood takes."""

    direct_effect: DirectEffect
    spillover: Spillover
    correlation: CorrelationRange = CorrelationRange()
    subsidy: SubsidyEvidence = SubsidyEvidence()


class Mapping(_Section):
    """The exponent with which estimates map to parameters."""

    exponent: Exponent = "undistorted"


class Economy(_Section):
    """What Section 4 needs beyond the posterior."""

    adopter_share: Text = "adopter_share_1972_data"
    adopter_share_value: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    adopter_share_source: Text = "stated by the study"
    pin: Literal["steady_state", "from_zero"] = "steady_state"
    kappa: Annotated[float, Field(gt=1.0, allow_inf_nan=False)] | None = None


class SamplerSection(_Section):
    """How to sample, and the gates."""

    name: Literal["nutpie", "pymc"] = "nutpie"
    chains: Annotated[int, Field(ge=2, le=64)] = 4
    tune: Annotated[int, Field(ge=100, le=100_000)] = 1000
    draws: Annotated[int, Field(ge=100, le=1_000_000)] = 5000
    variant_draws: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    target_accept: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    max_rhat: Annotated[float, Field(gt=1.0, le=2.0)] = 1.01
    min_ess: Positive = 400.0
    max_divergences: Annotated[int, Field(ge=0)] = 0


class Propagation(_Section):
    """Draws through the solver."""

    chunk: Annotated[int, Field(ge=100)] = 2000
    periods: Annotated[int, Field(ge=4, le=200)] = 12
    discount: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.85


class Illustration(_Section):
    """A calibration at which a trap exists, to draw Figure 3; labelled illustrative wherever it shows."""

    delta: Annotated[float, Field(gt=0.0, le=50.0)] = 3.2


class Variant(_Section):
    """The study with some keys changed."""

    group: Text
    label: Text
    set: Annotated[dict[str, Any], Field(min_length=1)]


class StudySpec(_Section):
    """The whole file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
    title: Text
    model: Text
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    evidence: Evidence
    mapping: Mapping = Mapping()
    economy: Economy = Economy()
    priors: dict[str, Any]
    sampler: SamplerSection = SamplerSection()
    propagation: Propagation = Propagation()
    illustration: Illustration = Illustration()
    variants: list[Variant] = []


def parse_spec(raw: dict[str, Any], where: str) -> StudySpec:
    """Check the tables of a study file of Section 4's economy and return them; see ``parse_tables``."""
    return parse_tables(StudySpec, raw, where)


def parse_tables[T: BaseModel](shape: type[T], raw: dict[str, Any], where: str) -> T:
    """Check the tables of a study file and return them.

    Parameters
    ----------
    shape
        The tables that it may have.
    raw
        The file as TOML gives it.
    where
        The file's name, for messages.

    Raises
    ------
    InputError
        ``UnknownKey``, ``MissingKey``, ``WrongType`` or ``InvalidValue``.
    """
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        # a misspelt key shows as unknown and as missing: the first says more
        problems = error.errors(include_url=False)
        first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
        key = ".".join(str(part) for part in first["loc"])
        shown = _shown(first["input"])
        kind = first["type"]
        if kind == "extra_forbidden":
            parent, _, last = key.rpartition(".")
            place = f"{where}, {parent}" if parent else where
            raise UnknownKey(
                where=place, key=last, value=shown, remedy=f"remove it, or choose from {_known(shape, parent)}"
            ) from None
        if kind == "missing":
            parent, _, last = key.rpartition(".")
            place = f"{where}, {parent}" if parent else where
            raise MissingKey(where=place, key=last, remedy="`bigpush-est init DIR` writes a complete study") from None
        if kind.endswith("_type") or kind in ("int_from_float", "model_type", "dict_type"):
            expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            raise WrongType(
                key=f"{where}: {key}", value=shown, expected=expected, remedy="correct it in the study file"
            ) from None
        requirement = first["msg"].removeprefix("Input should be ").removeprefix("Value should ")
        raise InvalidValue(
            key=f"{where}: {key}", value=shown, requirement=requirement, remedy="correct it in the study file"
        ) from None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _known(shape: type[BaseModel], parent: str) -> str:
    """Keys that a table of the file may have."""
    model: Any = shape
    for part in parent.split("."):
        if not part or part.isdigit():
            continue
        annotation = model.model_fields[part].annotation
        arguments = getattr(annotation, "__args__", ())
        model = next((a for a in arguments if hasattr(a, "model_fields")), annotation)
    return ", ".join(model.model_fields)
