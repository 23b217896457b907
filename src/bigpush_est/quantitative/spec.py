"""The shape of a quantitative study file (``model = "spatial"``): tables, keys, types and ranges."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bigpush_est.bayes.evidence import Exponent

type Positive = Annotated[float, Field(gt=0.0, le=1e6)]
type Text = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    """A table of the study file: unknown keys are refused, numbers are not guessed from strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EconomySection(_Section):
    """Which economy: a folder of tables; and a file of others that were drawn like it, which the report shows."""

    folder: Text
    numeraire: Text = "commodity"
    ensemble: Text | None = None


class ParametersSection(_Section):
    """Table 2's external block; η and δ are mapped from the estimates unless they are given."""

    sigma: Annotated[float, Field(gt=1.0, le=50.0)] = 5.0
    pareto_ratio: Annotated[float, Field(gt=0.0, le=20.0)] = 1.06
    direct_effect: float = 0.9
    spillover: float = 2.7
    exponent: Exponent = "undistorted"
    eta: Positive | None = None
    delta: Annotated[float, Field(ge=-10.0, le=10.0)] | None = None
    tail_index: Positive | None = None
    trade_elasticity: Annotated[float, Field(gt=0.0, le=10.0)] = 1.0


class CalibrationSection(_Section):
    """Eq. (5.1)."""

    target: Literal["data", "model"] = "data"
    region_share_year: int | None = None
    bandwidth: Positive = 0.01
    restarts: Annotated[int, Field(ge=0, le=100)] = 2
    max_evaluations: Annotated[int, Field(ge=1, le=10_000)] = 60
    start: dict[str, Positive] = {}
    fixed: dict[str, Positive] = {}


class PathsSection(_Section):
    """Dynamics after the last calibrated year."""

    max_periods: Annotated[int, Field(ge=4, le=10_000)] = 200
    tolerance: Annotated[float, Field(gt=0.0, lt=0.1)] = 1e-8
    discount: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.85


class SteadyStatesSection(_Section):
    """Starts from which steady states are looked for."""

    random_starts: Annotated[int, Field(ge=0, le=10_000)] = 12
    tolerance: Annotated[float, Field(gt=0.0, lt=0.5)] = 1e-4


class PoliciesSection(_Section):
    """The exercises that Section 6 names from Appendix F.4."""

    run: bool = True
    rates: Annotated[int, Field(ge=3, le=1000)] = 41
    highest_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.4
    allocations: Annotated[int, Field(ge=20, le=100_000)] = 256
    regional_rounds: Annotated[int, Field(ge=0, le=100)] = 2
    migration_elasticity: Annotated[float, Field(ge=0.0, le=100.0)] = 3.0


class QuantitativeVariant(_Section):
    """The same study with some keys set to other values; recalibrated."""

    group: Text
    label: Text
    set: dict[str, Any]


class QuantitativeSpec(_Section):
    """A whole study file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    title: Text
    model: Literal["spatial"]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    economy: EconomySection
    parameters: ParametersSection = ParametersSection()
    calibration: CalibrationSection = CalibrationSection()
    paths: PathsSection = PathsSection()
    steady_states: SteadyStatesSection = SteadyStatesSection()
    policies: PoliciesSection = PoliciesSection()
    variants: list[QuantitativeVariant] = []
