# Every option of a town as Nix declares it, in the form in which agreement.py reads the JSON Schema of the Rust model:
# [ { path; kind; default?; minimum?; maximum?; values?; } ]
{ library, samples ? null }:

let
  lib = import library;
  inherit ((import ../options.nix { inherit lib; }).options) nuketown;

  subOptions = type: removeAttrs (type.getSubOptions [ ]) [ "_module" "_freeformOptions" ];
  plain = { str = "string"; lines = "string"; bool = "boolean"; };

  # The path of the elements of a type, and what they are.
  kind = type:
    if type ? rust then type.rust
    else if type.name == "nullOr" then "nullOr ${kind type.nestedTypes.elemType}"
    else if type.name == "listOf" then "listOf ${kind type.nestedTypes.elemType}"
    else if type ? key then "${type.key.rust} to ${kind type.nestedTypes.elemType}"
    else if type.name == "attrsOf" then "any to ${kind type.nestedTypes.elemType}"
    else if type.name == "submodule" then "set"
    else if type.name == "separatedString" then "string"
    else plain.${type.name} or (throw "options.nix does not know the type ${type.name}");

  elements = path: type:
    if type.name == "submodule" then ofOptions path (subOptions type)
    else if type.name == "nullOr" then elements path type.nestedTypes.elemType
    else if type ? nestedTypes.elemType then elements "${path}.*" type.nestedTypes.elemType
    else [ ];

  bounds = type: lib.optionalAttrs (type ? minimum) { inherit (type) minimum maximum; } // lib.optionalAttrs (type ? values) { inherit (type) values; };
  innermost = type: if type.name == "nullOr" then type.nestedTypes.elemType else type;

  ofOption = path: option: [
    ({ inherit path; kind = kind option.type; }
      // bounds (innermost option.type)
      // lib.optionalAttrs (option ? default) { inherit (option) default; })
  ] ++ elements path option.type;

  ofOptions = path: options:
    let
      below = name: if path == "" then name else "${path}.${name}";
      each = name: option: if lib.isOption option then ofOption (below name) option else ofOptions (below name) option;
    in
    lib.concatLists (lib.mapAttrsToList each options);

  # Every option has a type, an example, and a description that ends as a sentence.
  documented = option: option ? type && option ? example && lib.hasSuffix "." (lib.removeSuffix "\n" (option.description or ""));
in
{
  options = ofOptions "" nuketown;

  undocumented =
    let
      below = path: options: lib.concatLists (lib.mapAttrsToList
        (name: option:
          let at = "${path}.${name}"; in
          if !lib.isOption option then below at option
          else lib.optional (!documented option) at ++ below at (subOptionsDeep option.type))
        options);
      subOptionsDeep = type:
        if type ? nestedTypes.elemType then subOptionsDeep type.nestedTypes.elemType
        else if type.name == "submodule" then subOptions type else { };
    in
    below "nuketown" nuketown;

  # For each sample, whether its type takes it.
  verdicts =
    let
      types = lib.filterAttrs (_: type: type ? rust) (import ../types.nix { inherit lib; });
      byName = lib.mapAttrs' (_: type: lib.nameValuePair type.rust type) types;
      verdict = sample: byName.${sample.type}.check sample.value;
    in
    map verdict (builtins.fromJSON (builtins.readFile samples));
}
