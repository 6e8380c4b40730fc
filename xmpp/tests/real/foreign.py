#!/usr/bin/env python3
"""A client of somebody else's making (slixmpp), for the tests of the session.

    foreign.py JID PORT AUTHORITY     the password is the first line of standard input

It prints `online`, answers each chat message with `echo: ` and its text, and answers a message `features RESOURCE` with what
that resource's caps (XEP-0115) say, once it has verified their hash. It ends when standard input does.
"""

import asyncio
import sys

from slixmpp import ClientXMPP, JID


class Foreign(ClientXMPP):
    def __init__(self, jid, password, authority):
        super().__init__(jid, password)
        self.ca_certs = authority
        for plugin in ("xep_0030", "xep_0115", "xep_0199", "xep_0198"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)

    async def started(self, _event):
        self.send_presence()
        await self.get_roster()
        print("online", flush=True)

    async def message(self, message):
        if message["type"] != "chat" or not message["body"]:
            return
        words = message["body"].split()
        if words[0] == "features":
            message.reply(" ".join(sorted(await self.verified_features(JID(words[1]))))).send()
        else:
            message.reply(f"echo: {message['body']}").send()

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
