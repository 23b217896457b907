"""The smallest complete economy: two regions and two sectors, made up, to start an economy of one's own from.

Examples
--------
>>> from bigpush_est.data.economy_example import example_bundle
>>> economy = example_bundle()
>>> economy.name, economy.firm_mass.sum()
('two regions', np.float64(1.0))
"""

import numpy as np

from bigpush_est.data.economy import EconomyBundle, Moment, Port, Provenance
from bigpush_est.data.economy_checks import OPTIONAL_TABLES, TABLES


def example_bundle() -> EconomyBundle:
    """Return the two-region economy: a hill, and a harbour one degree east of it.

    Goods can be made with adopted technology and sold abroad, services cannot; the two are joined by an expressway.

    Returns
    -------
    EconomyBundle
        Synthetic: every number is an illustration.

    Examples
    --------
    >>> from bigpush_est.data.economy_example import example_bundle
    >>> [moment.name for moment in example_bundle().moments]
    ['adopter_share_1972', 'exporter_share_goods', 'tax_rate_1972']
    """
    source = "made up for illustration"
    return EconomyBundle(
        name="two regions",
        label="synthetic",
        description="The smallest complete economy, made up for illustration.",
        provenance={table: Provenance("synthetic", source) for table in (*TABLES, *OPTIONAL_TABLES)},
        regions=("hill", "harbour"),
        region_names=("The Hill", "The Harbour"),
        sectors=("goods", "service"),
        years=(1972, 1976),
        years_per_period=4,
        latitude=np.array([0.0, 0.0]),
        longitude=np.array([0.0, 1.0]),
        labour=np.array([300.0, 700.0]),
        labour_unit="thousand persons",
        subsidised=np.array([False, True]),
        national_area_km2=4000.0,
        ports=(Port("old pier", region="harbour"), Port("new pier", latitude=0.1, longitude=1.0)),
        expressway=(("hill", "harbour"),),
        adopts=np.array([True, False]),
        foreign_trade=np.array([True, False]),
        distance_elasticity=np.array([1.29, 3.8]),
        distortion_elasticity=np.array([-0.3, 0.0]),
        preferences=np.array([[0.4, 0.6], [0.45, 0.55]]),
        labour_share=np.array([[0.4, 0.6], [0.35, 0.6]]),
        input_share=np.array([[[0.4, 0.2], [0.1, 0.3]], [[0.4, 0.25], [0.1, 0.3]]]),
        tariffs=np.array([[0.3, 0.0], [0.2, 0.0]]),
        firm_mass=np.array([[0.125, 0.125], [0.25, 0.5]]),
        gross_output=np.array([[[0.3, 0.2], [0.7, 0.8]], [[0.2, 0.2], [0.8, 0.8]]]),
        export_intensity=np.array([[0.1, 0.0], [0.25, 0.0]]),
        import_share=np.array([[0.2, 0.0], [0.25, 0.0]]),
        real_gdp=np.array([1.0, 1.4]),
        ppi=np.array([[1.0, 1.0], [1.9, 2.0]]),
        adopter_share=np.array([[0.0, 0.0], [0.1, 0.0]]),
        moments=(
            Moment("adopter_share_1972", 0.07, source),
            Moment("exporter_share_goods", 0.2, source, weight=2.0),
            Moment("tax_rate_1972", 0.2, source),
        ),
        seed=1,
    )
