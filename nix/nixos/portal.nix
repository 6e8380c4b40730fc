# `portal-<agent>`: the human's terminal beside an agent. It attaches to what runs; where nothing does, it starts a session.
{ config, lib, pkgs, ... }:

let
  cfg = config.nuketown;
  names = import ./names.nix { inherit config lib; };

  # Runs as the agent. The daemon names sessions by the same rule, so each finds the other's.
  inside = name: pkgs.writeShellScriptBin "nuketown-portal-${name}" ''
    set -euo pipefail
    project=''${1:-}
    if [ $# -gt 1 ] || { [ -n "$project" ] && [[ ! $project =~ ^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$ ]]; }; then
        echo "portal-${name}: usage: portal-${name} [PROJECT]; a project is a directory of ~/projects" >&2
        exit 2
    fi
    XDG_RUNTIME_DIR=/run/user/$(${pkgs.coreutils}/bin/id -u)
    export HOME=${names.home name} XDG_RUNTIME_DIR
    export TMUX_TMPDIR=$XDG_RUNTIME_DIR CLAUDE_CONFIG_DIR=$HOME/.config/claude
    tmux=(${pkgs.tmux}/bin/tmux -L portal-${name})
    if [ -z "$project" ]; then
        if "''${tmux[@]}" has-session 2>/dev/null; then
            exec "''${tmux[@]}" attach-session
        fi
        cd "$HOME"
        exec "''${tmux[@]}" new-session -s ${name}${command}
    fi
    directory=$HOME/projects/$project
    [ -d "$directory" ] || directory=$HOME
    cd "$directory"
    # tmux has its own meaning for these two.
    session=''${project//[.:]/_}
    exec "''${tmux[@]}" new-session -A -s "$session"${command}
  '';
  command = lib.optionalString (cfg.portalCommand != [ ]) " -- ${lib.escapeShellArgs cfg.portalCommand}";

  portal = name: pkgs.writeShellScriptBin "portal-${name}" ''
    set -euo pipefail
    if [ "$(${pkgs.coreutils}/bin/id -un)" = ${name} ]; then
        exec ${inside name}/bin/nuketown-portal-${name} "$@"
    fi
    exec /run/wrappers/bin/sudo --non-interactive --user=${name} --set-home -- ${inside name}/bin/nuketown-portal-${name} "$@"
  '';

  portals = lib.filterAttrs (_: agent: agent.portal.enable && cfg.human != null) cfg.hostAgents;

  # The human becomes the agent, never the other way around.
  rule = name: _: {
    users = [ cfg.human ];
    runAs = name;
    commands = [ { command = "${inside name}/bin/nuketown-portal-${name}"; options = [ "NOPASSWD" ]; } ];
  };
in
{
  environment.systemPackages = map portal (lib.attrNames portals);
  security.sudo.extraRules = lib.mapAttrsToList rule portals;
}
