"""Operators: who may sign in, as what; and everybody's own password."""

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from whimbrel.clock import Clock
from whimbrel.domain.login import BadLogin, check_form
from whimbrel.domain.operator import Operator, Right, Role
from whimbrel.domain.password import SHORTEST, BadPassword, new_password
from whimbrel.flow.operator_sessions import MustWait, OperatorSessions
from whimbrel.flow.password_checks import hash_aside
from whimbrel.store.audit import Audited
from whimbrel.store.engine import Store
from whimbrel.store.operators import (
    add_operators,
    all_operators,
    change_operators,
    remove_operators,
)
from whimbrel.web.console.guard import Guard, Page, operator_of, page
from whimbrel.web.pages.forms import Form, read_form
from whimbrel.web.pages.rendering import Pages
from whimbrel.web.pages.words import phrase

_LIST = "/console/operators"


class OperatorPages:
    """The list of operators, its buttons, and one's own password."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sessions: OperatorSessions,
        guard: Guard,
        pages: Pages,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._clock = clock
        self._guard = guard
        self._pages = pages

    def pages(self) -> list[Page]:
        """Return the pages."""
        return [
            page(_LIST, Right.MANAGE, GET=self.show, POST=self.add),
            page(f"{_LIST}/{{login}}", Right.MANAGE, GET=self.show_one, POST=self.change),
            page(f"{_LIST}/{{login}}/password", Right.MANAGE, POST=self.new_password),
            page(f"{_LIST}/{{login}}/remove", Right.MANAGE, POST=self.remove),
            page("/console/password", Right.SEE, GET=self.show_own, POST=self.change_own),
        ]

    async def show(self, request: Request) -> Response:
        """List the operators."""
        return await self._list(request)

    async def add(self, request: Request) -> Response:
        """Add an operator, and show the password that was made, once."""
        form = await read_form(request)
        login = form.get("login", "")
        try:
            check_form(login)
        except BadLogin as error:
            told = self._pages.say(request)(error.rule, **error.values)
            return await self._list(request, 400, form, {"login": told})
        role = _role(form)
        if role is None:
            return await self._list(
                request, 400, form, {"role": phrase("admin, support or reader")}
            )
        password = new_password()
        operator = Operator(
            0,
            login,
            await hash_aside(password),
            role,
            "sees_texts" in form,
            False,
            self._clock.now(),
        )
        entry = self._guard.deed(
            request, "operator.add", login, role=role, sees_texts=operator.sees_texts
        )
        if await self._store.write(add_operators, Audited(operator, entry)) is None:
            return await self._list(request, 409, form, {"login": phrase("this login is taken")})
        return self._once(request, login, password)

    async def show_one(self, request: Request) -> Response:
        """Show an operator."""
        operator = await self._wanted(request)
        if operator is None:
            return self._nobody(request)
        return self._one(request, operator)

    async def change(self, request: Request) -> Response:
        """Change an operator's role, and whether he is disabled; he is signed out by it."""
        operator, form = await self._wanted(request), await read_form(request)
        if operator is None:
            return self._nobody(request)
        role = _role(form)
        if role is None:
            return self._one(request, operator, 400, {"role": phrase("admin, support or reader")})
        changed = replace(
            operator, role=role, sees_texts="sees_texts" in form, disabled="disabled" in form
        )
        if await self._leaves_no_admin(changed):
            return self._one(request, operator, 409, {"role": phrase("the last admin stays one")})
        entry = self._guard.deed(
            request, "operator.change", operator.login, role=role,
            sees_texts=changed.sees_texts, disabled=changed.disabled,
        )  # fmt: skip
        await self._store.write(change_operators, Audited(changed, entry))
        return RedirectResponse(_LIST, status_code=303)

    async def new_password(self, request: Request) -> Response:
        """Give an operator a new password, which is shown once; he is signed out by it."""
        operator = await self._wanted(request)
        if operator is None:
            return self._nobody(request)
        password = new_password()
        changed = replace(operator, password_hash=await hash_aside(password))
        entry = self._guard.deed(request, "operator.password", operator.login)
        await self._store.write(change_operators, Audited(changed, entry))
        return self._once(request, operator.login, password)

    async def remove(self, request: Request) -> Response:
        """Remove an operator."""
        operator = await self._wanted(request)
        if operator is None:
            return self._nobody(request)
        if await self._leaves_no_admin(replace(operator, disabled=True)):
            return self._one(request, operator, 409, {"role": phrase("the last admin stays one")})
        entry = self._guard.deed(request, "operator.remove", operator.login)
        await self._store.write(remove_operators, Audited(operator, entry))
        return RedirectResponse(_LIST, status_code=303)

    async def show_own(self, request: Request) -> Response:
        """Show the form for one's own password."""
        return self._pages.answer(request, "console/password.html", error="", shortest=SHORTEST)

    async def change_own(self, request: Request) -> Response:
        """Change one's own password; one signs in again with it."""
        form, operator = await read_form(request), operator_of(request)
        if form.exact("new") != form.exact("again"):
            return self._own(request, phrase("The two new passwords are not the same."))
        address = self._guard.address_of(request)
        try:
            if not await self._sessions.knows_password(operator, form.exact("old"), address):
                return self._own(request, phrase("This is not your password."))
            changed = replace(operator, password_hash=await hash_aside(form.exact("new")))
        except BadPassword:
            return self._own(request, phrase("The new password is too short."))
        except MustWait:
            return self._own(
                request, phrase("Too many failed attempts. Wait a moment, then try again.")
            )
        entry = self._guard.deed(request, "operator.password", operator.login)
        await self._store.write(change_operators, Audited(changed, entry))
        return RedirectResponse("/console/sign-in", status_code=303)

    def _own(self, request: Request, error: str) -> Response:
        return self._pages.answer(
            request, "console/password.html", status=400, error=error, shortest=SHORTEST
        )

    async def _list(
        self,
        request: Request,
        status: int = 200,
        typed: Form | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        return self._pages.answer(
            request,
            "console/operators.html",
            status=status,
            operators=await self._store.read(all_operators, None),
            roles=list(Role),
            typed=typed or Form([]),
            errors=errors or {},
        )

    def _one(
        self,
        request: Request,
        one: Operator,
        status: int = 200,
        errors: dict[str, str] | None = None,
    ) -> Response:
        return self._pages.answer(
            request,
            "console/operator.html",
            status=status,
            one=one,
            roles=list(Role),
            errors=errors or {},
        )

    def _once(self, request: Request, login: str, password: str) -> Response:
        return self._pages.answer(
            request, "console/operator_password.html", login=login, password=password
        )

    def _nobody(self, request: Request) -> Response:
        return self._guard.problem(request, 404, phrase("There is no such operator."))

    async def _wanted(self, request: Request) -> Operator | None:
        login = request.path_params["login"]
        operators = await self._store.read(all_operators, None)
        return next((one for one in operators if one.login == login), None)

    async def _leaves_no_admin(self, changed: Operator) -> bool:
        """Tell whether nobody could manage the gateway any more if an operator became this."""
        operators = await self._store.read(all_operators, None)
        after = [changed if one.operator_id == changed.operator_id else one for one in operators]
        return not any(one.role is Role.ADMIN and not one.disabled for one in after)


def _role(form: Form) -> Role | None:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        return None
