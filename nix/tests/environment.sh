# shellcheck shell=bash
# What every test of nix/tests finds: read by `run`, not run by itself.
#
#   $nix       the Nix under test          $copy      the project's files as they stand, committed or not
#   $version   its version                 $package   a directory with bin/nuketown-render, freshly built
#   $library   nixpkgs' library, if there is one   $nixpkgs   all of nixpkgs, if there is that
#   $state     kept from test to test, for this Nix   $shared   kept from Nix to Nix
: "${work:?}" "${nix:=}" "${version:=}" "${package:?}" "${copy:=}" "${library:=}" "${nixpkgs:=}"

# Goes to an empty directory, with a Nix that sees nothing of this machine: a store of its own that needs neither root nor a
# daemon, no configuration, no registry, no network.
#
# The store is a real one at another place, not a chroot store (`--store DIR`): building in one of those needs a sandbox, which
# a container often forbids.
prepare_environment() {
    state=$work/nix-$version shared=$work/shared
    mkdir -p "$state/conf" "$state/home" "$shared"
    # The hook that looks for remote builders is asked before every build. Nix would start its own program for that, which the
    # wrapper of tools/apt-unpack.sh does not survive.
    printf '#!/bin/sh\necho "# decline-permanently" >&2\n' >"$state/no-builders"
    chmod +x "$state/no-builders"
    empty=$(mktemp -d "$work/test.XXXXXX")
    cd "$empty" || return

    export NIX_STORE_DIR=$state/store NIX_STATE_DIR=$state/var NIX_LOG_DIR=$state/log NIX_CONF_DIR=$state/conf
    export NIX_REMOTE=local NIX_USER_CONF_FILES='' NIX_PATH=''
    export HOME=$state/home XDG_CACHE_HOME=$state/home/.cache XDG_CONFIG_HOME=$state/home/.config USER=${USER:-nuketown}
    export GIT_CONFIG_GLOBAL=$state/home/.gitconfig GIT_CONFIG_NOSYSTEM=1
    export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.org GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.org
}

# The Nix under test with flakes, offline; builds run here, unsandboxed, as the user who runs the tests.
run_nix() {
    "$nix" --extra-experimental-features 'nix-command flakes' --offline --option substitute false --option build-hook "$state/no-builders" \
        --option sandbox false --option build-users-group '' --option allow-import-from-derivation true "$@"
}

# nuketown-render as a user runs it: with the Nix under test first on PATH and none of the private store above.
render() {
    env -u NIX_STORE_DIR -u NIX_STATE_DIR -u NIX_LOG_DIR -u NIX_REMOTE PATH="$(dirname "$nix"):$PATH" \
        "$package/bin/nuketown-render" "$@"
}

# The town of a flake as JSON.
town_json() {
    run_nix eval --json --no-write-lock-file "$1#nuketown"
}

# Fails unless file $1 holds the fixed string $2, and shows what it holds instead.
holds() {
    if ! grep -qF -- "$2" "$1"; then
        echo "expected to find: $2"
        cat "$1"
        return 1
    fi
}

# Fails if the command succeeds; its output goes to the file `refused`.
refuses() {
    if "$@" >refused 2>&1; then
        echo "expected a failure of: $*"
        cat refused
        return 1
    fi
}

# Fails unless directory $1 (files NAME.yaml) and directory $2 (files NAME) hold the same names with the same bytes.
same_manifests() {
    local file
    diff <(find "$1" -type f -printf '%P\n' | sort) <(find "$2" -type f -printf '%P.yaml\n' | sort)
    test -s "$1/00-namespace.yaml"
    for file in "$1"/*; do
        cmp "$file" "$2/$(basename "$file" .yaml)"
    done
}

# An expression of a file below nix/tests as JSON; further arguments are Nix's own.
with_lib() {
    local file=$1
    shift
    run_nix eval --json --impure --file "$copy/nix/tests/$file" "$@" --argstr library "$library"
}

# The sentences of a file modules/NAME.nix that are not true.
module_test() {
    run_nix eval --json --impure --file "$copy/nix/tests/module.nix" failures --argstr library "$library" --argstr package "$package" \
        --argstr test "$1" --argstr nixpkgs "$nixpkgs" >untrue
    [ "$(cat untrue)" = '[]' ] || { cat untrue; return 1; }
}

# Fails unless mkTown refuses the town of this JSON; its words go to the file `refused`.
refuses_town() {
    printf '%s' "$1" >town.json
    refuses with_lib make-town.nix made --argstr town "$PWD/town.json"
}

# Fails where command $1 is missing, with the Debian package $2 that has it.
need() {
    command -v "$1" >/dev/null || { echo "$1 is missing; install it: apt-get install $2 (tools/setup test does)"; return 1; }
}

# Fails unless `systemd-analyze security` counts at most $2 of 100 for the unit $1.
exposure() {
    local threshold=$2 scope=()
    case $1 in */nuketown-broker.service) ;; *) scope=(--user) ;; esac
    if ! XDG_RUNTIME_DIR=$PWD systemd-analyze "${scope[@]}" --no-pager --offline=true --threshold="$threshold" security "$1" >exposure; then
        echo "$1 is more exposed than $threshold of 100"
        tail -n 3 exposure
        return 1
    fi
}

# Builds artifacts.nix into the link `made`.
build_artifacts() {
    run_nix build --impure --out-link made --file "$copy/nix/tests/artifacts.nix" all \
        --argstr library "$library" --argstr package "$package"
}
