"""What every test starts with: a Prosody of the version under test, the accounts, and a log without errors at the end."""

import asyncio
import contextlib
import re
import tempfile
import unittest

from client import APPROVAL, Client
from prosody_server import Server


class TownCase(unittest.IsolatedAsyncioTestCase):
    """A test is a coroutine of a subclass, named as a sentence (see `run`)."""

    version = None
    modules = ("nuketown_approval",)
    options = ()
    # An error in the log that the test is about.
    expected_error = None

    def __str__(self):
        return f"prosody {self.version} {self._testMethodName}"

    async def asyncSetUp(self):
        # unittest's debug mode reports every slow step of a busy machine.
        asyncio.get_running_loop().set_debug(False)
        work = self.enterContext(tempfile.TemporaryDirectory(prefix="nuketown-prosody-"))
        self.server = await Server.start(self.version, work, self.modules, self.options)
        self.clients = []
        for name in ("human", "ada", "stranger"):
            self.server.account(name)

    async def asyncTearDown(self):
        for client in self.clients:
            if client.is_connected():
                await client.log_out()
        await self.server.stop()
        errors = [line for line in self.server.errors() if not re.search(self.expected_error or "$^", line)]
        self.assertEqual(errors, [], "the server's log has errors")

    async def connect(self, jid, **options):
        """A session that has sent no presence."""
        client = Client(jid, **options)
        self.clients.append(client)
        await client.log_in(self.server.port)
        return client

    async def online(self, jid, priority=0, asked=True, **options):
        """A session with presence, whose answer to the server's query has arrived (unless the server does not ask)."""
        client = await self.connect(jid, **options)
        async with self.asked(jid) if asked else contextlib.nullcontext():
            client.send_presence(ppriority=priority)
        await client.round_trip()
        return client

    @contextlib.asynccontextmanager
    async def asked(self, jid):
        """What is done inside makes the server ask that session; goes on when it has the answer."""
        since = len(self.server.log)
        yield
        await self.server.logged(f"{re.escape(jid)} serves approvals", since)

    async def broker(self, resource="nuketown-broker", **options):
        return await self.online(f"human@localhost/{resource}", priority=-1, features=(APPROVAL,), **options)

    async def phone(self, **options):
        return await self.online("human@localhost/phone", **options)

    async def agent(self):
        return await self.online("ada@localhost/daemon")
