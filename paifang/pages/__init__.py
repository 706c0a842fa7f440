"""Pages that are there without the web app: the welcome page and the API reference."""

from paifang.pages.router import install_missing_page, pages_router

__all__ = ["install_missing_page", "pages_router"]
