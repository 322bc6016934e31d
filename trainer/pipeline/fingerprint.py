"""One digest of all that a pipeline is: names, kinds, bounds, exposure, callables, overrides; never of its runs."""

from trainer.pipeline.identity import described
from trainer.pipeline.steps import Body
from trainer.plain.model import digest_of


def fingerprint(body: Body) -> str:
    """`sha256:…`, equal for equal construction in every process; `described` says how callables are identified."""
    return digest_of(described(body))
