# What follows from an agent's options, with the rules of lib/src/model.rs and lib/src/plan/identity.rs.
#
# `town` is an evaluated `config.nuketown`: every option has a value.
{ lib }:

rec {
  # "cloud", "workstation" or "device": it follows from what is enabled.
  deploymentModel = town: agent:
    if (if agent.cloud.enable == null then town.cloud.enable else agent.cloud.enable) then "cloud"
    else if agent.portal.enable then "workstation" else "device";

  isCloud = town: agent: deploymentModel town agent == "cloud";

  runsDaemon = town: agent: isCloud town agent || agent.daemon.enable == true;

  isOnXmpp = town: agent:
    (if agent.xmpp.enable == null then isCloud town agent else agent.xmpp.enable) && runsDaemon town agent;

  # A JID in the form in which two of one account are equal. ASCII only; the renderer knows the rest.
  normalizedJid = jid: lib.removeSuffix "." (lib.toLower jid);
  jid = town: name: agent: if agent.xmpp.jid == null then "${name}@${town.domain}" else normalizedJid agent.xmpp.jid;

  xmppServer = town: agent:
    if agent.xmpp.server != null then agent.xmpp.server
    else if agent.xmpp.jid != null then lib.last (lib.splitString "@" (normalizedJid agent.xmpp.jid))
    else town.domain;

  email = town: name: agent: if agent.email == null then "${name}@${town.domain}" else agent.email;

  # Every secret that an agent gets, once.
  secrets = town: name: agent:
    let
      orOwn = secret: suffix: if secret == null then "${name}/${suffix}" else secret;
      given = secret: lib.optional (secret != null) secret;
    in
    lib.unique (
      given agent.daemon.apiKeySecret
      ++ lib.optional (isOnXmpp town agent) (orOwn agent.xmpp.passwordSecret "email-password")
      ++ lib.optional agent.github.enable (orOwn agent.github.pat "github-pat")
      ++ given agent.secrets.sshKey
      ++ given agent.secrets.gpgKey
      ++ lib.attrValues agent.secrets.extraSecrets
    );

  # The tier that an agent starts on and the largest that it may ask for, each with the option that says so.
  tiers = town: name: agent:
    let
      start =
        if agent.cloud.resources != null
        then { tier = agent.cloud.resources; place = "agents.${name}.cloud.resources"; }
        else { tier = town.cloud.resources; place = "cloud.resources"; };
      ceiling =
        if agent.cloud.scaling.maxResources != null
        then { tier = agent.cloud.scaling.maxResources; place = "agents.${name}.cloud.scaling.maxResources"; }
        else if town.cloud.scaling.maxResources != null
        then { tier = town.cloud.scaling.maxResources; place = "cloud.scaling.maxResources"; }
        else start;
    in
    { inherit start ceiling; };

  # The bytes of a volume: the agent's value, else the operator's, else the town's default.
  volumeSize = town: name: agent: path:
    agent.cloud.persistSizes.${path}
      or ((town.cloud.agents.${name} or { persistSizes = { }; }).persistSizes.${path} or town.cloud.defaultPersistSize);
}
