"""The provider ``local``: GGUF models, each served by a child process on the loopback."""
