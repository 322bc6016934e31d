"""What SkyPilot could rent for a task, and at what price; it rents nothing."""

import math
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

from resources.skypilot.remote import Offer

Accelerators = Mapping[str, float]


def offers(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The offers of SkyPilot's catalogs on enabled infrastructure, the cheapest first; empty where nothing fits."""
    sky = import_module("sky")
    task = sky.Task.from_yaml_config(dict(arguments["task"]))
    try:
        _ask_the_optimizer(sky, task)
    except import_module("sky.exceptions").ResourcesUnavailableError:
        return []
    found = {(offer.infra, offer.resources): offer for offer in _offers(sky, task)}
    return [offer.model_dump(mode="json") for offer in sorted(found.values(), key=_price)]


def enabled_infra(_: Mapping[str, Any]) -> list[str]:
    """What `sky check` finds enabled for compute; raises SkyPilot's own error where there is none."""
    sky, sdk = import_module("sky"), import_module("sky.client.sdk")
    by_workspace: dict[str, dict[str, list[str]]] = sky.get(sdk.check(infra_list=None, verbose=False))
    enabled = {cloud.lower() for clouds in by_workspace.values() for cloud, able in clouds.items() if "compute" in able}
    if not enabled:
        raise import_module("sky.exceptions").NoCloudAccessError("no infrastructure is enabled")
    return sorted(enabled)


def listed(row: Any, name: str, count: float, nodes: int, *, spot: bool) -> Offer | None:
    """A row of the catalog (`InstanceTypeInfo`) for `nodes` machines; none where it is not sold that way."""
    price = row.spot_price if spot else row.price
    if spot and not _known(price):
        return None
    words = [row.instance_type or "", f"{name}:{count:g}", "spot" if spot else ""]
    dollars = price * nodes if _known(price) else None
    resources = " ".join(word for word in words if word)
    return Offer(infra=_infra(row.cloud, row.region), resources=resources, nodes=nodes, dollars_per_hour=dollars)


def _ask_the_optimizer(sky: Any, task: Any) -> None:
    """Raises what SkyPilot raises where nothing enabled fits; its choice itself it prints, and does not return."""
    dag = sky.Dag()
    dag.add(task)
    sky.get(sky.optimize(dag))


def _offers(sky: Any, task: Any) -> Iterator[Offer]:
    """For machines without accelerators SkyPilot's API has no list of prices: one offer, of unknown price."""
    for wanted in task.resources:
        clouds: list[str] = [str(wanted.cloud)] if wanted.cloud is not None else _enabled(sky)
        accelerators = cast("Accelerators", wanted.accelerators or {})
        for name, count in accelerators.items():
            for row in _rows(sky, name, count, clouds, wanted.region):
                offer = listed(row, name, count, task.num_nodes, spot=wanted.use_spot)
                if offer is not None:
                    yield offer
        if not accelerators:
            words = f"cpus={wanted.cpus or 'any'} memory={wanted.memory or 'any'}"
            infra = _infra(",".join(clouds), wanted.region)
            yield Offer(infra=infra, resources=words, nodes=task.num_nodes, dollars_per_hour=None)


def _enabled(sky: Any) -> list[str]:
    return sky.get(import_module("sky.client.sdk").enabled_clouds())


def _rows(sky: Any, name: str, count: float, clouds: list[str], region: str | None) -> list[Any]:
    asked = import_module("sky.client.sdk").list_accelerators(
        name_filter=f"^{name}$", region_filter=region, quantity_filter=count, clouds=clouds, require_price=False
    )
    try:
        by_name: dict[str, list[Any]] = sky.get(asked)
    except ValueError:  # what Slurm and Kubernetes say of an accelerator that they do not have
        return []
    return [row for rows in by_name.values() for row in rows if row.accelerator_count == count]


def _infra(cloud: str, region: str | None) -> str:
    return "/".join(part for part in (cloud.lower(), region) if part)


def _known(price: float | None) -> bool:
    """0 and NaN are machines that have no price: one's own, or not sold."""
    return price is not None and not math.isnan(price) and price > 0


def _price(offer: Offer) -> tuple[bool, float, str]:
    return offer.dollars_per_hour is None, offer.dollars_per_hour or 0.0, offer.infra
