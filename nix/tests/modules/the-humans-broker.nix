# The home-manager module, against stand-ins for home-manager's options.
{ lib, standInPkgs, programs, readJson, ... }:
let
  standIn = import ../stand-in.nix { inherit lib; package = "/nonexistent"; };
  evaluated = modules: (lib.evalModules {
    modules = [ standIn.homeManager ../../home-manager/broker.nix { _module.args.pkgs = standInPkgs; services.nuketown-broker.package = programs; } ] ++ modules;
  }).config;
  on = settings: evaluated [ { services.nuketown-broker = { enable = true; agents.ada = { role = "software"; jid = "ada@6bit.com"; }; } // settings; } ];
  config = on { approver = "josh@6bit.com"; passwordFile = "/run/secrets/josh"; };
  policy = readJson config.xdg.configFile."nuketown/policy.toml".source;
  settings = readJson config.xdg.configFile."nuketown/broker.toml".source;
  refused = config: map (rule: rule.message) (builtins.filter (rule: !rule.assertion) config.assertions);
  service = config.systemd.user.services.nuketown-broker;
in
{
  "it is off unless enabled" = (evaluated [ ]).systemd.user.services == { };
  "it starts with the desktop" = service.Install.WantedBy == [ "graphical-session.target" ];
  "without a dialog it starts with the user" = (on { dialog = "never"; approver = "a@b"; passwordFile = "/x"; }).systemd.user.services.nuketown-broker.Install.WantedBy == [ "default.target" ];
  "it knows its agents" = settings.agents.ada == { user = "ada"; role = "software"; jid = "ada@6bit.com"; };
  "it knows what they may ask for" = policy == { approver = "josh@6bit.com"; timeout = 120; agents.ada = { may = [ "sudo" "delegate" ]; pre_approved = [ ]; }; };
  "an agent from elsewhere needs no user here" =
    let other = on { agents.vox = { user = null; jid = "vox@6bit.com"; }; }; in
    (readJson other.xdg.configFile."nuketown/broker.toml".source).agents.vox == { role = "general"; jid = "vox@6bit.com"; };
  "its password is a path" = settings.xmpp == { jid = "josh@6bit.com"; password_file = "/run/secrets/josh"; };
  "a sound one is not refused" = refused config == [ ];
  "a password in the store is refused" = refused (on { approver = "a@b"; passwordFile = "${builtins.storeDir}/x"; }) != [ ];
  "a password without an account is refused" = refused (on { passwordFile = "/x"; }) != [ ];
  "a broker that asks nobody is refused" = refused (on { dialog = "never"; }) != [ ];
}
