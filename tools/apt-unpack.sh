# shellcheck shell=bash
# Unpacks a Debian package of any release beside the system's own, without root and without installing anything: no service is
# started, no user made, and nothing stays when target/tools is removed.
#
# Read by tools/setup. apt works on lists and a cache of its own here, so the running system's stay as they are. Signatures are
# checked as always, against Debian's keys. The libraries come along, and a wrapper starts each program with the C library
# that it was built for, so a program of a newer release runs on an older system.
: "${tools:?}" "${log:?}"

# What Debian signs its archive with; absent on systems that are not Debian.
debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# apt_unpack DIRECTORY PACKAGES SUITE COMMAND…: leaves DIRECTORY/bin/COMMAND, or fails and leaves DIRECTORY as it was. PACKAGES are
# words; a command is a program, a Lua script or Erlang's `erl`. `first_run` may hold other arguments than --version, with which it
# ends by itself.
apt_unpack() {
    local directory=$1 packages=$2 suite=$3 mirror
    shift 3
    for mirror in $(debian_mirrors); do
        rm -rf "$directory.part"
        if apt_fetch "$directory.part" "$packages" "$suite" "$mirror" && write_wrappers "$directory" "$@"; then
            rm -rf "$directory"
            mv "$directory.part" "$directory"
            # The first real run, from its final place.
            # shellcheck disable=SC2086
            quietly "$directory/bin/$1" ${first_run:---version} && return
            rm -rf "$directory"
        fi
    done
    rm -rf "$directory.part"
    return 1
}

# The archives that the running system uses: a mirror that works here. One that is not Debian's fails the signature check.
debian_mirrors() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>>"$log" |
        awk '$1 !~ /security|updates|backports/ && !seen[$2]++ { print $2 }'
}

# Downloads PACKAGES and the libraries that they need from SUITE at MIRROR, and unpacks them into DIRECTORY/root.
apt_fetch() {
    local directory=$1 packages=$2 suite=$3 mirror=$4 apt=$1/apt names
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$directory/root"
    : >"$apt/status"
    echo "deb [arch=$(dpkg --print-architecture) signed-by=$debian_keyring] $mirror $suite main" >"$apt/sources.list"
    # An empty status file: nothing counts as installed, so the C library comes along.
    private_apt=(
        -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
        -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root
    )
    quietly apt-get "${private_apt[@]}" -o APT::Update::Error-Mode=any update || return 1
    names=$(closure_of "$packages")
    [ -n "$names" ] || return 1
    # shellcheck disable=SC2086
    (cd "$apt/debs" && quietly apt-get "${private_apt[@]}" download $names) || return 1
    local deb
    for deb in "$apt"/debs/*.deb; do
        quietly dpkg-deb --extract "$deb" "$directory/root" || return 1
    done
    rm -rf "$apt"
}

# The packages, and the libraries (C, Lua and Erlang) among what they depend on; what else they depend on (perl, debconf) serves their
# installation.
closure_of() {
    # shellcheck disable=SC2086
    apt-get "${private_apt[@]}" --print-uris --yes --no-install-recommends install $1 2>>"$log" |
        sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" | grep -E "^(${1// /|}|lib.*|lua.*|erlang-.*)\$" | grep -v perl
}

# Wrappers for DIRECTORY, written into DIRECTORY.part.
write_wrappers() {
    local directory=$1 root=$1.part/root loader libraries command
    shift
    loader=$(find "$root" -name 'ld-linux*.so.*' | head -n 1)
    # Some packages keep their own libraries in a folder of their own, below the usual ones.
    libraries=$(find "$root"/lib* "$root"/usr/lib* -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    [ -n "$loader" ] || return 1
    mkdir -p "$directory.part/bin"
    for command in "$@"; do
        [ -x "$root/usr/bin/$command" ] || return 1
        {
            echo '#!/bin/sh'
            if [ "$command" = erl ]; then
                erlang "$directory"
            elif grep -q '^#!.*lua' "$root/usr/bin/$command"; then
                lua_script "$directory" "$command"
            else
                echo "exec $(start_of "$directory" "$command") \"\$@\""
            fi
        } >"$directory.part/bin/$command"
        chmod +x "$directory.part/bin/$command"
    done
}

# What starts a program of usr/bin, or of another place below usr, with the libraries that came with it.
start_of() {
    echo "'$1/root${loader#"$root"}' --library-path '${libraries//"$root"/"$1/root"}' '$1/root/usr/${3:-bin}/$2'"
}

# The rest of the wrapper of Erlang: what its own start script does, which knows one place only. What tells the emulator's flags
# from the program's is left out there, so the two that matter for tests are set here: one thread, which does not spin.
erlang() {
    local directory=$1 programs
    programs=$(cd "$root/usr" && echo lib/erlang/erts-*/bin)
    cat <<WRAPPER
export ROOTDIR='$directory/root/usr/lib/erlang' BINDIR='$directory/root/usr/$programs' EMU=beam PROGNAME=erl
export ERL_LIBS='$directory/root/usr/lib/$(cd "$root/usr/lib" && echo ./*-linux-gnu)'
exec $(start_of "$directory" beam.smp "$programs") -S 1:1 -sbwt none -- -root "\$ROOTDIR" -bindir "\$BINDIR" -progname erl -- \\
    -home "\${HOME:-/}" -- "\$@"
WRAPPER
}

# The rest of the wrapper of a Lua script. Its interpreter gets the unpacked libraries, and the script the unpacked place of its
# own files, which it names itself.
lua_script() {
    local directory=$1 script=$2 version native suffix
    version=$(sed -n '1s/^#!.*lua\(5\.[0-9]\).*/\1/p' "$root/usr/bin/$script")
    # Lua 5.1 knows no variables of its own version.
    [ "$version" = 5.1 ] || suffix=_${version/./_}
    native=$(find "$root/usr/lib" -path "*/lua/$version" | head -n 1)
    sed -i "s|'/usr/lib/|'$directory/root/usr/lib/|" "$root/usr/bin/$script"
    cat <<WRAPPER
export LUA_PATH${suffix:-}='$directory/root/usr/share/lua/$version/?.lua;$directory/root/usr/share/lua/$version/?/init.lua'
export LUA_CPATH${suffix:-}='$directory/root${native#"$root"}/?.so'
exec $(start_of "$directory" "lua$version") '$directory/root/usr/bin/$script' "\$@"
WRAPPER
}
