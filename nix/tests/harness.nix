# What the tests in modules/ are given: a host that is evaluated, with nixpkgs' own modules where all of nixpkgs is at hand, else
# with stand-ins for the options that our modules set (stand-in.nix), which check names and types and do nothing.
{ library, package ? null, nixpkgs ? "", system ? builtins.currentSystem, built ? null }:

let
  lib = import library;
  isReal = nixpkgs != "";
  standIn = import ./stand-in.nix { inherit lib package; };
  programs = if built != null then built else standIn.programs;

  real = modules: import "${nixpkgs}/nixos/lib/eval-config.nix" {
    inherit system;
    modules = modules ++ [ { system.stateVersion = lib.trivial.release; } ];
  };
  declared = modules: lib.evalModules {
    modules = [ standIn.nixos { _module.args.pkgs = standIn.pkgs; } ] ++ modules;
  };

  # A host's module, with what every town needs.
  base = { lib, ... }: {
    imports = [ ../nixos ];
    nuketown.package = programs;
    nuketown.domain = lib.mkDefault "6bit.com";
    nuketown.approver = lib.mkDefault "josh@6bit.com";
  };
in
rec {
  inherit isReal lib programs;
  inherit (standIn) impermanence pkgs sops;
  nuketown = import ../lib.nix;

  # modules -> { config; options; }
  evaluate = if isReal then real else declared;
  host = modules: (evaluate ([ base sops impermanence ] ++ modules)).config;
  hostWithout = others: modules: (evaluate ([ base ] ++ lib.subtractLists others [ sops impermanence ] ++ modules)).config;
  workstation = modules: host ([ { nuketown.human = "josh"; users.users.josh.isNormalUser = true; } ] ++ modules);

  town = modules: nuketown.mkTown { inherit lib; modules = [ { nuketown.domain = "6bit.com"; } ] ++ modules; };

  # What a host refuses about its agents: messages.
  refusals = config: map (rule: rule.message) (builtins.filter (rule: !rule.assertion && lib.hasPrefix "nuketown" rule.message) config.assertions);
  isSound = config: refusals config == [ ];
  refuses = parts: config: lib.any (message: lib.all (part: lib.hasInfix part message) parts) (refusals config);

  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  readJson = file: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile file));
  daemon = config: name: config.systemd.user.services."nuketown-daemon-${name}";
  has = infix: text: lib.hasInfix infix text;
  names = builtins.attrNames;
}
