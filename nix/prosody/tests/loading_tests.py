"""The module comes into a running server, and leaves it."""

from client import APPROVAL, condition, disco_answer, idents, request
from town_case import TownCase

HOST = "localhost"


class Loading(TownCase):
    modules = ()

    async def module_that_comes_into_a_running_server_asks_who_is_there(self):
        desktop, laptop, phone = [await self._there(jid, features) for jid, features in (
            ("desktop", (APPROVAL,)), ("laptop", (APPROVAL,)), ("phone", ()))]
        await self._load_and_hear("laptop", "desktop", "phone")
        agent = await self.agent()
        agent.send_raw(request())
        self.assertEqual(idents([await laptop.message()]), ["a1b2c3"])
        self.assertEqual((await desktop.seen(), await phone.seen()), ([], []))

    async def module_that_is_unloaded_routes_nothing_and_forgets(self):
        broker, phone = await self._there("broker", (), priority=-1, answers=False), await self._there("phone", ())
        await self.server.shell("module", "load", "nuketown_approval", HOST)
        query = await broker.query()
        async with self.asked("human@localhost/broker"):
            broker.send_raw(disco_answer(query["id"]))
        agent = await self.agent()
        agent.send_raw(request(ident="loaded"))
        self.assertEqual(idents([await broker.message()]), ["loaded"])
        self.assertIn("1 host", await self.server.shell("module", "unload", "nuketown_approval", HOST))
        agent.send_raw(request(ident="unloaded"))
        self.assertEqual(idents([await phone.message()]), ["unloaded"])
        # It is asked anew, and what it said before counts no more.
        await self.server.shell("module", "load", "nuketown_approval", HOST)
        await broker.query()
        agent.send_raw(request(ident="again"))
        self.assertEqual(idents([await phone.message()]), ["again"])
        self.assertEqual(await broker.seen(), [])

    async def answer_that_comes_after_the_module_has_left_harms_nothing(self):
        broker, phone = await self._there("broker", (), priority=-1, answers=False), await self._there("phone", ())
        await self.server.shell("module", "load", "nuketown_approval", HOST)
        query = await broker.query()
        await self.server.shell("module", "unload", "nuketown_approval", HOST)
        broker.send_raw(disco_answer(query["id"]))
        await broker.round_trip()
        agent = await self.online("ada@localhost/daemon", asked=False)
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])

    async def module_that_is_reloaded_routes_as_before(self):
        broker, phone = await self._there("broker", (APPROVAL,)), await self._there("phone", ())
        await self._load_and_hear("broker", "phone")
        for number in range(3):
            await self._load_and_hear("broker", "phone", how="reload")
            agent = await self.agent()
            agent.send_raw(request(ident=str(number)))
            self.assertEqual(idents([await broker.message()]), [str(number)])
            self.assertEqual((await broker.seen(), await phone.seen()), ([], []))
            await agent.log_out()

    async def server_without_the_module_stores_a_request_which_is_why_it_is_needed(self):
        agent = await self.online("ada@localhost/daemon", asked=False)
        agent.send_raw(request())
        await agent.round_trip()
        self.assertNotEqual(self.server.stored(APPROVAL), [])
        await self.server.shell("module", "load", "nuketown_approval", HOST)
        agent.send_raw(request())
        self.assertEqual(condition(await agent.message()), "service-unavailable")

    async def _there(self, resource, features, **options):
        """A session of the human from before the module was loaded."""
        return await self.online(f"human@localhost/{resource}", features=features, asked=False, **options)

    async def _load_and_hear(self, *resources, how="load"):
        since = len(self.server.log)
        self.assertIn("1 host", await self.server.shell("module", how, "nuketown_approval", HOST))
        for resource in resources:
            await self.server.logged(f"human@localhost/{resource} serves approvals", since)
