# Hosts, addresses and what names them, with the rules of lib/src/values/endpoint.rs and address.rs.
{ lib, text, names }:

let
  inherit (builtins) all any elemAt genList head isInt length stringLength substring;
  inherit (text) hasNone isAscii isClean isOneWord matches splitFirst splitLast;

  number = digits: lib.toIntBase10 digits;
  bitAnd = builtins.bitAnd;

  # "10.1.0.0" -> [ 10 1 0 0 ], or null. A block takes leading zeros, a plain address does not.
  octets = lenient: address:
    let
      parts = lib.splitString "." address;
      octet = if lenient then "[0-9]{1,3}" else "0|[1-9][0-9]{0,2}";
      numbers = map number parts;
    in
    if length parts == 4 && all (matches octet) parts && all (n: n < 256) numbers then numbers else null;

  pairs = four: [ (elemAt four 0 * 256 + elemAt four 1) (elemAt four 2 * 256 + elemAt four 3) ];

  # The 16-bit groups of a part of an IPv6 address that has no "::"; an IPv4 address may stand at its end.
  groups = lenient: address:
    let
      parts = if address == "" then [ ] else lib.splitString ":" address;
      hextet = part: if matches "[0-9a-fA-F]{1,4}" part then [ (builtins.fromTOML "n = 0x${part}").n ] else [ null ];
      final = part: let four = octets lenient part; in if four == null then hextet part else pairs four;
      read = lib.concatMap hextet (lib.init parts) ++ final (lib.last parts);
    in
    if parts == [ ] then [ ] else if any (group: group == null) read then null else read;

  zeros = count: genList (_: 0) count;

  # "2001:db8::1" -> its eight groups (RFC 4291, section 2.2), or null.
  ipv6 = lenient: address:
    let
      halves = lib.splitString "::" address;
      whole = groups lenient address;
      left = groups lenient (head halves);
      right = groups lenient (lib.last halves);
      missing = 8 - length left - length right;
    in
    if length halves == 1 then (if whole != null && length whole == 8 then whole else null)
    else if length halves != 2 || left == null || right == null || missing < (if lenient then 0 else 1) then null
    # An IPv4 address stands at the end only.
    else if lib.hasInfix "." (head halves) then null
    else left ++ zeros missing ++ right;

  # { units; bits; prefix; }: an address or a block, in units of so many bits each; null if it is neither.
  network = address:
    let
      block = splitFirst "/" address;
      prefix = number block.right;
      four = octets (block != null) (if block == null then address else block.left);
      six = ipv6 (block != null) (if block == null then address else block.left);
      sized = max: digits: block == null || matches "[0-9]{1,${digits}}" block.right && prefix <= max;
    in
    if four != null && sized 32 "2" then { units = four; bits = 8; prefix = if block == null then 32 else prefix; }
    else if six != null && sized 128 "3" then { units = six; bits = 16; prefix = if block == null then 128 else prefix; }
    else null;

  power = exponent: if exponent == 0 then 1 else 2 * power (exponent - 1);

  # The units of a block without the bits behind a prefix.
  truncated = bits: prefix: units:
    lib.imap0
      (index: unit:
        let kept = lib.max 0 (lib.min bits (prefix - index * bits));
        in unit - bitAnd unit (power (bits - kept) - 1))
      units;

  within = outer: net:
    outer.bits == net.bits && outer.prefix <= net.prefix && truncated net.bits outer.prefix net.units == outer.units;

  # Metadata and link-local addresses hand out the node's own credentials.
  closed = map network [ "169.254.0.0/16" "fe80::/10" "fd00:ec2::254/128" "fd20:ce::254/128" ];
  isMapped = net: net.bits == 16 && net.prefix >= 96 && lib.take 6 net.units == [ 0 0 0 0 0 65535 ];

  isNetwork = address:
    let net = network address;
    in net != null && truncated net.bits net.prefix net.units == net.units && !isMapped net && !any (outer: within outer net) closed;
in
rec {
  isPort = digits: matches "[0-9]{1,5}" digits && number digits >= 1 && number digits <= 65535;

  # "name", "pattern", "network", or null: what stands before the port of an egress entry.
  destination = host:
    let
      inner = lib.removeSuffix "]" (lib.removePrefix "[" host);
      v6 = network inner;
      last = lib.last (lib.splitString "." host);
    in
    if lib.hasPrefix "[" host && lib.hasSuffix "]" host && stringLength host > 1
    then (if isNetwork inner && v6.bits == 16 then "network" else null)
    else if lib.hasInfix "//" host || lib.hasInfix ":" host then null
    else if lib.hasInfix "/" host || matches "[0-9]*" last then (if isNetwork host then "network" else null)
    else if lib.hasPrefix "*." host
    then (if lib.hasInfix "." (lib.removePrefix "*." host) && names.isHostName (lib.removePrefix "*." host) then "pattern" else null)
    else if names.isHostName host then "name" else null;

  isEgress = entry:
    let
      protocol = splitLast "/" entry;
      rest = if protocol != null && (protocol.right == "udp" || protocol.right == "tcp") then protocol.left else entry;
      parts = splitLast ":" rest;
    in
    parts != null && isPort parts.right && destination parts.left != null;

  # One host, with or without a port.
  isHostPort = entry:
    let
      parts = splitLast ":" entry;
      hasPort = parts != null && (!lib.hasPrefix "[" entry || lib.hasSuffix "]" parts.left);
      kind = destination (if hasPort then parts.left else entry);
    in
    (!hasPort || isPort parts.right) && (kind == "name" || kind == "network" && !lib.hasInfix "/" entry);

  isHttpUrl = url:
    let
      rest = if lib.hasPrefix "https://" url then lib.removePrefix "https://" url
        else if lib.hasPrefix "http://" url then lib.removePrefix "http://" url else null;
      authority = head (lib.splitString "/" rest);
    in
    rest != null && isOneWord url && hasNone "#?" url && hasNone "@" authority && isHostPort authority;

  isGitUrl = url:
    let
      scheme = splitFirst "://" url;
      address = if scheme == null then splitFirst ":" url else splitFirst "/" scheme.right;
      login = splitLast "@" address.left;
      host = if login == null then address.left else login.right;
      web = scheme != null && (scheme.left == "https" || scheme.left == "http");
      plain = address != null && hasNone "/" address.left && !lib.hasPrefix ":" address.right && address.left != "";
    in
    !lib.hasPrefix "-" url && isOneWord url
    && (if scheme == null then plain else lib.elem scheme.left [ "ssh" "https" "http" "git" ] && address != null)
    && (login == null || !web && hasNone ":" login.left)
    && isHostPort host && !lib.hasPrefix "-" address.left
    && !matches "/*" address.right;

  # A JID with a local part and without a resource (RFC 7622). What is not ASCII is judged by the renderer alone, which has
  # Unicode's tables; so are labels in their xn-- form.
  isBareJid = jid:
    let
      parts = splitFirst "@" jid;
      domain = lib.removeSuffix "." parts.right;
      label = part:
        stringLength part >= 1 && stringLength part <= 63 && !lib.hasPrefix "-" part && !lib.hasSuffix "-" part
        && (lib.hasPrefix "xn--" (lib.toLower part) || substring 2 2 part != "--");
      isAddress = octets false parts.right != null
        || lib.hasPrefix "[" parts.right && lib.hasSuffix "]" parts.right && ipv6 false (lib.removeSuffix "]" (lib.removePrefix "[" parts.right)) != null;
      isName = stringLength domain <= 253 && hasNone " %#:<>?[]\\^`{|}" domain && all label (lib.splitString "." domain);
    in
    parts != null && hasNone "@/" parts.right && parts.left != "" && parts.right != ""
    && stringLength parts.left <= 1023 && isClean jid && hasNone " \"&'/:<>" parts.left
    && (!isAscii parts.right || isAddress || isName);

  # The host of a JID or its domain can be named in a network policy.
  isReachable = host: names.isHostName host || isHostPort host;
}
