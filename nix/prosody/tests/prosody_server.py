"""A real Prosody for one test: free loopback port, a directory of its own, its log as the event to wait for."""

import asyncio
import os
import re
import signal
import socket
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse"
# Generous: everything waited for takes milliseconds, and a slow machine is no failure.
BOUND = 60

CONFIG = """\
run_as_root = true
data_path = "{work}/data"
certificates = "{work}/certs"
log = {{ {{ levels = {{ min = "debug" }}, to = "console" }} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
plugin_paths = {{ "{plugins}" }}
modules_enabled = {{
  "roster", "saslauth", "disco", "ping", "smacks", "carbons", "mam", "blocklist", "admin_shell", {modules}
}}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
network_settings = {{ nagle = false }}
{options}
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  muc_room_locking = false
"""


class Server:
    """Use `await Server.start(…)` and `await server.stop()`."""

    def __init__(self, version, work):
        self.version = version
        self.work = Path(work)
        self.log = []
        self._news = asyncio.Condition()

    @classmethod
    async def start(cls, version, work, modules, options):
        server = cls(version, work)
        for directory in ("certs", "data"):
            (server.work / directory).mkdir()
        # Another process may take the port before Prosody does; then there is another one.
        for _ in range(10):
            if await server._start(free_port(), modules, options):
                return server
        raise AssertionError(f"Prosody {version} found no free port:\n" + "\n".join(server.log))

    async def _start(self, port, modules, options):
        self.port = port
        self.config = self.work / "prosody.cfg.lua"
        self.config.write_text(CONFIG.format(
            work=self.work, port=port, plugins=PROJECT / "nix/prosody", options="\n".join(options),
            modules=", ".join(f'"{module}"' for module in modules)))
        self._process = await asyncio.create_subprocess_exec(
            PROJECT / "tools/prosody", self.version, "--config", self.config, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=1 << 24)
        self._reader = asyncio.create_task(self._read())
        line = await self.logged(r"Activated service 'c2s' on (no ports|\[127)")
        if "no ports" not in line:
            return True
        await self.stop()
        self.log.clear()
        return False

    async def _read(self):
        async for line in self._process.stdout:
            async with self._news:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self._news.notify_all()
        async with self._news:
            self.log.append("-- the end --")
            self._news.notify_all()

    def account(self, name):
        self._store("accounts", name, f'return {{ ["password"] = "{PASSWORD}" }};')

    def contacts(self, name, subscriptions):
        """Writes the roster of `name`: bare JIDs and the subscription to each."""
        items = "".join(f'["{jid}"] = {{ subscription = "{kind}", groups = {{}} }}; ' for jid, kind in subscriptions.items())
        self._store("roster", name, f"return {{ [false] = {{ version = 1; pending = {{}} }}; {items} }};")

    def _store(self, kind, name, text):
        directory = self.work / "data/localhost" / kind
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.dat").write_text(text)

    async def logged(self, pattern, since=0):
        """Waits for a line of the log that the pattern is found in, from line number `since` on."""
        seen = since

        def found():
            nonlocal seen
            while seen < len(self.log):
                seen += 1
                if re.search(pattern, self.log[seen - 1]):
                    return self.log[seen - 1]
            return "-- the end --" in self.log[-1:]

        async with self._news:
            line = await asyncio.wait_for(self._news.wait_for(found), BOUND)
        if line is True:
            raise AssertionError(f"Prosody {self.version} ended and never said {pattern!r}:\n" + "\n".join(self.log))
        return line

    async def shell(self, *command):
        """Runs a command of `prosodyctl shell`, as the server's operator does."""
        process = await asyncio.create_subprocess_exec(
            PROJECT / f"target/tools/prosody-{self.version}/bin/prosodyctl", "--config", self.config, "shell", *command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), BOUND)
        return output.decode()

    def stored(self, text):
        """The files below the data directory that hold the text: what is there when the last message was handled."""
        return [str(file.relative_to(self.work)) for file in (self.work / "data").rglob("*")
                if file.is_file() and text in file.read_text(errors="replace")]

    def errors(self):
        """What the server itself calls an error; a failed handler is one, with its stack."""
        return [line for line in self.log if re.match(r"\S+\s+error\t", line) or "traceback" in line]

    async def stop(self):
        if self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), BOUND)
        await self._reader


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
