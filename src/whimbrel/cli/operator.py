"""`whimbrel operator`: who may sign in to the console."""

from typing import Annotated

import typer
from msgspec.structs import replace
from rich.markup import escape
from rich.table import Table

from whimbrel.cli.terminal import (
    ConfigOption,
    PasswordStdin,
    console,
    fail,
    moment,
    password_to_set,
    with_store,
)
from whimbrel.clock import SystemClock
from whimbrel.domain.login import BadLogin, check_form
from whimbrel.domain.operator import ROLE_NAMES, Operator, Role
from whimbrel.domain.password import BadPassword, hash_password
from whimbrel.store.audit import Audited, AuditEntry
from whimbrel.store.engine import Store
from whimbrel.store.operators import (
    add_operators,
    all_operators,
    change_operators,
    operators_by_login,
    remove_operators,
)

app = typer.Typer(
    name="operator", help="Operators: who may sign in to the console.", no_args_is_help=True
)
Login = Annotated[str, typer.Argument(help="The operator's login.")]
RoleOption = Annotated[
    Role,
    typer.Option(
        help="admin: everything; support: helps messages and reports along; reader: looks."
    ),
]


async def add_operator(
    store: Store, login: str, password: str, role: Role, *, sees_texts: bool
) -> bool:
    """Write a new operator; tell whether the login was free. Raises `BadPassword`."""
    now = SystemClock().now()
    operator = Operator(0, login, hash_password(password), role, sees_texts, False, now)
    entry = _entry("operator.add", login, role=role, sees_texts=sees_texts)
    return await store.write(add_operators, Audited(operator, entry)) is not None


@app.command("add")
def add(
    login: Login,
    config: ConfigOption = None,
    role: RoleOption = Role.SUPPORT,
    sees_texts: Annotated[
        bool, typer.Option("--sees-texts", help="Show him texts, which may hold one-time codes.")
    ] = False,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add an operator. Without --password-stdin a password is made and shown once."""
    try:
        check_form(login)
    except BadLogin as error:
        fail(f"login: {error}")
    password, shown = password_to_set(password_stdin=password_stdin)
    try:
        added = with_store(
            config,
            lambda store: add_operator(store, login, password, role, sees_texts=sees_texts),
            create=True,
        )
    except BadPassword as error:
        fail(f"password: {error}")
    if not added:
        fail(f"login: {login!r} is taken")
    print(f"Operator {login} was added.")
    if shown:
        print(f"Password: {password}")


@app.command("set")
def set_operator(
    login: Login,
    config: ConfigOption = None,
    role: Annotated[Role | None, typer.Option(help="What he is here for.")] = None,
    sees_texts: Annotated[
        bool | None, typer.Option("--sees-texts/--no-texts", help="Whether he is shown texts.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Whether he may sign in.")
    ] = None,
) -> None:
    """Change an operator, who is signed out by it; what is not named stays as it is."""

    async def work(store: Store) -> None:
        known = await _find(store, login)
        changed = replace(
            known,
            role=known.role if role is None else role,
            sees_texts=known.sees_texts if sees_texts is None else sees_texts,
            disabled=known.disabled if disabled is None else disabled,
        )
        entry = _entry(
            "operator.change", login, role=changed.role, sees_texts=changed.sees_texts,
            disabled=changed.disabled,
        )  # fmt: skip
        await store.write(change_operators, Audited(changed, entry))

    with_store(config, work)
    print(f"Operator {login} was changed.")


@app.command("password")
def password_command(
    login: Login, config: ConfigOption = None, password_stdin: PasswordStdin = False
) -> None:
    """Set a new password; sessions with the old one end."""
    password, shown = password_to_set(password_stdin=password_stdin)
    try:
        password_hash = hash_password(password)
    except BadPassword as error:
        fail(f"password: {error}")

    async def work(store: Store) -> None:
        changed = replace(await _find(store, login), password_hash=password_hash)
        await store.write(change_operators, Audited(changed, _entry("operator.password", login)))

    with_store(config, work)
    print(f"The password of {login} was changed.")
    if shown:
        print(f"Password: {password}")


@app.command("remove")
def remove(login: Login, config: ConfigOption = None) -> None:
    """Remove an operator; what he did stays in the audit log."""

    async def work(store: Store) -> None:
        operator = await _find(store, login)
        await store.write(remove_operators, Audited(operator, _entry("operator.remove", login)))

    with_store(config, work)
    print(f"Operator {login} was removed.")


@app.command("list")
def list_operators(config: ConfigOption = None) -> None:
    """List the operators."""
    table = Table("login", "role", "texts", "state", "since (UTC)")
    for one in with_store(config, lambda store: store.read(all_operators, None)):
        table.add_row(
            escape(one.login),
            ROLE_NAMES[one.role].lower(),
            "shown" if one.sees_texts else "hidden",
            "disabled" if one.disabled else "active",
            moment(one.created_at),
        )
    console.print(table)


async def _find(store: Store, login: str) -> Operator:
    operator = await store.read(operators_by_login, login)
    return operator or fail(f"login: there is no operator {login!r}")


def _entry(action: str, login: str, **details: object) -> AuditEntry:
    """Return the audit entry of a change that was made on the command line."""
    return AuditEntry(SystemClock().now(), "whimbrel", "command line", action, login, details)
