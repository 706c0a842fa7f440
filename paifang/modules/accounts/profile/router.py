"""The API of one's own account."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from paifang.core.auth import Caller, public, require
from paifang.core.db import on_commit
from paifang.core.db.request import Db
from paifang.core.guard import largest_body
from paifang.core.openapi import described
from paifang.core.runtime import Runtime
from paifang.modules.accounts import pictures
from paifang.modules.accounts.entry import cookies
from paifang.modules.accounts.entry.answers import picture
from paifang.modules.accounts.entry.client import by_https
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.profile import service
from paifang.modules.accounts.profile.schemas import ProfileRead, ProfileUpdate
from paifang.modules.accounts.profile.service import Profile
from paifang.modules.accounts.sessions.errors import NoPerson

router = APIRouter(prefix="/account", tags=["account"])
avatars = APIRouter(prefix="/avatars", tags=["account"])
SELF = require(AccountsPermission.SELF)

UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in pictures.FORMATS
        },
    }
}


@router.get("", dependencies=[SELF])
async def get_profile(session: Db, caller: Caller) -> ProfileRead:
    """Your account."""
    return _read(await service.get(session, caller=caller))


@router.patch("", dependencies=[SELF])
async def update_profile(session: Db, caller: Caller, body: ProfileUpdate) -> ProfileRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    return _read(await service.update(session, caller=caller, **changes))


@router.delete("", status_code=204, dependencies=[SELF])
async def delete_account(request: Request, response: Response, session: Db, caller: Caller) -> None:
    """Delete your account, at once and for good. Asks for a recent proof of who you are."""
    runtime: Runtime = request.app.state.runtime
    kept = await service.delete(session, runtime=runtime, caller=caller)
    on_commit(session, pictures.forget_pictures(runtime, [kept] if kept else []))
    cookies.clear(response, https=by_https(request))


@router.put("/avatar", dependencies=[SELF], openapi_extra=UPLOAD, responses=described((507,)))
@largest_body(pictures.MAX_BYTES)
async def put_avatar(request: Request, caller: Caller) -> ProfileRead:
    """Set your picture: PNG, JPEG or WebP, at most 2 MiB. It is cut to a square.

    Send the file itself as the body.
    """
    runtime: Runtime = request.app.state.runtime
    if caller.user_id is None:
        raise NoPerson
    data = await request.body()
    kind = request.headers.get("content-type", "")
    # Decoded and stored before there is a transaction: both take a while.
    key = await pictures.store(runtime, data=data, media_type=kind)
    try:
        async with runtime.db.transaction() as session:
            profile, before = await service.set_avatar(session, caller=caller, key=key)
    except BaseException:
        await pictures.forget_pictures(runtime, [key])()
        raise
    await pictures.forget_pictures(runtime, [before] if before else [])()
    return _read(profile)


@router.delete("/avatar", status_code=204, dependencies=[SELF])
async def delete_avatar(request: Request, session: Db, caller: Caller) -> None:
    """Take your picture away."""
    runtime: Runtime = request.app.state.runtime
    _profile, before = await service.set_avatar(session, caller=caller, key=None)
    on_commit(session, pictures.forget_pictures(runtime, [before] if before else []))


@router.get(
    "/export",
    dependencies=[SELF],
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "Everything"}},
)
async def export(request: Request, session: Db, caller: Caller) -> Response:
    """Everything that is kept of you, as JSON."""
    found = await service.export(session, runtime=request.app.state.runtime, caller=caller)
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return Response(
        orjson.dumps(found, default=str, option=options),
        media_type="application/json",
        headers={"content-disposition": 'attachment; filename="paifang-account.json"'},
    )


@avatars.get(
    "/{name}",
    dependencies=[public()],
    response_class=Response,
    responses={200: {"content": {pictures.MEDIA_TYPE: {}}, "description": "The picture"}},
)
async def get_avatar(request: Request, name: str) -> Response:
    """A picture of somebody. Its name can't be guessed, and changes with the picture."""
    data = await pictures.read(request.app.state.runtime, name=name)
    return Response(
        data,
        media_type=pictures.MEDIA_TYPE,
        headers={
            "cache-control": "private, max-age=31536000, immutable",
            "content-security-policy": "default-src 'none'; sandbox",
            "x-content-type-options": "nosniff",
        },
    )


def _read(profile: Profile) -> ProfileRead:
    user = profile.user
    return ProfileRead(
        id=user.id,
        email=user.email,
        email_verified_at=user.email_verified_at,
        display_name=user.display_name,
        phone=user.phone,
        avatar=picture(user),
        locale=user.locale,
        department_id=user.department_id,
        has_password=user.password_hash is not None,
        factors=profile.factors,
        created_at=user.created_at,
    )
