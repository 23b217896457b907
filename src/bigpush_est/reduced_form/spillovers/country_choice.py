"""Do firms adopt from the countries that local peers chose before?  Footnote 11 of the paper.

Every new contract is a choice among the countries that contracts in the data come from.  With one row per signing
(firm and year) and country,

    1[i signs with c in t] = π Share^c_{(−i)nj,t−h} + α_{it} + δ_{ct} + e_{ict}

where Share^c is the share, among the other firms of region-sector nj, of those that had signed with country c by
t − h.  The effect of the signing, α_it, takes out everything about firm, place and year; that of country and year,
δ_ct, whatever makes a country attractive to all.  The appendix with the paper's specification was not available; this
is our reading.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bigpush_est.data.frames import MicroData
from bigpush_est.errors import BigPushWarning, InvalidValue
from bigpush_est.reduced_form.linear.frames_in import require_columns
from bigpush_est.reduced_form.linear.regression import ols
from bigpush_est.reduced_form.linear.results import Regression
from bigpush_est.reduced_form.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Stands for a firm outside groups in the clusters.
FIRM = "firm "


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CountryChoice(Result):
    """Adoption from the countries that peers chose.

    Attributes
    ----------
    regression
        Coefficient ``peers``: change in the probability of a country as the share of peers with it goes from 0 to 1.
    signings, countries
        Numbers of firm-years with a new contract, and of countries.
    without_country
        Contracts left out because their country is not known.
    without_peers
        Signings left out because no other firm of the cell was on record h years before.
    off_record
        Signings left out because the firm was not on record in the year.
    base_rate
        Mean of the outcome.
    """

    regression: Regression
    signings: int
    countries: int
    without_country: int
    without_peers: int
    off_record: int
    base_rate: float

    def tidy(self) -> pd.DataFrame:
        """Return the regression's table."""
        return self.regression.tidy()

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the regression's coefficients."""
        return self.regression.plot(axes=axes)

    def summary(self) -> str:
        """Text of the regression and of what was left out."""
        return (
            f"{self.signings} signings × {self.countries} countries, mean {self.base_rate:.4f}; left out: "
            f"{self.without_country} contracts of unknown country, {self.off_record} signings of firms not on record, "
            f"{self.without_peers} without a peer on record\n{self.regression.summary()}"
        )


def country_choice_rows(
    data: MicroData, *, lag: int = 2, years: tuple[int, int] | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Build one row per signing and country.

    Parameters
    ----------
    data
        Micro data with contracts that have a ``country``.
    lag
        h.
    years
        First and last year of signing; by default the panel's.

    Returns
    -------
    frame
        ``firm``, ``year``, ``region``, ``sector``, ``group_cluster``, ``country``, ``chosen`` (0 or 1), ``peers``
        (Share^c), ``signing`` and ``country_year`` for the effects.
    counts
        What was left out, by reason.

    Raises
    ------
    FrameMissing, MissingKey
        Without contracts, or without their countries.
    InvalidValue
        For a negative lag, or if no signing is left.
    """
    if isinstance(lag, bool) or not isinstance(lag, int) or lag < 0:
        raise InvalidValue(key="lag", value=lag, requirement="whole years, 0 or more", remedy="pass 2")
    panel, deals = data.panel, data.need("contracts", "the choice of a country")
    require_columns(deals, ["country"], "contracts", known=False)
    first, last = data.years if years is None else years
    without_country = int(deals["country"].isna().sum())
    deals = deals[deals["country"].notna()]
    place = panel.drop_duplicates("firm").set_index("firm")
    signed = deals[deals["year"].between(first, last)].drop_duplicates(["firm", "year", "country"])
    signings = signed[["firm", "year"]].drop_duplicates()
    group = panel[["firm", "year", "group"]] if "group" in panel else panel[["firm", "year"]].assign(group=None)
    on_record = signings.merge(group, on=["firm", "year"], how="left", indicator="_record")
    off_record = int((on_record["_record"] == "left_only").sum())
    signings = on_record[on_record["_record"] == "both"].drop(columns="_record")
    for column in ("region", "sector"):
        signings[column] = place[column].reindex(signings["firm"]).to_numpy()
    signings["then"] = signings["year"] - lag
    countries = np.sort(deals["country"].unique())
    # N: other firms of the cell on record at t − h, and T^c: those of them that had signed with c by then
    cell = ["region", "sector", "year"]
    record = panel[["firm", "year", "region", "sector"]]
    size = record.groupby(cell).size().rename("firms")
    began = deals.groupby(["firm", "country"])["year"].min().rename("began").reset_index()
    held = record.merge(began, on="firm")
    held = held[held["began"] <= held["year"]]
    users = held.groupby([*cell, "country"]).size().rename("users")
    at = signings.merge(pd.DataFrame({"country": countries}), how="cross")
    then = ["region", "sector", "then"]
    at = at.merge(size.rename_axis(then).reset_index(), on=then, how="left")
    at = at.merge(users.rename_axis([*then, "country"]).reset_index(), on=[*then, "country"], how="left")
    own = held[["firm", "year", "country"]].rename(columns={"year": "then"}).assign(own=1)
    at = at.merge(own, on=["firm", "then", "country"], how="left")
    there = record[["firm", "year"]].rename(columns={"year": "then"}).assign(there=1)
    at = at.merge(there, on=["firm", "then"], how="left")
    others = at["firms"].fillna(0) - at["there"].fillna(0)
    at["peers"] = (at["users"].fillna(0) - at["own"].fillna(0)) / others.where(others > 0)
    at = at.merge(signed[["firm", "year", "country"]].assign(chosen=1.0), on=["firm", "year", "country"], how="left")
    at["chosen"] = at["chosen"].fillna(0.0)
    at["signing"] = at["firm"].astype("str") + " " + at["year"].astype("str")
    at["country_year"] = at["country"].astype("str") + " " + at["year"].astype("str")
    grouped = at["group"].notna()
    at["group_cluster"] = np.where(grouped, "group " + at["group"].astype("str"), FIRM + at["firm"].astype("str"))
    alone = at.loc[at["peers"].isna(), "signing"].nunique()
    at = at[at["peers"].notna()].reset_index(drop=True)
    if at.empty:
        raise InvalidValue(
            key="contracts",
            value="no signing of a firm with peers on record",
            requirement="at least one",
            remedy="pass a smaller lag, or other years",
        )
    counts = {"without_country": without_country, "off_record": off_record, "without_peers": alone}
    keep = [
        "firm",
        "year",
        "region",
        "sector",
        "group_cluster",
        "country",
        "chosen",
        "peers",
        "signing",
        "country_year",
    ]
    return at[keep], counts


def country_choice(
    data: MicroData,
    *,
    lag: int = 2,
    years: tuple[int, int] | None = None,
    effects: tuple[str, ...] = ("signing", "country_year"),
    **options: Any,
) -> CountryChoice:
    """Regress the choice of a country on the share of local peers that chose it before.

    Parameters
    ----------
    data, lag, years
        As for `country_choice_rows`.
    effects
        Fixed effects: columns of its frame.
    options
        For `regression.ols`; clustered by region and group unless told otherwise.

    Returns
    -------
    CountryChoice

    Raises
    ------
    InvalidValue, FrameMissing, MissingKey
        As for `country_choice_rows`.
    """
    rows, counts = country_choice_rows(data, lag=lag, years=years)
    settings: dict[str, Any] = {"cluster": ["region", "group_cluster"], **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BigPushWarning)
        fit = ols(rows, f"chosen ~ peers | {' + '.join(effects)}", **settings)
    return CountryChoice(
        regression=fit,
        signings=rows["signing"].nunique(),
        countries=rows["country"].nunique(),
        base_rate=float(rows["chosen"].mean()),
        **counts,
    )
