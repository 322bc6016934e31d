"""The artifacts of the W&B server on loopback: what is uploaded by the official client, and when it was committed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote


@dataclass
class Artifacts:
    """All artifacts: their files by name, as they came, and the names of those that were committed."""

    url: Callable[[], str]
    files: dict[str, bytes] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)

    def root(self) -> dict[str, Any]:
        """What GraphQL may ask for."""
        return {
            "createArtifact": self._create,
            "createArtifactManifest": self._manifest,
            "updateArtifactManifest": self._manifest,
            "createArtifactFiles": self._files,
            "commitArtifact": self._commit,
        }

    def _create(self, given: Mapping[str, Any]) -> dict[str, Any]:
        said = given["input"]
        self.begun.append(said["artifactCollectionName"])
        sequence = {"id": "sequence-1", "latestArtifact": None}
        return {"artifact": {"id": f"{len(self.begun)}", "state": "PENDING", "artifactSequence": sequence}}

    def _manifest(self, given: Mapping[str, Any]) -> dict[str, Any]:
        file = {"id": "file-1", "name": "wandb_manifest.json", "displayName": "wandb_manifest.json"}
        file |= {"uploadUrl": self._place("wandb_manifest.json"), "uploadHeaders": []}
        return {"artifactManifest": {"id": "manifest-1", "file": file}}

    def _files(self, given: Mapping[str, Any]) -> dict[str, Any]:
        nodes = [
            {
                "id": f"file-{said['name']}",
                "name": said["name"],
                "displayName": said["name"],
                "storagePath": said["name"],
                "uploadUrl": self._place(said["name"]),
                "uploadHeaders": [],
                "artifact": {"id": said["artifactID"]},
            }
            for said in given["input"]["artifactFiles"]
        ]
        return {"files": {"edges": [{"node": node} for node in nodes]}}

    def _commit(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self.committed.append(self.begun[int(given["input"]["artifactID"]) - 1])
        return {"artifact": {"id": given["input"]["artifactID"], "digest": "md5"}}

    def _place(self, name: str) -> str:
        return f"{self.url()}/artifacts/{quote(name)}"
