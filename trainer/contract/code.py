"""Records the code that a stage runs: its files' digests, and how they differ from their commit; it changes none."""

import json

from trainer.contract.checkout import NAMED, Patch, checkout_of
from trainer.contract.code_files import TRAINER, code_digest, code_files
from trainer.contract.git import GitFailed
from trainer.contract.manifest import Artifact, Stage
from trainer.contract.provenance import Code
from trainer.contract.run_directory import RunDirectory, atomic_file, file_digest, write_text


def record_code(run: RunDirectory, stage: Stage) -> Code:
    """Write `code_files.json`, and `code.patch` if anything differs from the commit, to the stage's folder."""
    write_text(run.stage(stage) / "code_files.json", json.dumps(dict(code_files()), indent=2) + "\n")
    checkout = checkout_of(TRAINER / "__init__.py")
    if checkout is None:
        return Code(files=code_digest())
    base = Code(commit=checkout.commit, branch=checkout.branch, files=code_digest())
    try:
        patch = checkout.patch(but=run.path)
    except GitFailed as error:
        return base.model_copy(update={"left_out": {"*": f"no patch was made: {error}"}, "left_out_count": 1})
    return base.model_copy(update=_found(patch, run, stage))


def code_artifacts(run: RunDirectory, stage: Stage, code: Code) -> tuple[Artifact, ...]:
    """The files that `record_code` left."""
    files = [run.stage(stage) / "code_files.json", *([run.path / code.patch] if code.patch else [])]
    return tuple(Artifact.of(file, run) for file in files)


def code_facts(run: RunDirectory, code: Code | None) -> dict[str, str | None]:
    """What others may know of a stage's code: commit, digests of its files and of its patch, never the patch's text."""
    patch = run.path / code.patch if code and code.patch else None
    digest = file_digest(patch) if patch and patch.is_file() else None
    return {"commit": code.commit if code else None, "code_files": code.files if code else None, "patch": digest}


def _found(patch: Patch, run: RunDirectory, stage: Stage) -> dict[str, object]:
    """The fields of `Code` that a patch gives; writes it."""
    file = run.stage(stage) / "code.patch"
    file.unlink(missing_ok=True)
    if patch.content:
        with atomic_file(file) as temporary:
            temporary.write_bytes(patch.content)
    return {
        "dirty": patch.dirty,
        "patch": run.relative(file) if patch.content else None,
        "left_out": dict(list(patch.left_out.items())[:NAMED]),
        "left_out_count": len(patch.left_out),
    }
