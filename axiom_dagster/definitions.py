"""The composition root: assets, checks, job, schedule, sensor and resources put together; nothing is decided here."""

import dagster as dg

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.compare import compare_asset
from assets.evaluate import evaluate_asset
from assets.train import train_asset
from axiom_dagster.failure_webhook import failure_sensor
from axiom_dagster.inbox import inbox_sensor
from axiom_dagster.reconciler import reconciling_sensor
from axiom_dagster.source_links import linked
from resources.compute import ComputeResource
from resources.exposed_ops import op_resources
from resources.failure_webhook import FailureWebhook
from resources.manifest_store import ManifestStore
from resources.wandb.resource import WandbResource

JOB, STAGES = "train_and_eval", ("train", "evaluate", "analyze")

train_and_eval = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    JOB,
    selection=dg.AssetSelection.assets(*STAGES),
    description="Train an agent, evaluate it in named simulations, analyze the results. Empty config: the main job.",
    executor_def=dg.in_process_executor,
)

nightly_train_and_eval = dg.ScheduleDefinition(
    name="nightly_train_and_eval",
    job=train_and_eval,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The main job every night at two. Stopped until someone starts it: it costs compute.",
)

defs = dg.Definitions(
    assets=linked([train_asset(), evaluate_asset(), analyze_asset(), compare_asset()]),
    asset_checks=[
        stage_checks("train", TRAIN_CHECKS),
        stage_checks("evaluate", EVALUATE_CHECKS),
        stage_checks("analyze", ANALYZE_CHECKS),
    ],
    jobs=[train_and_eval],
    schedules=[nightly_train_and_eval],
    sensors=[inbox_sensor(JOB), reconciling_sensor(JOB), failure_sensor(JOB)],
    resources={
        **op_resources(),
        "compute": ComputeResource(),
        "manifests": ManifestStore(),
        "wandb": WandbResource(),
        "webhook": FailureWebhook(),
    },
    executor=dg.in_process_executor,
)
