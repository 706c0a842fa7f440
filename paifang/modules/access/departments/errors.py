"""How departments refuse."""

from paifang.core.errors import Conflict, Forbidden, NotFound


class DepartmentNotFound(NotFound):
    """No department has that id, or it is outside of the caller's scope."""

    code = "department_not_found"
    title = "There is no such department"


class DepartmentNameTaken(Conflict):
    """Siblings have different names."""

    code = "department_name_taken"
    title = "There is a department of that name beside it"


class DepartmentInUse(Conflict):
    """It is deleted when nothing hangs on it."""

    code = "department_in_use"
    title = "The department is still used"


class DepartmentMisplaced(Conflict):
    """It would be below itself, or the tree too deep."""

    code = "department_misplaced"
    title = "The department can't be put there"


class DepartmentDisabled(Conflict):
    """Nobody is put into a disabled department."""

    code = "department_disabled"
    title = "The department is disabled"


class DepartmentOutOfReach(Forbidden):
    """The top of the tree, or a part of what is moved, is outside of the caller's scope."""

    code = "department_out_of_reach"
    title = "This reaches beyond the departments that you manage"
