"""An experiment of many runs as plain data: variants (arms, a grid, both) times seeds; it launches nothing.

Every run's spec is an ordinary one: the base with its variant's changes, the experiment's name and its own seed.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Any, Self

import yaml
from pydantic import Field, field_validator, model_validator

from trainer.algorithm.declaration import exposed
from trainer.algorithm.overrides import accepted_overrides
from trainer.contract.difference import factor_changes
from trainer.contract.override_text import read_choice
from trainer.contract.presets import preset_by_name
from trainer.contract.spec import TrainAndEvalSpec, accepted_name
from trainer.contract.spec_file import with_values_at
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Problem, Refused

VARIANT = r"[A-Za-z0-9](?!.*\.\.\.)[A-Za-z0-9_.=+-]{0,79}\Z"
ONLY = "base"
LONGEST_VALUE, LONGEST_NAME = 24, 80
NOT_A_VARIANTS: Mapping[str, str] = {
    "name": "is the experiment's name in every run",
    "controls.seed": "is what `seeds` says",
}


def accepted_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """The seeds, each given once and one that a run can have; raises `ValueError`."""
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise ValueError(f"{twice[0]} is given twice; the same run twice says nothing new")
    outside = [seed for seed in seeds if not 0 <= seed < 2**32]
    if outside:
        raise ValueError(f"{outside[0]} is no seed; seeds are 0 to 2^32 - 1")
    return seeds


class Arm(FrozenModel):
    """What one variant changes; nothing at all in the one that the others are compared with."""

    set: dict[str, Any] = Field(default={}, description="Values by dotted path: `{trainer.ppo.gamma: 0.98}`.")
    overrides: dict[str, Any] = Field(
        default={}, description="What runs in exposed steps, as in a spec or as `--override` takes it."
    )
    seeds: tuple[int, ...] = Field(
        default=(), description="Its own seeds; none: the experiment's. Seeds that no other arm has are not paired."
    )

    _seeds_differ = field_validator("seeds")(accepted_seeds)

    def of(self, base: TrainAndEvalSpec) -> TrainAndEvalSpec:
        """The base with these changes; raises `Refused`."""
        for path, why in NOT_A_VARIANTS.items():
            if path in self.set:
                raise Refused.one(path, self.set[path], why)
        return self.changed(base)

    def changed(self, base: TrainAndEvalSpec) -> TrainAndEvalSpec:
        """The same, whatever paths they are; raises `Refused`."""
        choices = accepted_overrides({path: _choice(path, choice) for path, choice in self.overrides.items()})
        changed = with_values_at(base, self.set.items())
        return with_values_at(changed, [("overrides", {**changed.overrides, **choices})]) if choices else changed

    def also(self, point: Mapping[str, Any]) -> "Arm":
        """This arm at a point of a grid, whose paths are values' or exposed steps'."""
        steps = {path: choice for path, choice in point.items() if path in exposed()}
        values = {path: value for path, value in point.items() if path not in steps}
        twice = [path for path in point if path in {**self.set, **self.overrides}]
        if twice:
            raise Refused.one(twice[0], point[twice[0]], "is in the grid and in an arm; leave one of them out")
        return Arm(set={**self.set, **values}, overrides={**self.overrides, **steps}, seeds=self.seeds)


class VariantRun(FrozenModel):
    """One run of an experiment of many."""

    variant: str = Field(description="Which variant it is of.")
    seed: int = Field(description="Its seed, which is its spec's.")
    spec: TrainAndEvalSpec = Field(description="All that defines it.")


class Variants(FrozenModel):
    """An experiment of many runs: each variant of a base spec, once with each seed."""

    name: str = Field(description="Name of the experiment and of its runs.")
    description: str = Field(default="", description="What is asked, in a sentence.")
    base: TrainAndEvalSpec = Field(
        default=TrainAndEvalSpec(), description="What all runs share: a spec, or the name of a preset (arena, quick)."
    )
    arms: dict[str, Arm] = Field(default={}, description="Variants by name; the others are compared with the first.")
    grid: dict[str, tuple[Any, ...]] = Field(
        default={}, description="Values by path: every combination is a variant, with arms once in each of them."
    )
    seeds: tuple[int, ...] = Field(description="The seeds with which each variant runs that has none of its own.")
    single_factor: bool = Field(
        default=True, description="Whether an arm is refused that differs from the first one in more than one factor."
    )

    _preset_by_name = field_validator("base", mode="before")(preset_by_name)
    _can_name_a_run = field_validator("name")(accepted_name)

    @field_validator("arms")
    @classmethod
    def _arms_can_be_named(cls, arms: dict[str, Arm]) -> dict[str, Arm]:
        for name in arms:
            if not re.match(VARIANT, name):
                raise ValueError(
                    f"{name!r} cannot name a variant: 1 to 80 letters, digits, `_`, `.`, `=`, `+` and `-`, "
                    "the first a letter or digit"
                )
        return arms

    @field_validator("grid")
    @classmethod
    def _values_are_some_and_differ(cls, grid: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for path, values in grid.items():
            if not values:
                raise ValueError(f"{path} has no values; give at least one, or leave the path out")
            twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
            if twice is not None:
                raise ValueError(f"{path} is given {twice!r} twice; of two equal values leave one out")
        return grid

    @field_validator("seeds")
    @classmethod
    def _seeds_are_some(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds:
            raise ValueError("there is none; each variant runs once with each seed")
        return accepted_seeds(seeds)

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        self._refuse_equal_variants()
        if self.single_factor:
            self._refuse_two_factors()
        return self

    @cached_property
    def specs(self) -> Mapping[str, TrainAndEvalSpec]:
        """Each variant's spec, with the first of `seeds`; raises `Refused` with the variant of what is refused."""
        named = dict[str, TrainAndEvalSpec]()
        for name, arm, point in self._declared():
            if name in named:
                raise Refused.one("arms", name, "two variants have this name; rename the arm")
            named[name] = self._spec(name, arm, point)
        return named

    def runs(self) -> tuple[VariantRun, ...]:
        """Every run: for each variant one with each of its seeds, in the order of the declaration."""
        return tuple(
            VariantRun(variant=name, seed=seed, spec=_seeded(spec, seed))
            for name, spec in self.specs.items()
            for seed in self.seeds_of[name]
        )

    @cached_property
    def seeds_of(self) -> Mapping[str, tuple[int, ...]]:
        """The seeds of each variant: its arm's own, else the experiment's."""
        return {name: arm.seeds or self.seeds for name, arm, _ in self._declared()}

    def _declared(self) -> Iterator[tuple[str, Arm, Mapping[str, Any]]]:
        """Each variant as it is declared: its name, its arm, its point of the grid."""
        names = _short_names(self.grid)
        for (arm_name, arm), point in product((self.arms or {"": Arm()}).items(), product(*self.grid.values())):
            values = dict(zip(self.grid, point, strict=True))
            words = [f"{names[path]}={_word(value)}" for path, value in values.items()]
            yield _bounded("+".join(filter(None, [arm_name, *words])) or ONLY), arm, values

    def _spec(self, name: str, arm: Arm, point: Mapping[str, Any]) -> TrainAndEvalSpec:
        try:
            return _seeded(arm.also(point).of(self.base.model_copy(update={"name": self.name})), self.seeds[0])
        except Refused as refused:
            problems = (Problem(f"{name}: {each.path}", each.value, each.why) for each in refused.problems)
            raise Refused(problems) from None

    def _refuse_equal_variants(self) -> None:
        """Two equal variants are one, unless they have no seed in common: an A/A test."""
        seen = dict[tuple[str, int], str]()
        for name, spec in self.specs.items():
            for seed in self.seeds_of[name]:
                if other := seen.get((spec.spec_hash, seed)):
                    raise ValueError(
                        f"{name}: is the same as {other}; of two equal variants leave one out, or, for an A/A test, "
                        "give its arm `seeds` that the other has not"
                    )
                seen[spec.spec_hash, seed] = name

    def _refuse_two_factors(self) -> None:
        specs = {name: arm.of(self.base) for name, arm in self.arms.items()}
        for name, spec in list(specs.items())[1:]:
            first = next(iter(specs))
            found = factor_changes(specs[first], spec)
            if len(found) > 1:
                raise ValueError(
                    f"arms.{name}: differs from {first} in {len(found)} factors ({'; '.join(map(str, found))}), so a "
                    "difference would not say which of them made it; change one, cross them in `grid`, or say "
                    "single_factor: false"
                )


def _seeded(spec: TrainAndEvalSpec, seed: int) -> TrainAndEvalSpec:
    return spec.model_copy(update={"controls": spec.controls.model_copy(update={"seed": seed})})


def _choice(path: str, given: Any) -> Any:
    return read_choice(path, given) if isinstance(given, str) else given


def _short_names(grid: Mapping[str, Any]) -> dict[str, str]:
    """The last part of each path; the whole path where two end alike."""
    last = {path: path.rpartition(".")[2] for path in grid}
    return {path: name if list(last.values()).count(name) == 1 else path for path, name in last.items()}


def _word(value: Any) -> str:
    """A value as a part of a name: itself where it can be, else its letters and the beginning of its digest."""
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10**6)
    text = text.removesuffix("\n...\n").strip()
    word = re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.")[:LONGEST_VALUE]
    return word if word == text else f"{word}-{_short_digest(text)}".lstrip("-")


def _bounded(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 7]}-{_short_digest(name)}"


def _short_digest(text: str) -> str:
    return digest_of(text).removeprefix("sha256:")[:6]
