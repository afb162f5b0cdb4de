"""What PostgreSQL's refusals mean to an operator, in one line and without secrets.

Knows the errors of the driver and of what stands on it; not who asked for what.
"""

import asyncpg

REFUSALS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # no host is the primary
    OSError,
    OverflowError,
    ValueError,
)
"""What may come of a connection: from the server, or on the way to it."""

_URL_RULE = (
    "it cannot be read; it has the form postgresql://user:password@host:port/name, with special "
    "characters of the password written as %40 and the like"
)


def refusal(error: BaseException) -> str:
    """Say what PostgreSQL, or the way to it, has against us."""
    error = _of_the_driver(error)
    words = str(error).partition("\n")[0] or type(error).__name__
    match error:
        case asyncpg.InsufficientPrivilegeError():
            words += ": this user lacks a right that is needed"
        case asyncpg.LockNotAvailableError():
            words += ": others are at work on the same tables; nothing was changed, try again"
        case TimeoutError():
            words = "the server does not answer"
        case OSError():
            words = f"the server cannot be reached: {words}"
        case asyncpg.ClientConfigurationError() | ValueError() | OverflowError():
            words = _URL_RULE  # its own words may hold a piece of the password
    return words


def _of_the_driver(error: BaseException) -> BaseException:
    """Return the driver's own error, which SQLAlchemy wraps twice."""
    wrapped = getattr(error, "orig", None)
    if not isinstance(wrapped, BaseException):
        return error
    return wrapped.__cause__ or wrapped
