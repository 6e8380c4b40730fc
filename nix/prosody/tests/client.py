"""XMPP clients on slixmpp, which knows nothing of us: the agent, the broker, the phone and whoever else."""

import asyncio
import logging
import warnings

import slixmpp
from slixmpp.xmlstream import ET
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from prosody_server import BOUND, PASSWORD

APPROVAL = "urn:nuketown:approval"
DISCO = "http://jabber.org/protocol/disco#info"
CARBONS = "urn:xmpp:carbons:2"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"

logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=DeprecationWarning, module="slixmpp")


class Client(slixmpp.ClientXMPP):
    """One session. Every message that arrives is put into `messages`, those without a body too.

    With `answers` false it leaves the server's queries, found in `queries`, to the test.
    """

    def __init__(self, jid, features=(), answers=True, plugins=()):
        super().__init__(jid, PASSWORD)
        self.messages = asyncio.Queue()
        self.queries = asyncio.Queue()
        self.presences = asyncio.Queue()
        self.register_handler(Callback("messages", MatchXPath("{jabber:client}message"), self.messages.put_nowait))
        self.register_handler(Callback("presences", MatchXPath("{jabber:client}presence"), self.presences.put_nowait))
        self.register_handler(Callback("queries", MatchXPath("{jabber:client}iq/{%s}query" % DISCO), self._queried))
        for plugin in (*(("xep_0030", "xep_0115") if answers else ()), *plugins):
            self.register_plugin(plugin)
        for feature in features:
            self["xep_0030"].add_feature(feature)

    def _queried(self, iq):
        # Other clients ask too (XEP-0115).
        if iq["type"] == "get" and iq["from"].full == self.boundjid.domain:
            self.queries.put_nowait(iq)

    async def log_in(self, port):
        connected, failed = asyncio.Event(), asyncio.Event()
        for event in ("session_start", "session_resumed"):
            self.add_event_handler(event, lambda _: connected.set(), disposable=True)
        self.add_event_handler("failed_auth", lambda _: failed.set(), disposable=True)
        self.connect(("127.0.0.1", port), force_starttls=False, disable_starttls=True)
        await asyncio.wait_for(connected.wait(), BOUND)

    async def log_out(self):
        """Ends the stream, and returns when the server has ended its side."""
        await asyncio.wait_for(self.disconnect(), BOUND)

    def break_connection(self):
        """The network is gone: no end of the stream, and the server has to notice by itself."""
        self.transport.abort()

    async def message(self):
        return await asyncio.wait_for(self.messages.get(), BOUND)

    async def query(self):
        return await asyncio.wait_for(self.queries.get(), BOUND)

    async def seen(self):
        """All messages that the server has sent until now: it answers in order, so the ping's answer comes after them."""
        await self.round_trip()
        return [self.messages.get_nowait() for _ in range(self.messages.qsize())]

    async def round_trip(self):
        ping = self.make_iq_get(ito=self.boundjid.domain)
        ping.append(ET.Element("{urn:xmpp:ping}ping"))
        await ping.send(timeout=BOUND)


def request(to="human@localhost", ident="a1b2c3", kind="normal", body=None):
    """A request as an agent sends it, without the hint that would keep it out of archives."""
    words = f"<body>{body}</body>" if body else ""
    type_ = f' type="{kind}"' if kind else ""
    return (f'<message to="{to}" id="{ident}"{type_}>{words}<approval xmlns="{APPROVAL}" id="{ident}"><agent>ada</agent>'
            f"<kind>sudo</kind><command>nixos-rebuild switch</command><timeout>120</timeout></approval></message>")


def answer(to, ident="a1b2c3"):
    return (f'<message to="{to}" type="normal"><approval-response xmlns="{APPROVAL}" id="{ident}"><result>approved</result>'
            f"</approval-response></message>")


def disco_answer(ident, feature=APPROVAL, to="localhost", sender=None):
    from_ = f' from="{sender}"' if sender else ""
    return (f'<iq type="result" id="{ident}" to="{to}"{from_}><query xmlns="{DISCO}">'
            f'<identity category="client" type="bot"/><feature var="{feature}"/></query></iq>')


def idents(messages):
    """The ids of the requests among messages."""
    found = [message.xml.find("{%s}approval" % APPROVAL) for message in messages]
    return [approval.get("id") for approval in found if approval is not None]


def condition(message):
    """The condition of an error that was sent back, or None."""
    error = message.xml.find("{jabber:client}error")
    return None if error is None else next(child.tag.removeprefix(ERRORS) for child in error)
