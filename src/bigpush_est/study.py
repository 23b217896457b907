"""A study: reads a TOML file, checks all of it before any work, and says what the model takes from it.

Every number in a study is the id of a published figure or an assumption that names its source; both reach the report's
table of inputs through ``sources``.
"""

import copy
import hashlib
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from bigpush_est.bayes.evidence import (
    EXPONENTS,
    PublishedEvidence,
    Source,
    inferred_xi,
    pooled_estimate,
)
from bigpush_est.bayes.model import ModelInputs
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, versions
from bigpush_est.data.locate import models_folder
from bigpush_est.data.published import PublishedTables, load_published
from bigpush_est.errors import (
    AmbiguousSource,
    EmptyFile,
    InputError,
    InvalidValue,
    MissingKey,
    UnknownKey,
    UnknownModel,
    UnreadableFile,
)
from bigpush_est.study_spec import parse_spec

#: The model of these studies; ``studies`` knows the others.
MODEL = "simple"


class Study:
    """A checked study and the published tables that it reads.

    Examples
    --------
    >>> study = load_study("published")
    >>> study.spec.mapping.exponent, study.evidence().spillover
    ('undistorted', (2.7, 0.73))
    """

    def __init__(self, raw: dict[str, Any], where: str, tables: PublishedTables | None = None) -> None:
        self.raw = raw
        self.where = where
        self.tables = load_published() if tables is None else tables
        self.spec = parse_spec(raw, where)
        if self.spec.model != MODEL:
            raise UnknownModel(where=where, value=self.spec.model, choices=MODEL)
        self._inputs = self._build_inputs()

    def inputs(self) -> ModelInputs:
        """Priors and evidence, as the model takes them."""
        return self._inputs

    def evidence(self) -> PublishedEvidence:
        """Only the evidence."""
        return self._inputs.evidence

    def settings(self) -> SamplerSettings:
        """Only the sampler's settings."""
        values = self.spec.sampler.model_dump(exclude={"variant_draws"})
        return SamplerSettings(sampler=values.pop("name"), **values)

    @property
    def adopter_share_1972(self) -> float:
        """The share that pins L/F^T: a published figure, unless the study states a value."""
        stated = self.spec.economy.adopter_share_value
        return self.tables.value(self.spec.economy.adopter_share) if stated is None else stated

    def prior(self, parameter: str) -> Prior:
        """Return the prior of one parameter."""
        return next(prior for prior in self._inputs.priors if prior.parameter == parameter)

    def variants(self) -> list[tuple[str, str, "Study"]]:
        """Group, label and study of each variant, the correlation range first."""
        result = []
        self._check_variants()
        main = self.spec.evidence.correlation.main
        for value in self.spec.evidence.correlation.range:
            if value != main:
                changed = self.changed({"evidence.correlation.main": value}, f"correlation {value:g}")
                result.append(("Correlation of the two estimates", f"{value:+.2f}".replace("-", "−"), changed))
        return result + [
            (variant.group, variant.label, self.changed(variant.set, f"{variant.group}: {variant.label}"))
            for variant in self.spec.variants
        ]

    def _check_variants(self) -> None:
        """Refuse variants that could not be told apart, or that set what a variant does not read."""
        seen: set[tuple[str, str]] = set()
        labels = [f"{value:+.2f}" for value in self.spec.evidence.correlation.range]
        if len(set(labels)) != len(labels):
            raise InvalidValue(
                key=f"{self.where}: evidence.correlation.range",
                value=self.spec.evidence.correlation.range,
                requirement="different to two decimals",
                remedy="name each correlation once",
            )
        for variant in self.spec.variants:
            label = f"{variant.group}: {variant.label}"
            if (variant.group, variant.label) in seen:
                raise InvalidValue(
                    key=f"{self.where}: variant",
                    value=f"'{label}'",
                    requirement="unlike every other in group and label",
                    remedy="give it another label",
                )
            seen.add((variant.group, variant.label))
            for path in variant.set:
                if path.split(".")[0] not in ("evidence", "mapping", "economy", "priors"):
                    raise UnknownKey(
                        where=f"{self.where}, variant '{label}'",
                        key=path,
                        value=variant.set[path],
                        remedy="a variant changes evidence, mapping, economy or priors",
                    )

    def changed(self, changes: dict[str, Any], label: str) -> "Study":
        """Return the study with some keys, given as dotted paths, set to other values; without its variants.

        Raises
        ------
        InputError
            If a path or value is not valid; the message names the variant.
        """
        where = f"{self.where}, variant '{label}'"
        return Study(changed_tables(self.raw, changes, where), where, self.tables)

    def fingerprint(self) -> str:
        """Return a hash of all that decides the results: the study, the published tables, the code, its packages."""
        content = {"study": self.raw, "tables": repr(self.tables), "code": source_hash(), "versions": versions()}
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    # -- reading the published tables ---------------------------------------------------------------------------------

    def _pooled(self) -> tuple[float, float, str]:
        spillover = self.spec.evidence.spillover
        if spillover.combine == "single" and len(spillover.columns) != 1:
            raise AmbiguousSource(
                where=f"{self.where}, evidence.spillover.columns",
                detail=f"{len(spillover.columns)} columns are named but combine is 'single'",
                remedy="name one column, or set combine to 'average' or 'joint'",
            )
        if len(set(spillover.columns)) != len(spillover.columns):
            raise InvalidValue(
                key=f"{self.where}: evidence.spillover.columns",
                value=spillover.columns,
                requirement="without repetitions",
                remedy="name each column once",
            )
        cells = [self.tables.table1(spillover.panel, column) for column in spillover.columns]
        return pooled_estimate(
            [cell.coefficient for cell in cells],
            [cell.standard_error for cell in cells],
            spillover.combine,
            spillover.within_correlation,
        )

    def _regional_shares(self) -> tuple[float, float, float]:
        """Shares in subsidised regions: the others are taken to stay where they were in 1972."""
        subsidy = self.spec.evidence.subsidy
        treated = self.tables.value(subsidy.subsidised_regions) / self.tables.value("regions")
        start = self.adopter_share_1972
        before, *later = (self.tables.value(f"adopter_share_{year}_{subsidy.shares}") for year in (1972, 1976, 1980))
        first, second = (start + (mean - before) / treated for mean in later)
        return start, first, second

    def _build_inputs(self) -> ModelInputs:
        priors = []
        for parameter in PARAMETERS:
            if parameter not in self.spec.priors:
                raise MissingKey(
                    where=f"{self.where}, priors", key=parameter, remedy="give it a family, or hold it fixed"
                )
            priors.append(Prior.parse(parameter, self.spec.priors[parameter], f"{self.where}: priors"))
        for key, value in self.spec.priors.items():
            if key not in PARAMETERS:
                raise UnknownKey(
                    where=f"{self.where}, priors", key=key, value=value, remedy=f"choose from {', '.join(PARAMETERS)}"
                )
        evidence, subsidy = self.spec.evidence, self.spec.evidence.subsidy
        for figure, words in (
            (evidence.direct_effect.figure, "log points"),
            (subsidy.credit_figure, "GDP"),
            (self.spec.economy.adopter_share, "share of"),
            (subsidy.subsidised_regions, "regions"),
        ):
            unit = self.tables.figure(figure).unit
            if words not in unit:
                raise InvalidValue(
                    key=f"{self.where}: figure {figure}",
                    value=f"in {unit}",
                    requirement=f"in {words}",
                    remedy="name a figure of that unit",
                )
        estimate, error, _ = self._pooled()
        value = self.tables.value
        sigma, theta, xi = value("sigma"), value("theta"), value("xi_heavy")
        kappa = self.spec.economy.kappa
        share = self.adopter_share_1972
        try:
            return ModelInputs(
                tuple(priors),
                PublishedEvidence(
                    direct=(value(evidence.direct_effect.figure), evidence.direct_effect.standard_error),
                    spillover=(estimate, error),
                    correlation=evidence.correlation.main,
                    exponent=self.spec.mapping.exponent,
                    tail_index=theta / (sigma * (1.0 + xi) - 1.0),
                    xi=xi,
                    subsidised_share=evidence.direct_effect.subsidised_share,
                    adopter_shares=self._regional_shares(),
                    use_shares=subsidy.adopter_shares,
                    use_credit=subsidy.credit,
                    fundamentals_sd=subsidy.fundamentals_sd,
                    feedback=subsidy.feedback,
                    bill=(value(subsidy.credit_figure), subsidy.credit_standard_error),
                    exposure=(subsidy.exposure, subsidy.exposure_log_sd),
                    kappa=float("inf") if kappa is None else kappa,
                    pin_previous=share if self.spec.economy.pin == "steady_state" else 0.0,
                ),
            )
        except InputError as error_:
            if self.where in str(error_):
                raise
            raise error_.located(self.where) from None

    def sources(self) -> list[Source]:
        """Every input with value, label and place: the report's table of inputs."""
        evidence, subsidy, economy = self.spec.evidence, self.spec.evidence.subsidy, self.spec.economy
        direct, spillover = evidence.direct_effect, evidence.spillover
        figure = self.tables.figure(direct.figure)
        estimate, error, rule = self._pooled()
        columns = ", ".join(str(column) for column in spillover.columns)
        place = f"Table 1, Panel {spillover.panel}, column{'s' if len(spillover.columns) > 1 else ''} {columns}"
        if spillover.combine == "joint":
            rule = f"{rule}; {spillover.within_correlation_source}"
        cells = [self.tables.table1(spillover.panel, column) for column in spillover.columns]
        first_stage = ", ".join("none (OLS)" if cell.kp_f is None else f"{cell.kp_f:g}" for cell in cells)
        rows = [
            Source(
                "Direct effect",
                f"{self.tables.value(direct.figure):g}",
                figure.unit,
                "published",
                figure.place,
                figure.missing,
            ),
            Source(
                "Direct effect, standard error",
                f"{direct.standard_error:g}",
                figure.unit,
                "assumed",
                direct.standard_error_source,
            ),
            Source(
                "Direct effect, subsidised share of winners",
                f"{direct.subsidised_share:g}",
                "share",
                "assumed",
                direct.subsidised_share_source,
            ),
            Source(
                "Spillover",
                f"{estimate:.4g}",
                cells[0].unit,
                "published" if len(cells) == 1 else "derived",
                f"{place} ({rule})",
            ),
            Source(
                "Spillover, standard error",
                f"{error:.4g}",
                cells[0].unit,
                "published" if len(cells) == 1 else "derived",
                place,
            ),
            Source("Spillover, Kleibergen-Paap F", first_stage, "", "published", place),
            Source(
                "Correlation of the two estimates",
                f"{evidence.correlation.main:g}",
                "",
                "assumed",
                "unknown from published tables; the answer is shown over its range",
            ),
            Source(
                "Mapping exponent", self.spec.mapping.exponent, "", "assumed", EXPONENTS[self.spec.mapping.exponent]
            ),
        ]
        start, first, second = self._regional_shares()
        for year, converted in ((1976, first), (1980, second)):
            shown = self.tables.figure(f"adopter_share_{year}_{subsidy.shares}")
            note = f"{shown.place}; {converted:.3f} in subsidised regions if the others stay at {start:g}"
            used = "" if subsidy.adopter_shares else "not used by this study"
            rows.append(
                Source(
                    f"Mean adopter share, {year}",
                    f"{shown.value:g}",
                    shown.unit,
                    "published",
                    note,
                    used or shown.missing,
                )
            )
        pinned = self.tables.figure(self.spec.economy.adopter_share)
        regions = self.tables.figure(subsidy.subsidised_regions)
        credit = self.tables.figure(subsidy.credit_figure)
        rows += [
            Source(
                "Adopter share, 1972 (pins L/F^T)",
                f"{self.adopter_share_1972:g}",
                pinned.unit,
                "published" if economy.adopter_share_value is None else "assumed",
                f"{pinned.place if economy.adopter_share_value is None else economy.adopter_share_source}; "
                f"pin: {economy.pin}",
                pinned.missing,
            ),
            Source(
                "Subsidised regions",
                f"{regions.value:g} of {self.tables.value('regions'):g}",
                "regions",
                "published",
                regions.place,
            ),
            Source(
                "Unmodelled change in profitability, sd",
                f"{subsidy.fundamentals_sd:g}",
                "log points a period",
                "assumed",
                subsidy.fundamentals_sd_source,
            ),
            Source(
                "Subsidy bill",
                f"{credit.value:g}",
                credit.unit,
                "published",
                credit.place,
                "" if subsidy.credit else "not used by this study",
            ),
            Source(
                "Subsidy bill, standard error",
                f"{subsidy.credit_standard_error:g}",
                credit.unit,
                "assumed",
                subsidy.credit_standard_error_source,
            ),
            Source(
                "Adopters' input costs over GDP",
                f"{subsidy.exposure:g} (log sd {subsidy.exposure_log_sd:g})",
                "share of GDP",
                "assumed",
                subsidy.exposure_source,
            ),
            Source(
                "Feedback of adopter shares on η and δ",
                subsidy.feedback,
                "",
                "assumed",
                "cut: Section 4 is known to miss the open economy, so its shares inform s̄ only",
            ),
        ]
        for name in ("sigma", "theta", "xi_heavy"):
            shown = self.tables.figure(name)
            rows.append(
                Source(f"Published {name}", f"{shown.value:g}", shown.unit, "published", shown.place, shown.missing)
            )
        if (
            self.spec.mapping.exponent != "undistorted"
            and self.prior("sigma").fixed
            and self.prior("pareto_ratio").fixed
        ):
            sigma = self.prior("sigma").numbers[0]
            theta = self.prior("pareto_ratio").numbers[0] * (sigma - 1.0)
            xi = inferred_xi(self.spec.mapping.exponent, sigma, theta, self.evidence().tail_index, self.evidence().xi)
            rows.append(
                Source("ξ implied by exponent and tail", f"{xi:.3f}", "", "derived", "tail of sales held fixed")
            )
        kappa = self.spec.economy.kappa
        rows.append(
            Source(
                "Upper bound of productivity κ",
                "none" if kappa is None else f"{kappa:g}",
                "ratio",
                "assumed",
                "Section 4 has none; Section 5 uses 1.40",
            )
        )
        for prior in self._inputs.priors:
            rows.append(Source(f"Prior of {prior.parameter}", prior.describe(), "", "assumed", prior.support.meaning))
        return rows


def changed_tables(raw: dict[str, Any], changes: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a study's tables with some keys, given as dotted paths, set to other values; without its variants."""
    changed = copy.deepcopy(raw)
    changed.pop("variants", None)
    for path, value in changes.items():
        table = changed
        *parents, last = path.split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise UnknownKey(
                    where=where,
                    key=path,
                    value=value,
                    remedy="give the dotted path of a key, such as mapping.exponent",
                )
        table[last] = value
    return changed


@cache
def source_hash() -> str:
    """Hash of the package's own code, so that a resumed run never mixes two states of it."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def read_study(path: str | Path, overrides: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """Read a study file; return its tables and its name for messages.  Its model says who checks it.

    Parameters
    ----------
    path
        A TOML file, or the name of a study that ships.
    overrides
        Dotted keys set to other values, such as ``{"sampler.draws": 500}``.

    Raises
    ------
    InputError
        One clear message for the first thing wrong: file, key, value and remedy.
    """
    file = Path(path)
    shipped = {stored.stem: stored for stored in models_folder().glob("*.toml")}
    if str(path) in shipped and not file.is_file():
        file = shipped[str(path)]
    remedy = "name a TOML file, or a study that ships: " + ", ".join(
        sorted(p.stem for p in models_folder().glob("*.toml"))
    )
    try:
        if not file.is_file():
            reason = "it is a folder" if file.is_dir() else "there is no such file"
            raise UnreadableFile(path=file, reason=reason, remedy=remedy)
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(path=file, reason=str(error), remedy="save it as UTF-8 text that you may read") from None
    if not text.strip():
        raise EmptyFile(path=file, remedy="start from `bigpush-est init DIR`")
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path=file, reason=f"it is not TOML: {error}", remedy="correct the line named") from None
    if overrides:
        for dotted, value in overrides.items():
            table = raw
            *parents, last = dotted.split(".")
            for parent in parents:
                table = table.setdefault(parent, {})
            table[last] = value
    return raw, str(file)


def load_study(path: str | Path, overrides: dict[str, Any] | None = None) -> Study:
    """Read and check a study of Section 4's economy: ``read_study`` and ``Study`` together."""
    return Study(*read_study(path, overrides))
