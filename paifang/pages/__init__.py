"""Pages that are there without the web app: the welcome page and the API reference."""

from paifang.pages.router import pages_router

__all__ = ["pages_router"]
