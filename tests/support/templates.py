"""Templates of pages, compiled once a process and not once a gateway, of which most tests make one.

Jinja would take more time for that than for all the rest of such a test.
"""

import functools

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from whimbrel.web.pages import rendering


class _Compiled(BytecodeCache):
    def __init__(self) -> None:
        self._by_key: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if known := self._by_key.get(bucket.key):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._by_key[bucket.key] = bucket.bytecode_to_string()


def compile_once() -> None:
    """Let all gateways of this process share what their templates were compiled to."""
    rendering.Environment = functools.partial(Environment, bytecode_cache=_compiled())


@functools.cache
def _compiled() -> _Compiled:
    return _Compiled()
