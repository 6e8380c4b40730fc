# A town without what is default: the plain attribute set that somebody would have written, which `nuketown-render` reads.
#
# `town` is an evaluated `config.nuketown`, which may hold more than the town's options: a NixOS host has options of its own.
{ lib }:

let
  inherit (builtins) mapAttrs removeAttrs;

  # Each function looks at the options once, and gives a function of values: a town has many agents and one kind of them.

  # type -> value -> value
  ofType = type:
    let
      options = removeAttrs (type.getSubOptions [ ]) [ "_module" "_freeformOptions" ];
      ofSet = ofOptions options;
      ofElement = ofType type.nestedTypes.elemType;
    in
    if options == { } then value: value
    else if type.name == "submodule" then ofSet
    else if type.name == "nullOr" then value: if value == null then null else ofElement value
    else if type.name == "listOf" then map ofElement
    else mapAttrs (_: ofElement);

  # options -> values -> values
  ofOptions = options:
    let
      entry = name: option:
        if lib.isOption option then
          let
            shorten = ofType option.type;
            # Defaults are written without what is default in them, so the two are of one form.
            isDefault = value: option ? default && value == option.default;
          in
          values: let value = shorten values.${name}; in lib.optionalAttrs (!isDefault value) { ${name} = value; }
        else
          let shorten = ofOptions option; in
          values: let inner = shorten values.${name}; in lib.optionalAttrs (inner != { }) { ${name} = inner; };
      entries = lib.mapAttrsToList entry options;
    in
    values: lib.foldl' (all: shorten: all // shorten values) { } entries;
in
ofOptions (import ../options.nix { inherit lib; }).options.nuketown
