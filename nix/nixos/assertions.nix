# What a host refuses: all that the renderer would refuse, and what makes no sense on a host.
{ config, lib, options, ... }:

let
  inherit (builtins) attrNames concatMap filter length;
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };
  inherit (names) model;
  agents = cfg.hostAgents;

  rule = assertion: what: cause: hint: {
    inherit assertion;
    message = "nuketown: ${what}\n  cause: ${cause}\n  hint: ${hint}";
  };
  list = lib.concatStringsSep ", ";
  quoted = builtins.toJSON;
  with' = test: filter (name: test agents.${name}) (attrNames agents);
  asking = with' (agent: agent.sudo.enable);
  portals = with' (agent: agent.portal.enable);

  secretsOf = name: model.secrets cfg name agents.${name};
  hasSecrets = filter (name: secretsOf name != [ ]) (attrNames agents);

  # Text that stands in units, sudoers, udev rules and scripts.
  plain = text: builtins.match "[A-Za-z0-9._/-]+" text != null;

  # Whether a broker can read a pre-approved command. Escaped characters are ordinary ones, whatever they are.
  isPattern = pattern:
    let
      escaped = lib.replaceStrings [ "\\\\" "\\*" "\\ " ] [ "x" "x" "x" ] pattern;
      words = filter (word: word != "") (lib.splitString " " escaped);
      program = lib.head words;
      isPart = part: part != "" && part != "." && part != "..";
      isProgram =
        if lib.hasPrefix "/" program then lib.all isPart (lib.tail (lib.splitString "/" program))
        else isPart program && !lib.hasInfix "/" program && !lib.hasPrefix "-" program;
    in
    builtins.stringLength pattern <= 1024 && !lib.hasInfix "\\" escaped && words != [ ] && isProgram && !lib.elem "*" (lib.init words);

  ofAgent = name:
    let
      agent = agents.${name};
      place = "nuketown.agents.${name}";
      others = test: filter (other: other < name && test other) (attrNames agents);
      sameUid = others (other: agents.${other}.uid == agent.uid);
      shared = others (other: lib.any (secret: lib.elem secret (secretsOf other)) (secretsOf name));
      groups = (config.users.users.${name} or { }).extraGroups or [ ];
      privileged = filter (group: lib.elem group groups || lib.elem name ((config.users.groups.${group} or { }).members or [ ]))
        [ "wheel" "root" "docker" "podman" "libvirtd" "lxd" "incus-admin" "disk" "kvm" "sudo" "systemd-journal-remote" ];
    in
    [
      (rule (agent.uid != null) "agent `${name}` has no user id" "${place}.uid is not set; a home outlives the user that owns it only by a fixed id"
        "set ${place}.uid, for example to 1100")
      (rule (agent.uid == null || sameUid == [ ]) "agents `${list sameUid}` and `${name}` have one user id"
        "nuketown.agents.${list sameUid}.uid and ${place}.uid are both ${toString agent.uid}: each could read the other's secrets"
        "give each agent of a host a uid of its own")
      (rule (shared == [ ]) "agents `${list shared}` and `${name}` share a secret" "a secret's file belongs to one agent; both name ${list (lib.unique (filter (secret: lib.any (other: lib.elem secret (secretsOf other)) shared) (secretsOf name)))}"
        "give each agent a secret of its own")
      (rule (privileged == [ ]) "agent `${name}` is root without asking" "it is in the group ${list privileged}"
        "take it out; ${place}.sudo.enable is the way to ask")
      (rule (cfg.human != name) "agent `${name}` approves itself" "nuketown.human is ${quoted name}" "set nuketown.human to the user who sits at this host")
      (rule (!names.isEphemeral agent || names.kept agent == [ ] || options ? environment.persistence)
        "agent `${name}` would lose what it persists at each boot"
        "nuketown.btrfsDevice empties its home and nothing keeps ${list (names.kept agent)}"
        "import the module of impermanence, or leave nuketown.btrfsDevice unset")
    ]
    ++ map
      (pattern: rule (!agent.sudo.enable || isPattern pattern) "agent `${name}` has a pre-approved command that the broker cannot read"
        "${place}.sudo.preApproved holds ${quoted pattern}; the program is a name or an absolute path, \"*\" alone is the last word, a backslash stands before \"*\", a space or a backslash"
        "write it as `systemctl restart *`")
      agent.sudo.preApproved
    ++ concatMap
      (device: [
        (rule (plain device.subsystem && lib.all (text: builtins.match "[A-Za-z0-9_:./-]+" text != null) (attrNames device.attrs)
          && lib.all (text: builtins.match "[^\"\\\\[:cntrl:]]*" text != null && builtins.match ".*[*?|].*|.*\\[.*" text == null) (lib.attrValues device.attrs))
          "agent `${name}` has a device that no udev rule can name"
          "${place}.devices holds ${quoted device}; a value is matched as it stands, without quotes, backslashes and patterns (* ? | [)"
          "write the attribute's value as `udevadm info --attribute-walk` shows it")
      ])
      agent.devices;

  ofHost = [
    (rule (portals == [ ] || cfg.human != null) "nobody can use the portal of `${list portals}`"
      "nuketown.agents.${list portals}.portal.enable is set and nuketown.human is not" "set nuketown.human to the user who sits at this host")
    (rule (cfg.human == null || config.users.users ? ${cfg.human}) "nuketown.human is nobody"
      "nuketown.human is ${quoted cfg.human}, which is no user of this host" "declare users.users.${toString cfg.human}, or correct the name")
    (rule (asking == [ ] || cfg.human != null || cfg.broker.enable) "nobody answers the requests of `${list asking}`"
      "nuketown.human is not set and nuketown.broker.enable is false" "set nuketown.human, or leave nuketown.broker.enable as it is")
    (rule (!cfg.broker.enable || cfg.human == null) "two brokers would listen at one socket" "nuketown.human and nuketown.broker.enable are both set"
      "leave one of them out")
    (rule ((cfg.broker.jid == null) == (cfg.broker.passwordSecret == null)) "the broker has half an account"
      "one of nuketown.broker.jid and nuketown.broker.passwordSecret is not set" "set both, or neither")
    (rule (cfg.broker.jid == null || cfg.approver != null) "the broker has nobody to ask" "nuketown.broker.jid is set and nuketown.approver is not" "set nuketown.approver")
    (rule (!lib.any (name: model.isOnXmpp cfg agents.${name} && model.jid cfg name agents.${name} == toString cfg.broker.jid) (attrNames agents))
      "an agent has the broker's account" "nuketown.broker.jid is ${quoted cfg.broker.jid}" "give the broker an account of its own")
    (rule (cfg.secretsProvider != "sops" || hasSecrets == [ ] || options ? sops.secrets) "nobody writes the secrets of `${list hasSecrets}`"
      "nuketown.secretsProvider is \"sops\", and the module of sops-nix is not imported; the first secret is ${quoted (lib.head (lib.concatMap secretsOf hasSecrets ++ [ "" ]))}"
      "import sops-nix.nixosModules.sops, or set nuketown.secretsProvider to \"external\" and write the files below /run/secrets yourself")
    (rule (agents == { } || plain cfg.agentsDir) "the agents' homes have no plain path" "nuketown.agentsDir is ${quoted cfg.agentsDir}; units and rules take letters, digits, '.', '_', '-' and '/'"
      "use a directory such as \"/agents\"")
    (rule (cfg.btrfsDevice == null || builtins.match "[A-Za-z0-9-]+" cfg.btrfsDevice != null) "the device of the homes has no plain name"
      "nuketown.btrfsDevice is ${quoted cfg.btrfsDevice}; expected a UUID" "use what `blkid -s UUID` prints for it")
  ];
in
{
  assertions = lib.mkIf (cfg.agents != { }) (import ../town/rules.nix { inherit lib; } cfg ++ ofHost ++ concatMap ofAgent (attrNames agents));
  warnings = import ./warnings.nix { inherit lib; } cfg;
}
