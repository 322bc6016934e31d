"""The SkyPilot task of a stage of a run, as plain data; it neither reads the run's files nor asks SkyPilot anything."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from resources.skypilot.job_config import ANY_OF, SkypilotJobConfig
from resources.skypilot.remote import OURS
from resources.skypilot.workdir import EXPERIMENTS, REQUIREMENTS
from trainer.contract import Problem, Refused, RunDirectory, Stage, TrainAndEvalSpec, redacted
from trainer.contract.resume import run_to_resume

WORKDIR = "~/sky_workdir"
ENVIRONMENT = "~/.axiom-trainer"
PYTHON_VERSION = "3.11"
TIMED_OUT = 124
KILL_AFTER_SECONDS = 60
HIDDEN = "<redacted>"

REMOTE_STAGES: tuple[Stage, ...] = ("train",)

Task = dict[str, Any]


def job_name(instance_name: str, stage: Stage) -> str:
    """Our own id of the job: the same for every try at a stage of a run."""
    return f"{OURS}{instance_name}-{stage}"


def instance_name_of(job_name: str) -> str:
    """The instance name of the run that a job of ours belongs to."""
    name = job_name.removeprefix(OURS)
    for stage in REMOTE_STAGES:
        name = name.removesuffix(f"-{stage}")
    return name


def cluster_of(config: SkypilotJobConfig, experiment: str) -> str | None:
    """The cluster of a job in mode `cluster`; none: a managed job gets one of its own."""
    if config.job_mode == "managed":
        return None
    return config.cluster or f"{OURS}{experiment}".rstrip("-_.")


def remote_run_directory(instance_name: str) -> str:
    """Where the run directory lies on the job's machine."""
    return f"{WORKDIR}/.axiom/runs/{instance_name}"


def mounts_of(spec: TrainAndEvalSpec, runs: Path) -> dict[str, str]:
    """What a training needs of the run whose checkpoint it begins with, if any, by where that lies on its machine.

    `runs` is the folder of all runs; raises `Refused` where the run is not there or has no such checkpoint.
    """
    if spec.resume_from is None:
        return {}
    begins_with = run_to_resume(spec.resume_from, runs)
    there = remote_run_directory(begins_with.instance_name)
    needed = [begins_with.spec_file, begins_with.manifest_file("train"), begins_with.checkpoints]
    return {f"{there}/{begins_with.relative(path)}": str(path) for path in needed if path.exists()}


def task_of(
    config: SkypilotJobConfig,
    run: RunDirectory,
    stage: Stage,
    *,
    workdir: Path,
    threads: int,
    bootstrap: Mapping[str, str],
    secrets: Mapping[str, str],
    mounts: Mapping[str, str] = MappingProxyType({}),
) -> Task:
    """What `sky.Task.from_yaml_config` takes: `bootstrap` are the variables of Pipes, `secrets` those of the config.

    `mounts` are files that this run needs there beside its spec, by where they lie there; `threads` is the number that
    its spec asks for. A job in several processes is started by torchrun on each node; only the first process of all
    reports.
    """
    return {
        "name": job_name(run.instance_name, stage),
        "num_nodes": config.nodes,
        "workdir": str(workdir),
        "resources": _resources(config),
        "envs": {**_variables(config, threads), **bootstrap},
        **({"secrets": dict(secrets)} if secrets else {}),
        "file_mounts": {
            **config.file_mounts,
            **mounts,
            f"{WORKDIR}/{EXPERIMENTS}/{run.instance_name}.yaml": str(run.spec_file),
        },
        "setup": _setup(config),
        "run": _run(config, run.instance_name, stage),
    }


def secrets_of(config: SkypilotJobConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """The values of the config's secrets; raises `Refused` with all that are not set."""
    why = "is not set in this environment, and the job asks for it; set it, or take it out of `secrets`"
    missing = [Problem("skypilot.secrets", name, why) for name in config.secrets if not environment.get(name)]
    if missing:
        raise Refused(missing)
    return {name: environment[name] for name in config.secrets}


def preview(task: Mapping[str, Any]) -> str:
    """The task as YAML for people and files: without the values of secrets."""
    shown = {**task, "secrets": dict.fromkeys(task["secrets"], HIDDEN)} if "secrets" in task else dict(task)
    return redacted(yaml.dump(shown, Dumper=_Readable, sort_keys=False, width=120))


class _Readable(yaml.SafeDumper):
    """Writes scripts as they are read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)  # pyright: ignore[reportUnknownMemberType]


_Readable.add_representer(str, _text)


def _resources(config: SkypilotJobConfig) -> dict[str, Any]:
    infra = f"{config.infra or '*'}/{config.region}" if config.region else config.infra
    given = {
        "infra": infra,
        "cpus": config.cpus,
        "memory": config.memory,
        "disk_size": config.disk_gb,
        "image_id": config.image,
    }
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value}
    if config.gpus:
        wanted["accelerators"] = {
            kind: config.gpus for kind in ([config.accelerator] if config.accelerator else ANY_OF)
        }
    wanted["use_spot"] = config.spot
    if config.job_mode == "cluster":
        wanted["autostop"] = {"idle_minutes": config.idle_minutes_to_autostop, "down": True}
    elif config.max_restarts_on_errors:
        wanted["job_recovery"] = {"max_restarts_on_errors": config.max_restarts_on_errors}
    return wanted


def _variables(config: SkypilotJobConfig, threads: int) -> dict[str, str]:
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    ours = {"AXIOM_COMPUTE": "skypilot", "AXIOM_MESSAGES": "frames", "AXIOM_ARTIFACTS": config.artifacts}
    return {**limits, **config.env, **ours, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def _setup(config: SkypilotJobConfig) -> str:
    lines = ["set -e", f"cd {WORKDIR}", *([config.setup.strip()] if config.setup.strip() else [])]
    if not config.python:
        lines += [
            'export PATH="$HOME/.local/bin:$PATH"',
            "command -v uv >/dev/null || python3 -m pip install --user --quiet uv",
            f"test -x {ENVIRONMENT}/bin/python || uv venv --quiet --python {PYTHON_VERSION} {ENVIRONMENT}",
            f"uv pip install --quiet --python {ENVIRONMENT}/bin/python -r {REQUIREMENTS}",
        ]
    return "\n".join(lines) + "\n"


def _run(config: SkypilotJobConfig, instance_name: str, stage: Stage) -> str:
    python = shlex.quote(config.python) if config.python else f"{ENVIRONMENT}/bin/python"
    several = config.nodes * config.processes > 1
    launcher = f"{python} -P {_torchrun(config)}" if several else f"{python} -P"
    limit = f"timeout --kill-after={KILL_AFTER_SECONDS} {config.max_runtime_minutes}m"
    return "\n".join(
        [
            f"cd {WORKDIR}",
            'export AXIOM_HOME="$PWD/.axiom" PYTHONPATH="$PWD" AXIOM_JOB_ID="$SKYPILOT_TASK_ID"',
            f"{limit} {launcher} -m trainer {stage} +experiments={instance_name}",
            "code=$?",
            f'[ "$code" != {TIMED_OUT} ] || echo "ended: max_runtime_minutes={config.max_runtime_minutes} have passed"',
            "exit $code",
            "",
        ]
    )


def _torchrun(config: SkypilotJobConfig) -> str:
    options = [
        '--nnodes "$SKYPILOT_NUM_NODES"',
        '--node-rank "$SKYPILOT_NODE_RANK"',
        f"--nproc-per-node {config.processes}",
        '--master-addr "$(echo "$SKYPILOT_NODE_IPS" | head -n 1)"',
        "--master-port 29500",
    ]
    return f"-m torch.distributed.run {' '.join(options)}"
