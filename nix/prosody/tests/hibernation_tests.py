"""Sessions whose connection is gone (XEP-0198): the server keeps them for a while, and they cannot answer."""

from client import condition, idents, request
from town_case import TownCase

SMACKS = ("xep_0198",)


class Hibernation(TownCase):
    async def hibernating_broker_is_skipped_until_it_is_back(self):
        desktop, agent = await self.broker("desktop"), await self.agent()
        laptop = await self.broker("laptop", plugins=SMACKS)
        await self._lose(laptop)
        for to in ("human@localhost", "human@localhost/laptop"):
            agent.send_raw(request(to=to, ident=to))
            self.assertEqual(idents([await desktop.message()]), [to])
        await laptop.log_in(self.server.port)
        self.assertEqual(await laptop.seen(), [])
        agent.send_raw(request(ident="back"))
        self.assertEqual(idents([await laptop.message()]), ["back"])
        self.assertEqual(await desktop.seen(), [])

    async def request_reaches_the_chat_client_while_the_only_broker_hibernates(self):
        laptop, phone, agent = await self.broker("laptop", plugins=SMACKS), await self.phone(), await self.agent()
        await self._lose(laptop)
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])

    async def _lose(self, client):
        since = len(self.server.log)
        client.break_connection()
        await self.server.logged("going into hibernation", since)


class ShortHibernation(TownCase):
    options = ("smacks_hibernation_time = 1",)

    async def request_that_a_dead_connection_swallowed_is_given_back(self):
        broker, agent = await self.broker(plugins=SMACKS), await self.agent()
        broker.transport.pause_reading()
        since = len(self.server.log)
        agent.send_raw(request())
        await self.server.logged("Routed an approval request", since)
        broker.break_connection()
        refusal = await agent.message()
        self.assertEqual((refusal["type"], refusal["id"]), ("error", "a1b2c3"))
        self.assertIn(condition(refusal), ("recipient-unavailable", "service-unavailable"))
        self.assertEqual(self.server.stored("nixos-rebuild"), [])
