"""How a stage was tracked, as data, and what decides it: config, keys at hand; it never tracks anything itself."""

import json
from collections.abc import Mapping
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from trainer.contract.agent import WandbConfig
from trainer.contract.run_directory import RunDirectory, write_text
from trainer.plain.model import FrozenModel

REACH_SECONDS = 5.0
KEY, SERVER, DEFAULT_SERVER = "WANDB_API_KEY", "WANDB_BASE_URL", "https://api.wandb.ai"
RanMode = Literal["online", "offline", "disabled"]
TRACKED_STAGES: tuple[Literal["train", "evaluate"], ...] = ("train", "evaluate")


class Tracking(FrozenModel):
    """Where a stage's numbers went besides the run directory, and how far."""

    mode: RanMode = Field(description="How W&B really ran: `online`, `offline`, or `disabled`.")
    run_id: str | None = Field(default=None, description="Id of the W&B run: the instance name, and `-evaluate`.")
    entity: str | None = Field(default=None, description="W&B user or team, as the server says; none: not online.")
    project: str | None = Field(default=None, description="W&B project.")
    url: str | None = Field(default=None, description="The W&B run's page; none: not online.")
    folder: str | None = Field(
        default=None, description="W&B's own files, relative to the run directory; none: there are none."
    )
    tensorboard: str | None = Field(default=None, description="TensorBoard's log directory; none: not asked for.")
    updates: int = Field(default=0, ge=0, description="The last update that was handed over.")
    waiting: int = Field(
        default=0, ge=0, description="Updates that were not handed over in time; `axiom sync` brings them to W&B."
    )
    problem: str | None = Field(default=None, description="What went wrong, secrets masked; none: nothing.")


def tracking_file(run: RunDirectory, stage: str) -> Path:
    """Where the tracking of a stage is recorded while it goes on."""
    return run.stage(stage) / "tracking.json"


def write_tracking(run: RunDirectory, stage: str, tracking: Tracking) -> None:
    """Record it, whole or not at all."""
    write_text(tracking_file(run, stage), json.dumps(tracking.plain(), indent=2) + "\n")


def read_tracking(run: RunDirectory, stage: str) -> Tracking | None:
    """What is recorded; none where nothing is, or nothing that can be read."""
    try:
        return Tracking.accept(json.loads(tracking_file(run, stage).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def wandb_run_id(run: RunDirectory, stage: str) -> str:
    """The instance name for the training, the same over all its attempts; with the stage's name for another stage."""
    return run.instance_name if stage == "train" else f"{run.instance_name}-{stage}"


def resolved_mode(config: WandbConfig, environment: Mapping[str, str]) -> RanMode:
    """`auto` is `online` where a key of the server is at hand in `environment` or in netrc, else `offline`."""
    if config.mode != "auto":
        return config.mode
    return "online" if has_key(environment) else "offline"


def server_of(environment: Mapping[str, str]) -> str:
    """Address of the W&B server, without a slash at the end."""
    return (environment.get(SERVER) or DEFAULT_SERVER).rstrip("/")


def has_key(environment: Mapping[str, str]) -> bool:
    """Whether W&B's client would find a key: `WANDB_API_KEY`, else the server's entry in netrc."""
    if environment.get(KEY):
        return True
    file = Path(environment.get("NETRC") or Path(environment.get("HOME", "~")) / ".netrc").expanduser()
    try:
        return netrc(file).authenticators(urlsplit(server_of(environment)).hostname or "") is not None
    except (OSError, NetrcParseError):
        return False


def require_reachable(server: str) -> None:
    """Raises `ConnectionError` within seconds where nobody answers; W&B's client would try for minutes on end."""
    # Definitions load this module, and never ask.
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(server, timeout=REACH_SECONDS):
            pass
    except HTTPError:
        return
    except (OSError, ValueError) as error:
        raise ConnectionError(f"{server} does not answer: {error}") from None
