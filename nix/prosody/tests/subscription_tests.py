"""nuketown_approval_require_subscription: only contacts of the human may ask."""

import asyncio

from client import APPROVAL, condition, idents, request
from prosody_server import BOUND
from town_case import TownCase


class RequiredSubscription(TownCase):
    options = ("nuketown_approval_require_subscription = true",)

    async def stranger_is_refused_whatever_address_of_the_human_it_uses(self):
        broker, phone = await self.broker(), await self.phone()
        stranger = await self.online("stranger@localhost/x", features=(APPROVAL,))
        for to in ("human@localhost", broker.boundjid.full, phone.boundjid.full, "human@localhost/gone"):
            stranger.send_raw(request(to=to, ident=to))
            refusal = await stranger.message()
            self.assertEqual((refusal["id"], condition(refusal)), (to, "subscription-required"))
        self.assertEqual((await broker.seen(), await phone.seen()), ([], []))

    async def account_that_does_not_exist_cannot_be_told_from_one_that_does(self):
        stranger = await self.online("stranger@localhost/x")
        for to in ("human@localhost", "nobody@localhost", "human@localhost/x", "nobody@localhost/x"):
            stranger.send_raw(request(to=to))
            self.assertEqual(condition(await stranger.message()), "subscription-required", to)

    async def contact_is_heard_and_none_is_no_subscription(self):
        for kind, heard in (("both", True), ("from", True), ("to", True), ("none", False)):
            self.server.contacts("human", {"ada@localhost": kind})
            broker, agent = await self.broker(), await self.agent()
            agent.send_raw(request(ident=kind))
            if heard:
                self.assertEqual(idents([await broker.message()]), [kind])
            else:
                self.assertEqual(condition(await agent.message()), "subscription-required")
            # The server reads the roster again when nobody of the account is there.
            for client in (broker, agent):
                await client.log_out()

    async def contact_whose_human_is_offline_is_told_so(self):
        self.server.contacts("human", {"ada@localhost": "both"})
        agent = await self.agent()
        agent.send_raw(request())
        self.assertEqual(condition(await agent.message()), "service-unavailable")

    async def sessions_of_the_human_need_no_subscription(self):
        broker, phone = await self.broker(), await self.phone()
        phone.send_raw(request())
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])

    async def ordinary_message_of_a_stranger_is_delivered(self):
        phone, stranger = await self.phone(), await self.online("stranger@localhost/x")
        stranger.send_raw('<message to="human@localhost" type="chat"><body>hello</body></message>')
        self.assertEqual((await phone.message())["body"], "hello")

    async def stranger_in_a_room_cannot_have_the_human_thrown_out(self):
        phone, stranger = await self.phone(), await self.online("stranger@localhost/x")
        for client, nick in ((phone, "human"), (stranger, "stranger")):
            client.send_raw(f'<presence to="yard@rooms.localhost/{nick}"><x xmlns="http://jabber.org/protocol/muc"/></presence>')
            await self._occupant(client, nick)
        stranger.send_raw(request(to="yard@rooms.localhost/human", kind="chat"))
        stranger.send_raw(request(to="yard@rooms.localhost", kind="groupchat"))
        stranger.send_raw('<message to="yard@rooms.localhost" type="groupchat"><body>still here?</body></message>')
        while (await phone.message())["body"] != "still here?":
            pass
        await stranger.round_trip()
        left = [presence for presence in _drained(stranger.presences) if presence["type"] == "unavailable"]
        self.assertEqual(left, [])

    async def _occupant(self, client, nick):
        while True:
            presence = await asyncio.wait_for(client.presences.get(), BOUND)
            if presence["from"].full == f"yard@rooms.localhost/{nick}":
                return


class MisspeltSubscription(TownCase):
    options = ('nuketown_approval_require_subscription = "perhaps"',)
    expected_error = "nuketown_approval_require_subscription"

    async def value_that_is_no_boolean_counts_as_true(self):
        broker, stranger = await self.broker(), await self.online("stranger@localhost/x")
        stranger.send_raw(request())
        self.assertEqual(condition(await stranger.message()), "subscription-required")
        self.assertEqual(await broker.seen(), [])


def _drained(queue):
    return [queue.get_nowait() for _ in range(queue.qsize())]
