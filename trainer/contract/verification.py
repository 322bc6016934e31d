"""What came of repeating a training beside its record: where the bits part, what else differs; it repeats nothing."""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from trainer.contract.difference import Change, Difference
from trainer.contract.provenance import DECISIVE, OF_A_GPU
from trainer.plain.model import FrozenModel

Verdict = Literal["identical", "different"]

# The first of these that differs is where to look; draws depend on seeds alone, so that they come first.
SUSPECTS: Mapping[str, str] = {
    "random": "a stream of random numbers began elsewhere or was drawn from more or less often: another seed, "
    "or a step that draws more",
    "curriculum": "the curriculum remembered something else, or got other episodes to learn from",
    "rollout": "the environment or the policy gave something else: their seeds, their packages, the first weights, "
    "or threads that share a sum",
    "targets": "the same rollout was turned into other targets: the ops compute_reward and compute_advantage",
    "policy": "the same targets were learned otherwise: the ops of the update, torch, or its threads",
    "optimizer": "the same gradients were stepped otherwise: the ops clip_gradients and adam_step, or torch",
}


class Divergence(FrozenModel):
    """The first update whose digests differ from the recorded ones."""

    update: int = Field(description="Counted from 1.")
    tensor: str = Field(description="The first one that differs, in the order of the line.")
    groups: tuple[str, ...] = Field(description="All groups with a tensor that differs, in the order of the line.")
    recorded: str | None = Field(description="Its recorded digest; none: it was not there.")
    found: str | None = Field(description="Its digest now.")


class Damage(FrozenModel):
    """A file of the run that is not what was recorded."""

    path: str = Field(description="Relative to the run directory.")
    why: str = Field(description="What is wrong with it.")


class Verification(FrozenModel):
    """A training held against its repetition. The repetition ends at the first update that differs."""

    instance_name: str = Field(description="The run.")
    updates: int = Field(description="How many updates were found identical.")
    recorded_updates: int = Field(description="How many the run has on record.")
    begun_after: int = Field(default=0, description="Updates of another run before these; see `resume_from`.")
    divergence: Divergence | None = Field(default=None, description="Where the repetition went another way.")
    recorded_weights: str | None = Field(default=None, description="Digest of the weights, as recorded.")
    found_weights: str | None = Field(default=None, description="That of the repetition; none: it did not end.")
    damage: tuple[Damage, ...] = Field(default=(), description="Files that are not as recorded.")
    device: str = Field(default="cpu", description="Where tensors were computed.")
    conditions: Difference = Field(default=Difference(), description="What differs now: recorded → present.")

    @property
    def bits_identical(self) -> bool | None:
        """Whether all bits that were compared are; none if none were."""
        if self.divergence is not None or self.found_weights not in (None, self.recorded_weights):
            return False
        return True if self.updates else None

    @property
    def identity(self) -> tuple[Change, ...]:
        """The differing conditions that belong to the result: spec, ops and their source, packages, threads, device.

        So does the number of processes: it changes no step, but the rounding of sums over a minibatch.
        """
        found = self.conditions
        sources = (change for change in found.code if change.path.startswith("ops."))
        decisive = (*DECISIVE, "world_size", *(OF_A_GPU if self.device.startswith("cuda") else ()))
        around = (change for change in found.environment if change.path.partition(".")[0] in decisive)
        return (*found.spec, *found.overrides, *sources, *around)

    @property
    def verdict(self) -> Verdict:
        """`identical` only if bits, files and all that belongs to the result are."""
        differs = self.bits_identical is False or self.damage or self.identity
        return "different" if differs else "identical"

    @property
    def suspect(self) -> str | None:
        """What the tensors that differ first suggest; none if the bits do not."""
        if self.divergence is None:
            return None
        group = next((group for group in SUSPECTS if group in self.divergence.groups), self.divergence.groups[0])
        return SUSPECTS.get(group, f"look at {group}")

    def lines(self) -> Iterator[str]:
        """The verdict in a line, then why, for people."""
        yield f"{self.verdict}: {self._bits()}"
        for damage in self.damage:
            yield f"  file {damage.path}: {damage.why}"
        for change in self.conditions.conditions:
            yield f"  {'differs' if change in self.identity else 'also differs'}: {change}"
        if self.suspect:
            causes = ", ".join(change.path for change in self.identity or self.conditions.conditions)
            yield f"  likely cause: {causes or 'no recorded condition differs'}; {self.suspect}"

    def _bits(self) -> str:
        if (found := self.divergence) is not None:
            where = f"update {found.update} of {self.begun_after + self.recorded_updates}, first at {found.tensor}"
            return f"{self.instance_name} parts from its record in {where}"
        if self.bits_identical is False:
            return f"{self.instance_name} ends with the weights {self.found_weights}, not {self.recorded_weights}"
        compared = f"{self.updates} of {self.recorded_updates} updates" if self.updates else "no update was compared"
        weights = " and the weights" if self.found_weights else ""
        bits = f"{compared}{weights} bit for bit the same" if self.updates else compared
        counts = {"file": len(self.damage), "condition": len(self.identity)}
        other = " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items() if count)
        differ = "differs" if sum(counts.values()) == 1 else "differ"
        return f"{self.instance_name}: {bits}" + (f", but {other} {differ}" if other else "")
