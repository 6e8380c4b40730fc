"""Where a request goes, and where it does not."""

from client import APPROVAL, CARBONS, answer, condition, idents, request
from town_case import TownCase


class Routing(TownCase):
    async def request_reaches_the_broker_and_not_the_chat_client(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        agent.send_raw(request())
        message = await broker.message()
        self.assertEqual(idents([message]), ["a1b2c3"])
        self.assertEqual((message["from"].full, message["to"].full), ("ada@localhost/daemon", "human@localhost"))
        self.assertEqual(message["id"], "a1b2c3")
        self.assertEqual(message.xml.findtext("{%s}approval/{%s}command" % (APPROVAL, APPROVAL)), "nixos-rebuild switch")
        self.assertEqual(await phone.seen(), [])
        self.assertEqual(await broker.seen(), [], "it came twice")

    async def request_of_each_type_of_message_reaches_the_broker(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        for kind in ("normal", "chat", None):
            agent.send_raw(request(ident=f"as-{kind}", kind=kind, body="ada asks"))
            self.assertEqual(idents([await broker.message()]), [f"as-{kind}"])
        self.assertEqual(await phone.seen(), [])

    async def request_reaches_the_chat_client_while_the_broker_is_offline(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        await broker.log_out()
        agent.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await agent.seen(), [])

    async def request_is_refused_at_once_and_not_stored_while_nobody_is_online(self):
        agent = await self.agent()
        agent.send_raw(request())
        refusal = await agent.message()
        self.assertEqual((refusal["type"], refusal["id"], condition(refusal)), ("error", "a1b2c3", "service-unavailable"))
        self.assertEqual(self.server.stored(APPROVAL), [])
        phone = await self.phone()
        self.assertEqual(await phone.seen(), [], "it was delivered late")

    async def request_is_refused_while_only_a_session_without_presence_is_there(self):
        agent = await self.agent()
        silent = await self.connect("human@localhost/silent", features=(APPROVAL,))
        agent.send_raw(request())
        self.assertEqual(condition(await agent.message()), "service-unavailable")
        self.assertEqual(await silent.seen(), [])

    async def answer_of_the_broker_reaches_the_agent(self):
        broker, agent = await self.broker(), await self.agent()
        agent.send_raw(request())
        asked = await broker.message()
        for to in (asked["from"].full, "ada@localhost"):
            broker.send_raw(answer(to))
            response = (await agent.message()).xml.find("{%s}approval-response" % APPROVAL)
            self.assertEqual((response.get("id"), response.findtext("{%s}result" % APPROVAL)), ("a1b2c3", "approved"))

    async def answer_to_an_agent_that_has_left_is_not_kept_for_it(self):
        broker, agent = await self.broker(), await self.agent()
        await agent.log_out()
        broker.send_raw(answer("ada@localhost"))
        self.assertEqual(condition(await broker.message()), "service-unavailable")
        self.assertEqual(self.server.stored(APPROVAL), [])

    async def withdrawal_reaches_the_broker(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        agent.send_raw(f'<message to="human@localhost"><approval-cancel xmlns="{APPROVAL}" id="a1b2c3"/></message>')
        withdrawal = await broker.message()
        self.assertEqual(withdrawal.xml.find("{%s}approval-cancel" % APPROVAL).get("id"), "a1b2c3")
        self.assertEqual(await phone.seen(), [])

    async def ordinary_message_is_delivered_as_ever(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        agent.send_raw('<message to="human@localhost" type="chat"><body>good morning</body></message>')
        self.assertEqual((await phone.message())["body"], "good morning")
        self.assertEqual(await broker.seen(), [])
        await phone.log_out()
        await broker.log_out()
        agent.send_raw('<message to="human@localhost" type="chat"><body>good night</body></message>')
        await agent.round_trip()
        self.assertNotEqual(self.server.stored("good night"), [])
        phone = await self.phone()
        self.assertEqual((await phone.message())["body"], "good night")
        self.assertEqual(await agent.seen(), [])

    async def element_of_another_namespace_or_further_inside_is_no_request(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        agent.send_raw('<message to="human@localhost"><approval xmlns="urn:nuketown:approvals" id="a"/></message>')
        agent.send_raw(f'<message to="human@localhost"><forwarded xmlns="urn:xmpp:forward:0">{request()}</forwarded></message>')
        await phone.message()
        await phone.message()
        self.assertEqual(await broker.seen(), [])

    async def newest_of_two_brokers_gets_the_request(self):
        desktop, laptop, agent = await self.broker("desktop"), await self.broker("laptop"), await self.agent()
        agent.send_raw(request())
        self.assertEqual(idents([await laptop.message()]), ["a1b2c3"])
        self.assertEqual(await desktop.seen(), [])

    async def older_broker_gets_the_request_when_the_newer_has_left(self):
        desktop, laptop, agent = await self.broker("desktop"), await self.broker("laptop"), await self.agent()
        await laptop.log_out()
        agent.send_raw(request())
        self.assertEqual(idents([await desktop.message()]), ["a1b2c3"])

    async def broker_that_has_gone_unavailable_gets_no_request(self):
        desktop, laptop, agent = await self.broker("desktop"), await self.broker("laptop"), await self.agent()
        laptop.send_presence(ptype="unavailable")
        await laptop.round_trip()
        agent.send_raw(request())
        self.assertEqual(idents([await desktop.message()]), ["a1b2c3"])
        self.assertEqual(await laptop.seen(), [])
        async with self.asked("human@localhost/laptop"):
            laptop.send_presence(ppriority=-1)
        agent.send_raw(request(ident="back"))
        self.assertEqual(idents([await laptop.message()]), ["back"])

    async def request_to_a_full_jid_goes_there(self):
        desktop, laptop, agent = await self.broker("desktop"), await self.broker("laptop"), await self.agent()
        agent.send_raw(request(to="human@localhost/desktop"))
        self.assertEqual(idents([await desktop.message()]), ["a1b2c3"])
        self.assertEqual(await laptop.seen(), [])

    async def request_to_a_full_jid_that_has_left_goes_to_the_broker_that_is_there(self):
        broker, phone, agent = await self.broker("new"), await self.phone(), await self.agent()
        agent.send_raw(request(to="human@localhost/old"))
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])
        self.assertEqual(await phone.seen(), [])

    async def request_of_the_broker_itself_goes_to_the_other_sessions(self):
        broker, phone = await self.broker(), await self.phone()
        broker.send_raw(request())
        self.assertEqual(idents([await phone.message()]), ["a1b2c3"])
        self.assertEqual(await broker.seen(), [])

    async def request_without_an_address_is_to_the_own_account(self):
        broker, phone = await self.broker(), await self.phone()
        phone.send_raw(request().replace(' to="human@localhost"', ""))
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])

    async def request_that_is_routed_is_neither_copied_nor_archived(self):
        broker, phone, agent = await self.broker(), await self.phone(plugins=("xep_0280",)), await self.agent()
        await phone["xep_0280"].enable()
        agent.send_raw(request(kind="chat", body="ada asks"))
        await broker.message()
        self.assertEqual(await phone.seen(), [])
        # What would have been copied and archived otherwise.
        agent.send_raw('<message to="human@localhost/nuketown-broker" type="chat"><body>a control</body></message>')
        copy = await phone.message()
        self.assertIsNotNone(copy.xml.find("{%s}received" % CARBONS))
        self.assertNotEqual(self.server.stored("a control"), [])
        self.assertEqual(self.server.stored(APPROVAL), [])

    async def request_that_reaches_the_chat_client_is_not_archived(self):
        phone, agent = await self.phone(), await self.agent()
        agent.send_raw(request(kind="chat", body="ada asks"))
        await phone.message()
        await agent.round_trip()
        self.assertEqual(self.server.stored("ada asks"), [])

    async def errors_headlines_and_room_messages_are_no_requests(self):
        broker, phone, agent = await self.broker(), await self.phone(), await self.agent()
        for kind in ("error", "headline", "groupchat"):
            agent.send_raw(request(ident=kind, kind=kind))
        # The server's own answer for a groupchat message to an account; an error is never answered.
        self.assertEqual(condition(await agent.message()), "service-unavailable")
        self.assertEqual(await agent.seen(), [])
        self.assertEqual(await broker.seen(), [])
        self.assertEqual(idents(await phone.seen()), ["headline"])

    async def malformed_and_large_requests_leave_the_server_whole(self):
        broker, agent = await self.broker(), await self.agent()
        inner = f'<approval xmlns="{APPROVAL}"'
        bodies = (
            f"{inner}/>",
            f'{inner} id=""/>',
            f'{inner} id="a"/>{inner} id="b"/>',
            f'{inner} id="a"/><approval-cancel xmlns="{APPROVAL}" id="a"/><approval-response xmlns="{APPROVAL}" id="a"/>',
            f'{inner} id="a">{inner} id="b"/></approval>',
            f'{inner} id="a"><command/><command>x</command><timeout>-1</timeout><timeout>nan</timeout></approval>',
            f'{inner} id="&#x202e;&lt;&amp;&quot;"><command>&#x200b;%s%n%d</command></approval>',
            f'{inner} id="{"a" * 3000}"/>',
            f'{inner} id="a"><command>{"x" * 200_000}</command></approval>',
            f'{inner} id="a">{"<a/>" * 20_000}</approval>',
            f'{inner} id="a">{"<a>" * 500}{"</a>" * 500}</approval>',
        )
        for body in bodies:
            agent.send_raw(f'<message to="human@localhost">{body}</message>')
            self.assertIsNotNone((await broker.message()).xml.find("{%s}approval" % APPROVAL), body[:100])
        for to in ("human@localhost/", "@localhost", "human@", "a" * 1100 + "@localhost", "human@localhost/a@b"):
            agent.send_raw(request(to=to))
        agent.send_raw(request(ident="after-all-that"))
        while "after-all-that" not in idents([await broker.message()]):
            pass
        # Its library gives up on the malformed addresses in the errors that the server has sent back.
        agent.break_connection()

    async def stanza_beyond_the_servers_limit_harms_its_sender_alone(self):
        broker, agent, stranger = await self.broker(), await self.agent(), await self.online("stranger@localhost/x")
        stranger.send_raw(f'<message to="human@localhost"><approval xmlns="{APPROVAL}" id="a">{"a" * 600_000}</approval></message>')
        await self.server.logged("stanza-too-large")
        agent.send_raw(request())
        self.assertEqual(idents([await broker.message()]), ["a1b2c3"])
