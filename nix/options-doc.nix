# docs/options.md as text, made of the options themselves. `tools/options-doc` writes it.
{ lib }:

let
  inherit (builtins) concatStringsSep;
  town = (import ./options.nix { inherit lib; }).options.nuketown;

  subOptions = type: removeAttrs (type.getSubOptions [ ]) [ "_module" "_freeformOptions" ];

  # What is below an option: its path's continuation, and the type there.
  elements = type:
    if type.name == "nullOr" then elements type.nestedTypes.elemType
    else if type.name == "submodule" then { path = ""; options = subOptions type; }
    else if type ? nestedTypes.elemType then
      let inner = elements type.nestedTypes.elemType; in
      { path = (if type.name == "listOf" then ".[]" else ".<${names type}>") + inner.path; inherit (inner) options; }
    else { path = ""; options = { }; };

  names = type: {
    TierName = "tier"; LabelKey = "label"; PersistPath = "directory"; RepoName = "project"; FileName = "file"; AgentName = "name";
  }.${type.key.rust or ""} or "attribute";

  # In the order of their paths, so that a change to one option changes one row.
  rows = path: options: lib.concatLists (lib.mapAttrsToList (row path) options);
  row = path: name: option:
    let
      at = if path == "" then name else "${path}.${name}";
      inner = elements option.type;
      shown = at + (if inner.options == { } then "" else inner.path);
    in
    if !lib.isOption option then rows at option
    else if inner.options == { } then [ "| `${shown}` | ${typeOf option.type} | ${default option} | ${describe option} |" ]
    else [ "| `${shown}` | ${typeOf option.type} | ${default option} | ${describe option} |" ] ++ rows shown inner.options;

  typeOf = type:
    if type.name == "nullOr" then typeOf type.nestedTypes.elemType
    else if type.name == "listOf" then "list of ${plural type.nestedTypes.elemType}"
    else if type.name == "submodule" then "options"
    else if type.name == "attrsOf" then "${typeOf type.nestedTypes.elemType} by ${names type}"
    else if type ? values then concatStringsSep ", " (map (value: "`\"${value}\"`") type.values)
    else if type ? minimum then "${toString type.minimum} to ${toString type.maximum}"
    else words.${type.rust or type.name};
  plural = type: if type.name == "submodule" then "options" else "${typeOf type}s";

  words = {
    str = "text"; lines = "text"; separatedString = "text"; bool = "boolean"; Quantity = "quantity"; HostName = "host name"; BareJid = "bare JID";
    AbsoluteDir = "absolute directory"; PersistPath = "path"; TierName = "tier"; NamespaceName = "DNS label"; ObjectName = "name";
    LabelKey = "label key"; LabelValue = "label value"; SecretName = "secret's name"; MailAddress = "mail address";
    GcpServiceAccount = "service account"; AwsRoleArn = "ARN"; AwsRegion = "region"; Registry = "registry and path";
    ImageTag = "tag"; ImageReference = "image reference"; StorePath = "store path"; HostPort = "`host` or `host:port`";
    Egress = "`host:port`"; HttpUrl = "address"; GitUrl = "git address";
  };

  default = option:
    if !(option ? default) then "required"
    else if option.default == null then "unset"
    # The default tiers stand in a table of their own.
    else if lib.hasAttrByPath [ "gpu" ] (if builtins.isAttrs option.default then option.default else { }) then "four"
    else if option.default == { } then "none" else "`${inline option.default}`";
  inline = lib.generators.toPretty { multiline = false; };

  # One line; what divides cells is escaped.
  describe = option:
    let
      text = lib.replaceStrings [ "|" "\n" ] [ "\\|" " " ] (lib.removeSuffix "\n" option.description);
      example = option.example;
      shown = if example._type or "" == "literalExpression" then example.text else inline example;
    in
    text + lib.optionalString (shown != "true" && shown != "false") " E.g. `${shown}`";

  table = path: options: concatStringsSep "\n" (
    [ "| option | type | default | meaning |" "|---|---|---|---|" ] ++ rows path options);

  tiers = lib.mapAttrsToList
    (name: tier: "| `${name}` | ${tier.cpu} | ${tier.memory} | ${concatStringsSep ", " (lib.mapAttrsToList (key: amount: "${amount} `${key}`, its taint tolerated") tier.resources or { })} |")
    town.cloud.tiers.default;
in
''
  # Options

  <!-- Made by tools/options-doc of the options in nix/options.nix; do not edit. -->

  What a flake's output `nuketown` may hold, and what a NixOS module sets below `nuketown`. Unknown options are errors.
  `nuketown-render schema` prints the same as a JSON Schema, for editors and other programs.

  "unset" is `null`, or left out. Durations are whole seconds. A quantity is a Kubernetes quantity: `"500m"`, `"2"`, `"4Gi"`.
  A secret's name has letters, digits, `-`, `_`, `.` and `/`, as in `"ada/github-pat"`.

  ## The town

  ${table "" (removeAttrs town [ "cloud" "agents" ])}

  ## `cloud`

  The cluster, and the defaults of each agent's `cloud`. See [tiers-and-quota.md](how-to/tiers-and-quota.md),
  [volumes.md](how-to/volumes.md), [network.md](how-to/network.md) and [images.md](how-to/images.md).

  ${table "cloud" town.cloud}

  The default tiers, which defining any tier replaces:

  | tier | `cpu` | `memory` | `resources` |
  |---|---|---|---|
  ${concatStringsSep "\n" tiers}

  ## `agents.<name>`

  A name has a lower-case letter, then letters, digits, hyphens; at most 31. See [secrets.md](how-to/secrets.md).

  ${table "agents.<name>" (removeAttrs (subOptions town.agents.type.nestedTypes.elemType) [ "cloud" ])}

  ## `agents.<name>.cloud`

  ${table "agents.<name>.cloud" (subOptions town.agents.type.nestedTypes.elemType).cloud}

  ## Where an agent runs

  It is not declared: with `cloud.enable` in the cloud, else with `portal.enable` on a workstation, else on a device. An option
  that has no effect there draws a warning.
''
