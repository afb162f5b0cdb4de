"""How the lanes are found in which something waits, however much waits in each."""


def by_lanes(table: str, state: int, text: str) -> str:
    """Return a statement's text, before which the lanes of rows in a state are known as `busy`.

    A step from one lane to the next by the index that begins with the lane; behind the last one
    comes NULL.
    """
    return f"""
WITH RECURSIVE busy(lane) AS (
    SELECT min(lane) FROM {table} WHERE state = {state}
    UNION ALL
    SELECT (SELECT min(lane) FROM {table} WHERE state = {state} AND lane > busy.lane)
    FROM busy WHERE busy.lane IS NOT NULL
){text}"""
