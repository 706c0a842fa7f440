"""What the menus' API takes and gives."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import Name, absent
from paifang.core.module import MenuKind
from paifang.modules.access.fields import Sort

Locale = Literal["en", "zh-CN", "zh-TW"]
Titles = Annotated[dict[Locale, Name], Field(min_length=1)]
Icon = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Parent = Annotated[
    str,
    Field(max_length=64, description="Name of a directory; empty for the top of the menu."),
]
Address = Annotated[
    str,
    Field(
        max_length=2048,
        description="`https://...`, `http://...`, `mailto:...`, or a path of this site.",
    ),
]


class MenuNode(BaseModel):
    """An entry of the caller's menu."""

    name: str
    """The pages have a title for it in each language."""
    kind: MenuKind
    path: str
    """Of a page: its path in the console. Of a link: its address."""
    icon: str
    titles: dict[str, str] | None
    """By locale, instead of the pages' own."""
    children: "list[MenuNode]"


class MenuDefault(BaseModel):
    """What the module says."""

    model_config = ConfigDict(from_attributes=True)

    parent: str | None
    icon: str
    sort: int


class MenuRead(BaseModel):
    """An entry, for whoever dresses the menu."""

    name: str
    kind: MenuKind
    path: str
    icon: str
    needs: str | None
    parent: str | None
    sort: int
    hidden: bool
    titles: dict[str, str] | None
    changed: bool
    """Not as the module says."""
    link_id: UUID | None
    """Of a link or directory of the owner's own."""
    default: MenuDefault | None


class MenuOverride(BaseModel):
    """How an entry of a module is dressed; null leaves it as the module says."""

    model_config = ConfigDict(extra="forbid")

    titles: Titles | None = None
    icon: Icon | None = None
    parent: Parent | None = None
    sort: Sort | None = None
    hidden: bool = False


class LinkCreate(BaseModel):
    """A new entry of the owner's own: a link, or a directory to put entries into."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["link", "directory"] = "link"
    titles: Titles
    url: Address = Field("", description="Of a link; a directory has none.")
    icon: Icon | None = None
    parent: Parent = ""
    needs: str | None = Field(
        None, max_length=64, description="The permission without which it is not shown."
    )
    sort: Sort = 0
    hidden: bool = False


class LinkUpdate(BaseModel):
    """Changes to a link; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    titles: Titles = Field(default_factory=absent)
    url: Address = Field(default_factory=absent)
    icon: Icon | None = None
    parent: Parent = Field(default_factory=absent)
    needs: str | None = Field(None, max_length=64)
    sort: Sort = Field(default_factory=absent)
    hidden: bool = Field(default_factory=absent)
