"""Who of several nodes holds which of what there is to hold. Pure.

Every node reckons the same from the same facts, so that they need not speak with each other.
"""

from collections.abc import Collection, Mapping


def even_parts(
    places: Mapping[str, int], holders: Mapping[str, Collection[int]], nodes: Collection[int]
) -> dict[int, set[str]]:
    """Return what each node is to hold: of all as much, but for one, and what it has if possible.

    `places` tells how many nodes may hold each thing at once, `holders` which ones do. Things whose
    places are more than the nodes are held by all.
    """
    parts: dict[int, set[str]] = {node: set() for node in sorted(nodes)}
    for name in sorted(places):
        staying = sorted(parts.keys() & holders.get(name, ()))[: places[name]]
        for node in staying:
            parts[node].add(name)
    for name in sorted(places):
        without = [node for node in parts if name not in parts[node]]
        missing = places[name] - (len(parts) - len(without))
        for node in sorted(without, key=lambda one: len(parts[one]))[: max(0, missing)]:
            parts[node].add(name)
    while parts and (move := _move_to_the_poorest(parts)):
        name, giver, taker = move
        parts[giver].remove(name)
        parts[taker].add(name)
    return parts


def _move_to_the_poorest(parts: Mapping[int, set[str]]) -> tuple[str, int, int] | None:
    """Return what the richest may give to the poorest, and who these are; None: all are even."""
    giver = max(parts, key=lambda node: (len(parts[node]), node))
    taker = min(parts, key=lambda node: (len(parts[node]), node))
    if len(parts[giver]) - len(parts[taker]) < 2:
        return None
    return min(parts[giver] - parts[taker]), giver, taker
