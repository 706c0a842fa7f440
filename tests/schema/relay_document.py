"""OpenAPI's description of what the relay answers at ``/v1``, to try it out.

What clients know is OpenAI's own. This has of it what routing, limits and metering look at, and
what the double upstream understands.
"""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
MODEL: Schema = {"type": "string", "enum": ["chat", "another", "none"]}
NULLABLE_TEXT: Schema = {"type": ["string", "null"]}


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


ERROR = _object(
    ["error"],
    error=_object(
        ["message", "type", "param", "code"],
        message=TEXT,
        type=TEXT,
        param=NULLABLE_TEXT,
        code=NULLABLE_TEXT,
    ),
)
USAGE = _object(["prompt_tokens", "total_tokens"], prompt_tokens=WHOLE, total_tokens=WHOLE)
MESSAGE = _object(
    ["role", "content"],
    role={"type": "string", "enum": ["system", "user", "assistant"]},
    content=TEXT,
)
COMMON: dict[str, Schema] = {
    "model": MODEL,
    "stream": {"type": "boolean"},
    "stream_options": _object([], include_usage={"type": "boolean"}),
    "n": {"type": "integer", "minimum": 1, "maximum": 4},
    "max_tokens": {"type": "integer", "minimum": 1},
    "temperature": {"type": "number"},
    "user": TEXT,
}
CHAT = _object(["model", "messages"], messages=_list(MESSAGE, minItems=1), **COMMON)
COMPLETION = _object(["model", "prompt"], prompt=TEXT, **COMMON)
EMBEDDING = _object(
    ["model", "input"], model=MODEL, input={"anyOf": [TEXT, _list(TEXT, minItems=1)]}
)
ONE_MODEL = _object(
    ["id", "object", "created", "owned_by"], id=TEXT, object=TEXT, created=WHOLE, owned_by=TEXT
)


def _answers(schema: Schema, *, stream: bool = False) -> Schema:
    content: Schema = {"application/json": {"schema": schema}}
    if stream:
        content["text/event-stream"] = {}
    refusal = {"description": "Refused", "content": {"application/json": {"schema": ERROR}}}
    statuses = ("400", "401", "403", "404", "405", "408", "413", "429")
    return {"200": {"description": "Done", "content": content}} | dict.fromkeys(statuses, refusal)


def _call(name: str, body: Schema, answer: Schema, *, stream: bool = True) -> Schema:
    return {
        "post": {
            "operationId": name,
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": _answers(answer, stream=stream),
        }
    }


def _written(kind: str) -> Schema:
    return _object(
        ["id", "object", "created", "model", "choices"],
        id=TEXT,
        object={"const": kind},
        created=WHOLE,
        model=TEXT,
        choices=_list({"type": "object"}, minItems=1),
        usage=USAGE,
    )


DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "The relay", "version": "1"},
    "paths": {
        "/v1/chat/completions": _call("chat", CHAT, _written("chat.completion")),
        "/v1/completions": _call("completions", COMPLETION, _written("text_completion")),
        "/v1/embeddings": _call(
            "embeddings",
            EMBEDDING,
            _object(["object", "data", "model"], object=TEXT, data=_list({"type": "object"})),
            stream=False,
        ),
        "/v1/models": {
            "get": {
                "operationId": "models",
                "responses": _answers(_object(["data"], object=TEXT, data=_list(ONE_MODEL))),
            }
        },
        "/v1/models/{model}": {
            "get": {
                "operationId": "model",
                "parameters": [{"name": "model", "in": "path", "required": True, "schema": MODEL}],
                "responses": _answers(ONE_MODEL),
            }
        },
    },
}
