"""Those who make models and serve them, outside China. By id."""

from paifang.modules.gateway.channels.presets.provider import (
    ALL,
    CHAT,
    CHAT_EMBEDDINGS,
    Provider,
)

MAKERS = (
    Provider(
        id="anthropic",
        label="Anthropic (Claude)",
        base_url="https://api.anthropic.com/v1",
        variable="ANTHROPIC_API_KEY",
        keys_url="https://console.anthropic.com/settings/keys",
        source="https://platform.claude.com/docs/en/api/openai-sdk",
        # Its list of models is that of its own API, which reads no bearer.
        list_header="x-api-key",
        headers={"anthropic-version": "2023-06-01"},
        endpoints=CHAT,
        note="A layer over its own API, meant for comparing models: prompts are not cached, most "
        "fields it does not know are ignored, n must be 1.",
    ),
    Provider(
        id="cohere",
        label="Cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        variable="COHERE_API_KEY",
        keys_url="https://dashboard.cohere.com/api-keys",
        source="https://docs.cohere.com/docs/compatibility-api",
        models=None,
        endpoints=CHAT_EMBEDDINGS,
        note="The list of models of its own API has another shape: name the models.",
    ),
    Provider(
        id="gemini",
        label="Google Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        variable="GEMINI_API_KEY",
        keys_url="https://aistudio.google.com/app/apikey",
        source="https://ai.google.dev/gemini-api/docs/openai",
        endpoints=CHAT_EMBEDDINGS,
        note="Still beta. Lists models as models/<name>.",
    ),
    Provider(
        id="mistral",
        label="Mistral",
        base_url="https://api.mistral.ai/v1",
        variable="MISTRAL_API_KEY",
        keys_url="https://console.mistral.ai/api-keys",
        source="https://docs.mistral.ai/api",
        endpoints=CHAT_EMBEDDINGS,
        stream_usage="refused",
        note="Refuses fields it does not know with a 422, stream_options and "
        "max_completion_tokens among them.",
    ),
    Provider(
        id="openai",
        label="OpenAI or compatible",
        base_url="https://api.openai.com/v1",
        variable="OPENAI_API_KEY",
        keys_url="https://platform.openai.com/api-keys",
        source="https://platform.openai.com/docs/api-reference",
        endpoints=ALL,
        note="For any other server that speaks this API too, with its base URL.",
    ),
    Provider(
        id="perplexity",
        label="Perplexity",
        base_url="https://api.perplexity.ai",
        variable="PERPLEXITY_API_KEY",
        keys_url="https://www.perplexity.ai/settings/api",
        source="https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        models=None,
        endpoints=CHAT,
        note="The base URL has no /v1. Searches the web for every answer and charges for it.",
    ),
    Provider(
        id="xai",
        label="xAI (Grok)",
        base_url="https://api.x.ai/v1",
        variable="XAI_API_KEY",
        keys_url="https://console.x.ai",
        source="https://docs.x.ai",
        endpoints=CHAT,
    ),
)
