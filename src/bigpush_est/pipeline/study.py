"""A study of the whole way, from estimates to the quantitative model's answers: reads a TOML file and checks it.

It holds what Section 5's study holds (economy, calibration, paths) and what Section 4's posterior holds (priors,
sampler), so that both are checked by the code that checks those studies.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigpush_est.bayes.evidence import EXPONENTS, Source
from bigpush_est.bayes.priors import PARAMETERS, Prior
from bigpush_est.bayes.sampling import SamplerSettings, versions
from bigpush_est.data.economy import EconomyBundle
from bigpush_est.data.economy_bundle import economy_fingerprint
from bigpush_est.data.locate import data_folder
from bigpush_est.data.published import PublishedTables, load_published
from bigpush_est.errors import InputError, InvalidValue, MissingKey, UnknownKey
from bigpush_est.pipeline.held import check_ranges
from bigpush_est.pipeline.spec import MicroSection, PipelineSpec
from bigpush_est.quantitative.study import QuantitativeStudy
from bigpush_est.study import changed_tables, read_study, source_hash
from bigpush_est.study_spec import parse_tables

if TYPE_CHECKING:
    from bigpush_est.data.firm_panel_design import FirmPanelDesign
    from bigpush_est.data.frames import MicroData
    from bigpush_est.pipeline.estimates import MicroDesign

#: Tables that a variant may change.
_VARIED = ("evidence", "mapping", "priors", "economy", "calibration", "propagation")
#: Panels that are no folder.
SHIPPED_PANEL, SIMULATED = "sample_panel", "simulated"


class PipelineStudy:
    """A checked study, the economy and the published tables that it reads.

    Examples
    --------
    >>> study = load_pipeline_study("korea_published")
    >>> study.spec.evidence.source, study.point.bundle.label
    ('published', 'synthetic')
    """

    def __init__(
        self,
        raw: dict[str, Any],
        where: str,
        bundle: EconomyBundle | None = None,
        tables: PublishedTables | None = None,
    ) -> None:
        self.raw, self.where = raw, where
        self.spec = parse_tables(PipelineSpec, raw, where)
        self.tables = load_published() if tables is None else tables
        self.priors = self._read_priors()
        #: Of the parameters that only adoption counts inform; none without counts.
        self.adoption_priors = self._read_adoption_priors()
        self._check_evidence()
        self._check_mapping()
        check_ranges(self.spec.sensitivity, self.where)
        self.point = self.at({}, bundle)
        self._check_adoption()

    # -- checks -------------------------------------------------------------------------------------------------------

    def _read_priors(self) -> tuple[Prior, ...]:
        for key, value in self.spec.priors.items():
            if key not in PARAMETERS:
                raise UnknownKey(
                    where=f"{self.where}, priors", key=key, value=value, remedy=f"choose from {', '.join(PARAMETERS)}"
                )
        for key in PARAMETERS:
            if key not in self.spec.priors:
                raise MissingKey(where=f"{self.where}, priors", key=key, remedy="give it a family, or hold it fixed")
        return tuple(Prior.parse(key, self.spec.priors[key], f"{self.where}: priors") for key in PARAMETERS)

    def _read_adoption_priors(self) -> tuple[Prior, ...]:
        from bigpush_est.pipeline.joint import adoption_priors

        section = self.spec.evidence.adoption
        return () if section is None else adoption_priors(section, f"{self.where}: evidence.adoption")

    def _check_adoption(self) -> None:
        from bigpush_est.pipeline.joint import check_adoption

        check_adoption(self)

    def _check_evidence(self) -> None:
        evidence = self.spec.evidence
        section = getattr(evidence, evidence.source)
        if section is None and evidence.source != "micro":
            raise MissingKey(
                where=f"{self.where}, evidence",
                key=evidence.source,
                remedy=f'source = "{evidence.source}" needs the table [evidence.{evidence.source}]',
            )
        if evidence.likelihood == "weak_instrument" and evidence.source == "published":
            raise InvalidValue(
                key=f"{self.where}: evidence.likelihood",
                value="weak_instrument",
                requirement="a source with first stage and reduced form; the published tables print neither",
                remedy='take likelihood = "normal"; the tF interval stands beside it in the report',
            )
        if evidence.direct == "hierarchical" and evidence.source != "micro":
            raise InvalidValue(
                key=f"{self.where}: evidence.direct",
                value="hierarchical",
                requirement='"event_study" unless evidence.source is "micro": the model takes outcomes of firms',
                remedy="leave it out, or give a firm panel",
            )
        if evidence.direct == "hierarchical" and self.micro.direct_clusters == "own":
            raise InvalidValue(
                key=f"{self.where}: evidence.micro.direct_clusters",
                value="own",
                requirement='"joint" where evidence.direct = "hierarchical": its posterior has a spread of its own',
                remedy="drop one of the two",
            )
        if evidence.source == "micro":
            if len(set(self.micro.event_times)) != len(self.micro.event_times):
                raise InvalidValue(
                    key=f"{self.where}: evidence.micro.event_times",
                    value=self.micro.event_times,
                    requirement="each year once",
                    remedy="drop the repetition",
                )
            try:
                self.panel_design()
            except InputError as error:
                raise error.located(f"{self.where}: evidence.micro") from None
        if self.spec.propagation.subsidy == "given" and "subsidy_rate" in self.spec.calibration.fixed:
            raise InvalidValue(
                key=f"{self.where}: calibration.fixed.subsidy_rate",
                value=self.spec.calibration.fixed["subsidy_rate"],
                requirement='left out where propagation.subsidy = "given": the posterior gives it',
                remedy="drop one of the two",
            )

    def _check_mapping(self) -> None:
        mapping = self.spec.mapping
        if mapping.second == mapping.exponent:
            raise InvalidValue(
                key=f"{self.where}: mapping.second",
                value=mapping.second,
                requirement="another exponent than mapping.exponent: it is the answer to be held against that one",
                remedy=f"choose from {', '.join(name for name in EXPONENTS if name != mapping.exponent)}, or drop it",
            )

    # -- what the stages take -----------------------------------------------------------------------------------------

    @property
    def micro(self) -> MicroSection:
        """The table [evidence.micro], or its defaults."""
        return self.spec.evidence.micro or MicroSection()

    def micro_design(self) -> "MicroDesign":
        """Which estimates are taken from a panel."""
        from bigpush_est.pipeline.estimates import MicroDesign

        given = self.micro
        return MicroDesign(outcome=given.outcome, event_times=tuple(given.event_times), column=given.column)

    def panel_design(self) -> "FirmPanelDesign":
        """Return the design of a simulated panel; its own default where the study changes nothing."""
        from bigpush_est.data.firm_panel_design import FirmPanelDesign

        known = FirmPanelDesign.__dataclass_fields__
        for key, value in self.micro.design.items():
            if key not in known:
                raise UnknownKey(where="design", key=key, value=value, remedy=f"choose from {', '.join(known)}")
        changes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.micro.design.items()}
        return FirmPanelDesign(**changes)

    def micro_data(self) -> "MicroData":
        """Return the firm panel: the folder's, the one that ships, or one simulated from the study's seed."""
        from bigpush_est.data.firm_panel import simulate_firm_panel
        from bigpush_est.data.frame_files import load_micro_data
        from bigpush_est.data.sample_panel import sample_panel

        name = self.micro.data
        if name == SIMULATED:
            return simulate_firm_panel(self.panel_design(), seed=self.spec.seed, scale=self.micro.scale).data
        if name == SHIPPED_PANEL:
            return sample_panel()
        return load_micro_data(self._beside(name))

    def _beside(self, name: str) -> Path:
        """Return a path that is taken from the study's own folder, unless it is absolute."""
        return Path(self.where.split(", variant ")[0]).parent / name

    def estimates_file(self) -> Path:
        """Return the user's CSV of estimates."""
        section = self.spec.evidence.estimates
        assert section is not None
        return self._beside(section.file)

    def counts_file(self) -> Path:
        """Return the user's CSV of adoption counts."""
        section = self.spec.evidence.adoption
        assert section is not None
        return self._beside(section.counts)

    @property
    def every_prior(self) -> tuple[Prior, ...]:
        """Priors of all that the posterior is about."""
        return (*self.priors, *self.adoption_priors)

    def prior(self, parameter: str) -> Prior:
        """Return the prior of one parameter."""
        return next(prior for prior in self.priors if prior.parameter == parameter)

    def centre(self, parameter: str) -> float:
        """Return a prior's median, or the value at which the parameter is held."""
        prior = self.prior(parameter)
        return prior.numbers[0] if prior.fixed else float(prior.frozen().median())

    def settings(self) -> SamplerSettings:
        """Only the sampler's settings."""
        values = self.spec.sampler.model_dump(exclude={"variant_draws"})
        return SamplerSettings(sampler=values.pop("name"), **values)

    def at(
        self,
        values: dict[str, float],
        bundle: EconomyBundle | None = None,
        *,
        held: Mapping[str, float] | None = None,
        unweighted: Collection[str] = (),
    ) -> QuantitativeStudy:
        """Return Section 5's study at one value of ``eta``, ``delta``, ``sigma``, ``pareto_ratio`` (some or all).

        ``held`` are internal parameters that the calibration takes as given, ``unweighted`` moments that it leaves out.
        """
        spec = self.spec
        calibration = spec.calibration.model_dump(exclude_none=True)
        calibration["fixed"] = calibration["fixed"] | dict(held or {})
        parameters: dict[str, Any] = {
            "sigma": values.get("sigma", self.centre("sigma")),
            "pareto_ratio": values.get("pareto_ratio", self.centre("pareto_ratio")),
            "exponent": spec.mapping.exponent,
        }
        parameters |= {key: values[key] for key in ("eta", "delta") if key in values}
        if spec.mapping.tail_index is not None:
            parameters["tail_index"] = spec.mapping.tail_index
        raw = {
            "name": spec.name,
            "title": spec.title,
            "model": "spatial",
            "seed": spec.seed,
            "economy": spec.economy.model_dump(exclude_none=True),
            "parameters": parameters,
            "calibration": calibration,
            "paths": spec.paths.model_dump(),
            "policies": {"run": False},
        }
        return QuantitativeStudy(raw, self.where, bundle, self.tables, unweighted)

    # -- variants, sources, identity ---------------------------------------------------------------------------------

    def variants(self) -> list[tuple[str, str, "PipelineStudy"]]:
        """Return group, label and study of each variant."""
        found: list[tuple[str, str, PipelineStudy]] = []
        seen = set()
        for variant in self.spec.variants:
            where = f"{self.where}, variant '{variant.group}: {variant.label}'"
            if (variant.group, variant.label) in seen:
                raise InvalidValue(
                    key=where, value=variant.label, requirement="unlike every other", remedy="give it another label"
                )
            seen.add((variant.group, variant.label))
            for path, value in variant.set.items():
                if path == "mapping.second":
                    raise UnknownKey(
                        where=where, key=path, value=value, remedy="a variant has one answer: set mapping.exponent"
                    )
                if path.split(".")[0] not in _VARIED:
                    raise UnknownKey(
                        where=where, key=path, value=value, remedy=f"a variant changes {', '.join(_VARIED)}"
                    )
            found.append((variant.group, variant.label, self._changed(variant.set, where)))
        return found

    def second(self) -> "PipelineStudy | None":
        """Return the study whose estimates are mapped with the second exponent; None where none is asked for."""
        exponent = self.spec.mapping.second
        return None if exponent is None else self._changed({"mapping.exponent": exponent}, self.where)

    def _changed(self, changes: dict[str, Any], where: str) -> "PipelineStudy":
        """Return the study with some keys set to other values; without variants, and with one mapping."""
        raw = changed_tables(self.raw, changes, where)
        raw.get("mapping", {}).pop("second", None)
        same = raw["economy"] == self.raw["economy"]
        return PipelineStudy(raw, where, self.point.bundle if same else None, self.tables)

    def sources(self) -> list[Source]:
        """Every input besides the estimates, with value, label and place: the report's table of inputs."""
        rows = [
            Source(f"Prior of {prior.parameter}", prior.describe(), "", "assumed", prior.support.meaning)
            for prior in self.every_prior
        ]
        rows.append(
            Source(
                "Subsidised share of winners",
                f"{self.spec.mapping.subsidised_share:g}",
                "share",
                "assumed",
                self.spec.mapping.subsidised_share_source,
            )
        )
        return rows + [row for row in self.point.sources() if row.name not in ("η", "δ")]

    def fingerprint(self) -> str:
        """Return a hash of all that decides the results: study, economy, panel, published tables, code, packages."""
        content = {
            "study": self.raw,
            "economy": economy_fingerprint(self.point.bundle),
            "inputs": self._input_hashes(),
            "tables": repr(self.tables),
            "code": source_hash(),
            "versions": versions(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def _input_hashes(self) -> dict[str, str]:
        """Return the hash of every file that the evidence is read from: the user's, and the tables of slopes."""
        evidence, files = self.spec.evidence, []
        if evidence.source == "estimates":
            folder = self.estimates_file()
            files = [folder, *folder.parent.glob(f"{folder.stem}*.csv")]
        elif evidence.source == "micro" and self.micro.data not in (SIMULATED, SHIPPED_PANEL):
            files = [file for file in self._beside(self.micro.data).glob("*") if file.is_file()]
        if evidence.adoption is not None and evidence.adoption.counts != "panel":
            files.append(self.counts_file())
        if evidence.complementarity != "none":
            files += data_folder("complementarity").glob("*.csv")
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(set(files))}


def load_pipeline_study(path: str | Path, overrides: dict[str, Any] | None = None) -> PipelineStudy:
    """Read and check a study of the whole way.

    Raises
    ------
    InputError
        One clear message for the first thing wrong: file, key, value and remedy.
    """
    return PipelineStudy(*read_study(path, overrides))
