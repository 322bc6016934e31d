"""What a stage ran on, as data: machine and packages, code, the process; it never looks at any of them."""

from pydantic import Field

from trainer.plain.model import FrozenModel, digest_of


class Environment(FrozenModel):
    """Python, packages and machine. `fingerprint` digests what of it, with the code, can change a result."""

    python: str = Field(description="Version of Python.")
    implementation: str = Field(description="Which Python: `CPython`.")
    platform: str = Field(description="Operating system and C library.")
    machine: str = Field(description="Architecture: `x86_64`.")
    hostname: str = Field(description="The machine's name.")
    cpu: str | None = Field(default=None, description="Model of the CPU.")
    cpu_count: int = Field(description="CPUs that this process may use.")
    cpu_capability: str | None = Field(default=None, description="Instructions that torch uses: `AVX2`, `AVX512`.")
    memory_bytes: int | None = Field(default=None, description="Memory of the machine.")
    gpu: str | None = Field(default=None, description="Model of the GPU; none: torch sees none.")
    gpu_memory_bytes: int | None = Field(default=None, description="Memory of the GPU.")
    cuda: str | None = Field(default=None, description="CUDA that torch was built for; none: a CPU build.")
    cudnn: str | None = Field(default=None, description="Version of cuDNN.")
    cublas_workspace: str | None = Field(
        default=None, description="CUBLAS_WORKSPACE_CONFIG of a stage on a GPU, which fixes the order of sums there."
    )
    torch: str | None = Field(default=None, description="Version of torch; none: this stage does not use it.")
    torch_threads: int | None = Field(default=None, description="Threads of torch on the CPU.")
    device: str | None = Field(default=None, description="Where tensors were computed: `cpu`, `cuda`, `cuda:1`.")
    packages: dict[str, str] = Field(description="Version of every installed package, by name.")
    variables: dict[str, str | None] = Field(
        default={}, description="Values of `controls.capture_env`; none: was not set."
    )
    fingerprint: str = Field(default="", description="Digest of what can change a result, `code.files` included.")

    def with_fingerprint(self, code_files: str | None) -> "Environment":
        """The same, its fingerprint taken: equal on two machines where the same spec should give the same result."""
        device = self.device.partition(":")[0] if self.device else None
        same = self.plain() | {"device": device, "code_files": code_files}
        kept = (*DECISIVE, *(OF_A_GPU if device == "cuda" else ()))
        return self.model_copy(update={"fingerprint": digest_of({name: same[name] for name in kept})})


DECISIVE = (
    "python",
    "implementation",
    "machine",
    "cpu_capability",
    "cuda",
    "torch_threads",
    "device",
    "packages",
    "variables",
    "code_files",
)
OF_A_GPU = ("gpu", "cudnn", "cublas_workspace")


class Code(FrozenModel):
    """The trainer's code. Commit, branch, dirty and patch are none where it does not lie in a git checkout."""

    commit: str | None = Field(default=None, description="The commit that is checked out.")
    branch: str | None = Field(default=None, description="Its branch; none where no branch is checked out.")
    dirty: bool | None = Field(default=None, description="Whether files differ from the commit, or are untracked.")
    files: str = Field(description="Digest of `code_files.json`: the trainer's source files, each with its digest.")
    patch: str | None = Field(
        default=None, description="What `git apply` makes of the commit what ran; relative to the run directory."
    )
    left_out: dict[str, str] = Field(
        default={}, description="Changed files that the patch lacks, each with the reason."
    )
    left_out_count: int = Field(default=0, description="How many these are; at most 100 are named.")


class Compute(FrozenModel):
    """The process that ran the stage, or the first of those that did."""

    kind: str = Field(description="`local`, `in_process`, `command` (python -m trainer by hand), or as it was told.")
    process: str = Field(description="`host pid start`: the process, told from a later one of the same number.")
    job_id: str | None = Field(default=None, description="The job at the cluster that ran it; none on this machine.")
    world_size: int = Field(default=1, description="How many processes did it together; this is the first of them.")
