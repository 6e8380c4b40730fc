# { modules; lib; } -> town: `nuketown.lib.mkTown`.
{ modules, lib }:

let
  inherit (lib.evalModules { modules = [ ../options.nix ] ++ modules; }) config;
  refused = builtins.filter (rule: !rule.assertion) (import ./rules.nix { inherit lib; } config.nuketown);
  messages = lib.concatMapStringsSep "\n" (rule: rule.message) refused;
in
if refused == [ ] then import ./project.nix { inherit lib; } config.nuketown
else throw "\n${messages}"
