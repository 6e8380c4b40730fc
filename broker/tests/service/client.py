#!/usr/bin/env python3
"""A client of somebody else's making (slixmpp) that a test drives: the human's phone, an agent, a stranger.

    client.py JID PORT AUTHORITY PRIORITY     the password is the first line of standard input

Each further line of standard input is XML that is sent as it is; `ping JID` asks that session whether it is there. It prints
`online`, then one line of JSON for each message that comes in, {"message": XML}, and {"pong": JID} for each answer to a ping. It
ends when standard input does.
"""

import asyncio
import json
import sys

from slixmpp import ClientXMPP
from slixmpp.stanza import Message


class Client(ClientXMPP):
    def __init__(self, jid, password, authority, priority):
        super().__init__(jid, password)
        self.ca_certs = authority
        self.priority = priority
        for plugin in ("xep_0030", "xep_0199", "xep_0280"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_filter("in", self.seen)

    async def started(self, _event):
        self.send_presence(ppriority=self.priority)
        await self.get_roster()
        await self["xep_0280"].enable()
        say("online")

    def seen(self, stanza):
        if isinstance(stanza, Message):
            say(json.dumps({"message": str(stanza)}))
        return stanza

    async def read(self, lines):
        while line := await lines.readline():
            words = line.decode().rstrip("\n")
            if words.startswith("ping "):
                jid = words.split()[1]
                await self["xep_0199"].ping(jid, timeout=60)
                say(json.dumps({"pong": jid}))
            else:
                self.send_raw(words)


def say(text):
    print(text, flush=True)


async def main(jid, port, authority, priority):
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    password = (await lines.readline()).decode().rstrip("\n")
    client = Client(jid, password, authority, int(priority))
    client.connect(("127.0.0.1", int(port)))
    await client.read(lines)
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
