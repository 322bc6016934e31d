"""Experiments as files: a spec, variants or phases; which of them a file holds is told by its keys. It runs none."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainer.contract.spec import TrainAndEvalSpec
from trainer.contract.spec_file import read_spec_data, save_declaration
from trainer.contract.variants import Variants
from trainer.plain.refusal import Refused

if TYPE_CHECKING:
    from trainer.contract.composition import Composition

ONLY_OF_VARIANTS = ("arms", "grid", "seeds", "base")


def load_variants(path: str | Path) -> Variants:
    """Read a declaration of many runs; raises `Refused` with path and value of all that is wrong."""
    return Variants.accept(read_spec_data(path))


def load_experiment(path: str | Path) -> "TrainAndEvalSpec | Variants | Composition":
    """Read a spec, or a declaration of many runs where the file has a key that only such a one has."""
    data = read_spec_data(path)
    if isinstance(data, Mapping) and "space" in data:
        raise Refused.one("SPEC", str(path), "is a sweep; run it with `axiom sweep`")
    if isinstance(data, Mapping) and "phases" in data:
        # Here and not above: whoever runs a spec need not wait for it.
        from trainer.contract.composition import Composition

        return Composition.accept(data)
    if isinstance(data, Mapping) and any(key in cast("Mapping[str, Any]", data) for key in ONLY_OF_VARIANTS):
        return Variants.accept(data)
    return TrainAndEvalSpec.accept(data)


def save_variants(variants: Variants, path: str | Path) -> Path:
    """Write the declaration to a `.yaml`, `.yml` or `.json` file; reading it back gives an equal one."""
    return save_declaration(variants, path, "variants")
