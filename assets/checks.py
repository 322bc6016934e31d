"""Checks on stages: the manifest is whole, returns are finite, the digest chain holds; they change nothing."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.overridden import differ_only_later
from assets.shape import ALONE, Shape
from resources.manifest_store import ManifestStore, Recorded
from trainer.contract import Artifact, Refused, digest_of, file_digest
from trainer.contract.resume import PARENT, begun_files, read_begun

Check = Callable[[Recorded], list[str]]


def stage_checks(stage: str, checks: Mapping[str, Check], shape: Shape = ALONE) -> dg.AssetChecksDefinition:
    """The checks on one asset as one step; each of them stops what comes after."""
    asset = shape.key(stage)
    specs = [
        dg.AssetCheckSpec(name, asset=asset, blocking=True, description=check.__doc__) for name, check in checks.items()
    ]

    @dg.multi_asset_check(name=shape.named(f"{stage}_checks"), specs=specs, can_subset=True)
    def run_checks(context: dg.AssetCheckExecutionContext, manifests: ManifestStore) -> Iterator[dg.AssetCheckResult]:
        try:
            recorded = manifests.parent(context.instance, context.run.run_id, asset)
        except Refused as refused:
            problems = {name: [str(refused)] for name in checks}
        else:
            problems = {name: _problems(check, recorded) for name, check in checks.items()}
        for key in context.selected_asset_check_keys:
            yield _result(key, problems[key.name])

    return run_checks


def manifest_is_whole(recorded: Recorded) -> list[str]:
    """The manifest is the one that was recorded, and every file it names lies there with its size and digest."""
    manifest = recorded.manifest
    files = [*manifest.artifacts, *([manifest.checkpoint] if manifest.checkpoint else [])]
    problems = [problem for file in files for problem in _artifact_problems(file, recorded)]
    if manifest.status != "succeeded":
        problems.append(f"status = {manifest.status!r}: only a stage that succeeded is materialized")
    if digest_of(manifest.spec) != manifest.spec_hash:
        problems.append(f"spec_hash = {manifest.spec_hash}: its spec has {digest_of(manifest.spec)}")
    return problems


def training_is_finite(recorded: Recorded) -> list[str]:
    """Every reward and loss of every update is a finite number; a reward is missing only where no episode ended."""
    problems: list[str] = []
    for number, line in enumerate(recorded.run_directory.metrics_file.read_text().splitlines(), start=1):
        row: dict[str, Any] = json.loads(line)
        for name, value in row.items():
            missing = value is None and name.startswith("losses/") and name != "losses/explained_variance"
            if missing or (isinstance(value, float) and not math.isfinite(value)):
                problems.append(f"metrics.jsonl line {number}: {name} = {value}")
    return problems


def returns_are_finite(recorded: Recorded) -> list[str]:
    """Every simulation has episodes with finite returns, and its mean is theirs."""
    problems = [] if recorded.manifest.eval_results else ["eval_results: no simulation was evaluated"]
    for name, result in recorded.manifest.eval_results.items():
        returns = [episode.reward for episode in result.episodes]
        if not returns or not all(map(math.isfinite, returns)):
            problems.append(f"{name}: returns {returns} are not all finite, or there are none")
        elif not math.isclose(math.fsum(returns) / len(returns), result.mean_reward, rel_tol=1e-6, abs_tol=1e-9):
            problems.append(
                f"{name}: mean_reward = {result.mean_reward} is not the mean of its {len(returns)} episodes"
            )
    return problems


def digest_chain_holds(recorded: Recorded) -> list[str]:
    """Every parent is unchanged, its spec the same up to what later stages override, the weights the same all along."""
    problems = [] if recorded.manifest.parents else ["parents: the manifest names none"]
    for stage in recorded.manifest.parents:
        parent = recorded.parent(stage)
        if not differ_only_later(parent.manifest, recorded.manifest):
            problems.append(f"{stage}: its spec_hash is {parent.manifest.spec_hash}, not {recorded.manifest.spec_hash}")
        if parent.manifest.weights_digest != recorded.manifest.weights_digest:
            problems.append(
                f"{stage}: its weights are {parent.manifest.weights_digest}, not {recorded.manifest.weights_digest}"
            )
        if parent.manifest.checkpoint:
            problems += _artifact_problems(parent.manifest.checkpoint, parent)
    return problems


def beginning_holds(recorded: Recorded) -> list[str]:
    """It began with new weights, or with the checkpoint that another training recorded, which is unchanged since."""
    if recorded.manifest.spec[PARENT] is None:
        return []
    begun, (copy, record) = read_begun(recorded.run_directory), begun_files(recorded.run_directory)
    if PARENT not in recorded.manifest.parents or begun is None:
        return [f"{record.name}: says not what the training began with, or its manifest names no {PARENT}"]
    parent = recorded.parent(PARENT).manifest
    found = file_digest(copy) if copy.is_file() else "missing"
    problems = [f"{copy.name}: is {found}, {begun.sha256} was recorded"] if found != begun.sha256 else []
    is_final = begun.asked.checkpoint == "latest" and begun.asked.update is None
    if is_final and parent.checkpoint and parent.checkpoint.sha256 != begun.sha256:
        left = f"the training of {parent.instance_name} ended with {parent.checkpoint.sha256}"
        problems.append(f"{record.name}: it began with {begun.sha256}, and {left}")
    return problems


def _artifact_problems(artifact: Artifact, recorded: Recorded) -> list[str]:
    file = recorded.run_directory.path / artifact.path
    if not file.is_file():
        return [f"{artifact.path}: no such file in {recorded.run_directory.path}"]
    if file.stat().st_size != artifact.size_bytes:
        return [f"{artifact.path}: has {file.stat().st_size} bytes, {artifact.size_bytes} were recorded"]
    found = file_digest(file)
    return [] if found == artifact.sha256 else [f"{artifact.path}: is {found}, {artifact.sha256} was recorded"]


def _problems(check: Check, recorded: Recorded) -> list[str]:
    try:
        return check(recorded)
    except (Refused, OSError, ValueError) as error:
        return [str(error)]


def _result(key: dg.AssetCheckKey, problems: Sequence[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not problems,
        asset_key=key.asset_key,
        check_name=key.name,
        description="\n".join(problems) or None,
        metadata={"problems": len(problems)},
    )


TRAIN_CHECKS: Mapping[str, Check] = {"manifest_is_whole": manifest_is_whole, "returns_are_finite": training_is_finite}
# Of a training that begins with another one's checkpoint.
BEGUN_CHECKS: Mapping[str, Check] = {**TRAIN_CHECKS, "beginning_holds": beginning_holds}
EVALUATE_CHECKS: Mapping[str, Check] = {
    "manifest_is_whole": manifest_is_whole,
    "returns_are_finite": returns_are_finite,
    "digest_chain_holds": digest_chain_holds,
}
ANALYZE_CHECKS: Mapping[str, Check] = {
    "manifest_is_whole": manifest_is_whole,
    "digest_chain_holds": digest_chain_holds,
}
