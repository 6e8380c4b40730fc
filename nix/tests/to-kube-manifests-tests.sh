# shellcheck shell=bash
# toKubeManifests through a real derivation, against what nuketown-render writes itself.
: "${copy:?}" "${package:?}" "${here:?}"

to_kube_manifests_of_a_town_are_the_renderers_byte_for_byte() {
    local example
    for example in "$copy"/examples/*/; do
        example=$(basename "$example")
        town_json "path:$copy/examples/$example" >town.json
        rm -rf expected manifests
        render --from-json town.json --format dir --out expected
        run_nix eval --impure --write-to manifests --file "$here/manifests.nix" \
            --argstr library "$copy/nix/lib.nix" --argstr package "$package" --argstr town "$PWD/town.json" ofTown
        same_manifests expected manifests
    done
}

to_kube_manifests_of_a_nixos_configuration_are_those_of_its_town() {
    town_json "path:$copy/examples/town" >town.json
    render --from-json town.json --format dir --out expected
    run_nix eval --impure --write-to manifests --file "$here/manifests.nix" \
        --argstr library "$copy/nix/lib.nix" --argstr package "$package" --argstr town "$PWD/town.json" ofNixos
    same_manifests expected manifests
}

rendering_does_not_build_what_the_town_refers_to() {
    town_json "path:$copy/examples/minimal" >town.json
    run_nix eval --impure --write-to manifests --file "$here/manifests.nix" \
        --argstr library "$copy/nix/lib.nix" --argstr package "$package" --argstr town "$PWD/town.json" ofTownWithReference
    holds manifests/ada 'never-built'
}

a_wrong_town_fails_with_the_renderers_own_message() {
    town_json "path:$copy/examples/minimal" | sed 's/"role"/"rôle"/' >town.json
    refuses run_nix eval --impure --json --file "$here/manifests.nix" \
        --argstr library "$copy/nix/lib.nix" --argstr package "$package" --argstr town "$PWD/town.json" ofTown
    holds refused 'rôle'
}

a_missing_renderer_is_named_with_the_place_where_it_belongs() {
    refuses run_nix eval --json --no-write-lock-file "path:$copy#lib.toKubeManifests" --apply 'f: f { domain = "example.org"; }'
    # shellcheck disable=SC2016
    holds refused 'the attribute `renderer` beside the town'
    refuses run_nix eval --json --no-write-lock-file "path:$copy#lib.toKubeManifests" --apply 'f: f { nuketown.town = { }; }'
    holds refused 'config.nuketown.renderer is missing'
}

a_renderer_of_an_unknown_system_is_refused_with_the_way_out() {
    refuses run_nix eval --json --no-write-lock-file "path:$copy#lib.toKubeManifests" \
        --apply 'f: f { domain = "example.org"; renderer = "/nowhere"; }'
    holds refused 'hint: give it the package nuketown-render, or a set'
}
