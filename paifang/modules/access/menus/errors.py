"""How menus refuse."""

from paifang.core.errors import Conflict, NotFound


class MenuNotFound(NotFound):
    """No module brings an entry of that name, or no link has that id."""

    code = "menu_not_found"
    title = "There is no such menu entry"


class MenuMisplaced(Conflict):
    """An entry would be below itself, or the menu too deep."""

    code = "menu_misplaced"
    title = "The menu entry can't be put there"
