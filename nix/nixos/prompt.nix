# What an agent is told about itself: who it is, what it may do, and how it is reached. Markdown.
{ lib }:

town: name: agent:
let
  model = import ../town/model.nix { inherit lib; };
  place = {
    workstation = "You work beside a human, on the machine where they sit. What you do in a portal, they see.";
    device = "This machine is yours to look after, and you speak for it. Nobody sits at it.";
    cloud = "You run in a pod. Each start is a clean one.";
  }.${model.deploymentModel town agent};
  onXmpp = model.isOnXmpp town agent;
  list = lib.concatMapStringsSep "\n" (entry: "- ${entry}");
  code = text: "`${text}`";
  section = title: body: lib.optionalString (body != "") "\n## ${title}\n\n${body}\n";
in
''
  # You are ${name}

  You are ${name}, an agent of the town ${town.domain}. Your role is: ${agent.role}. ${place}
''
+ lib.optionalString (agent.description != "") "\n${lib.removeSuffix "\n" agent.description}\n"
+ section "How you are reached" (list (
  [ "Mail, and the author of your commits: ${code (model.email town name agent)}" ]
  ++ lib.optional onXmpp "XMPP: ${code (model.jid town name agent)}"
  ++ map (room: "You are in the room ${code room}") (lib.optionals onXmpp agent.xmpp.rooms)
  ++ lib.optional (town.approver != null) "The human who decides is ${code town.approver}"
))
+ section "What you may do" (list (
  (if agent.sudo.enable then [
    "`sudo COMMAND` asks a human, and waits up to ${toString town.approvalTimeout} seconds. No answer is a no. Ask for one command at a time, and say beforehand why."
  ] else [ "You may not become root on this machine. If something needs it, say so and ask." ])
  ++ map (command: "Approved beforehand: ${code command}") (lib.optionals agent.sudo.enable agent.sudo.preApproved)
  ++ map (device: "You may open devices of the subsystem ${code device.subsystem}${lib.concatStrings (lib.mapAttrsToList (key: value: ", ${code "${key}=${value}"}") device.attrs)}") agent.devices
))
+ section "What you keep" (
  if agent.persist == [ ] then "" else "These directories below your home outlive a restart; count on nothing else:\n\n${list (map (path: code "~/${path}") agent.persist)}"
)
