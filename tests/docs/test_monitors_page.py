"""What docs/monitors.md shows is accepted, and its tables say of each monitor what its model says."""

import json
import re
from pathlib import Path

import pytest
import yaml

from axiom_dagster.cli.reference import describe
from trainer.contract import DivergenceConfig, NonFiniteConfig, PlateauConfig, TargetConfig, TrainAndEvalSpec
from trainer.contract.monitors import METRICS, MetricMonitorConfig, MonitorConfig

PAGE = (Path(__file__).parents[2] / "docs" / "monitors.md").read_text()
KINDS = (MonitorConfig, MetricMonitorConfig, DivergenceConfig, PlateauConfig, TargetConfig, NonFiniteConfig)


@pytest.mark.parametrize("model", KINDS)
def test_the_page_has_a_table_of_every_monitors_own_fields(model):
    above = {name for base in model.__mro__[1:] for name in getattr(base, "model_fields", {})}
    rows = []
    for name, field in model.model_fields.items():
        if name not in above:
            default = "required" if field.is_required() else f"`{json.dumps(field.get_default())}`"
            rows.append(f"| `{name}` | {default} | {describe(field)} |")
    assert "\n".join(["| field | default | meaning |", "|---|---|---|", *rows]) + "\n\n" in PAGE


def test_the_spec_of_the_page_is_accepted_and_has_every_kind_of_monitor():
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    monitors = TrainAndEvalSpec.accept(yaml.safe_load(shown)).trainer.monitors
    assert all(getattr(monitors, kind) for kind in type(monitors).model_fields)


def test_the_page_names_every_metric_that_a_monitor_may_look_at():
    for metric in METRICS:
        assert metric in PAGE or (metric.startswith("losses/") and f"`{metric.removeprefix('losses/')}`" in PAGE), (
            metric
        )
