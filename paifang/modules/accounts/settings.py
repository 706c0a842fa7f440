"""Settings of accounts."""

from dataclasses import dataclass

from paifang.core.settings import Section, setting


@dataclass(frozen=True)
class AccountsSettings(Section):
    """People: sessions, passwords, and what slows guessing down."""

    access_token_seconds: int = setting(
        600,
        "Seconds an access token lives. A kick or a change of role acts at once all the same: "
        "each request looks at its session.",
        ge=60,
        le=3600,
    )
    refresh_reuse_seconds: int = setting(
        10,
        "Seconds after a refresh in which an older refresh token still gets the current one: "
        "several tabs, or an answer that was lost.",
        ge=0,
        le=60,
    )
    session_idle_days: float = setting(
        14.0, "Days after which a session that is not used ends.", gt=0, le=365
    )
    session_days: float = setting(
        90.0, "Days after which a session ends, however much it is used.", gt=0, le=400
    )
    reauthentication_minutes: float = setting(
        10.0,
        "Minutes for which a proof of who one is counts, before a sensitive change asks again.",
        gt=0,
        le=1440,
    )
    password_length: int = setting(
        15,
        "Fewest characters of a new password. NIST 800-63B asks for 15 where a password is the "
        "only factor; go lower only where everybody has a second one.",
        ge=8,
        le=64,
    )
    argon2_memory_mib: int = setting(
        32,
        "Memory in MiB of one argon2id hash. With one pass at least 46, with two at least 19, "
        "with three or more at least 12: a start refuses less.",
        ge=12,
        le=1024,
    )
    argon2_passes: int = setting(2, "Passes of one argon2id hash over its memory.", ge=1, le=20)
    hashing_threads: int = setting(
        2,
        "Passwords hashed at the same time in a process. Others wait; when too many do, they "
        "are answered 503.",
        ge=1,
        le=32,
    )
    challenge_number: int = setting(
        50_000,
        "Difficulty of the proof of work: a browser tries half as many hashes on average. "
        "0 switches it off.",
        ge=0,
        le=10_000_000,
    )
    challenge_after: int = setting(
        3, "Failed sign-ins after which the next one needs a proof of work.", ge=0, le=100
    )
    delay_after: int = setting(
        5,
        "Failed sign-ins to an account, or from a known device, after which each further one "
        "doubles a delay that begins with a second. An address gets four times as many.",
        ge=1,
        le=100,
    )
    delay_max_seconds: int = setting(900, "Longest such delay, in seconds.", ge=1, le=86_400)
    place_header: str = setting(
        "",
        "Header in which a proxy of yours says where a client is, such as `cf-ipcountry`; shown "
        "beside sessions. The proxy must overwrite what clients send. Empty: no places.",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
    )
