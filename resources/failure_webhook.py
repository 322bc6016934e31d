"""Posts a text to a chat's webhook; its address is a secret, so it stands in no config, no error and no log."""

import os
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from trainer.contract import Refused, redacted

URL_VARIABLE = "AXIOM_WEBHOOK_SECRET_URL"
ACCEPTED = range(200, 300)


class FailureWebhook(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument]
    """A webhook that takes Slack's JSON, `{"text": …}`."""

    url_variable: str = Field(
        default=URL_VARIABLE,
        description="Environment variable that holds the webhook's address; a name with SECRET in it is masked in all "
        "that is recorded.",
    )
    ui_url: str = Field(default="http://127.0.0.1:3000", description="The Dagster UI as its readers reach it.")
    tries: int = Field(default=3, description="How often a post is tried, 1 to 5.", ge=1, le=5)
    timeout_seconds: float = Field(default=5.0, description="Longest time of one try, at most 10.", gt=0, le=10)
    pause_seconds: float = Field(default=1.0, description="Pause before the second try, doubled each time.", ge=0, le=5)

    @property
    def address(self) -> str | None:
        """Where to post; none where the variable is not set. Raises `Refused` for what is no http address."""
        url = os.environ.get(self.url_variable, "").strip()
        if url and not url.startswith(("https://", "http://")):
            raise Refused.one(self.url_variable, "[secret]", "must begin with https:// or http://")
        return url or None

    def post(self, text: str) -> None:
        """Post the text, its secrets masked.

        Raises `dg.Failure` where no try was accepted; a refusal (HTTP 4xx but 429) is not tried again.
        """
        address = self.address
        if address is None:
            raise dg.Failure(f"{self.url_variable} is not set, so nothing can be posted")
        said = ""
        for number in range(self.tries):
            if number:
                time.sleep(self.pause_seconds * 2 ** (number - 1))
            accepted, again, said = self._try(address, {"text": redacted(text).replace(address, "[secret]")})
            if accepted:
                return
            if not again:
                break
        raise dg.Failure(f"the webhook of {self.url_variable} took nothing: {said}")

    def _try(self, address: str, body: Mapping[str, Any]) -> tuple[bool, bool, str]:
        """Whether it was accepted, whether another try may be, and what was answered."""
        import requests

        try:
            answer = requests.post(address, json=body, timeout=self.timeout_seconds, allow_redirects=False)
        except requests.RequestException as error:
            # Its own words hold the address.
            return False, True, f"{type(error).__name__} within {self.timeout_seconds:g} s"
        again = answer.status_code == requests.codes.too_many_requests or answer.status_code >= 500
        return answer.status_code in ACCEPTED, again, f"HTTP {answer.status_code}"
