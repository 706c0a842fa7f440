"""Serves the web app and, beside it, the API reference."""

from paifang.pages.router import install_missing_page, pages_router

__all__ = ["install_missing_page", "pages_router"]
