# What the tests in modules/ are given: a host that is evaluated, with nixpkgs' own modules where all of nixpkgs is at hand, else
# with stand-ins for the options that our modules set (stand-in.nix), which check names and types and do nothing.
{ library, package ? null, nixpkgs ? "", system ? builtins.currentSystem, built ? null }:

let
  lib = import library;
  isReal = nixpkgs != "";
  standIn = import ./stand-in.nix { inherit lib package; };
  programs = if built != null then built else standIn.programs;

  # The initrd of shell scripts, as in the stand-in; tests of the other one say so.
  real = modules: import "${nixpkgs}/nixos/lib/eval-config.nix" {
    inherit system;
    modules = modules ++ [ { system.stateVersion = lib.trivial.release; boot.initrd.systemd.enable = lib.mkDefault false; } ];
  };
  declared = modules: lib.evalModules {
    modules = [ standIn.nixos { _module.args.pkgs = standIn.pkgs; } ] ++ modules;
  };

  # Of a host's configuration, what our modules made: a whole NixOS has much besides, and fills in what we left open.
  ours = config:
    let
      named = lib.filterAttrs (name: _: lib.hasPrefix "nuketown" name);
      agents = config.nuketown.agents or { };
      isOurs = name: _: agents ? ${name} || lib.hasPrefix "nuketown" name || agents != { } && name == toString config.nuketown.human;
      concernsUs = text: lib.hasInfix "nuketown" text || lib.hasInfix config.nuketown.agentsDir text;
      rule = r: { inherit (r) users runAs; commands = map (c: { inherit (c) command options; }) r.commands; };
    in
    config // {
      users = config.users // { users = lib.filterAttrs isOurs config.users.users; groups = lib.filterAttrs isOurs config.users.groups; };
      systemd = config.systemd // {
        services = named config.systemd.services;
        user = config.systemd.user // { services = named config.systemd.user.services; };
        tmpfiles = config.systemd.tmpfiles // { rules = builtins.filter concernsUs config.systemd.tmpfiles.rules; };
      };
      environment = config.environment // {
        systemPackages = builtins.filter (package: lib.hasPrefix "portal-" (package.name or "")) config.environment.systemPackages;
      };
      security = config.security // {
        sudo = config.security.sudo // {
          extraRules = map rule (builtins.filter (r: lib.any (c: lib.hasInfix "nuketown" (c.command or "")) r.commands) config.security.sudo.extraRules);
        };
      };
      services = config.services // {
        udev = config.services.udev // {
          extraRules = lib.concatMapStrings (line: line + "\n")
            (builtins.filter (lib.hasInfix "setfacl") (lib.splitString "\n" config.services.udev.extraRules));
        };
      };
      fileSystems = lib.filterAttrs (path: _: lib.hasPrefix config.nuketown.agentsDir path) config.fileSystems;
      boot = config.boot // {
        initrd = config.boot.initrd // { systemd = config.boot.initrd.systemd // { services = named config.boot.initrd.systemd.services; }; };
      };
      warnings = builtins.filter (lib.hasPrefix "nuketown") config.warnings;
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
  inherit isReal lib ours programs;
  inherit (standIn) impermanence sops;
  pkgs = if isReal then import nixpkgs { inherit system; } else standIn.pkgs;
  standInPkgs = standIn.pkgs;
  nuketown = import ../lib.nix;

  # modules -> { config; options; }
  evaluate = if isReal then real else declared;
  host = modules: ours (evaluate ([ base sops impermanence ] ++ modules)).config;
  hostWithout = others: modules: ours (evaluate ([ base ] ++ lib.subtractLists others [ sops impermanence ] ++ modules)).config;
  workstation = modules: host ([ { nuketown.human = "josh"; users.users.josh.isNormalUser = true; } ] ++ modules);

  town = modules: nuketown.mkTown { inherit lib; modules = [ { nuketown.domain = "6bit.com"; } ] ++ modules; };

  # What a host refuses about its agents: messages.
  refusals = config: map (rule: rule.message) (builtins.filter (rule: !rule.assertion && lib.hasPrefix "nuketown" rule.message) config.assertions);
  isSound = config: refusals config == [ ];
  refuses = parts: config: lib.any (message: lib.all (part: lib.hasInfix part message) parts) (refusals config);

  fails = value: !(builtins.tryEval (builtins.deepSeq value true)).success;

  # The settings in a file: TOML on a whole nixpkgs, which builds it, and JSON in the stand-in.
  readSettings = file: (if isReal then builtins.fromTOML else builtins.fromJSON) (builtins.unsafeDiscardStringContext (builtins.readFile file));
  readJson = file: builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile file));
  daemon = config: name: config.systemd.user.services."nuketown-daemon-${name}";
  has = infix: text: lib.hasInfix infix text;
  names = builtins.attrNames;
}
