"""A gateway that runs removes what has grown too old, and sends on meanwhile."""

import asyncio
from pathlib import Path

from tests.support.builders import Database, a_chain, accept
from tests.support.esme import eventually
from tests.support.gateway import LOGIN, RunningGateway, a_profile, running_gateway
from whimbrel.clock import SystemClock
from whimbrel.domain.partner import Partner
from whimbrel.store.partners import PartnerChange, all_partners, change_partners

OLD = 1  # of the first second of 2026


async def test_an_old_message_goes_when_its_partner_wants_it_and_a_new_one_stays(
    tmp_path: Path,
) -> None:
    partners = {LOGIN: a_profile(report_url="")}
    async with running_gateway(tmp_path, partners=partners) as gateway:
        database = Database(tmp_path / "whimbrel.db")
        # Its lifetime has passed: it ends, and its report dies for there is no URL.
        await accept(gateway.store, a_chain(OLD, link={"due_at": 1, "expires_at": 2}))
        status, answer = await gateway.send()
        assert status == 200
        new = int(answer["mtNum"])
        await eventually(lambda: database.rows("SELECT state FROM reports") == [(3,)])
        assert chains(database) == [OLD, new]

        [stored] = await gateway.store.read(all_partners, None)
        one = stored.partner
        aged = Partner(one.partner_id, one.login, one.password_hash, False,
                       a_profile(report_url="", content_days=1, history_days=7))  # fmt: skip
        await gateway.store.write(change_partners, PartnerChange(aged, SystemClock().now()))
        await eventually(lambda: OLD not in chains(database))

        assert chains(database) == [new]
        assert database.link(new)["text"] == "Hello"
        assert database.rows("SELECT count(*) FROM report_attempts") == [(0,)]
        counted = 'whimbrel_retention_removed_total{kind="chains"} 1.0'
        async with asyncio.timeout(10):  # it is counted when it is on disk
            while counted not in await metrics_of(gateway):
                pass


async def metrics_of(gateway: RunningGateway) -> str:
    async with gateway.client.get(f"{gateway.url}/metrics") as answer:
        return await answer.text()


def chains(database: Database) -> list[int]:
    return [number for (number,) in database.rows("SELECT chain_id FROM chains ORDER BY 1")]
