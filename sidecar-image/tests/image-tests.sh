#!/usr/bin/env bash
# Builds the image of the sidecar from a base that is made here, and runs what is in it as Argo CD runs it: as user 999, with a
# read-only root file system, without capabilities and without a network.
#
#   sidecar-image/tests/image-tests.sh [NAME…]     only the tests with these names
#
# It needs root (a mount, a chroot and user 999), and says so to others and runs nothing; besides buildah and mmdebstrap, and
# Debian's package archive as apt here has it. A test is a function named as a sentence.
set -euo pipefail

project=$(cd "$(dirname "$0")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$project/target}
readonly project target

main() {
    local missing
    if [ "$(id -u)" != 0 ]; then
        echo "image: not run, for it needs root"
        return 77
    fi
    missing=$(what_is_missing)
    if [ -n "$missing" ]; then
        echo "image: FAILED: missing ${missing}(install with: make setup)"
        return 1
    fi
    work=$(mktemp -d)
    root=$work/root
    trap tidy EXIT
    make_base
    make_image
    mapfile -t tests < <(sed -n 's/^\([a-z0-9_]*\)() { # test$/\1/p' "$0")
    local test passed=0 failed=0 status
    for test in "${tests[@]}"; do
        if [ $# -gt 0 ]; then
            case " $* " in *" $test "*) ;; *) continue ;; esac
        fi
        # Not in a condition: bash ignores `set -e` inside one, and a test would go on after its first failure.
        set +e
        (set -e && "$test") >"$work/log" 2>&1 </dev/null
        status=$?
        set -e
        if [ $status = 0 ]; then
            passed=$((passed + 1))
            echo "test $test ... ok"
        else
            failed=$((failed + 1))
            echo "test $test ... FAILED (status $status)"
            sed 's/^/    /' "$work/log"
        fi
    done
    echo "image: $passed passed, $failed failed"
    ((failed == 0 && passed > 0))
}

what_is_missing() {
    local program
    for program in buildah mmdebstrap unshare setpriv; do
        command -v "$program" >/dev/null || echo -n "$program "
    done
}

tidy() {
    store umount --all >/dev/null 2>&1 || true
    store rm --all >/dev/null 2>&1 || true
    rm -rf "$work"
}

# buildah with images of its own, so that nothing of the machine is used or changed.
store() {
    buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"
}

# Debian's smallest system with apt, of the release and from the archive of this machine. It is kept for the next run.
make_base() {
    local release archive base
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    base=$project/target/tools/image-base-$release.tar
    if [ ! -e "$base" ]; then
        archive=()
        for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
            if [ -s "$file" ]; then archive+=("$file"); fi
        done
        mkdir -p "$(dirname "$base")"
        mmdebstrap --quiet --variant=apt "$release" "${base%.tar}.new.tar" "${archive[@]}" >"$work/log" 2>&1 || {
            cat "$work/log"
            return 1
        }
        mv "${base%.tar}.new.tar" "$base"
    fi
    local container
    container=$(store from scratch)
    tar --extract --file "$base" --directory "$(store mount "$container")"
    store umount "$container" >/dev/null
    store commit --quiet "$container" localhost/base >/dev/null
    store rm "$container" >/dev/null
}

# By the script that users run, with a program that was built here: the base has no compiler.
make_image() {
    program=${NUKETOWN_CMP:-$target/debug/nuketown-cmp}
    renderer=$target/debug/nuketown-render
    (cd "$project" && cargo build --quiet --locked --package nuketown-plugin)
    printf '#!/bin/sh\nexec buildah --root %q --runroot %q --storage-driver vfs "$@"\n' \
        "$work/store" "$work/run" >"$work/engine"
    chmod +x "$work/engine"
    ENGINE=$work/engine BUILDER=localhost/base BASE=localhost/base PREBUILT=$program \
        ENGINE_FLAGS="--isolation=chroot --network=host" TMPDIR=$work \
        "$project/sidecar-image/build" localhost/nuketown-cmp:test >"$work/log" 2>&1 || {
        tail -n 40 "$work/log"
        return 1
    }
    container=$(store from --pull-never localhost/nuketown-cmp:test)
    ln -s "$(store mount "$container")" "$root"
}

# Runs a command in the image as the patch of the Deployment has it run. $work/volume is the volume of the cache, and
# $work/source, if it is there, what Argo CD has unpacked below /tmp. Variables are those of the image and those given as
# NAME=VALUE in front of the command.
inside() {
    local confined
    mkdir -p "$work/volume" "$work/source"
    chmod 0777 "$work/volume"
    # The script runs as root in namespaces of its own, and gives up everything at its end.
    # shellcheck disable=SC2016 # The variables are those of the inner shell.
    confined='
        root=$1 volume=$2 source=$3
        shift 3
        mount --make-rprivate /
        mount --bind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mount --bind "$volume" "$root/var/cache/nuketown"
        mkdir "$root/tmp/source"
        mount --bind "$source" "$root/tmp/source"
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for device in null zero random urandom; do
            : >"$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        exec chroot "$root" /usr/bin/setpriv --reuid=999 --regid=999 --clear-groups --no-new-privs --bounding-set=-all \
            --inh-caps=-all /usr/bin/env --chdir=/tmp/source "$@"'
    mapfile -t variables < <(store inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' \
        localhost/nuketown-cmp:test | grep .)
    env --ignore-environment "${variables[@]}" \
        unshare --mount --net --pid --ipc --uts --fork /bin/sh -euc "$confined" sh \
        "$(readlink "$root")" "$work/volume" "$work/source" "$@"
}

config() {
    store inspect --type image --format "{{.OCIv1.Config.$1}}" localhost/nuketown-cmp:test
}

image_runs_argo_cds_server_as_user_999() { # test
    [ "$(config User)" = 999:999 ]
    [ "$(config Entrypoint)" = '[/var/run/argocd/argocd-cmp-server]' ]
    [ "$(inside id -u):$(inside id -g)" = 999:999 ]
    [ "$(inside whoami)" = argocd ]
}

image_has_the_plugins_configuration_and_programs_and_no_more() { # test
    cmp "$root/home/argocd/cmp-server/config/plugin.yaml" "$project/sidecar-image/plugin.yaml"
    cmp "$root/usr/local/bin/nuketown-cmp" "$program"
    [ "$(ls "$root/usr/local/bin")" = nuketown-cmp ]
    inside nix --version
    inside git --version
    local absent
    for absent in cargo rustc cc gcc make python3 ssh nix-daemon.service; do
        if [ -e "$root/usr/bin/$absent" ] || [ -e "$root/usr/local/bin/$absent" ]; then
            echo "$absent is in the image"
            return 1
        fi
    done
    [ ! -e "$root/source" ]
    [ -z "$(ls "$root/var/lib/apt/lists")" ]
}

no_program_of_the_image_can_change_its_user() { # test
    [ -z "$(find "$root/" -xdev -perm /6000 -type f)" ]
}

confinement_of_these_tests_holds() { # test
    local path
    for path in / /etc /home/argocd /home/argocd/cmp-server/config/plugin.yaml /usr/local/bin/nuketown-cmp; do
        if inside test -w "$path"; then
            echo "$path can be written to"
            return 1
        fi
    done
    inside touch /tmp/here /var/cache/nuketown/here
    [ "$(inside sh -c 'grep -c : /proc/net/dev')" = 1 ]
    inside grep -E '^CapEff:\s0+$' /proc/self/status
    inside grep -E '^NoNewPrivs:\s1$' /proc/self/status
}

doctor_finds_everything_in_order() { # test
    inside nuketown-cmp doctor
}

# As Argo CD has it: a repository, unpacked with its modes reset, that belongs to the same user.
unpack() {
    rm -rf "$work/source"
    mkdir -p "$work/source"
    cp "$project/examples/$1/flake.nix" "$work/source/"
    git -C "$work/source" init --quiet
    git -C "$work/source" add --all
    git -C "$work/source" -c user.name=t -c user.email=t@example.org commit --quiet --message town
    chmod -R u=rwX,go=rX "$work/source"
    chown -R 999:999 "$work/source"
}

manifests_are_those_of_the_command_line() { # test
    local example revision
    for example in minimal town k3s; do
        unpack "$example"
        revision=$(git -c safe.directory='*' -C "$work/source" rev-parse HEAD)
        inside env ARGOCD_APP_NAME=town ARGOCD_APP_NAMESPACE=nuketown ARGOCD_APP_REVISION="$revision" \
            ARGOCD_APP_SOURCE_PATH=. KUBE_VERSION=1.33 ARGOCD_APP_PARAMETERS='[]' \
            nuketown-cmp generate >"$work/generated" 2>"$work/said"
        grep -q '^kind: Deployment' "$work/generated"
        NUKETOWN_STORE=$work/host-store "$renderer" "$project/examples/$example" >"$work/rendered" 2>/dev/null
        cmp "$work/generated" "$work/rendered"
    done
}

failure_prints_nothing_on_standard_output() { # test
    unpack minimal
    local status=0
    inside env ARGOCD_APP_PARAMETERS='[{"name":"agents","array":["adda"]}]' \
        nuketown-cmp generate >"$work/generated" 2>"$work/said" || status=$?
    [ "$status" = 1 ]
    [ ! -s "$work/generated" ]
    grep -q 'adda' "$work/said"
    [ "$(wc -l <"$work/said")" -le 20 ]
}

main "$@"
