# A town without what is default: the plain attribute set that somebody would have written, which `nuketown-render` reads.
#
# `town` is an evaluated `config.nuketown`, which may hold more than the town's options: a NixOS host has options of its own.
{ lib }:

let
  inherit (builtins) mapAttrs removeAttrs;

  isOption = lib.isOption;

  # The options below an option's type, or null if it has none.
  optionsOf = type:
    let options = removeAttrs (type.getSubOptions [ ]) [ "_module" "_freeformOptions" ];
    in if options == { } then null else options;

  ofType = type: value:
    if value == null then null
    else if type.name == "nullOr" then ofType type.nestedTypes.elemType value
    else if optionsOf type == null then value
    else if type.name == "submodule" then ofOptions (optionsOf type) value
    else if builtins.isList value then map (ofType type.nestedTypes.elemType) value
    else mapAttrs (_: ofType type.nestedTypes.elemType) value;

  # Defaults are written without what is default in them, so the two are of one form.
  isDefault = option: value: option ? default && value == option.default;

  ofOptions = options: values:
    let
      entry = name: option:
        if isOption option then
          let value = ofType option.type values.${name};
          in lib.optionalAttrs (!isDefault option value) { ${name} = value; }
        else
          let inner = ofOptions option values.${name};
          in lib.optionalAttrs (inner != { }) { ${name} = inner; };
    in
    lib.concatMapAttrs entry options;
in
ofOptions (import ../options.nix { inherit lib; }).options.nuketown
