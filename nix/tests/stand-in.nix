# Stand-ins for NixOS, sops-nix, impermanence and nixpkgs: the options that our modules set, with types near the real ones, and the
# few functions of nixpkgs that they call. Tools are those of the system that runs the tests.
{ lib, package }:

let
  inherit (lib) mkOption types;

  open = options: types.submodule { freeformType = types.attrsOf types.anything; inherit options; };
  list = type: mkOption { type = types.listOf type; default = [ ]; };
  set = type: mkOption { type = types.attrsOf type; default = { }; };
  text = mkOption { type = types.lines; default = ""; };

  service = open { path = list types.raw; wants = list types.str; after = list types.str; };

  # A directory made by a shell of the system's.
  build = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/usr/bin:/bin";
  };
  commands = [ "nuketown-daemon" "nuketown" "nuketown-broker" "nuketown-sudo" "nuketown-identity" ];
in
{
  nixos.options = {
    assertions = list types.raw;
    warnings = list types.str;
    users.users = set (open { extraGroups = list types.str; packages = list types.raw; });
    users.groups = set (open { members = list types.str; });
    systemd.user.services = set service;
    systemd.services = set service;
    systemd.tmpfiles.rules = list types.str;
    environment.etc = set (types.submodule { options.source = mkOption { type = types.raw; }; });
    environment.systemPackages = list types.raw;
    environment.extraInit = text;
    security.sudo.enable = mkOption { type = types.bool; default = true; };
    security.sudo.extraRules = list types.anything;
    services.udev.extraRules = text;
    services.prosody.extraPluginPaths = list types.path;
    services.prosody.extraModules = list types.str;
    services.prosody.extraConfig = text;
    fileSystems = set types.anything;
    boot.initrd.supportedFilesystems = list types.str;
    boot.initrd.postDeviceCommands = text;
    boot.initrd.systemd.enable = mkOption { type = types.bool; default = false; };
    boot.initrd.systemd.services = set types.anything;
  };

  # Modules of their own, as on a real host: there they may be missing.
  sops.options.sops.secrets = set types.anything;
  impermanence.options.environment.persistence = set types.anything;

  homeManager.options = {
    assertions = list types.raw;
    xdg.stateHome = mkOption { type = types.str; default = "/home/josh/.local/state"; };
    xdg.configFile = set (types.submodule { options.source = mkOption { type = types.raw; }; });
    systemd.user.services = set types.anything;
  };

  # The renderer that was built, and its file again under each other program's name: of those, only the place is looked at.
  programs = build "nuketown" ''
    mkdir -p "$out/bin"
    cp ${builtins.path { name = "nuketown-programs"; path = package; }}/bin/nuketown-render "$out/bin/"
    for command in ${toString commands}; do ln -s nuketown-render "$out/bin/$command"; done
  '';

  pkgs = {
    writeText = name: content: build name ''cp ${builtins.toFile name (builtins.unsafeDiscardStringContext content)} "$out"'';
    writeTextDir = path: content: build (baseNameOf path) ''mkdir -p "$out/$(dirname ${path})"; cp ${builtins.toFile (baseNameOf path) content} "$out/${path}"'';
    writeShellScriptBin = name: content:
      # What the script names has to be there when it runs: the context goes into the derivation.
      derivation {
        inherit name content;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [ "-euc" ''mkdir -p "$out/bin"; { echo '#!/bin/bash'; printf '%s' "$content"; } >"$out/bin/$name"; chmod +x "$out/bin/$name"'' ];
        PATH = "/usr/bin:/bin";
      };
    runCommand = name: _: build name;
    # Text in the form of JSON, to be looked at; the real one is TOML.
    formats.toml = _: { generate = name: value: builtins.toFile name (builtins.unsafeDiscardStringContext (builtins.toJSON value)); };
    # The arguments, and what the real one has besides.
    dockerTools.buildLayeredImage = arguments: arguments // {
      outPath = "/nix/store/00000000000000000000000000000000-${baseNameOf arguments.name}.tar.gz";
      imageTag = "00000000000000000000000000000000";
    };
    callPackage = _: arguments: arguments;
  } // lib.genAttrs
    [ "acl" "bash" "bashInteractive" "btrfs-progs" "cacert" "coreutils" "findutils" "git" "gnugrep" "gnupg" "gnused" "gnutar" "gzip" "nix" "openssh" "tmux" "util-linux" "zenity" ]
    (_: "/usr");
}
