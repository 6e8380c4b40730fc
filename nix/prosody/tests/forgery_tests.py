"""Who cannot attract a request, or pass for somebody else."""

from client import APPROVAL, condition, disco_answer, idents, request
from town_case import TownCase


class Forgeries(TownCase):
    async def stranger_with_the_feature_and_priority_100_gets_nothing(self):
        stranger = await self.online("stranger@localhost/nuketown-broker", priority=100, features=(APPROVAL,))
        phone, agent = await self.phone(), await self.agent()
        agent.send_raw(request(ident="without-broker"))
        self.assertEqual(idents([await phone.message()]), ["without-broker"])
        broker = await self.broker()
        stranger.send_presence(ppriority=100, pto="human@localhost")
        stranger.send_presence(ppriority=100, pto=broker.boundjid.full)
        await stranger.round_trip()
        agent.send_raw(request(ident="with-broker"))
        self.assertEqual(idents([await broker.message()]), ["with-broker"])
        self.assertEqual(await stranger.seen(), [])

    async def stranger_with_the_feature_gets_nothing_while_nobody_of_the_account_is_online(self):
        stranger = await self.online("stranger@localhost/nuketown-broker", priority=100, features=(APPROVAL,))
        agent = await self.agent()
        agent.send_raw(request())
        self.assertEqual(condition(await agent.message()), "service-unavailable")
        self.assertEqual(await stranger.seen(), [])

    async def request_says_who_really_sent_it(self):
        broker, _, stranger = await self.broker(), await self.agent(), await self.online("stranger@localhost/x")
        for ident, claimed in (("1", "ada@localhost/daemon"), ("2", "ada@localhost"), ("3", "localhost"), ("4", "human@localhost")):
            stranger.send_raw(request(ident=ident).replace("<message ", f'<message from="{claimed}" '))
        await stranger.round_trip()
        messages = await broker.seen()
        self.assertEqual({message["from"].full for message in messages}, {"stranger@localhost/x"})
        self.assertEqual(idents(messages), ["1", "2", "3", "4"])

    async def another_account_cannot_answer_the_servers_query(self):
        quiet = await self.connect("human@localhost/quiet", answers=False)
        quiet.send_presence(ppriority=-1)
        query = await quiet.query()
        stranger, phone, agent = await self.online("stranger@localhost/x"), await self.phone(), await self.agent()
        for sender in (None, "human@localhost/quiet"):
            stranger.send_raw(disco_answer(query["id"], sender=sender))
        await stranger.round_trip()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await quiet.seen(), [])

    async def another_session_of_the_account_cannot_answer_the_servers_query(self):
        quiet = await self.connect("human@localhost/quiet", answers=False)
        quiet.send_presence(ppriority=-1)
        query = await quiet.query()
        phone, agent = await self.phone(), await self.agent()
        for sender in (None, "human@localhost/quiet"):
            phone.send_raw(disco_answer(query["id"], sender=sender))
        await phone.round_trip()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await quiet.seen(), [])
        # The query is still open for the one that it was sent to.
        async with self.asked("human@localhost/quiet"):
            quiet.send_raw(disco_answer(query["id"]))
        agent.send_raw(request(ident="then"))
        self.assertEqual(idents([await quiet.message()]), ["then"])

    async def answer_with_a_wrong_id_is_not_believed(self):
        quiet = await self.connect("human@localhost/quiet", answers=False)
        quiet.send_presence(ppriority=-1)
        query = await quiet.query()
        for ident in ("", "1", query["id"] + "x", query["id"][:-1]):
            quiet.send_raw(disco_answer(ident))
        await quiet.round_trip()
        phone, agent = await self.phone(), await self.agent()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await quiet.seen(), [])

    async def answer_to_an_earlier_query_is_not_believed(self):
        quiet = await self.connect("human@localhost/quiet", answers=False)
        first, second = [await self._presence_with_caps(quiet, version) for version in ("1", "2")]
        quiet.send_raw(disco_answer(first["id"]))
        async with self.asked("human@localhost/quiet"):
            quiet.send_raw(disco_answer(second["id"], feature="urn:something:else"))
        quiet.send_raw(disco_answer(first["id"]))
        quiet.send_raw(disco_answer(second["id"]))
        await quiet.round_trip()
        phone, agent = await self.phone(), await self.agent()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await quiet.seen(), [])
        # It was the answer to the second query that counted, and it was no.
        lines = [line for line in self.server.log if "human@localhost/quiet serves approvals" in line]
        self.assertEqual([line.rsplit(": ", 1)[1] for line in lines], ["false"])

    async def session_that_says_it_no_longer_serves_is_left_out(self):
        broker = await self.connect("human@localhost/broker", answers=False)
        phone, agent = await self.phone(), await self.agent()
        for version, feature in (("1", APPROVAL), ("2", "urn:something:else"), ("3", APPROVAL)):
            query = await self._presence_with_caps(broker, version)
            async with self.asked("human@localhost/broker"):
                broker.send_raw(disco_answer(query["id"], feature=feature))
            agent.send_raw(request(ident=version))
            self.assertEqual(idents([await (broker if feature == APPROVAL else phone).message()]), [version])
        self.assertEqual(await phone.seen(), [])

    async def session_whose_features_have_not_changed_is_not_asked_again(self):
        broker = await self.connect("human@localhost/broker", answers=False)
        query = await self._presence_with_caps(broker, "1")
        broker.send_raw(disco_answer(query["id"]))
        broker.send_raw('<presence><show>dnd</show><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n" ver="1"/></presence>')
        await broker.round_trip()
        self.assertTrue(broker.queries.empty())

    async def caps_of_a_broker_on_another_client_are_no_answer(self):
        broker = await self.broker()
        agent, phone = await self.agent(), await self.phone()
        caps = {"hash": "sha-1", "node": "n", "ver": broker["xep_0115"].caps_node or "v"}
        copy = await self.connect("human@localhost/copy", answers=False)
        copy.send_raw('<presence><c xmlns="http://jabber.org/protocol/caps" hash="{hash}" node="{node}" ver="{ver}"/></presence>'.format(**caps))
        await copy.query()
        agent.send_raw(request())
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])
        self.assertEqual(await copy.seen(), [])
        self.assertEqual(await phone.seen(), [])

    async def flood_of_queries_that_nobody_answers_makes_the_server_forget_none(self):
        broker = await self.connect("human@localhost/broker", answers=False)
        query = await self._presence_with_caps(broker, "1")
        stranger = await self.connect("stranger@localhost/x", answers=False)
        # Prosody's module:send_iq keeps 256 of them for a whole server.
        for version in range(300):
            await self._presence_with_caps(stranger, version)
        async with self.asked("human@localhost/broker"):
            broker.send_raw(disco_answer(query["id"]))
        agent = await self.agent()
        agent.send_raw(request())
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])

    async def session_that_answers_the_query_with_an_error_gets_no_request(self):
        odd = await self.connect("human@localhost/odd", answers=False)
        odd.send_presence()
        query = await odd.query()
        phone, agent = await self.phone(), await self.agent()
        async with self.asked("human@localhost/odd"):
            odd.send_raw(disco_answer(query["id"]).replace('type="result"', 'type="error"'))
        odd.send_presence(ptype="unavailable")
        await odd.round_trip()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await odd.seen(), [])

    async def blocked_sender_reaches_nobody(self):
        broker, phone = await self.broker(), await self.phone(plugins=("xep_0191",))
        stranger = await self.online("stranger@localhost/x")
        await phone["xep_0191"].block("stranger@localhost")
        stranger.send_raw(request())
        await stranger.round_trip()
        self.assertEqual((await broker.seen(), await phone.seen()), ([], []))
        # Prosody 0.12 tells the sender, 13 does not.
        self.assertIn([condition(message) for message in await stranger.seen()], ([], ["service-unavailable"]))

    async def _presence_with_caps(self, client, version):
        client.send_raw(f'<presence><priority>-1</priority><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n" '
                        f'ver="{version}"/></presence>')
        return await client.query()
