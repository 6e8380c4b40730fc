# shellcheck shell=bash
# The examples, and the templates that hand them out.
: "${copy:?}" "${shared:=}"

every_example_is_a_town_that_renders() {
    local example
    for example in "$copy"/examples/*/; do
        example=$(basename "$example")
        town_json "path:$copy/examples/$example" >"$example.json"
        render --from-json "$example.json" >"$example.yaml" 2>"$example.warnings"
        holds "$example.yaml" 'kind: Deployment'
        # An example that draws a warning teaches a mistake; ten lines have no room for an approver.
        if [ "$example" = minimal ]; then
            [ "$(grep '^warning' "$example.warnings")" = 'warning: nobody can approve what the agents ask for' ]
        else
            diff /dev/null "$example.warnings"
        fi
    done
}

every_nix_gives_the_same_manifests() {
    local example
    for example in "$copy"/examples/*/; do
        example=$(basename "$example")
        render "$copy/examples/$example" >"$example.yaml"
        holds "$example.yaml" 'kind: Deployment'
        if [ -e "$shared/$example.yaml" ]; then
            cmp "$shared/$example.yaml" "$example.yaml"
        else
            cp "$example.yaml" "$shared/$example.yaml"
        fi
    done
}

examples_have_no_inputs_and_a_readme() {
    local example
    for example in "$copy"/examples/*/; do
        refuses grep -n 'inputs' "$example/flake.nix"
        holds "$example/README.md" 'nuketown-render .'
        run_nix flake metadata --json --no-write-lock-file "path:$example" >metadata.json
        holds metadata.json '"locks":{"nodes":{"root":{}},"root":"root","version":7}'
    done
}

every_example_is_a_template_and_every_template_an_example() {
    run_nix eval --raw --no-write-lock-file "path:$copy#templates" \
        --apply 't: builtins.concatStringsSep "\n" (builtins.attrNames (removeAttrs t [ "default" ])) + "\n"' >templates
    find "$copy/examples" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | LC_ALL=C sort >examples
    diff examples templates
}

a_template_from_a_directory_renders_like_its_example() {
    local template
    for template in minimal town gke eks k3s; do
        mkdir "$template"
        (cd "$template" && run_nix flake init --template "path:$copy#$template")
        diff -r "$copy/examples/$template" "$template"
        render "$template" >new.yaml
        render "$copy/examples/$template" >example.yaml
        holds example.yaml 'kind: Deployment'
        cmp example.yaml new.yaml
    done
}

the_default_template_from_a_git_repository_renders_in_a_new_repository() {
    cp -r "$copy" repository
    git -C repository init --quiet
    git -C repository add --all
    git -C repository commit --quiet --message 'all'

    git init --quiet town
    (cd town && run_nix flake init --template "git+file://$PWD/../repository")
    diff -r --exclude .git "$copy/examples/minimal" town
    git -C town add --all
    render town >town.yaml
    render "$copy/examples/minimal" >example.yaml
    holds example.yaml 'kind: Deployment'
    cmp example.yaml town.yaml
}
