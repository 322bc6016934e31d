"""What SkyPilot raised, as plain text and with what to do about it; it never hands on a secret or a traceback."""

import re
from collections.abc import Iterable, Iterator

from trainer.contract import redacted

_MOST = 4000
_MASK = "[secret]"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

# Kinds first, then words: SkyPilot raises the same class for many reasons.
_REMEDIES = {
    "ApiServerConnectionError": "Start the API server (`sky api start`), or look at its address (`sky api info`).",
    "ApiServerAuthenticationError": "Log in again: `sky api login`.",
    "NoCloudAccessError": "No infrastructure is enabled: `sky check` says what each one lacks.",
    "ResourcesUnavailableError": "Ask for resources that exist and are free: another accelerator, region or infra, "
    "`spot` the other way, or later; `sky gpus list` shows what there is.",
    "ResourcesMismatchError": "The cluster has other resources than the task asks for: use another cluster name, or "
    "`sky down` the old one.",
    "InvalidCloudCredentials": "Renew the credentials of that cloud, then `sky check`.",
    "CloudUserIdentityError": "Renew the credentials of that cloud, then `sky check`.",
    "ClusterOwnerIdentityMismatchError": "The cluster belongs to another identity: use it, or another cluster name.",
    "InvalidClusterNameError": "Give `cluster` a name of letters, digits and dashes that begins with a letter.",
    "ClusterNotUpError": "The cluster is not up: `sky status` says why; `sky down` removes it.",
    "NotSupportedError": "That infrastructure cannot do it: change `infra`, or leave the setting out.",
    "RequestCancelled": "Somebody cancelled the request: launch again.",
    "TimeoutExpired": "Look whether the API server answers: `sky api info`, `sky api status`.",
}
_WORDS = (
    (r"credential|expired|unauthori[sz]ed|reauth|token", "Renew the credentials of that cloud, then `sky check`."),
    (r"no cloud|not enabled|is disabled", _REMEDIES["NoCloudAccessError"]),
    (r"accelerator|no launchable resource|out of capacity|quota|unavailable", _REMEDIES["ResourcesUnavailableError"]),
    (r"setup", "Run the setup lines by hand on such a machine (`ssh CLUSTER`), and mend them in `setup`."),
    (r"connection|connect to|timed out|network", "Look whether this machine reaches the API server: `sky api info`."),
    (r"permission denied|read-only|no space", "Give a path that the job's user may write to."),
)
_OTHERWISE = "`sky api status` lists the requests, `sky api logs REQUEST` says more."


def failure_of(error: BaseException, hidden: Iterable[str] = ()) -> dict[str, str]:
    """The class of an error and its words, with what it tried before (`failover_history`), without `hidden` values."""
    said = "\n".join(dict.fromkeys(_words(error)))
    for value in filter(None, hidden):
        said = said.replace(value, _MASK)
    return {"kind": type(error).__name__, "said": _clean(said)}


def remedy_for(kind: str, said: str) -> str:
    """What to do about it."""
    by_word = (remedy for pattern, remedy in _WORDS if re.search(pattern, said, re.IGNORECASE))
    return _REMEDIES.get(kind) or next(by_word, _OTHERWISE)


def _words(error: BaseException) -> Iterator[str]:
    yield str(error).strip() or type(error).__name__
    attempts: list[Exception] = getattr(error, "failover_history", None) or []
    for tried in attempts:
        yield f"{type(tried).__name__}: {tried}".strip()
    if isinstance(error.__cause__, Exception):
        yield f"{type(error.__cause__).__name__}: {error.__cause__}".strip()


def _clean(text: str) -> str:
    """Without colours, passwords and secrets, and no longer than a screen or two; the end says most."""
    plain = redacted(_COLOUR.sub("", text)).strip()
    return plain if len(plain) <= _MOST else f"… {plain[-_MOST:]}"
