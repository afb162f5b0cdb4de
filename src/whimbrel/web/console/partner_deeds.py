"""What is done to one Partner by a button: disabled, given a new password, tried, removed."""

import asyncio

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.operator import Right
from whimbrel.domain.pacing import Rate
from whimbrel.domain.partner import Partner
from whimbrel.domain.password import new_password
from whimbrel.flow.partner_rules import BadPartner, hashed, new_signing_secret
from whimbrel.flow.sample_report import send_sample
from whimbrel.http_out import Http
from whimbrel.store.audit import Audited, note_deeds
from whimbrel.store.engine import Store
from whimbrel.store.partners import (
    MOST_UNSETTLED,
    PartnerChange,
    StoredPartner,
    change_partners_audited,
    remove_partners_audited,
    unsettled_of,
)
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.console.partners import PARTNERS, PartnerPages, find, nobody, path_of
from whimbrel.web.pages.forms import read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

_SAMPLES_A_SECOND = 1 / 15
_SAMPLES_AT_ONCE = 4


class PartnerDeeds:
    """The buttons on a Partner's page."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        guard: Guard,
        pages: Pages,
        *,
        partners: PartnerPages,
        downstream: Http,
    ) -> None:
        """`downstream` is the client by which reports go, with its guard."""
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages
        self._partners = partners
        self._downstream = downstream
        self._samples: dict[int, Rate] = {}

    def pages(self) -> list[Page]:
        """Return the pages."""
        one = f"{PARTNERS}/{{login}}"
        return [
            page(f"{one}/disable", Right.MANAGE, POST=self.disable),
            page(f"{one}/enable", Right.MANAGE, POST=self.enable),
            page(f"{one}/password", Right.MANAGE, POST=self.password),
            page(f"{one}/secret", Right.MANAGE, POST=self.secret),
            page(f"{one}/unsigned", Right.MANAGE, POST=self.remove_secret),
            page(f"{one}/sample", Right.MANAGE, POST=self.sample),
            page(f"{one}/remove", Right.MANAGE, GET=self.ask_to_remove, POST=self.remove),
        ]

    async def disable(self, request: Request) -> Response:
        """Let a Partner send no more."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        changed = replace(stored.partner, disabled=True)
        return await self._done(request, stored, changed, "partner.disable", "disabled")

    async def enable(self, request: Request) -> Response:
        """Let a disabled Partner send again."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        changed = replace(stored.partner, disabled=False)
        return await self._done(request, stored, changed, "partner.enable", "enabled")

    async def password(self, request: Request) -> Response:
        """Set the password that was typed, or make one and show it this once."""
        stored, form = await find(self._store, request), await read_form(request)
        if stored is None:
            return nobody(self._guard, request)
        typed = form.exact("password")
        password = typed or new_password()
        try:
            password_hash = await asyncio.to_thread(hashed, password)
        except BadPartner as error:
            faults = {fault.member: [fault] for fault in error.faults}
            return self._partners.one(request, stored, 400, faults=faults)
        changed = replace(stored.partner, password_hash=password_hash)
        if not await self._change(request, stored, changed, "partner.password"):
            return self._overtaken(request)
        return self._once(request, stored.partner, password="" if typed else password)

    async def secret(self, request: Request) -> Response:
        """Make a secret that signs a Partner's reports, in place of any old one; show it once."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        secret, old = new_signing_secret(), stored.partner.profile
        changed = replace(stored.partner, profile=replace(old, signing_secret=secret))
        action = "partner.secret.replace" if old.signing_secret else "partner.secret.make"
        if not await self._change(request, stored, changed, action):
            return self._overtaken(request)
        return self._once(request, stored.partner, secret=secret)

    async def remove_secret(self, request: Request) -> Response:
        """Sign a Partner's reports no more."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        profile = replace(stored.partner.profile, signing_secret="")
        changed = replace(stored.partner, profile=profile)
        return await self._done(request, stored, changed, "partner.secret.remove", "unsigned")

    async def sample(self, request: Request) -> Response:
        """Send a sample report, and show what the receiver made of it."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        if not stored.partner.profile.report_url:
            text = phrase("This Partner has no report URL.")
            return self._guard.problem(request, 400, text)
        if not self._may_try(operator_of(request).operator_id):
            text = phrase("Too many samples in a short time. Wait a moment, then try again.")
            status = 200 if request.headers.get("hx-request") else 429  # htmx shows no other
            return self._partners.one(request, stored, status, wait=text)
        sample = await send_sample(self._downstream, self._clock, stored.partner)
        entry = self._guard.deed(
            request,
            "partner.sample",
            stored.partner.login,
            url=sample.url,
            outcome=sample.outcome,
            http_status=sample.http_status,
        )
        await self._store.write(note_deeds, entry)
        return self._partners.one(request, stored, sample=sample)

    async def ask_to_remove(self, request: Request) -> Response:
        """Ask once more, with how many messages are on their way."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        return await self._ask(request, stored.partner, 200)

    async def remove(self, request: Request) -> Response:
        """Remove a Partner and free its login, even with messages on their way if so told."""
        stored, form = await find(self._store, request), await read_form(request)
        if stored is None:
            return nobody(self._guard, request)
        unsettled = await self._store.read(unsettled_of, stored.partner.partner_id)
        if unsettled and "force" not in form:
            return await self._ask(request, stored.partner, 409)
        entry = self._guard.deed(
            request, "partner.remove", stored.partner.login, unsettled=unsettled
        )
        change = PartnerChange(stored.partner, self._clock.now())
        await self._store.write(remove_partners_audited, Audited(change, entry))
        return RedirectResponse(f"{PARTNERS}?removed=yes", status_code=303)

    async def _ask(self, request: Request, partner: Partner, status: int) -> Response:
        unsettled = await self._store.read(unsettled_of, partner.partner_id)
        return self._pages.answer(
            request,
            "console/partner_remove.html",
            status=status,
            one=partner,
            unsettled=unsettled,
            is_at_least=unsettled >= MOST_UNSETTLED,
        )

    async def _done(
        self, request: Request, stored: StoredPartner, changed: Partner, action: str, done: str
    ) -> Response:
        if not await self._change(request, stored, changed, action):
            return self._overtaken(request)
        return RedirectResponse(f"{path_of(changed.login)}?done={done}", status_code=303)

    async def _change(
        self, request: Request, stored: StoredPartner, changed: Partner, action: str
    ) -> bool:
        entry = self._guard.deed(request, action, changed.login)
        change = PartnerChange(changed, self._clock.now(), seen=stored.changed_at)
        return await self._store.write(change_partners_audited, Audited(change, entry))

    def _overtaken(self, request: Request) -> Response:
        text = phrase("Somebody else has changed this Partner at the same moment. Try again.")
        return self._guard.problem(request, 409, text)

    def _once(
        self, request: Request, partner: Partner, *, password: str = "", secret: str = ""
    ) -> Response:
        """Show what was made, and never again."""
        return self._pages.answer(
            request,
            "console/partner_once.html",
            login=partner.login,
            password=password,
            secret=secret,
            is_new=False,
        )

    def _may_try(self, operator_id: int) -> bool:
        rate = self._samples.setdefault(operator_id, Rate(_SAMPLES_A_SECOND, _SAMPLES_AT_ONCE))
        now = self._clock.elapsed()
        if not rate.room(now, 1):
            return False
        rate.take(now)
        return True
