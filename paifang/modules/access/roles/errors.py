"""How roles refuse."""

from paifang.core.errors import Conflict, Forbidden, NotFound


class RoleNotFound(NotFound):
    """No role has that id."""

    code = "role_not_found"
    title = "There is no such role"


class RoleCodeTaken(Conflict):
    """Codes of roles are unique."""

    code = "role_code_taken"
    title = "A role of that code exists"


class RoleBuiltIn(Conflict):
    """The role ``administrator`` is as it is; of ``member`` the permissions can be changed."""

    code = "role_built_in"
    title = "This can't be done to a built-in role"


class RoleInUse(Conflict):
    """It is deleted when nobody holds it."""

    code = "role_in_use"
    title = "Somebody holds this role"


class LastAdministrator(Conflict):
    """Nobody else could set things right."""

    code = "last_administrator"
    title = "There must be an active administrator"


class BeyondYourOwn(Forbidden):
    """Whoever is no administrator hands out nothing that they do not hold themselves."""

    code = "beyond_your_own"
    title = "This reaches beyond what you hold yourself"


class PersonNotFound(NotFound):
    """No person has that id, or they are outside of the caller's scope."""

    code = "person_not_found"
    title = "There is no such person"
