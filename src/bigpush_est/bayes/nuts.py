"""NUTS draws of any model of this package: compiled once, then sampled for whatever data.

A model says what its compiled code depends on (``structure``) and which arrays are data of it (``arrays``): two models
of one structure share one compilation, which takes seconds where sampling takes tenths of one.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bigpush_est.equilibrium.adoption_map import FloatArray
from bigpush_est.errors import NoStartingPoint

if TYPE_CHECKING:
    from bigpush_est.bayes.sampling import SamplerSettings


class NutsModel(Protocol):
    """What NUTS needs of a model."""

    @property
    def structure(self) -> tuple[Any, ...]:
        """What decides the compiled code, families of priors among it; hashable."""
        ...

    def arrays(self) -> dict[str, FloatArray]:
        """Return the model's data by name: the same names and shapes for one structure."""
        ...

    def build(self) -> Any:
        """Return the PyMC model, with each of ``arrays`` as data of that name."""
        ...


#: Compiled models by structure, and the shapes of their data.
_COMPILED: dict[tuple[Any, ...], tuple[Any, dict[str, tuple[int, ...]]]] = {}


def import_pymc() -> Any:
    """Return PyMC, set so that draws are reproducible."""
    import pytensor

    # the fused kernels would otherwise differ in the last bits between a cold and a warm compile cache
    pytensor.config.numba__fastmath = False  # type: ignore[attr-defined]
    import pymc

    return pymc


def nuts_draws(
    model: NutsModel, settings: "SamplerSettings", *, seed: int, cores: int = 1, progress: bool = False
) -> Any:
    """Return the sampler's tree of draws, with groups ``posterior`` and ``sample_stats``.

    Parameters
    ----------
    model
        What to sample.
    settings
        Sampler, lengths and target acceptance.
    seed
        Same seed, same draws: with 1 or 2 cores, with a cold or a warm compile cache.
    cores
        Chains sampled at once.
    progress
        Show the sampler's own progress bar.

    Raises
    ------
    NoStartingPoint
        If the density is zero or undefined wherever chains could start.
    """
    _ensure_compile_folder()
    run = _nutpie if settings.sampler == "nutpie" else _pymc
    tree = run(model, settings, seed, min(cores, settings.chains), progress)
    if tree["sample_stats"].dataset["diverging"].shape != (settings.chains, settings.draws):
        # samplers answer Ctrl-C with what they have; half a posterior is not one
        raise KeyboardInterrupt
    return tree


def _ensure_compile_folder() -> None:
    """Let PyTensor compile in a temporary folder where the home folder cannot be written."""
    if "pytensor" in sys.modules or "base_compiledir" in os.environ.get("PYTENSOR_FLAGS", ""):
        return
    folder = Path.home() / ".pytensor"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError:
        flags = [os.environ["PYTENSOR_FLAGS"]] if os.environ.get("PYTENSOR_FLAGS") else []
        spare = Path(tempfile.gettempdir()) / f"bigpush-est-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        os.environ["PYTENSOR_FLAGS"] = ",".join([*flags, f"base_compiledir={spare}"])


def _nutpie(model: NutsModel, settings: "SamplerSettings", seed: int, cores: int, progress: bool) -> Any:
    import nutpie

    key = model.structure
    arrays = model.arrays()
    shapes = {name: np.shape(array) for name, array in arrays.items()}
    if key not in _COMPILED:
        _COMPILED[key] = (nutpie.compile_pymc_model(model.build()), shapes)
    compiled, expected = _COMPILED[key]
    # data that the density does not use (an axis of one point, say) are not part of the compiled code
    used = {variable.name for variable in compiled.shared_var_keys}
    # data of another shape would end the process at exit: refuse them before the sampler sees them
    if shapes != expected:
        raise AssertionError("a model's data changed shape within one structure")
    try:
        return nutpie.sample(
            compiled.with_data(**{name: array for name, array in arrays.items() if name in used}),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=cores,
            seed=seed,
            target_accept=settings.target_accept,
            save_warmup=False,
            progress_bar=progress,
        )
    except RuntimeError as error:
        raise NoStartingPoint(reason=str(error).splitlines()[0]) from None


def _pymc(model: NutsModel, settings: "SamplerSettings", seed: int, cores: int, progress: bool) -> Any:
    pm = import_pymc()
    with model.build():
        try:
            return pm.sample(
                draws=settings.draws,
                tune=settings.tune,
                chains=settings.chains,
                cores=cores,
                random_seed=seed,
                target_accept=settings.target_accept,
                nuts_sampler="pymc",
                progressbar=progress,
                compute_convergence_checks=False,
            )
        except pm.exceptions.SamplingError as error:
            raise NoStartingPoint(reason=str(error).splitlines()[0]) from None
