"""What the codes mean that carry no text of their own in the code."""

FRAMEWORK = {
    "conflict": (
        "409",
        "The change collides with another one, made before or at the same moment.",
    ),
    "database_unavailable": (
        "503",
        "The database did not answer. Nothing was changed; `Retry-After` says when to try again.",
    ),
    "internal_error": (
        "500",
        "A fault of ours. The request id finds it in the log; the answer holds nothing else.",
    ),
    "invalid": ("422", "A value of the request is not valid; `errors` names the fields."),
    "method_not_allowed": ("405", "The path exists, but not for this method."),
    "not_found": ("404", "There is no such path, or no such thing."),
}
"""Of core's error handlers and of the framework: code to status and meaning."""

RELAY = {
    "address_not_allowed": "The token must not be used from this address: see its `networks`.",
    "channel_misconfigured": "The channel's base URL or headers can't be used. `paifang gateway "
    "channels test` says more.",
    "group_disabled": "The token's group is disabled.",
    "insufficient_quota": "The token has spent its quota. It does not renew by itself. "
    "`x-should-retry: false` unless calls in progress may give some back.",
    "internal_error": "A fault of the relay. The request id finds it in the log.",
    "invalid_api_key": "The key is missing, malformed, unknown, disabled, revoked or expired; the "
    "message says which.",
    "invalid_header": "`Content-Length` is not a number.",
    "invalid_json": "The body is not a JSON object, or is nested too deeply.",
    "invalid_value": "A field the relay reads (`model`, `stream`, `stream_options`) has the wrong "
    "form, or a key is one of the relay's in another case (`Model`); `param` names it.",
    "quota_unavailable": "The token has a quota, several processes share it, and Redis (or the "
    "database, for a quota that Redis does not know) is away. Nothing was charged.",
    "journal_full": "Calls can't be recorded, so none is made. Look at the disk and the database.",
    "local_model_unavailable": "The local model can't be loaded, or rests after a crash; "
    "`Retry-After` says for how long.",
    "method_not_allowed": "The path takes another method; `Allow` names it.",
    "model_not_found": "No enabled channel serves the model, or the token may not call it.",
    "model_not_priced": "The model has no price, and the group's policy is to block those.",
    "rate_limit_exceeded": "A limit of the token or the group is reached; `Retry-After` and the "
    "`RateLimit` headers say which and for how long.",
    "request_timeout": "The request body did not arrive in time.",
    "request_too_large": "The request body is larger than `PAIFANG_GATEWAY_MAX_BODY_BYTES`.",
    "shutting_down": "The process drains; another one, or the same after its restart, answers.",
    "unknown_url": "There is no such path below `/v1`.",
    "upstream_auth_failed": "The upstream refused the channel's credential. The client's own key "
    "is fine.",
    "upstream_empty": "The upstream ended its stream without an answer.",
    "upstream_error": "The upstream answered with an error that has no code of its own.",
    "upstream_overloaded": "Every upstream of the model asked not to be called for now (503).",
    "upstream_protocol": "The upstream's answer can't be read.",
    "upstream_quota_exhausted": "The channel's account at the upstream is used up.",
    "upstream_rate_limited": "The upstream limits the gateway's account, or every upstream of the "
    "model asked not to be called for now (429). The words are ours; `Retry-After` is the "
    "upstream's.",
    "upstream_reset": "The upstream ended its answer too early.",
    "upstream_timeout": "The upstream did not connect, begin or go on in time: see the channel's "
    "time-outs.",
    "upstream_too_large": "The upstream's answer is larger than the relay holds in memory.",
    "upstream_unreachable": "The upstream could not be reached.",
}
"""Of the relay's refusals: code to meaning."""

RECORD_ONLY = {
    "client_gone": "the client left before its answer was complete",
    "cancelled": "the call was ended from outside the relay",
}
"""Codes that only a log shows: nobody is left to read an answer."""
