# The tests of tests/modules as derivations, with the modules of a whole nixpkgs, and machines that are started for the rest.
#
# Evaluating a check of a module is running it; what it builds is empty.
{ nixpkgs, system }:

let
  pkgs = import nixpkgs { inherit system; };
  packages = import ./packages.nix { inherit pkgs; };

  nameOf = file: builtins.head (builtins.match "(.*)\\.nix" file);
  named = directory: f: builtins.listToAttrs (map (file: f (nameOf file)) (builtins.attrNames (builtins.readDir directory)));

  module = test: {
    name = test;
    value =
      let
        untrue = (import ./tests/module.nix {
          inherit test system;
          library = "${nixpkgs}/lib";
          nixpkgs = "${nixpkgs}";
          built = packages.nuketown;
        }).failures;
      in
      if untrue == [ ] then pkgs.runCommand "nuketown-${test}" { } "touch $out"
      else throw "nuketown: ${test}: not true: ${builtins.concatStringsSep "; " untrue}";
  };
  machine = test: {
    name = "vm-${test}";
    value = pkgs.testers.runNixOSTest (import (./tests/vm + "/${test}.nix") { inherit (packages) nuketown; });
  };
in
named ./tests/modules module // named ./tests/vm machine
