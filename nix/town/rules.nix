# The rules on a town that no single value can break: those of lib/src/plan. The renderer refuses the same towns; here they are
# refused where they are declared, before anything is built.
#
# town -> [ { assertion; message; } ], with the options' paths as they are written below `nuketown`.
{ lib }:

let
  inherit (builtins) attrNames concatMap elem filter head length;
  types = import ../types.nix { inherit lib; };
  model = import ./model.nix { inherit lib; };
  inherit (types) quantities;

  version = (builtins.fromTOML (builtins.readFile ../../Cargo.toml)).workspace.package.version;

  rule = assertion: what: cause: hint: {
    inherit assertion;
    message = "nuketown: ${what}\n  cause: ${cause}" + lib.optionalString (hint != "") "\n  hint: ${hint}";
  };

  quoted = builtins.toJSON;
  list = names: if names == [ ] then "nothing" else lib.concatStringsSep ", " names;
  path = name: lib.strings.escapeNixIdentifier name;

  # Directories that a pod, its runtime or its image need for themselves.
  taken = [ "/dev" "/etc" "/nix" "/proc" "/run" "/sys" "/var/run" ];

  usable = place: size: rule (quantities.isUsableSize size) "a volume has no usable size"
    "${place} is ${quoted size}; expected whole bytes, such as \"10Gi\"" "";

  tier = name: tier:
    let
      place = "cloud.tiers.${path name}";
      refused = assertion: cause: rule assertion "tier `${name}` is unusable" cause "";
      resource = key: amount:
        let at = "${place}.resources.${quoted key}"; in [
          (refused (lib.hasInfix "/" key && !lib.hasPrefix "kubernetes.io/" key && !lib.hasPrefix "requests." key)
            "${at} is no extended resource; expected a name with a domain, such as \"nvidia.com/gpu\"")
          (refused (quantities.isUsableSize amount) "${at} is ${quoted amount}; expected a whole number of at least 1")
        ];
      toleration = index: taint:
        let at = "${place}.tolerations[${toString index}]"; in [
          (refused (taint.operator == "Equal" || taint.value == null) "${at}: a value is compared by operator \"Equal\" only")
          (refused (taint.operator == "Exists" || taint.key != null) "${at}: without a key, the operator must be \"Exists\"; every taint is tolerated then")
          (refused (taint.tolerationSeconds == null || taint.effect == "NoExecute") "${at}: tolerationSeconds is for effect \"NoExecute\" only")
        ];
    in
    [
      (refused (quantities.amount tier.cpu > 0) "${place}.cpu is 0; a pod without CPU does not run")
      (refused (quantities.isUsableSize tier.memory) "${place}.memory is ${quoted tier.memory}; expected whole bytes, such as \"4Gi\"")
    ]
    ++ lib.concatLists (lib.mapAttrsToList resource tier.resources)
    ++ lib.concatLists (lib.imap0 toleration tier.tolerations);

  # A pattern in the first word would approve any program at all.
  preApproved = name: agent:
    let
      words = text: filter (word: word != "") (lib.splitString " " (types.text.withPlainSpaces text));
      ofPattern = index: pattern:
        let
          program = words pattern;
          why = if !types.text.isClean pattern then "it holds a control character"
            else if program == [ ] then "it is empty"
            else "its first word must be one program, without \"*\"";
        in
        rule (types.text.isClean pattern && program != [ ] && !lib.hasInfix "*" (head program))
          "agent `${name}` has a pre-approved command that cannot be matched"
          "agents.${name}.sudo.preApproved[${toString index}] is ${quoted pattern}; ${why}"
          "write the program and its arguments, such as \"systemctl restart *\"";
    in
    lib.imap0 ofPattern agent.sudo.preApproved;

  # Two agents with one account would push each other off the server.
  accounts = town:
    let
      onXmpp = lib.filterAttrs (_: model.isOnXmpp town) town.agents;
      jids = lib.mapAttrs (model.jid town) onXmpp;
      others = name: filter (other: other < name && jids.${other} == jids.${name}) (attrNames jids);
      own = name: [
        (rule (types.bareJid.check jids.${name}) "agent `${name}` has no valid XMPP account"
          "agents.${name}.xmpp.jid is not set, and ${quoted jids.${name}} does not serve" "set agents.${name}.xmpp.jid")
        (rule (others name == [ ]) "agents `${list (others name)}` and `${name}` have one XMPP account"
          "agents.${list (others name)}.xmpp.jid and agents.${name}.xmpp.jid are both ${quoted jids.${name}}"
          "give each agent an account of its own")
      ];
    in
    concatMap own (attrNames jids);

  # In what one tier has less than another.
  isAtLeast = start: ceiling:
    let amount = quantities.amount; in
    amount ceiling.cpu >= amount start.cpu && amount ceiling.memory >= amount start.memory
    && lib.all (key: amount (ceiling.resources.${key} or 0) >= amount start.resources.${key}) (attrNames start.resources);

  growth = town: name: agent:
    let
      inherit (model.tiers town name agent) start ceiling;
      known = end: town.cloud.tiers ? ${end.tier};
      defined = end: rule (known end) "agent `${name}` asks for a tier that does not exist"
        "${end.place} is ${quoted end.tier}; the town defines ${list (attrNames town.cloud.tiers)}"
        "use one of these, or define cloud.tiers.${path end.tier}";
    in
    [
      (defined start)
      (defined ceiling)
      (rule (!known start || !known ceiling || isAtLeast town.cloud.tiers.${start.tier} town.cloud.tiers.${ceiling.tier})
        "agent `${name}` starts above its maximum"
        "${ceiling.place} is ${quoted ceiling.tier}, which has less of something than ${start.place} ${quoted start.tier}"
        "raise maxResources to a tier that has at least as much of everything")
    ];

  volumes = town: name: agent:
    let
      suffix = types.names.volumeSuffix;
      persisted = p: elem p agent.persist;
      sizes = place: sizes: concatMap
        (p: [
          (rule (persisted p) "agent `${name}` has a size for a directory that it does not persist"
            "${place}.${path p} is set; agents.${name}.persist holds ${list agent.persist}" "")
          (usable "${place}.${path p}" sizes.${p})
        ])
        (attrNames sizes);
      ofEntry = p: [
        (rule (!(p == ".config/nuketown" || lib.hasPrefix ".config/nuketown/" p))
          "agent `${name}` persists a directory that is written at each start"
          "agents.${name}.persist holds ${quoted p}; ~/.config/nuketown comes from the town's configuration" "")
        (rule (length (filter (other: suffix other == suffix p) agent.persist) == 1)
          "agent `${name}` persists two directories whose volumes have one name"
          "agents.${name}.persist holds ${list (filter (other: suffix other == suffix p) agent.persist)}; each volume is \"nuketown-${name}-${suffix p}\""
          "rename one of the directories, or persist their common parent")
      ];
    in
    concatMap ofEntry agent.persist
    ++ sizes "agents.${name}.cloud.persistSizes" agent.cloud.persistSizes
    ++ sizes "cloud.agents.${name}.persistSizes" (town.cloud.agents.${name} or { persistSizes = { }; }).persistSizes;

  # `a-b` with `c` and `a` with `b-c` would share a volume, and so each other's data.
  volumesAreApart = town: cloudAgents:
    let
      claim = name: p: "${name}-${types.names.volumeSuffix p}";
      claims = concatMap (name: map (p: { inherit name p; claim = claim name p; }) cloudAgents.${name}.persist) (attrNames cloudAgents);
      clashing = entry: filter (other: other.name < entry.name && other.claim == entry.claim) claims;
    in
    map
      (entry: rule (clashing entry == [ ]) "agents would share a volume"
        "${quoted entry.p} of ${entry.name} and a directory of ${list (map (other: other.name) (clashing entry))} are both the volume \"nuketown-${entry.claim}\""
        "rename one of the agents or directories")
      claims;

  identity = town: name: agent:
    let
      declared = agent.cloud.identity;
      place = "agents.${name}.cloud.identity";
      providers = filter (option: declared.${option} != null) [ "gcpServiceAccount" "awsRoleArn" "secretName" ];
      secrets = model.secrets town name agent;
      flat = builtins.replaceStrings [ "/" ] [ "-" ];
      stem = lib.removeSuffix "*" declared.scope;
      scopeIsSound = stem != "" && !lib.hasInfix "*" stem && types.text.isOneWord stem;
      inScope = secret: if lib.hasSuffix "*" declared.scope then lib.hasPrefix stem (flat secret) else flat secret == declared.scope;
      ofSecret = secret: [
        (rule (length (filter (other: flat other == flat secret) secrets) == 1) "agent `${name}` has two secrets of one name at the provider"
          "${list (map quoted (filter (other: flat other == flat secret) secrets))} are each ${quoted (flat secret)} there" "")
        (rule (!lib.any (lib.hasPrefix "${secret}/") secrets) "agent `${name}` has a secret inside of another"
          "${quoted secret} is a file, so no other secret can lie below it" "")
        (rule (declared.scope == null || !scopeIsSound || inScope secret) "agent `${name}` needs a secret outside of its scope"
          "${place}.scope is ${quoted declared.scope}; the secret ${quoted secret} is ${quoted (flat secret)} at the provider"
          "widen the scope, or rename the secret")
      ];
    in
    [
      (rule (length providers <= 1) "agent `${name}` has more than one source of secrets"
        "${place} sets ${lib.concatStringsSep " and " providers}" "keep the one of the cluster that the agent runs in")
      (rule (declared.awsRoleArn == null || declared.awsRegion != null) "agent `${name}` has a role but no region"
        "${place}.awsRoleArn is set and ${place}.awsRegion is not; Secrets Manager is regional"
        "set ${place}.awsRegion, for example \"eu-central-1\"")
      (rule (declared.awsRegion == null || declared.awsRoleArn != null) "agent `${name}` has a region but no role"
        "${place}.awsRegion is set and ${place}.awsRoleArn is not" "")
      (rule (declared.scope == null || scopeIsSound) "agent `${name}` has a malformed scope"
        "${place}.scope is ${quoted declared.scope}; expected a prefix and one \"*\" at its end" "for example \"${name}-*\"")
    ]
    ++ concatMap ofSecret secrets;

  image = town: name: agent:
    let
      inherit (town.cloud) imageMode registry;
      derivation = agent.cloud.imageDerivation;
      reference = if derivation == null then "${registry}/nuketown-agent:${version}" else "${registry}/nuketown-${name}:${derivation.tag}";
    in
    [
      (rule (agent.cloud.image != null || imageMode != "nix-snapshotter" || derivation != null) "agent `${name}` has no image"
        "cloud.imageMode is \"nix-snapshotter\", and agents.${name}.cloud.imageDerivation is not set"
        "set it to the tag and store path of the agent's image, or name an image in cloud.image")
      # A long registry can make a name that no registry takes.
      (rule (agent.cloud.image != null || imageMode != "oci" || types.imageReference.check reference)
        "agent `${name}` has no valid image" (quoted reference) "")
    ];

  server = town: name: agent:
    let host = model.xmppServer town agent; in
    rule (!model.isOnXmpp town agent || types.addresses.isReachable host)
      "agent `${name}` has an XMPP server that no network policy can open"
      "the server is ${quoted host}, from the domain of agents.${name}.xmpp.jid"
      "set agents.${name}.xmpp.server to the server's host name; an international name in its xn-- form";

  cloudAgent = town: name: agent:
    growth town name agent ++ volumes town name agent ++ identity town name agent ++ image town name agent
    ++ [ (server town name agent) ];

  # What Kubernetes counts has an end.
  quota = town: cloudAgents:
    let
      ceilings = lib.mapAttrsToList (name: agent: town.cloud.tiers.${(model.tiers town name agent).ceiling.tier} or null) cloudAgents;
      reached = filter (tier: tier != null) ceilings;
      sizes = lib.concatLists (lib.mapAttrsToList (name: agent: map (model.volumeSize town name agent) agent.persist) cloudAgents);
      bounded = what: amounts: rule (lib.foldl' (total: value: total + quantities.amount value) 0 amounts < 9223372036854775807.0)
        "the town is too large for one namespace"
        "all agents' ${what} add up to more than 2^63 - 1, the most that Kubernetes counts" "";
      devices = lib.unique (concatMap (tier: attrNames tier.resources) reached);
    in
    [
      (bounded "CPU" (map (tier: tier.cpu) reached))
      (bounded "memory" (map (tier: tier.memory) reached))
      (bounded "volumes" sizes)
    ]
    ++ map (key: bounded key (map (tier: tier.resources.${key} or 0) reached)) devices;
in
town:
let
  cloudAgents = lib.filterAttrs (_: model.isCloud town) town.agents;
  perAgent = check: agents: lib.concatLists (lib.mapAttrsToList check agents);
  below = dir: town.agentsDir == dir || lib.hasPrefix "${dir}/" town.agentsDir;
in
lib.concatLists (lib.mapAttrsToList tier town.cloud.tiers)
++ [
  (rule (!lib.any below taken) "the agents' homes have no place of their own"
    "agentsDir is ${quoted town.agentsDir}; ${list (filter below taken)} is used by the system" "use a directory such as \"/agents\"")
  (usable "cloud.defaultPersistSize" town.cloud.defaultPersistSize)
  (usable "cloud.homeSize" town.cloud.homeSize)
]
++ map
  (name: rule (town.agents ? ${name}) "cloud.agents names an agent that the town has not: `${name}` does not exist"
    "the town's agents are ${list (attrNames town.agents)}" "")
  (attrNames town.cloud.agents)
++ perAgent preApproved town.agents
++ accounts town
++ perAgent (cloudAgent town) cloudAgents
++ volumesAreApart town cloudAgents
++ quota town cloudAgents
