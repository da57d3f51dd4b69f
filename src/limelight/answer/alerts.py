"""What goes wrong in a run, as screens are told it.

Room: the read path. Comes in: an open run. Goes out: alerts as attributes of a dataset.
"""

from __future__ import annotations

import xarray as xr

from limelight import facts
from limelight.query import Query
from limelight.store import Run


def alerts(run: Run, _query: Query) -> xr.Dataset:
    """Return what every rule makes of a run.

    Parameters
    ----------
    run : Run
        An open run.

    Returns
    -------
    Dataset
        Without arrays; attributes are those of :class:`limelight.facts.AlertFacts`.
    """
    report = run.judged()
    said: facts.AlertFacts = {
        "alerts": [alert.facts() for alert in report.alerts],
        "quiet": report.quiet,
        "lacking": report.lacking,
    }
    return xr.Dataset(attrs=dict(said))
