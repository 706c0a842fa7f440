"""The API of signing up."""

from fastapi import APIRouter, Request, Response

from paifang.core import params
from paifang.core.auth import public
from paifang.core.db.request import Db
from paifang.core.mail import DevInbox, shared_backend
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.entry.answers import FactorNeeded, SignedIn, answered, signed_in
from paifang.modules.accounts.entry.client import client_of, is_insecure
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.params import REGISTRATION
from paifang.modules.accounts.passkeys.party import works_at
from paifang.modules.accounts.providers.settings import OidcSettings
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_up import service, setup
from paifang.modules.accounts.sign_up.schemas import (
    Asked,
    LinkTaken,
    MailAgain,
    Policy,
    ProviderRead,
    SetUp,
    SignUp,
)

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get("/policy", dependencies=[public()])
async def get_policy(request: Request, session: Db) -> Policy:
    """What a sign-in page has to know before anybody has signed in."""
    runtime: Runtime = request.app.state.runtime
    settings = runtime.settings.area(AccountsSettings)
    return Policy(
        registration=await params.get(session, param=REGISTRATION),
        mail=sends_mail(runtime),
        insecure=is_insecure(request),
        passkeys=works_at(public_url=runtime.settings.public_url, request_url=str(request.url)),
        providers=[
            ProviderRead(id=provider.id, name=provider.name)
            for provider in runtime.settings.area(OidcSettings).by_id().values()
        ],
        challenge=Throttles(runtime.secrets, settings).challenging,
        password_length=settings.password_length,
        setup=not await setup.is_set_up(session),
    )


def sends_mail(runtime: Runtime) -> bool:
    """Whether mail leaves the house, as opposed to the dev inbox."""
    return not isinstance(shared_backend(runtime.settings.mail), DevInbox)


@router.post(
    "/sign-up",
    status_code=202,
    dependencies=[public(), own_pages()],
    responses={
        200: {"model": SignedIn | FactorNeeded, "description": "Invited by mail, and in at once"}
    },
)
async def sign_up(
    request: Request, response: Response, body: SignUp
) -> Asked | SignedIn | FactorNeeded:
    """Ask for an account. The answer is the same whether the address has one."""
    runtime: Runtime = request.app.state.runtime
    entry = await service.sign_up(
        runtime,
        email=body.email,
        password=body.password,
        display_name=body.display_name,
        locale=body.locale,
        invitation=body.invitation,
        challenge=body.challenge,
        client=client_of(request),
    )
    if entry is None:
        return Asked(next="mail")
    response.status_code = 200
    return answered(runtime, response, entry)


@router.post(
    "/verify",
    dependencies=[public(), own_pages()],
    responses={202: {"model": Asked, "description": "An administrator has to approve"}},
)
async def verify(
    request: Request, response: Response, session: Db, body: LinkTaken
) -> SignedIn | FactorNeeded | Asked:
    """Take the link of a mail, which makes the account and signs in."""
    runtime: Runtime = request.app.state.runtime
    entry = await service.verify(
        session, runtime=runtime, token=body.token, client=client_of(request)
    )
    if entry is None:
        response.status_code = 202
        return Asked(next="approval")
    return answered(runtime, response, entry)


@router.post("/verify/resend", status_code=202, dependencies=[public(), own_pages()])
async def resend(request: Request, body: MailAgain) -> Asked:
    """Ask for that mail again. The answer is the same whether there was one."""
    await service.ask_again(
        request.app.state.runtime,
        email=body.email,
        challenge=body.challenge,
        client=client_of(request),
    )
    return Asked(next="mail")


@router.post("/setup", dependencies=[public(), own_pages()])
async def set_up(request: Request, response: Response, body: SetUp) -> SignedIn:
    """Make the first administrator with the link that Paifang prints."""
    runtime: Runtime = request.app.state.runtime
    entry = await setup.set_up(
        runtime,
        token=body.token,
        email=body.email,
        password=body.password,
        display_name=body.display_name,
        client=client_of(request),
    )
    return signed_in(runtime, response, entry)
