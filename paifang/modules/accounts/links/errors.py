"""How links refuse."""

from paifang.core.errors import NotFound


class LinkOver(NotFound):
    """The link is none of ours, was used, or is older than it may be."""

    code = "link_over"
    title = "This link is over; ask for a new one"
