# Names, with the rules of lib/src/values/name.rs, persist.rs and image.rs.
{ lib, text }:

let
  inherit (builtins) all filter head length stringLength;
  inherit (text) hasNone isClean matches splitFirst splitLast;

  digits = matches "[0-9]+";
  component = matches "[a-z0-9]([a-z0-9._-]*[a-z0-9])?";
  qualified = name: stringLength name <= 63 && matches "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?" name;

  # `host[:port]` and path components, or path components alone.
  isRepository = name:
    let
      first = head (lib.splitString "/" name);
      rest = builtins.tail (lib.splitString "/" name);
      port = splitFirst ":" first;
    in
    stringLength name <= 255 && all component rest
    && (if port == null then component first else rest != [ ] && component port.left && digits port.right);
in
rec {
  isDnsLabel = name: stringLength name <= 63 && matches "[a-z0-9]([a-z0-9-]*[a-z0-9])?" name;

  isAgentName = name: stringLength name <= 31 && isDnsLabel name && matches "[a-z].*" name;

  isHostName = name:
    let labels = lib.splitString "." name;
    in stringLength name <= 253 && all isDnsLabel labels && !digits (lib.last labels);

  isObjectName = name: stringLength name <= 253 && all isDnsLabel (lib.splitString "." name);

  isLabelKey = key:
    let parts = splitLast "/" key;
    in if parts == null then qualified key else qualified parts.right && isObjectName parts.left;

  isLabelValue = value: value == "" || qualified value;

  isFileName = qualified;

  isSecretName = name:
    let part = p: matches "[A-Za-z0-9._-]+" p && p != "." && p != "..";
    in stringLength name <= 200 && all part (lib.splitString "/" name);

  isMailAddress = address:
    let
      parts = splitFirst "@" address;
      part = p: p != "" && isClean p && hasNone " <>@,;\"\\" p;
    in
    stringLength address <= 254 && parts != null && part parts.left && part parts.right;

  isGcpServiceAccount = account:
    let parts = splitFirst "@" (lib.removeSuffix ".iam.gserviceaccount.com" account);
    in lib.hasSuffix ".iam.gserviceaccount.com" account && parts != null
      && isDnsLabel parts.left && all isDnsLabel (lib.splitString "." parts.right);

  isAwsRoleArn = arn:
    let role = builtins.match "arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_/-]+)" arn;
    in stringLength arn <= 700 && role != null && stringLength (builtins.elemAt role 1) <= 576;

  isAwsRegion = region: isDnsLabel region && matches "[a-z0-9]+(-[a-z0-9]+)+-[0-9]+" region;

  isRegistry = registry:
    let port = splitFirst ":" registry;
    in stringLength registry <= 4096 && (
      lib.hasInfix "/" registry && isRepository registry || component registry
      || port != null && component port.left && digits port.right);

  # "latest" names no version: a restart could run something else.
  isImageTag = tag: stringLength tag <= 128 && tag != "latest" && matches "[A-Za-z0-9_][A-Za-z0-9_.-]*" tag;

  isImageReference = reference:
    let
      digest = splitFirst "@" reference;
      name = if digest == null then reference else digest.left;
      last = splitLast ":" name;
      tag = if last == null || lib.hasInfix "/" last.right then null else last;
      tagged = tag != null && isRepository tag.left && isImageTag tag.right;
    in
    if digest == null then tagged
    else matches "sha256:[0-9a-f]{64}" digest.right && (if tag == null then isRepository name else tagged);

  isStorePath = path:
    stringLength path <= 255 && matches "/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[A-Za-z0-9+._?=-]+" path;

  # The end of a volume's name: ".config/claude" -> "config-claude".
  volumeSuffix = path:
    lib.toLower (lib.concatStringsSep "-" (filter (part: builtins.isString part && part != "") (builtins.split "[^A-Za-z0-9]" path)));

  isPersistPath = path:
    let suffix = volumeSuffix path;
    in stringLength path <= 255 && isClean path && hasNone ":" path
      && !lib.hasPrefix "~" path
      && all (part: part != "" && part != "." && part != "..") (lib.splitString "/" path)
      && suffix != "" && stringLength suffix <= 55;

  isAbsoluteDir = path:
    stringLength path <= 200 && isClean path && hasNone ":$" path && lib.hasPrefix "/" path
    && all (part: part != "" && part != "." && part != "..") (builtins.tail (lib.splitString "/" path));
}
