# shellcheck shell=bash
# What the modules make of a host, judged by the programs that will read it.
: "${here:?}" "${copy:?}" "${package:?}" "${library:=}" "${nix:=}"

units_are_well_formed_to_systemd() {
    build_artifacts
    need systemd-analyze systemd
    local unit scope
    for unit in made/desk/*.service made/device/*.service; do
        case $unit in
            *daemon* | *keys*) scope=(--user) ;;
            *) scope=(--system) ;;
        esac
        # A user's manager needs a runtime directory, and gets this one.
        XDG_RUNTIME_DIR=$PWD systemd-analyze "${scope[@]}" --man=no verify "./$unit" >said 2>&1
        # Words about other units of this machine do not count.
        refuses grep -F "$(basename "$unit")" said
    done
    # What is wrong is found.
    sed 's/^Restart=.*/Restart=sometimes/' made/device/nuketown-broker.service >nuketown-broker.service
    systemd-analyze --man=no verify ./nuketown-broker.service >said 2>&1 || true
    holds said sometimes
}

units_of_paths_are_named_as_systemd_does() {
    need systemd-escape systemd
    with_lib artifacts.nix unitNames --argstr package "$package" >names.json
    python3 -B -c 'import json
for name in json.load(open("names.json")): print(name["path"], name["suffix"], name["unit"], sep="\t")' >names
    [ "$(wc -l <names)" = 2 ]
    local path suffix unit
    while IFS=$'\t' read -r path suffix unit; do
        [ "$(systemd-escape --path --suffix="$suffix" "$path")" = "$unit" ]
    done <names
}

# The exposure that `systemd-analyze security` counts, from 0 to 100. A user's manager cannot drop capabilities or mount what is not
# its own, so an agent's daemon is nowhere near a system service; with sudo, hardly anything is left to count.
units_are_exposed_no_more_than_stated() {
    build_artifacts
    need systemd-analyze systemd
    exposure ./made/device/nuketown-broker.service 15
    exposure ./made/device/nuketown-daemon-gateway.service 42
    exposure ./made/desk/nuketown-keys-ada.service 42
    exposure ./made/desk/nuketown-daemon-ada.service 97
}

sudoers_are_well_formed_and_give_one_program() {
    build_artifacts
    local file
    PATH=$PATH:/usr/sbin
    need visudo sudo
    for file in made/desk/sudoers made/device/sudoers; do
        visudo --check --quiet --strict --file="$file"
        refuses grep -vE '^[a-z]+ ALL=\((root|ada)\) NOPASSWD: /[^ ,*]+$' "$file"
    done
    [ "$(wc -l <made/desk/sudoers)" = 2 ]
    holds made/desk/sudoers 'josh ALL=(ada)'
    holds made/desk/sudoers 'ada ALL=(root)'
    # Nobody but the human becomes an agent, and only an agent's program becomes root.
    refuses grep -E '^josh ALL=\(root\)' made/desk/sudoers
    [ -x "$(sed -n 's/^ada .*: //p' made/desk/sudoers)" ]
}

udev_rules_are_well_formed() {
    build_artifacts
    holds made/desk/90-nuketown.rules 'ATTRS{idVendor}=="1a86"'
    # systemd 254 and later check rules; on an older one this shows what udev is given, and no more.
    if udevadm verify --help >/dev/null 2>&1; then
        udevadm verify --resolve-names=never "$PWD/made/desk/90-nuketown.rules"
    fi
}

scripts_are_shell_without_findings() {
    build_artifacts
    local inner script
    inner=$(grep -o '/[^ ]*/bin/nuketown-portal-ada' made/desk/portal | head -n 1)
    cp made/desk/rollback.sh made/desk/rollback-systemd.sh made/desk/sweep.sh made/desk/profile.sh made/desk/portal "$inner" .
    for script in rollback.sh rollback-systemd.sh sweep.sh profile.sh portal nuketown-portal-ada; do
        bash -n "$script"
        shellcheck "$script"
    done
}

# On directories in place of subvolumes, which need a file system of their own: `btrfs` makes and removes directories here.
each_boot_starts_with_an_empty_home_and_keeps_the_last_one() {
    build_artifacts
    mkdir bin homes
    cat >bin/btrfs <<'SH'
#!/bin/sh
case "$2" in
    create) mkdir "$3" ;;
    delete) rm -r "$3" ;;
esac
SH
    # Only a subvolume has the inode 256.
    cat >bin/find <<'SH'
#!/bin/sh
printf '%s\0' "$1"
SH
    printf '#!/bin/sh\nexit 0\n' | tee bin/mount bin/umount bin/chown >/dev/null
    chmod +x bin/*
    sed "s|/run/nuketown-homes|$PWD/homes|g" made/desk/rollback.sh >rollback.sh
    sed "s|/run/nuketown-homes|$PWD/homes|g" made/desk/sweep.sh >sweep.sh
    local boot
    for boot in 1 2 3 4; do
        PATH=$PWD/bin:$PATH bash rollback.sh
        [ -z "$(ls -A homes/nuketown/ada)" ]
        # The old homes are swept later, if at all; a start does not depend on it.
        if [ "$boot" != 2 ]; then PATH=$PWD/bin:$PATH bash sweep.sh; fi
        echo "$boot" >homes/nuketown/ada/mine
    done
    [ "$(cat homes/nuketown/old/*/mine)" = 3 ]
    # A home that cannot be emptied is not passed off as an empty one.
    printf '#!/bin/sh\nexit 1\n' >bin/mount
    refuses env PATH="$PWD/bin:$PATH" bash -e rollback.sh
    [ "$(cat homes/nuketown/ada/mine)" = 4 ]
}

home_files_are_the_renderers_own() {
    build_artifacts
    with_lib artifacts.nix town --argstr package "$package" >town.json
    render home ada --from-json town.json --out expected
    local file
    for file in identity.toml daemon.toml town.toml; do
        cmp "expected/.config/nuketown/$file" "made/desk/home/.config/nuketown/$file"
    done
    holds made/desk/home/.config/nuketown/prompt.md '# You are ada'
}

a_portal_attaches_to_what_runs_and_starts_what_does_not() {
    build_artifacts
    need tmux tmux
    local inner
    inner=$(grep -o '/[^ ]*/bin/nuketown-portal-ada' made/desk/portal | head -n 1)
    mkdir -p home/projects/my.project run
    # Everything but the paths is as it is on a host.
    sed "s|/agents/ada|$PWD/home|; s|^XDG_RUNTIME_DIR=.*|XDG_RUNTIME_DIR=$PWD/run|" "$inner" >portal
    chmod +x portal
    # A terminal, as a human has one. Its input stays open and says nothing: the end of it would be the end of the session's shell.
    mkfifo input
    exec 3<>input
    in_terminal() { script --quiet --return --command "$*" /dev/null <&3; }
    export SHELL=/bin/sh TERM=xterm
    # The session outlives the terminal by the server that the portal started: here it is ended at the end of the test.
    trap 'TMUX_TMPDIR=$PWD/run tmux -L portal-ada kill-server 2>/dev/null || true' EXIT
    in_terminal timeout 60 ./portal my.project >/dev/null &
    # Taking a lock of the server's waits for the server.
    TMUX_TMPDIR=$PWD/run timeout 60 bash -c 'until tmux -L portal-ada wait-for -L ready 2>/dev/null; do :; done'
    TMUX_TMPDIR=$PWD/run tmux -L portal-ada list-sessions -F '#{session_name} #{session_path}' >sessions
    [ "$(cat sessions)" = "my_project $PWD/home/projects/my.project" ]
    # Another terminal finds the same session, by the project and without a name.
    in_terminal timeout 60 ./portal my.project >/dev/null &
    in_terminal timeout 60 ./portal >/dev/null &
    # shellcheck disable=SC2016
    TMUX_TMPDIR=$PWD/run timeout 60 bash -c 'until [ "$(tmux -L portal-ada list-clients -t my_project | wc -l)" = 3 ]; do :; done'
    [ "$(TMUX_TMPDIR=$PWD/run tmux -L portal-ada list-sessions | wc -l)" = 1 ]
    TMUX_TMPDIR=$PWD/run tmux -L portal-ada kill-server
    wait
    refuses ./portal ../../etc
    holds refused 'usage: portal-ada [PROJECT]'
    refuses ./portal a b
    # shellcheck disable=SC2016
    refuses ./portal 'a$(id)'
}

# For one agent, the host and the pod give the same: user, home, what is kept, secrets, and nothing else to write to.
a_host_and_a_pod_give_an_agent_the_same() {
    with_lib artifacts.nix equivalence --argstr package "$package" >host.json
    python3 -B - host.json "$package/bin/nuketown-render" <<'PYTHON'
import json, subprocess, sys

host = json.load(open(sys.argv[1]))
done = subprocess.run([sys.argv[2], "--from-json", "-", "--format", "json"], input=json.dumps(host["cloudTown"]), capture_output=True, text=True)
assert done.returncode == 0, done.stderr
objects = {(item["kind"], item["metadata"]["name"]): item for item in json.loads(done.stdout)["items"]}
pod = objects["Deployment", "nuketown-ada"]["spec"]["template"]["spec"]
agent, init = pod["containers"][0], pod["initContainers"][0]
security = {**pod["securityContext"], **agent["securityContext"]}

assert security["runAsUser"] == host["uid"], security
assert security["allowPrivilegeEscalation"] is False and host["noNewPrivileges"] is True

mounts = {mount["mountPath"]: mount for mount in agent["volumeMounts"]}
home = host["home"]
assert home in mounts, mounts
# Keys are kept on a host and made anew in a pod (ARCHITECTURE.md, Decisions).
kept = {path for path in host["kept"] if path not in (".ssh", ".gnupg")}
assert kept == {path.removeprefix(home + "/") for path in mounts if path.startswith(home + "/") and mounts[path]["name"] not in ("identity",)}, mounts
# A pod writes to its home and to /tmp; a host's daemon to its home, its runtime directory and a /tmp of its own.
writable = {path for path, mount in mounts.items() if not mount.get("readOnly") and not path.startswith(home)}
assert security["readOnlyRootFilesystem"] is True and writable <= {"/tmp", "/run/nuketown/secrets"}, writable
assert host["writable"] == ["/agents/gateway", "%t"], host["writable"]

volumes = {volume["name"]: volume for volume in pod["volumes"]}
daemon = objects["ConfigMap", "nuketown-ada"]["data"]["daemon.toml"]
remote = {line.split('"')[1] for line in daemon.splitlines() if line.startswith("remote = ")}
assert remote == {name.replace("/", "-") for name in host["secrets"]}, (remote, host["secrets"])
PYTHON
}
