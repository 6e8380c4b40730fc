# shellcheck shell=bash
# The flake's outputs and the package recipe.
: "${copy:?}" "${target:?}" "${user_home:?}" "${nix:=}"

flake_check_passes() {
    run_nix flake check --no-write-lock-file "path:$copy"
}

flake_show_lists_every_output() {
    run_nix flake show --no-write-lock-file "path:$copy" >shown
    local output
    for output in lib overlays nixosModules homeManagerModules prosody templates default minimal town gke eks k3s; do
        holds shown "$output"
    done
}

packages_are_there_where_an_evaluation_finds_nixpkgs() {
    mkdir nixpkgs
    # All that is asked of it to name the packages.
    echo '{ system }: { callPackage = _: arguments: derivation { inherit system; name = arguments.pname; builder = "/bin/sh"; }; }' >nixpkgs/default.nix
    NIX_PATH=nixpkgs=$PWD/nixpkgs run_nix eval --impure --json --no-write-lock-file "path:$copy#packages.aarch64-linux" \
        --apply 'p: { inherit (p.nuketown) name system; default = p.default.name; }' >named
    [ "$(cat named)" = '{"default":"nuketown-render","name":"nuketown","system":"aarch64-linux"}' ] || { cat named; return 1; }
    # A pure evaluation has none, and says nothing of it.
    NIX_PATH=nixpkgs=$PWD/nixpkgs run_nix eval --json --no-write-lock-file "path:$copy#packages" >none
    [ "$(cat none)" = '{}' ]
}

# Their names alone: a nixpkgs is not looked at for them.
every_module_test_is_a_check_of_the_flake() {
    run_nix eval --raw --no-write-lock-file "path:$copy#lib.checksFor" \
        --apply 'f: builtins.concatStringsSep "\n" (builtins.attrNames (f "/no/nixpkgs").x86_64-linux) + "\n"' >checks
    {
        find "$copy/nix/tests/modules" -name '*.nix' -printf '%f\n'
        find "$copy/nix/tests/vm" -name '*.nix' -printf 'vm-%f\n'
    } | sed 's/\.nix$//' | LC_ALL=C sort >files
    diff files checks
}

every_nix_file_parses() {
    local file
    find "$copy" -name '*.nix' >files
    test -s files
    while IFS= read -r file; do
        "$(dirname "$nix")/nix-instantiate" --parse "$file" >/dev/null
    done <files
}

library_version_is_the_programs() {
    run_nix eval --raw --no-write-lock-file "path:$copy#lib.version" >library.version
    render --version >said
    [ "$(cat said)" = "nuketown-render $(cat library.version)" ]
}

library_functions_behave() {
    run_nix eval --json --file "$copy/nix/tests/lib.nix" >failures
    [ "$(cat failures)" = '[]' ] || { cat failures; return 1; }
}

library_tiers_are_the_default_tiers_with_a_node_selector() {
    town_json "path:$copy/examples/minimal" >default.json
    run_nix eval --json --impure --expr \
        "let town = ((import $copy/examples/minimal/flake.nix).outputs { }).nuketown; in
         town // { cloud = town.cloud // { tiers = (import $copy/nix/lib.nix).tiers; }; }" >labelled.json
    render --from-json default.json >default.yaml
    render --from-json labelled.json >labelled.yaml
    refuses diff default.yaml labelled.yaml
    grep '^[<>]' refused >difference
    holds difference 'nuketown.io/tier: standard'
    # The node selector, and nothing else.
    refuses grep -vE '^> +(nodeSelector:|nuketown.io/tier: standard)$' difference
}

# The recipe is evaluated against a stand-in for nixpkgs (package-stand-in.nix), because nixpkgs is no input of this project.
# That shows that its names resolve, what it is called with and which files it takes; it does not show that nixpkgs builds it.
package_recipe_names_version_and_commands() {
    run_nix eval --json --impure --file "$copy/nix/tests/package-stand-in.nix" facts >facts.json
    holds facts.json '"pname":"nuketown-render"'
    holds facts.json "\"version\":\"$(render --version | cut -d' ' -f2)\""
    holds facts.json '"sameFromOverlay":true'
    holds facts.json '"allInOne":true'
    holds facts.json '"names":["nuketown","nuketown-broker","nuketown-daemon","nuketown-render"]'
    holds facts.json '"sameFromFlake":true'
    holds facts.json '"sameFromDefaultNix":true'
    # What its install phase runs is what the program has.
    render man >page
    holds page '.TH'
    local shell
    for shell in bash fish zsh; do
        render completions "$shell" >"completions.$shell"
        holds "completions.$shell" nuketown-render
    done
}

# As above, that nixpkgs builds it is not shown.
sidecar_image_is_that_of_the_containerfile() {
    run_nix eval --json --impure --file "$copy/nix/tests/package-stand-in.nix" image >image.json
    holds image.json '"name":"nuketown-cmp"'
    holds image.json "\"tag\":\"$(render --version | cut -d' ' -f2)\""
    holds image.json '"User":"999:999"'
    holds image.json '"Entrypoint":["/var/run/argocd/argocd-cmp-server"]'
    holds image.json '"paths":["nuketown-render","nix","gitMinimal"]'
    local variable
    for variable in HOME=/home/argocd USER=argocd NUKETOWN_CACHE_DIR=/var/cache/nuketown/cmp; do
        holds image.json "\"$variable\""
        holds "$copy/sidecar-image/Containerfile" "$variable"
    done
}

# The files that the recipe takes are enough for cargo: a path to a file outside them would only break the package's build.
package_source_compiles() {
    run_nix eval --raw --impure --file "$copy/nix/tests/package-stand-in.nix" source >source.path
    # At one place each time, so that cargo compiles the dependencies once.
    rm -rf "$target/package-source"
    cp -r "$(cat source.path)" "$target/package-source"
    chmod -R u+w "$target/package-source"
    test ! -e "$target/package-source/README.md"
    (cd "$target/package-source" && HOME=$user_home CARGO_TARGET_DIR=$target \
        cargo check --quiet --offline --locked --package nuketown-plugin)
}
