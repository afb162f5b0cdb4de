"""Partners: the list, one of them, and the forms for a new one and for changes.

What else is done to a Partner, such as a new password, is `partner_deeds.py`'s.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.operator import Right
from whimbrel.domain.partner import Partner, Profile, new_profile
from whimbrel.domain.password import SHORTEST, new_password
from whimbrel.flow.own_domain import gateway_base
from whimbrel.flow.partner_changes import changes_between
from whimbrel.flow.partner_rules import (
    BadPartner,
    Fault,
    checked_login,
    grown_length,
    hashed,
    new_partner,
    new_signing_secret,
    taken,
)
from whimbrel.http_urls import redact
from whimbrel.settings import Settings
from whimbrel.store.audit import Audited
from whimbrel.store.engine import Store
from whimbrel.store.partners import (
    PartnerChange,
    StoredPartner,
    add_partners_audited,
    all_partners,
    change_partners_audited,
    find_partners,
)
from whimbrel.web.console.guard import Guard, Page, page
from whimbrel.web.console.partner_fields import EMPTY_NAMES, FIELDS, GROUPS
from whimbrel.web.console.partner_form import Typed, profile_in, typed_in, typed_of
from whimbrel.web.pages.forms import Form, read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

PARTNERS = "/console/partners"
NEW = "/console/new-partner"  # below PARTNERS every name may be a login
DONE: Mapping[str, str] = {
    "saved": phrase("The changes are saved. The gateway follows within a second or so."),
    "disabled": phrase("It is disabled: it sends nothing more, and what it has sent goes on."),
    "enabled": phrase("It may send again."),
    "unsigned": phrase("Its reports are not signed any more."),
}
"""What a page says after a deed, by the name in its address."""


class KnownHere(NamedTuple):
    """What the settings say that Partners' profiles lean on."""

    gateway_base: str
    """The gateway's own short domain, empty if it has none."""
    senders: frozenset[str]
    """Those that an account of the settings has."""


def known_here(settings: Settings) -> KnownHere:
    """Return what Partners lean on. Raises `SettingsError`."""
    whatsapp = {account.sender for account in settings.whatsapp.values()}
    sms = {sender for account in settings.smpp.values() for sender in account.senders}
    return KnownHere(gateway_base(settings), frozenset(whatsapp | sms))


class PartnerPages:
    """Shows Partners, and writes new and changed ones."""

    def __init__(
        self, store: Store, clock: Clock, guard: Guard, pages: Pages, known: KnownHere
    ) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard
        self._pages = pages
        self._known = known

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(PARTNERS, Right.SEE, GET=self.show),
            page(NEW, Right.MANAGE, GET=self.ask_for_new, POST=self.add),
            page(f"{PARTNERS}/{{login}}", Right.SEE, GET=self.show_one),
            page(
                f"{PARTNERS}/{{login}}/change",
                Right.MANAGE,
                GET=self.ask_for_change,
                POST=self.change,
            ),
        ]

    async def show(self, request: Request) -> Response:
        """List the Partners whose login or sender holds `q`."""
        wanted = request.query_params.get("q", "").strip()
        stored = await self._store.read(all_partners, None)
        partners = [one.partner for one in stored if not one.removed]
        found = [one for one in partners if _is_wanted(one, wanted.casefold())]
        return self._pages.answer(
            request,
            "console/partners.html",
            partners=found,
            how_many=len(partners),
            wanted=wanted,
            redact=redact,
            removed=request.query_params.get("removed", ""),
        )

    async def show_one(self, request: Request) -> Response:
        """Show a Partner; how it is, and to whom may manage it, what can be done."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        return self.one(request, stored)

    def one(
        self, request: Request, stored: StoredPartner, status: int = 200, **values: Any
    ) -> Response:
        """Answer with a Partner's page. `values` are what has come of a deed."""
        profile = stored.partner.profile
        given = {"sample": None, "wait": "", "faults": {}, "shortest": SHORTEST} | values
        return self._pages.answer(
            request,
            "console/partner.html",
            status=status,
            one=stored.partner,
            groups=GROUPS,
            empty_names=EMPTY_NAMES,
            typed=typed_of(profile),
            urls={name: redact(url) for name, url in _urls(profile).items() if url},
            grown=grown_length(profile, self._known.gateway_base),
            strangers=sorted(set(profile.senders) - self._known.senders),
            done=DONE.get(request.query_params.get("done", ""), ""),
            **given,
        )

    async def ask_for_new(self, request: Request) -> Response:
        """Show the form for a new Partner."""
        return self._form(request, None, typed_of(new_profile()))

    async def add(self, request: Request) -> Response:
        """Write a new Partner; show its password, if one was made, and its secret, this once."""
        form = await read_form(request)
        login, typed_password = form.get("login", ""), form.exact("password")
        password = typed_password or new_password()
        faults: list[Fault] = []
        profile, password_hash = new_profile(), ""
        try:
            checked_login(login)
        except BadPartner as error:
            faults += error.faults
        try:
            profile = profile_in(form, profile, self._known.gateway_base)
        except BadPartner as error:
            faults += error.faults
        try:
            password_hash = await asyncio.to_thread(hashed, password)
        except BadPartner as error:
            faults += error.faults
        secret = new_signing_secret() if "sign_reports" in form else ""
        if not faults:
            partner = new_partner(login, password_hash, replace(profile, signing_secret=secret))
            if await self._add(request, partner):
                return self._pages.answer(
                    request,
                    "console/partner_once.html",
                    login=login,
                    password="" if typed_password else password,
                    secret=secret,
                    is_new=True,
                )
            faults += taken(login).faults
        return self._form(request, None, typed_in(form), faults=faults, form=form)

    async def _add(self, request: Request, partner: Partner) -> bool:
        details = changes_between(new_profile(), partner.profile)
        entry = self._guard.deed(request, "partner.add", partner.login, **details)
        change = PartnerChange(partner, self._clock.now())
        return await self._store.write(add_partners_audited, Audited(change, entry)) is not None

    async def ask_for_change(self, request: Request) -> Response:
        """Show the form for a Partner."""
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        return self._form(request, stored, typed_of(stored.partner.profile))

    async def change(self, request: Request) -> Response:
        """Write what was typed, unless it is wrong or somebody else was quicker."""
        stored, form = await find(self._store, request), await read_form(request)
        if stored is None:
            return nobody(self._guard, request)
        partner = stored.partner
        try:
            profile = profile_in(form, partner.profile, self._known.gateway_base)
        except BadPartner as error:
            return self._form(request, stored, typed_in(form), faults=error.faults, form=form)
        entry = self._guard.deed(
            request,
            "partner.change",
            partner.login,
            **changes_between(partner.profile, profile),
        )
        change = PartnerChange(
            replace(partner, profile=profile), self._clock.now(), seen=_seen(form)
        )
        if await self._store.write(change_partners_audited, Audited(change, entry)):
            return RedirectResponse(f"{path_of(partner.login)}?done=saved", status_code=303)
        stored = await find(self._store, request)
        if stored is None:
            return nobody(self._guard, request)
        return self._form(request, stored, typed_in(form), overtaken=True)

    def _form(
        self,
        request: Request,
        stored: StoredPartner | None,
        typed: Typed,
        *,
        faults: Any = (),
        form: Form | None = None,
        overtaken: bool = False,
    ) -> Response:
        """Answer with the form: with what was typed, and each fault beside its field.

        If somebody else was quicker, with what is stored now as well; who sends it again then
        overwrites that.
        """
        by_member: dict[str, list[Fault]] = {}
        for fault in faults:
            by_member.setdefault(fault.member, []).append(fault)
        stored_now = typed_of(stored.partner.profile) if stored and overtaken else {}
        seen = form.get("seen", "") if form and stored else str(stored.changed_at if stored else "")
        return self._pages.answer(
            request,
            "console/partner_form.html",
            status=409 if overtaken else 400 if faults else 200,
            one=stored.partner if stored else None,
            groups=GROUPS,
            fields=FIELDS,
            typed=typed,
            faults=by_member,
            seen=seen,
            login=form.get("login", "") if form else "",
            signs=form is not None and "sign_reports" in form,
            shortest=SHORTEST,
            differs={name: now for name, now in stored_now.items() if now != typed[name]},
            overtaken=overtaken,
        )


def _is_wanted(partner: Partner, wanted: str) -> bool:
    names = (partner.login, *partner.profile.senders)
    return not wanted or any(wanted in name.casefold() for name in names)


def _urls(profile: Profile) -> dict[str, str]:
    return {"report_url": profile.report_url, "click_url": profile.click_url}


def _seen(form: Form) -> int:
    """Return when the Partner that a form shows was changed; what is no moment is never it."""
    text = form.get("seen", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else -1


async def find(store: Store, request: Request) -> StoredPartner | None:
    """Return the Partner that a path names."""
    return await store.read(find_partners, request.path_params["login"])


def nobody(guard: Guard, request: Request) -> Response:
    """Answer that there is no such Partner."""
    return guard.problem(request, 404, phrase("There is no such Partner."))


def path_of(login: str) -> str:
    """Return where a Partner's page is."""
    return f"{PARTNERS}/{quote(login, safe='')}"
