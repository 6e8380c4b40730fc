# `mkTown` on the towns of towns.nix and on a town that lies in a JSON file.
{ library, town ? null }:

let
  lib = import library;
  inherit (import ../lib.nix) mkTown;
  inherit (import ./towns.nix) refused taken;

  make = plain: mkTown { inherit lib; modules = [ { nuketown = plain; } ]; };
  isTaken = plain: (builtins.tryEval (builtins.deepSeq (make plain) true)).success;
  plain = builtins.fromJSON (builtins.readFile town);

  # The options by path, with `*` for a name and for a place in a list.
  inherit (import ./options.nix { inherit library; }) options;
  isKnown = path: builtins.any (option: option.path == path || lib.hasPrefix "${path}." option.path) options;
  isDefault = path: value: builtins.any (option: option.path == path && option ? default && option.default == value) options;

  join = path: name: if path == "" then name else "${path}.${name}";

  # A town without the attributes that say what is the default anyway.
  strip = path: value:
    let
      place = name: if isKnown (join path name) then join path name else join path "*";
      entry = name: inner: lib.optionalAttrs (!isDefault (place name) inner) { ${name} = strip (place name) inner; };
    in
    if builtins.isAttrs value then lib.concatMapAttrs entry value
    else if builtins.isList value then map (strip (join path "*")) value else value;
in
{
  made = make plain;
  withoutDefaults = strip "" plain;
  misjudged =
    builtins.filter (name: isTaken refused.${name}) (builtins.attrNames refused)
    ++ builtins.filter (name: !isTaken taken.${name}) (builtins.attrNames taken);
}
