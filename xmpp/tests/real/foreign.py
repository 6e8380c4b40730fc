#!/usr/bin/env python3
"""A client of somebody else's making (slixmpp), for the tests of the session.

    foreign.py JID PORT AUTHORITY     the password is the first line of standard input

It prints `online`, answers each chat message with `echo: ` and its text, and does what some of them say:

    features JID      answers with what that client's caps (XEP-0115) say, once it has verified their hash
    nest LEVELS JID   sends a message with so many nested elements there, and then answers `done`
    stretch BYTES JID sends a message with an attribute of so many bytes there, and then answers `done`

What comes back as an error is printed as `refused: ` and the server's or client's words. It ends when standard input does.
"""

import asyncio
import sys

from slixmpp import ClientXMPP, JID


class Foreign(ClientXMPP):
    def __init__(self, jid, password, authority):
        super().__init__(jid, password)
        self.ca_certs = authority
        # Not XEP-0198: what is sent as it is would not be counted.
        for plugin in ("xep_0030", "xep_0115", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)
        self.add_event_handler("message_error", self.refused)

    async def started(self, _event):
        self.send_presence()
        await self.get_roster()
        print("online", flush=True)

    async def message(self, message):
        if message["type"] != "chat" or not message["body"]:
            return
        match message["body"].split():
            case ["features", jid]:
                message.reply(" ".join(sorted(await self.verified_features(JID(jid))))).send()
            case ["nest", levels, jid]:
                self.send_as_it_is(jid, "<x>" * int(levels) + "</x>" * int(levels))
                message.reply("done").send()
            case ["stretch", size, jid]:
                self.send_as_it_is(jid, f"<y z='{'z' * int(size)}'/>")
                # A server's expat takes up a long token again only when there is twice as much to read.
                self.send_raw(" " * 2 * int(size))
                message.reply("done").send()
            case _:
                message.reply(f"echo: {message['body']}").send()

    def refused(self, message):
        print(f"refused: {message['error']['text']}", flush=True)

    def send_as_it_is(self, to, xml):
        self.send_raw(f"<message to='{to}' type='chat' id='1'><body>unheard</body><x xmlns='urn:x'>{xml}</x></message>")

    async def verified_features(self, jid):
        """The features behind the caps in the presence of `jid`; only what has been verified is kept."""
        caps = self["xep_0115"]
        while not (await caps.get_verstring(jid) and await caps.get_caps(jid)):
            await self.wait_until("entity_caps", timeout=30)
        return (await caps.get_caps(jid))["features"]


async def main(jid, port, authority):
    password = sys.stdin.readline().rstrip("\n")
    client = Foreign(jid, password, authority)
    client.connect(("127.0.0.1", int(port)))
    # Until whoever started this is gone, or says so.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
