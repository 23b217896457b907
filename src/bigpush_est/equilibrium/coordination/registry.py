"""Which models there are: adding one takes its file and a line here."""

from difflib import get_close_matches

from bigpush_est.equilibrium.coordination.big_push import BigPush
from bigpush_est.equilibrium.coordination.infrastructure import Infrastructure
from bigpush_est.equilibrium.coordination.investment import Investment
from bigpush_est.equilibrium.coordination.model import CoordinationModel
from bigpush_est.equilibrium.coordination.oring import ORing
from bigpush_est.equilibrium.coordination.training import Training
from bigpush_est.equilibrium.coordination.urbanisation import Urbanisation
from bigpush_est.errors import UnknownModel

_REGISTERED: tuple[type[CoordinationModel], ...] = (
    BigPush,
    Investment,
    Urbanisation,
    Infrastructure,
    Training,
    ORing,
)

#: The models by the name that the command line calls them.
MODELS: dict[str, type[CoordinationModel]] = {model.name: model for model in _REGISTERED}


def coordination_model(name: str) -> type[CoordinationModel]:
    """Return the class of a model by its name.

    Raises
    ------
    UnknownModel
        If there is none of that name.

    Examples
    --------
    >>> coordination_model("oring").title
    "Kremer's O-ring: who upgrades if nobody else does?"
    """
    if name not in MODELS:
        close = get_close_matches(name, MODELS, n=1)
        choices = ", ".join(MODELS) + (f" (did you mean {close[0]}?)" if close else "")
        raise UnknownModel(where="theory", value=name, choices=choices)
    return MODELS[name]
