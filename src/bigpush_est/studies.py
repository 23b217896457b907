"""Any study file: its ``model`` says which kind it is, who checks it and who runs it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigpush_est.errors import InvalidValue, UnknownModel
from bigpush_est.quantitative.study import QuantitativeStudy
from bigpush_est.stages import Progress, RunResult, run_study
from bigpush_est.study import Study, read_study

if TYPE_CHECKING:
    from bigpush_est.pipeline.study import PipelineStudy

type AnyStudy = Study | QuantitativeStudy | PipelineStudy

#: The models that a study file can name.
MODELS = {
    "simple": "Section 4: a closed economy with one sector and one region",
    "spatial": "Section 5: regions, sectors, trade and input-output linkages",
    "posterior": "estimates, their posterior, and its draws through Section 5",
}


def open_study(path: str | Path, overrides: dict[str, Any] | None = None) -> AnyStudy:
    """Read and check a study of any model.

    Parameters
    ----------
    path
        A TOML file, or the name of a study that ships.
    overrides
        Dotted keys set to other values, such as ``{"seed": 7}``.

    Raises
    ------
    InputError
        One clear message for the first thing wrong: file, key, value and remedy.

    Examples
    --------
    >>> [open_study(name).spec.model for name in ("published", "korea", "korea_published")]
    ['simple', 'spatial', 'posterior']
    """
    raw, where = read_study(path, overrides)
    model = raw.get("model", "simple")
    if model not in MODELS:
        raise UnknownModel(where=where, value=model, choices=", ".join(MODELS))
    if model == "simple":
        return Study(raw, where)
    if model == "posterior":
        from bigpush_est.pipeline.study import PipelineStudy  # it reads more than the others: imported when asked for

        return PipelineStudy(raw, where)
    if overrides and "sampler.draws" in overrides:
        raise InvalidValue(
            key="--draws",
            value=overrides["sampler.draws"],
            requirement="left out: this model samples nothing",
            remedy="drop the option",
        )
    return QuantitativeStudy(raw, where)


def run_any(
    study: AnyStudy, out: str | Path, *, progress: Progress, scheduler: str | None = None, **options: Any
) -> RunResult:
    """Run a study of any model; options as in ``run_study`` and, with a scheduler, ``run_pipeline``."""
    if not isinstance(study, Study | QuantitativeStudy):
        from bigpush_est.pipeline.stages import run_pipeline

        return run_pipeline(study, out, progress=progress, scheduler=scheduler, **options)
    if scheduler is not None:
        raise InvalidValue(
            key="--scheduler",
            value=scheduler,
            requirement='left out: only studies of the model "posterior" send work to a cluster',
            remedy="drop the option",
        )
    if isinstance(study, Study):
        return run_study(study, out, progress=progress, **options)
    from bigpush_est.quantitative.stages import run_quantitative

    return run_quantitative(study, out, progress=progress, **options)


def described(study: AnyStudy) -> dict[str, Any]:
    """Return what ``validate`` prints."""
    content = {
        "study": study.spec.name,
        "title": study.spec.title,
        "model": study.spec.model,
        "variants": len(study.variants()),
        "inputs": len(study.sources()),
        "valid": True,
    }
    if isinstance(study, Study):
        return content | {"draws": study.spec.sampler.chains * study.spec.sampler.draws}
    if not isinstance(study, QuantitativeStudy):
        content["draws"] = study.spec.sampler.chains * study.spec.sampler.draws
        return content | {"propagated": study.spec.propagation.draws, "economy": study.point.bundle.name}
    economy = study.bundle
    return content | {"economy": economy.name, "label": economy.label, "regions": len(economy.regions)}
