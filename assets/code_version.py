"""The version of the code that stages run: a digest of the trainer's source files; it never imports them."""

from trainer.contract import code_digest


def trainer_code_version() -> str:
    """The first 16 hex digits of the digest that manifests record as `code.files`."""
    return code_digest().removeprefix("sha256:")[:16]
