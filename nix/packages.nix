# The packages of this project, for the `pkgs` that is given: { nuketown; nuketown-render; … }.
#
# `nuketown` is all programs in one. The others are one program each, for images and for who renders only.
{ pkgs }:

let
  # By folder: the name of a package, and its programs.
  programs = {
    plugin = { pname = "nuketown-render"; commands = [ "nuketown-render" "nuketown-cmp" ]; };
    daemon = { pname = "nuketown-daemon"; commands = [ "nuketown-daemon" "nuketown" ]; };
    broker = { pname = "nuketown-broker"; commands = [ "nuketown-broker" "nuketown-sudo" ]; };
    identity = { pname = "nuketown-identity"; commands = [ "nuketown-identity" ]; };
    controller = { pname = "nuketown-controller"; commands = [ "nuketown-controller" ]; };
  };
  commandsOf = folder: builtins.filter (command: builtins.pathExists (../. + "/${folder}/src/bin/${command}.rs")) programs.${folder}.commands;
  # A crate may be there before its programs are.
  present = builtins.filter (folder: commandsOf folder != [ ]) (builtins.attrNames programs);
  package = folder: {
    name = programs.${folder}.pname;
    value = pkgs.callPackage ./package.nix { inherit (programs.${folder}) pname; commands = commandsOf folder; crates = [ folder ]; };
  };
in
builtins.listToAttrs (map package present) // {
  nuketown = pkgs.callPackage ./package.nix {
    pname = "nuketown";
    crates = present;
    commands = builtins.concatMap commandsOf present;
  };
}
