"""Where an asset's code and its pages are, for the Dagster UI; it reads git's files, and never runs git."""

import re
import warnings
from collections.abc import Mapping, Sequence
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dagster as dg

ROOT = Path(__file__).parents[1]
PAGES: Mapping[str, Sequence[str]] = {
    "train": ("spec", "exposure", "skypilot"),
    "evaluate": ("manifest", "reproducibility"),
    "analyze": ("ui", "manifest", "reproducibility"),
    "compare": ("comparison", "analysis"),
}
ADDRESS = re.compile(r"(?:https?://|ssh://)?(?:[^@/]+@)?(?P<host>[\w.-]+)(?::\d+)?[:/](?P<path>[\w./~-]+?)(?:\.git)?/?")


@dataclass(frozen=True)
class Remote:
    """A repository on GitHub or GitLab, at a branch or commit."""

    url: str
    revision: str

    def file(self, path: str) -> str:
        """The address of a file's page."""
        return f"{self.url}/{'-/' if 'gitlab' in self.url else ''}blob/{self.revision}/{path}"


def linked(assets: Sequence[dg.AssetsDefinition], root: Path = ROOT) -> list[dg.AssetsDefinition]:
    """The assets with references to their code and to their pages: addresses where a remote is known, else paths."""
    remote = remote_of(root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        referring = dg.with_source_code_references(assets)
        if remote is not None:
            anchor = dg.AnchorBasedFilePathMapping(root / "pyproject.toml", "pyproject.toml")
            referring = dg.link_code_references_to_git(referring, remote.url, remote.revision, anchor)
    return [_with_pages(asset, remote, root) for asset in cast("Sequence[dg.AssetsDefinition]", referring)]


def remote_of(root: Path) -> Remote | None:
    """`origin` of the repository in this folder; none where there is none, or on a host whose pages are not known.

    Never with the user or the token that its address may hold.
    """
    config = ConfigParser(strict=False, interpolation=None)
    try:
        config.read(root / ".git" / "config")
        head = (root / ".git" / "HEAD").read_text().strip()
    except (OSError, Error, UnicodeDecodeError):
        return None
    found = ADDRESS.fullmatch(config.get('remote "origin"', "url", fallback=""))
    if found is None or not any(host in found["host"] for host in ("github", "gitlab")):
        return None
    return Remote(f"https://{found['host']}/{found['path'].strip('/')}", head.removeprefix("ref: refs/heads/"))


def _with_pages(asset: dg.AssetsDefinition, remote: Remote | None, root: Path) -> dg.AssetsDefinition:
    def page(name: str) -> dg.MetadataValue:
        path = f"docs/{name}.md"
        return dg.MetadataValue.url(remote.file(path)) if remote else dg.PathMetadataValue(str(root / path))

    def with_pages(spec: dg.AssetSpec) -> dg.AssetSpec:
        pages = {f"page: {name}": page(name) for name in PAGES.get(spec.key.path[-1], ())}
        return spec.merge_attributes(metadata=pages)

    return asset.map_asset_specs(with_pages)
