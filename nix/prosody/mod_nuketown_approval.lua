-- Routes approval requests to the human's broker.
--
-- A request is a message with <approval xmlns="urn:nuketown:approval"/> to the human's bare JID. It goes to the newest session of
-- that account which says in its own disco#info (XEP-0030) that it serves the namespace; without one, to the chat clients, as
-- every message does. For Prosody 0.12 and 13.
--
-- Invariants:
--   * Only a session of the addressed account can attract a request, whatever others advertise.
--   * A session is believed what it answers itself, on its own stream, to the query that it was sent. A caps hash is no answer:
--     whoever is first to explain a hash explains it for everybody (XEP-0115, 8.2).
--   * Nothing of the namespace is stored. A request that reaches nobody now is refused now: tomorrow it is somebody's surprise.

local st = require "util.stanza";
local jid = require "util.jid";
local new_id = require "util.id".medium;
local rostermanager = require "core.rostermanager";

local xmlns_approval = "urn:nuketown:approval";
local xmlns_caps = "http://jabber.org/protocol/caps";
local xmlns_disco = "http://jabber.org/protocol/disco#info";

-- Before the archive (0), carbons (-0.5) and delivery (-1), after the block list (100).
local priority = 5;

-- What the broker has to see: a request, and that it is withdrawn.
local routed = { "approval", "approval-cancel" };
-- Never a request, and answering one of these with an error would harm: a room would take it for a reason to kick (XEP-0045).
local no_request = { error = true, groupchat = true, headline = true };
local subscribed = { to = true, from = true, both = true };

local function is_request(stanza)
	if no_request[stanza.attr.type] then return false; end
	for _, name in ipairs(routed) do
		if stanza:get_child(name, xmlns_approval) then return true; end
	end
	return false;
end

local function is_of_namespace(stanza)
	return stanza:get_child(nil, xmlns_approval) ~= nil;
end

-- Whether the account's owner has that sender as a contact: either of the two has agreed to a subscription of the other's.
local function is_contact(username, from)
	local sender = jid.bare(from);
	if sender == username.."@"..module.host then return true; end
	local roster = rostermanager.load_roster(username, module.host);
	local contact = roster and roster[sender];
	return contact ~= nil and subscribed[contact.subscription] == true;
end

-- Answers a stranger with an error where the option says so. An account that does not exist has no contacts and answers the same.
local function refuse_stranger(event, username)
	local stanza = event.stanza;
	-- A value that is no boolean gives nil, and counts as true.
	if module:get_option_boolean("nuketown_approval_require_subscription", false) == false then return; end
	if is_contact(username, stanza.attr.from) then return; end
	module:log("info", "Refused an approval request of %s to %s: no contact", stanza.attr.from, username);
	event.origin.send(st.error_reply(stanza, "auth", "subscription-required"));
	return true;
end

-- The account's sessions that can be given a request now, newest first: not the one that sends it, and none that hibernates
-- (XEP-0198), which would get it after its end.
local function brokers_of(username, sender)
	local user = prosody.bare_sessions[username.."@"..module.host];
	local found = {};
	for _, session in pairs(user and user.sessions or {}) do
		local known = session.nuketown_approval;
		if session ~= sender and known and known.serves and session.presence and not session.hibernating then
			found[#found + 1] = session;
		end
	end
	table.sort(found, function (a, b) return (a.conntime or 0) > (b.conntime or 0); end);
	return found;
end

-- Delivers to one broker. Nothing is returned without one, and the message goes on its way.
local function route(event, username)
	for _, session in ipairs(brokers_of(username, event.origin)) do
		if session.send(event.stanza) then
			module:log("debug", "Routed an approval request of %s to %s", event.stanza.attr.from, session.full_jid);
			return true;
		end
	end
end

module:hook("message/bare", function (event)
	if not is_request(event.stanza) then return; end
	-- Without `to` it is to the sender's own account (RFC 6120, 10.3.1).
	local username = jid.node(event.stanza.attr.to) or event.origin.username;
	if not username then return; end
	return refuse_stranger(event, username) or route(event, username);
end, priority);

-- To a full JID it goes there. If that session is gone or hibernates, it is as if it were to the bare JID.
module:hook("message/full", function (event)
	if not is_request(event.stanza) then return; end
	local to = event.stanza.attr.to;
	local username = jid.node(to);
	if refuse_stranger(event, username) then return true; end
	local session = prosody.full_sessions[to];
	if session and not session.hibernating then return; end
	return route(event, username);
end, priority);

-- `false` makes the server answer the sender with service-unavailable; nil would let mod_offline store the message.
module:hook("message/offline/handle", function (event)
	if is_of_namespace(event.stanza) then return false; end
end, priority);

-- For mod_mam, of either side. A client that catches up would find a request which was decided or refused long ago.
module:hook("archive-should-store", function (event)
	if is_of_namespace(event.stanza) then
		event.reason = "of "..xmlns_approval;
		return false;
	end
end, priority);

-- What a presence says about the client's features (XEP-0115), only to notice a change.
local function caps_of(presence)
	local c = presence:get_child("c", xmlns_caps);
	return c and table.concat({ c.attr.hash or "", c.attr.node or "", c.attr.ver or "" }, " ") or "";
end

-- Asks a session what it serves. Until it answers, what it said before holds.
local function ask(session, presence)
	local known = session.nuketown_approval or {};
	session.nuketown_approval = known;
	known.caps, known.query = caps_of(presence), new_id();
	session.send(st.iq({ type = "get", id = known.query, from = module.host, to = session.full_jid })
		:tag("query", { xmlns = xmlns_disco }));
end

-- A client's own broadcast: it came online, or its features may have changed.
module:hook("presence/bare", function (event)
	local session, presence = event.origin, event.stanza;
	if presence.attr.to or presence.attr.type or session.type ~= "c2s" or not session.full_jid then return; end
	local known = session.nuketown_approval;
	if not known or not session.presence or known.caps ~= caps_of(presence) then
		ask(session, presence);
	end
end, priority);

-- The answer to the latest query of the stream that it came on. All others are somebody else's, or nobody's.
module:hook("iq/host", function (event)
	local stanza, known = event.stanza, event.origin.nuketown_approval;
	if not known or not known.query or stanza.attr.id ~= known.query then return; end
	if stanza.attr.type ~= "result" and stanza.attr.type ~= "error" then return; end
	known.query, known.serves = nil, false;
	local query = stanza.attr.type == "result" and stanza:get_child("query", xmlns_disco);
	for feature in (query or st.stanza("query")):childtags("feature") do
		known.serves = known.serves or feature.attr.var == xmlns_approval;
	end
	module:log("debug", "%s serves approvals: %s", event.origin.full_jid, known.serves);
	return true;
end, 1);

local function each_session(act)
	for _, user in pairs(prosody.hosts[module.host].sessions or {}) do
		for _, session in pairs(user.sessions) do act(session); end
	end
end

-- Loaded into a running server, or reloaded: those who are there are asked now.
function module.load()
	each_session(function (session)
		if session.presence then ask(session, session.presence); end
	end);
end

function module.unload()
	each_session(function (session) session.nuketown_approval = nil; end);
end
