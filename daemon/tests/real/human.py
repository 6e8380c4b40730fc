#!/usr/bin/env python3
"""The human of the tests: a chat client of somebody else's making (slixmpp).

    human.py JID PORT AUTHORITY AGENT     the password is the first line of standard input

It subscribes to AGENT's presence, prints `online`, then `presence SHOW STATUS` (`presence offline`) for each presence of AGENT and
`said TEXT` for each message of it, line ends as `\\n`; `refused` if AGENT does
not let its presence be seen. Each further line of standard input is a message to AGENT; `/room ROOM NICK`
joins a room, and `/in ROOM TEXT` speaks there. It ends when standard input does.
"""

import asyncio
import sys

from slixmpp import ClientXMPP, JID


class Human(ClientXMPP):
    def __init__(self, jid, password, authority, agent):
        super().__init__(jid, password)
        self.ca_certs = authority
        self.agent = JID(agent)
        for plugin in ("xep_0030", "xep_0045", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.message)
        self.add_event_handler("presence", self.presence)
        self.add_event_handler("presence_unsubscribed", lambda _presence: self.say("refused"))

    async def started(self, _event):
        await self.get_roster()
        self.send_presence()
        self.say("online")
        self.send_presence_subscription(self.agent)

    def presence(self, presence):
        # For an available one, slixmpp gives the show as the type.
        kind = presence["type"]
        if presence["from"].bare != self.agent.bare:
            return
        if kind == "unavailable":
            self.say("presence offline")
        elif kind in ("available", "away", "chat", "dnd", "xa"):
            self.say(f"presence {kind} {presence['status']}")

    def message(self, message):
        if message["body"] and message["from"].bare != self.boundjid.bare:
            self.say("said " + message["body"].replace("\n", "\\n"))

    def say(self, text):
        print(text, flush=True)

    def told(self, line):
        words = line.split(" ", 2)
        if words[0] == "/room":
            asyncio.ensure_future(self["xep_0045"].join_muc_wait(JID(words[1]), words[2]))
        elif words[0] == "/in":
            self.send_message(mto=JID(words[1]), mbody=words[2], mtype="groupchat")
        else:
            self.send_message(mto=self.agent, mbody=line, mtype="chat")


async def main(jid, port, authority, agent):
    password = sys.stdin.readline().rstrip("\n")
    human = Human(jid, password, authority, agent)
    human.connect(("127.0.0.1", int(port)))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        human.told(line.rstrip("\n"))
    await human.disconnect()


asyncio.run(main(*sys.argv[1:]))
