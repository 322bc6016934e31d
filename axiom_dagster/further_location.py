"""The definitions of each further machine of one deployment: those of the first but for what must happen only once.

The inbox and the schedules are the first location's alone: with two of each, one file or one night would start two
runs. Everything that belongs to a machine or to its own runs, the reconciler above all, is here too.
"""

import dagster as dg

# The module and not its `defs`: Dagster refuses a module with two of them.
from axiom_dagster import definitions
from axiom_dagster.inbox import INBOX

defs = dg.Definitions(
    assets=definitions.defs.assets,
    asset_checks=definitions.defs.asset_checks,
    jobs=definitions.defs.jobs,
    sensors=[sensor for sensor in definitions.defs.sensors or () if sensor.name != INBOX],
    resources=definitions.defs.resources,
    executor=definitions.defs.executor,
)
