"""Size and bias of every estimator and interval: an independent replication of the study that the documentation prints.

The committed table declares what is nominal and what is not, with rates.  Each cell is drawn again, with another seed
and fewer replications: every rate and every bias has to agree with the table within Monte Carlo error, whether it is
nominal or a declared failure, so that a declared failure that is one no longer fails too.
"""

import numpy as np
import pytest

from .coverage.catalogue import CELLS
from .coverage.study import replicate
from .coverage.table import binomial_range, read_table, summarise

#: Not the seed of the table.
SEED = 2
SHARE = 0.1
#: But no fewer samples than this.
FEWEST = 25
#: Two-sided tail of a normal at which a comparison fails: there are some thousand of them.
CRITICAL = 4.5


def gap_of_rates(rate, count, table_rate, table_count):
    """Difference of two rates in its standard errors under equality, with half an observation for the steps."""
    pooled = (rate * count + table_rate * table_count + 1.0) / (count + table_count + 2.0)
    spread = np.sqrt(pooled * (1.0 - pooled) * (1.0 / count + 1.0 / table_count))
    return max(abs(rate - table_rate) - 0.5 / count, 0.0) / spread


def test_a_gap_is_seen():
    assert gap_of_rates(0.05, 200, 0.05, 2000) == 0.0
    assert gap_of_rates(0.10, 200, 0.05, 2000) < CRITICAL < gap_of_rates(0.14, 200, 0.05, 2000)
    assert gap_of_rates(0.05, 200, 0.25, 2000) > CRITICAL


@pytest.mark.validate
@pytest.mark.parametrize("cell", CELLS, ids=[cell.name for cell in CELLS])
def test_cell(cell):
    scaled = cell.scaled(min(max(SHARE, FEWEST / cell.replications), 1.0))
    found = summarise([scaled], {cell.name: replicate(scaled, SEED, 0, scaled.replications)})
    print(f"\n{found.drop(columns=['family', 'cell']).to_string(index=False)}")
    table = read_table()
    declared = table[table["cell"] == cell.name].set_index("method")
    assert set(found["method"]) == set(declared.index)
    for row in found.set_index("method").itertuples():
        stated = declared.loc[row.Index]
        if not np.isnan(row.bias):
            # the spread of an error is the table's: so few samples do not tell their own
            ratio = stated["replications"] / row.replications
            spread = stated["median_error"] * np.sqrt(1.0 + ratio)
            assert abs(row.median_bias - stated["median_bias"]) < CRITICAL * spread, row.Index
        count = row.replications - row.undefined
        if count == 0 or np.isnan(stated["size_5"]):
            assert np.isnan(stated["size_5"]), row.Index
            continue
        for level in (5, 10):
            rate, stated_rate = getattr(row, f"size_{level}"), stated[f"size_{level}"]
            stated_count = stated["replications"] - stated["undefined"]
            assert gap_of_rates(rate, count, stated_rate, stated_count) < CRITICAL, (row.Index, level, rate)
            if stated[f"verdict_{level}"] == "nominal":
                low, high = binomial_range(count, level / 100.0, outside=1e-5)
                assert low <= rate <= high, (row.Index, level, rate)
