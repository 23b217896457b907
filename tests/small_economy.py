"""Ten of the shipped economy's regions: an economy that a study runs on in seconds."""

from dataclasses import replace

import numpy as np

from bigpush_est.data.economy import EconomyBundle, Moment
from bigpush_est.data.korea import RegionalDesign, build_korea

REGIONS = ("seoul", "busan", "daegu", "ulsan", "pohang", "gwangju", "daejeon", "jeonju", "chuncheon", "gangneung")
MOMENTS = {
    "adopter_share_1972": 0.10,
    "adopter_share_1976": 0.15,
    "adopter_share_1980": 0.18,
    "share_of_regions_with_adoption": 0.6,
    "exporter_share_light": 0.34,
    "exporter_share_heavy": 0.19,
    "tax_rate_1972": 0.20,
}


def small_economy() -> EconomyBundle:
    """Ten regions of the synthetic economy, shares made to add up again."""
    hubs = ("ulsan", "pohang")
    moments = tuple(Moment(name, value, "made up for the test") for name, value in MOMENTS.items())
    design = RegionalDesign(seed=3, hubs=hubs, hub_share=(0.3, 0.5, 0.7), export_intensity_1972=0.08)
    whole = build_korea(design, moments)
    keep = np.array([whole.regions.index(region) for region in REGIONS])
    inside = {port.name for port in whole.ports if port.name in ("busan", "incheon", "ulsan", "pohang", "mukho")}
    return replace(
        whole,
        regions=REGIONS,
        region_names=tuple(whole.region_names[k] for k in keep),
        latitude=whole.latitude[keep],
        longitude=whole.longitude[keep],
        area_km2=None if whole.area_km2 is None else whole.area_km2[keep],
        labour=whole.labour[keep],
        subsidised=np.array([region in ("ulsan", "pohang", "busan") for region in REGIONS]),
        ports=tuple(port for port in whole.ports if port.name in inside),
        expressway=(("seoul", "daejeon"), ("daejeon", "daegu"), ("daegu", "busan")),
        firm_mass=whole.firm_mass[keep] / whole.firm_mass[keep].sum(),
        gross_output=whole.gross_output[:, keep] / whole.gross_output[:, keep].sum(axis=1, keepdims=True),
        adopter_share=whole.adopter_share[keep],
    )
