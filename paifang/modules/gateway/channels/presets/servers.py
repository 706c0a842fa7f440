"""Servers one runs oneself, at their usual address on this machine. By id."""

from paifang.modules.gateway.channels.presets.provider import ALL, CHAT, Provider

LOCAL = "local"
LOCAL_PREFIX = "local:"

SERVERS = (
    Provider(
        id="llama-cpp",
        label="llama.cpp server",
        base_url="http://127.0.0.1:8080/v1",
        needs_credential=False,
        source="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        endpoints=ALL,
        note="Asks for a key when it was started with --api-key, and makes embeddings when with "
        "--embeddings.",
    ),
    Provider(
        id="lm-studio",
        label="LM Studio",
        base_url="http://127.0.0.1:1234/v1",
        needs_credential=False,
        source="https://lmstudio.ai/docs/developer/openai-compat",
        endpoints=ALL,
    ),
    Provider(
        id=LOCAL,
        label="Local model",
        base_url="",
        needs_credential=False,
        source="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        endpoints=CHAT,
        note="Runs inside Paifang; the base URL is local:<model>.",
    ),
    Provider(
        id="localai",
        label="LocalAI",
        base_url="http://127.0.0.1:8080/v1",
        needs_credential=False,
        source="https://localai.io",
        endpoints=ALL,
    ),
    Provider(
        id="ollama",
        label="Ollama",
        base_url="http://127.0.0.1:11434/v1",
        needs_credential=False,
        source="https://docs.ollama.com/api/openai-compatibility",
        endpoints=ALL,
        note="/v1 is added to a base URL without it. https://ollama.com/v1 is its cloud, which "
        "needs a key.",
    ),
    Provider(
        id="sglang",
        label="SGLang",
        base_url="http://127.0.0.1:30000/v1",
        needs_credential=False,
        source="https://docs.sglang.ai/basic_usage/openai_api.html",
        endpoints=ALL,
    ),
    Provider(
        id="tgi",
        label="Text Generation Inference",
        base_url="http://127.0.0.1:8080/v1",
        needs_credential=False,
        source="https://huggingface.co/docs/text-generation-inference/messages_api",
        endpoints=("chat", "completions"),
        note="Serves one model and lists it by its name; the name tgi works too.",
    ),
    Provider(
        id="vllm",
        label="vLLM",
        base_url="http://127.0.0.1:8000/v1",
        needs_credential=False,
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        endpoints=ALL,
        note="Asks for a key when it was started with --api-key.",
    ),
    Provider(
        id="xinference",
        label="Xinference",
        base_url="http://127.0.0.1:9997/v1",
        needs_credential=False,
        source="https://inference.readthedocs.io/en/latest",
        endpoints=ALL,
        note="A model is the uid it was launched with.",
    ),
)
