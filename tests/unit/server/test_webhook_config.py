"""A webhook is signed and goes over HTTPS, or the configuration is refused."""

import pytest

from server.config import ConfigError, load_config

SECRET = "a secret of the CRM's"


@pytest.mark.parametrize(
    ("section", "fix"),
    [
        ({"url": "https://crm.example.com/hook"}, "set secret too"),
        ({"url": "http://crm.example.com/hook", "secret": SECRET}, "must be https"),
        ({"url": "crm", "secret": SECRET}, "must be https"),
        ({"url": "https://crm.example.com", "secret": "short"}, "at least 16"),
    ],
)
def test_webhook_that_would_not_be_safe_is_refused_with_the_fix(
    section: dict[str, str], fix: str
) -> None:
    with pytest.raises(ConfigError, match=fix) as error:
        load_config(webhook=section)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("url", ["https://crm.example.com/hook", "http://127.0.0.1:9000/hook"])
def test_webhook_that_is_signed_is_taken_and_its_secret_masked(url: str) -> None:
    config = load_config(webhook={"url": url, "secret": SECRET})
    assert config.webhook.url == url
    assert SECRET not in repr(config)
