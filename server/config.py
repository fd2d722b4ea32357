"""Configuration: frontdesk.toml, then environment variables over it, validated once at start.

An environment variable is the key in capitals behind FRONTDESK_, sections split by two underscores:
`[sip] port` is FRONTDESK_SIP__PORT. DATABASE_URL, as hosting platforms set it, is `[database] url`.
"""

import os
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from server.desk.settings import DeskConfig
from server.handoff.settings import HandOffConfig
from server.processes.settings import ServeConfig

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Calls = Annotated[int, Field(ge=1)]
IceUrl = Annotated[
    str, Field(pattern=r"^(stun|turns?):[^\s?:/]+(:\d{1,5})?(\?transport=(udp|tcp))?$")
]


class ConfigError(Exception):
    """The configuration is wrong; the message names the key, the value and the fix."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _web_address(url: str) -> str:
    """`url`, of which a path may be added to, without the slash at its end.

    Raises:
        ValueError: it is no such URL.
    """
    parts = urlsplit(url)
    plain = not (parts.username or parts.query or parts.fragment)
    # Reading a port that is none raises ValueError.
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.port == 0:
        plain = False
    if not plain:
        raise ValueError("it must look like https://desk.example.com")
    return url.rstrip("/")


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")


class SipConfig(_Section):
    host: str = "0.0.0.0"  # noqa: S104  callers come from other machines
    port: Port = 5060
    advertised_host: str | None = None  # what callers are told to send to, when behind NAT
    max_calls: int = Field(default=50, ge=1)
    retry_after_s: int = Field(default=30, ge=1)  # told to a caller who finds us full
    realm: str = Field(default="frontdesk", pattern=r'^[^"\\]+$')  # of agents' phones' passwords
    digest: tuple[Literal["SHA-256", "MD5"], ...] = ("MD5",)
    """What phones may register with, best first; some that know MD5 only fail when offered more."""
    caller: str | None = None  # the sip URI that calls of ours come from; none: our address
    proxy: str | None = None  # host:port of the PBX or trunk that calls of ours go through
    proxy_user: str | None = None
    proxy_password: SecretStr | None = None


class RtpConfig(_Section):
    port_min: Port = 20_000
    port_max: Port = 29_999
    media_timeout_s: Seconds = 20.0  # no packet for so long: the caller is gone
    precedence: bool = True  # calls go before whatever else the machine does, where it allows that

    @model_validator(mode="after")
    def _ordered(self) -> "RtpConfig":
        if self.port_max <= self.port_min:
            raise ValueError("port_max must be above port_min")
        return self


class StreamsConfig(_Section):
    """Calls that carriers bring as media streams over WebSockets, in Twilio's dialect."""

    host: str = "127.0.0.1"  # carriers speak TLS only: a proxy ends it and passes on to here
    port: Port | None = None  # none: no streams are taken
    auth_token: SecretStr | None = Field(default=None, min_length=1)
    """The carrier account's, which it signs with; none: only programs on this machine may call."""
    public_url: str | None = Field(default=None, validate_default=True)
    """https://…, by which carriers reach that proxy, and which they sign."""

    # Not of the whole section: an error shows what it is about, and that must not be the token.
    @field_validator("public_url")
    @classmethod
    def _can_be_signed(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url is None:
            if others.data.get("auth_token") is not None:
                raise ValueError("auth_token needs it: set it to the URL that carriers are given")
            return None
        return _web_address(url)


class HttpConfig(_Section):
    host: str = "127.0.0.1"
    port: Port = 8080
    token: SecretStr | None = Field(default=None, min_length=1)
    """Opens /v1 for programs; without one only people who signed in get there."""
    public_url: str | None = None
    """https://…, by which browsers reach us when a proxy ends TLS; none: by whatever they used."""

    @field_validator("public_url")
    @classmethod
    def _names_a_site(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).path.strip("/"):
            raise ValueError("it must look like https://desk.example.com, without a path")
        return None if url is None else _web_address(url)


class AccountsConfig(_Section):
    """Who signs in here: users are made by `./frontdesk users add`."""

    session_idle_s: Seconds = 3600.0  # a page that is closed for so long signs in again
    session_max_s: Seconds = 43_200.0  # a shift: whoever signed in so long ago signs in again
    min_password: int = Field(default=12, ge=8)  # characters


class OidcConfig(_Section):
    """Sign-in by an OpenID provider; off while there is no issuer."""

    issuer: str | None = None  # https://login.example.com/realms/shop, as its tokens name it
    client_id: str = Field(default="", validate_default=True)
    client_secret: SecretStr | None = Field(default=None, min_length=1)
    name: str = Field(default="your company account", min_length=1)  # on the sign-in page
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    login_claim: str = "preferred_username"
    role_claim: str = "roles"  # a path, as in realm_access.roles
    roles: dict[str, Literal["agent", "supervisor", "admin", "auditor"]] = Field(
        default_factory=dict, validate_default=True
    )
    """Value of the claim → role here; the first that fits counts, who has none is refused."""

    @field_validator("issuer")
    @classmethod
    def _keeps_tokens_secret(cls, issuer: str | None) -> str | None:
        # Tokens and the provider's keys come over this connection.
        if issuer is not None and urlsplit(issuer).scheme != "https" and not _is_here(issuer):
            raise ValueError("it must begin with https://")
        return issuer

    @field_validator("client_id", "roles")
    @classmethod
    def _belongs_to_an_issuer(cls, value: Any, others: ValidationInfo) -> Any:
        if others.data.get("issuer") is not None and not value:
            raise ValueError("issuer needs it: set it, or remove issuer")
        return value


class IceServerConfig(_Section):
    """STUN or TURN servers that share credentials."""

    urls: tuple[IceUrl, ...] = Field(min_length=1)
    secret: SecretStr | None = None
    """A TURN server's static-auth-secret: each browser is told a name and password of its own, good
    for a shift. Without it all are told these, which never expire: for a user that may only relay.
    """
    credential: SecretStr | None = None
    username: str | None = Field(default=None, validate_default=True)

    # Not of the whole section: an error shows what it is about, and that must not be the secret.
    @field_validator("username")
    @classmethod
    def _relays_know_us(cls, username: str | None, others: ValidationInfo) -> str | None:
        relays = any(url.startswith("turn") for url in others.data.get("urls", ()))
        known = username is not None and others.data.get("credential") is not None
        if relays and not known and others.data.get("secret") is None:
            raise ValueError("a TURN server needs a secret, or a username and a credential")
        return username


class PhoneConfig(_Section):
    """Calls from browsers: the page /phone."""

    enabled: bool = False  # whoever reaches the page may call, so it is opened on purpose
    codec: Literal["pcmu", "opus"] = "pcmu"  # preferred; Opus costs five times the work
    ice_servers: tuple[IceServerConfig, ...] = ()
    host_addresses: tuple[str, ...] | None = None
    """Of this machine, at which browsers may send their audio; none: all of them."""
    allowed_origins: tuple[str, ...] = ()
    """https://…, under which a proxy serves the page when it changes the Host header."""

    @field_validator("host_addresses")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for address in addresses or ():
            ip_address(address)  # raises ValueError, which names it
        return addresses


class DatabaseConfig(_Section):
    url: SecretStr | None = None  # none: an embedded PostgreSQL under the data folder


class BackendConfig(_Section):
    """The system whose records change: any service that publishes an OpenAPI document."""

    url: str = "http://127.0.0.1:8081"
    token: SecretStr | None = None


class VendorConfig(_Section):
    """A recogniser elsewhere, through Pipecat; ours takes over when it is late or fails."""

    service: str = Field(min_length=1)  # deepgram, or deepgram.stt:DeepgramSTTService
    arguments: dict[str, Any] = Field(default_factory=dict, repr=False)  # api_key and the like
    settings: dict[str, Any] = Field(default_factory=dict)  # model, language
    lanes: int = Field(default=4, ge=1)  # utterances at a time
    deadline_s: Seconds = 1.0  # after which ours is asked


class SpeechConfig(_Section):
    stt: str = "frontdesk-small"
    voice: str = "espeak"
    threads: int = Field(default=2, ge=1)  # of recognition, over all calls
    shared: Literal["auto"] | bool = "auto"
    """Whether several processes have one recogniser, in a process of its own, or one each. auto:
    one where the model's weights are over 50 MB, which each would load, or are on a GPU."""
    turn_model: Literal["none", "smart_turn"] = "none"
    """smart_turn hears whether a caller is done, where the words cannot tell."""
    vendor: VendorConfig | None = None


class DialogConfig(_Section):
    flow: str = "orders"  # a shipped flow by name, or the path of a YAML file
    no_input_s: Seconds = 7.0


class RecordingConfig(_Section):
    enabled: bool = True


class ApprovalConfig(_Section):
    """Actions that run only once a supervisor has approved them, on the board or at the desk."""

    actions: tuple[str, ...] = ()  # as the flow performs them: change_address
    wait_s: Seconds = 12.0  # on the line; then the dialog goes on, and the action still waits


class WebhookConfig(_Section):
    """A CRM that is told of hand-offs, in signed POSTs (Standard Webhooks)."""

    secret: SecretStr | None = Field(default=None, min_length=16)
    """What the receiver checks signatures with: whsec_ and base64, or any text."""
    url: str | None = Field(default=None, validate_default=True)

    # Not of the whole section: an error shows what it is about, and that must not be the secret.
    @field_validator("url")
    @classmethod
    def _can_be_signed(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme == "http" and local)
        ):
            raise ValueError("it must be https://…, since it carries what callers said")
        if others.data.get("secret") is None:
            raise ValueError("set secret too: a webhook that is not signed proves nothing")
        return url


class SummaryConfig(_Section):
    """A language model that writes the summary for the agent; without one a template does."""

    url: str | None = None  # of an OpenAI-compatible API, up to /v1
    model: str = "default"
    token: SecretStr | None = None
    deadline_s: Seconds = 4.0  # the template's summary is on the screen meanwhile


class LoadConfig(_Section):
    """Who gets a line when there are not enough, beside [sip] max_calls, and how we stop."""

    calls_per_trunk: Calls | None = None  # at a time, from one SIP peer or media stream account
    calls_per_caller: Calls | None = None  # at a time, from one number
    trunks: dict[str, Calls] = Field(default_factory=dict)
    """Trunks with limits of their own: a SIP peer's IP address or an account → calls."""
    spared_calls: int = Field(default=5, ge=0)
    """With no more calls than these up, none is refused and nothing is shed for want of headroom:
    so few calls are not what keeps the machine busy."""
    drain_s: float = Field(default=120.0, ge=0)  # how long calls may go on after SIGTERM
    farewell: str = "I am sorry, we have to end this call. Please call again in a few minutes."
    """What callers are told who are still there then; empty: nothing."""


class LogConfig(_Section):
    level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    personal: bool = False  # may log lines carry what callers said (keys that begin with pii_)


class Config(BaseSettings):
    """The whole configuration; every key has a default that works on one machine."""

    model_config = SettingsConfigDict(
        env_prefix="FRONTDESK_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Path("var")
    serve: ServeConfig = ServeConfig()
    sip: SipConfig = SipConfig()
    rtp: RtpConfig = RtpConfig()
    streams: StreamsConfig = StreamsConfig()
    http: HttpConfig = HttpConfig()
    phone: PhoneConfig = PhoneConfig()
    accounts: AccountsConfig = AccountsConfig()
    oidc: OidcConfig = OidcConfig()
    database: DatabaseConfig = DatabaseConfig()
    backend: BackendConfig = BackendConfig()
    speech: SpeechConfig = SpeechConfig()
    dialog: DialogConfig = DialogConfig()
    recording: RecordingConfig = RecordingConfig()
    approval: ApprovalConfig = ApprovalConfig()
    webhook: WebhookConfig = WebhookConfig()
    summary: SummaryConfig = SummaryConfig()
    handoff: HandOffConfig = HandOffConfig()
    desk: DeskConfig = DeskConfig()
    load: LoadConfig = LoadConfig()
    log: LogConfig = LogConfig()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What a command line gives wins over the environment, which wins over the file.
        toml = TomlConfigSettingsSource(settings_cls, toml_file=_file_in_use())
        return init_settings, env_settings, toml


def _file_in_use() -> Path | None:
    named = os.environ.get("FRONTDESK_CONFIG")
    path = Path(named or "frontdesk.toml")
    if named and not path.is_file():
        raise ConfigError(
            f"there is no configuration file {path}: check --config or FRONTDESK_CONFIG"
        )
    return path if path.is_file() else None


def load_config(path: Path | None = None, **overrides: Any) -> Config:
    """Read and check the configuration.

    Args:
        path: the TOML file; by default frontdesk.toml in the current folder, if there is one.
        overrides: sections that win over everything, as mappings: `sip={"port": 5070}`.

    Raises:
        ConfigError: a key is unknown or a value does not do; one line per fault.
    """
    if path is not None:
        os.environ["FRONTDESK_CONFIG"] = str(path)
    if url := os.environ.get("DATABASE_URL"):
        overrides.setdefault("database", {"url": url})
    try:
        return Config(**overrides)
    except ValidationError as error:
        raise ConfigError("\n".join(_fault(fault) for fault in error.errors())) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{os.environ.get('FRONTDESK_CONFIG', 'frontdesk.toml')}: {error}"
        ) from None


def _fault(fault: Any) -> str:
    """One validation error in one line: key, value, fix."""
    key = ".".join(str(part) for part in fault["loc"]) or "configuration"
    if fault["type"] == "extra_forbidden":
        return f"{key}: there is no such key; remove it or correct its spelling"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key} = {fault['input']!r}: {message}"
