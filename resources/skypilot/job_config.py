"""What a training is rented: machines, time, place and money; nothing that could change its result."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from resources.skypilot.remote import Mode
from trainer.contract import looks_secret
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import nearest

ACCELERATORS = (
    *("A10", "A10G", "A100", "A100-80GB", "B200", "GH200", "H100", "H100-SXM", "H200", "L4", "L40", "L40S"),
    *("MI300X", "P100", "RTX4090", "RTX6000-Ada", "T4", "V100", "V100-32GB"),
)
ANY_OF = ("L4", "A10G", "L40S", "A100", "A100-80GB", "H100")
AMOUNT = r"^(\d+(\.\d+)?\+?)?$"
INFRA = r"^([A-Za-z0-9*][\w.:@*-]*(/[\w.:@*-]+)*)?$"
REGION = r"^[\w.-]*$"
CLUSTER = r"^([A-Za-z]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?$"
LOCATION = r"^(/\S*|[a-z][a-z0-9]*://\S+)?$"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OURS_ALONE = ("AXIOM_", "DAGSTER_PIPES_", "SKYPILOT_")


class SkypilotJobConfig(FrozenModel):
    """The job that SkyPilot runs one stage in. It is no part of the spec: other machines, the same experiment."""

    gpus: int = Field(default=1, ge=0, le=64, description="GPUs of each node; 0: CPU only.")
    accelerator: str = Field(
        default="", description=f"Kind of GPU, `H100`; empty: whichever of {', '.join(ANY_OF)} is cheapest."
    )
    nodes: int = Field(default=1, ge=1, le=64, description="Machines, each with that many GPUs.")
    spot: bool = Field(default=True, description="Whether to take cheaper machines that may be taken away.")
    infra: str = Field(
        default="", pattern=INFRA, description="Where, in SkyPilot's words: `aws`, `k8s/context`, `slurm`; empty: any."
    )
    region: str = Field(default="", pattern=REGION, description="Region of `infra`, or of any; empty: the cheapest.")
    image: str = Field(default="", description="Machine or container image, in SkyPilot's words; empty: its own.")
    cpus: str = Field(default="", pattern=AMOUNT, description="CPUs of each node: `8`, or `8+` for at least.")
    memory: str = Field(default="", pattern=AMOUNT, description="GB of memory of each node: `32`, or `32+`.")
    disk_gb: int | None = Field(default=None, ge=10, description="GB of disk of each node; none: SkyPilot's default.")
    max_runtime_minutes: int = Field(
        default=1440, ge=1, description="Minutes after which the job is ended, counted anew at each restart."
    )
    idle_minutes_to_autostop: int = Field(
        default=10, ge=0, le=1440, description="Minutes without a job after which a cluster is removed; always set."
    )
    max_restarts_on_errors: int = Field(
        default=0, ge=0, le=20, description="How often a managed job that failed is begun again by SkyPilot."
    )
    secrets: tuple[str, ...] = Field(
        default=(), description="Names of variables whose values are taken at launch and never written or logged."
    )
    env: dict[str, str] = Field(default={}, description="Variables of the job; none that is a secret.")
    file_mounts: dict[str, str] = Field(default={}, description="Further files: path on the job's machine: path here.")
    setup: str = Field(default="", description="Shell lines that prepare a node, before the trainer is installed.")
    python: str = Field(
        default="", description="Interpreter there that has the trainer's packages; empty: they are installed."
    )
    mode: Literal["auto", "managed", "cluster"] = Field(
        default="auto",
        description="`managed`: recovers from preemption, and needs `artifacts`; `cluster`: a named one, used again; "
        "`auto`: managed where there are `artifacts`.",
    )
    cluster: str = Field(
        default="", pattern=CLUSTER, description="Name of the cluster in mode `cluster`; empty: the experiment's own."
    )
    artifacts: str = Field(
        default="",
        pattern=LOCATION,
        description="Bucket (`s3://…`) or path that both machines see, where results are kept; empty: they are copied "
        "from the cluster's machine.",
    )
    budget_dollars: float | None = Field(default=None, gt=0, description="Refuse what may cost more; none: no bound.")
    hourly_dollars: float | None = Field(
        default=None, ge=0, description="Price of all nodes for an hour; none: that of SkyPilot's catalog."
    )
    poll_seconds: float = Field(
        default=180, gt=0, le=3600, description="Seconds between two questions about the job's state."
    )
    stall_seconds: float = Field(
        default=600, gt=0, description="Seconds without a word, or without progress, after which the log has a warning."
    )
    git_check: bool = Field(default=True, description="Whether to refuse code that is not committed and pushed.")

    @field_validator("accelerator")
    @classmethod
    def _one_kind(cls, given: str) -> str:
        if given and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", given):
            name = given.partition(":")[0]
            raise ValueError(f"names one kind of GPU, and `gpus` says how many; {nearest(name, ACCELERATORS)}")
        return given

    @field_validator("env")
    @classmethod
    def _no_secrets(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if not VARIABLE.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a variable")
            if looks_secret(name):
                raise ValueError(f"{name} looks like a secret; name it in `secrets`, its value is taken at launch")
            if name.startswith(OURS_ALONE):
                raise ValueError(f"{name} is set by the launch itself")
        return given

    @model_validator(mode="after")
    def _names_only(self) -> Self:
        # What is no name may be the secret itself: a check of the field alone would repeat it.
        for number, name in enumerate(self.secrets):
            if not VARIABLE.fullmatch(name):
                raise ValueError(
                    f"secrets.{number} is not the name of a variable; give names, their values are taken at launch"
                )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.mode == "managed" and not self.artifacts:
            raise ValueError(
                "a managed job's machine is gone when it ends, so `artifacts` must name a bucket or a shared path for "
                "its results; or take mode 'cluster'"
            )
        if self.region and "/" in self.infra:
            raise ValueError(f"infra {self.infra!r} names a region already; leave `region` out")
        if self.accelerator and self.gpus == 0:
            raise ValueError(f"accelerator {self.accelerator!r} with gpus=0; take gpus ≥ 1 or leave it out")
        if self.job_mode == "managed" and self.cluster:
            raise ValueError(f"cluster {self.cluster!r} is for mode 'cluster'; a managed job gets its own")
        return self

    @property
    def job_mode(self) -> Mode:
        """`managed` or `cluster`, `auto` decided."""
        if self.mode != "auto":
            return self.mode
        return "managed" if self.artifacts else "cluster"

    @property
    def processes(self) -> int:
        """Trainer processes on each node: one for each GPU, one without any."""
        return max(self.gpus, 1)
