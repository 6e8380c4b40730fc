# shellcheck shell=bash
# The options of nix/options.nix against the Rust model.
: "${here:?}" "${copy:?}" "${package:?}" "${nix:=}" "${shared:=}" "${library:=}"

every_option_is_one_of_the_rust_model_with_the_same_default_and_the_other_way_around() {
    render schema >schema.json
    with_lib options.nix options >options.json
    python3 -B "$here/agreement.py" options schema.json options.json
}

every_value_is_taken_or_refused_by_nix_and_rust_alike() {
    render schema >schema.json
    python3 -B "$here/agreement.py" samples schema.json >samples.json
    # Rust says the same whichever Nix is tested.
    if [ ! -e "$shared/rust.json" ]; then
        python3 -B "$here/agreement.py" rust schema.json samples.json "$package/bin/nuketown-render" >rust.json
        mv rust.json "$shared/rust.json"
    fi
    with_lib options.nix verdicts --argstr samples "$PWD/samples.json" >nix.json
    python3 -B "$here/agreement.py" verdicts samples.json "$shared/rust.json" nix.json
}

every_town_that_the_renderer_refuses_is_refused_where_it_is_declared() {
    with_lib make-town.nix misjudged >wrong
    [ "$(cat wrong)" = '[]' ] || { cat wrong; return 1; }
    run_nix eval --json --file "$copy/nix/tests/towns.nix" >towns.json
    python3 -B - towns.json "$package/bin/nuketown-render" <<'PYTHON'
import json, subprocess, sys

wrong = []
for verdict, towns in json.load(open(sys.argv[1])).items():
    for name, town in towns.items():
        done = subprocess.run([sys.argv[2], "--from-json", "-", "--allow-empty"], input=json.dumps(town), capture_output=True, text=True)
        # A malformed value would be refused for another reason than the rule that is meant.
        if done.returncode != {"refused": 1, "taken": 0}[verdict] or "malformed option" in done.stderr:
            wrong.append(f"{name}: expected {verdict}, exit {done.returncode}: {done.stderr}")
print("\n".join(wrong))
sys.exit(bool(wrong))
PYTHON
}

every_option_has_a_type_an_example_and_a_description() {
    with_lib options.nix undocumented >wrong
    [ "$(cat wrong)" = '[]' ] || { cat wrong; return 1; }
}

a_town_made_of_modules_is_the_plain_one() {
    local example
    for example in "$copy"/examples/*/; do
        example=$(basename "$example")
        town_json "path:$copy/examples/$example" >plain.json
        with_lib make-town.nix made --argstr town "$PWD/plain.json" >made.json
        # Whoever writes a default down, as examples do for the reader, may find it left out.
        with_lib make-town.nix withoutDefaults --argstr town "$PWD/plain.json" >expected.json
        cmp expected.json made.json
        render --from-json plain.json >plain.yaml
        render --from-json made.json >made.yaml
        holds plain.yaml 'kind: Deployment'
        cmp plain.yaml made.yaml
    done
    # Where no default is written down, the two are the same text.
    printf '%s' '{"agents":{"ada":{"cloud":{"enable":true},"persist":["projects"]}},"domain":"6bit.com"}' >plain.json
    with_lib make-town.nix made --argstr town "$PWD/plain.json" >made.json
    [ "$(cat plain.json)" = "$(cat made.json)" ]
}

a_refused_town_names_the_option_its_value_and_the_fix() {
    refuses_town '{"domain":"6bit.com","agents":{"ada":{"cloud":{"enable":true,"resources":"huge"}}}}'
    holds refused 'agents.ada.cloud.resources is "huge"; the town defines gpu, large, small, standard'
    holds refused 'hint: use one of these, or define cloud.tiers.huge'
    refuses_town '{"domain":"6bit.com","agents":{"ada":{"uid":0}}}'
    holds refused 'nuketown.agents.ada.uid'
    holds refused 'between 1000 and 60000'
    refuses_town '{"domain":"6bit.com","agents":{"ada":{"rule":"software"}}}'
    holds refused 'nuketown.agents.ada.rule'
    refuses_town '{"domain":"6bit.com","agents":{"Ada":{}}}'
    holds refused 'nuketown.agents'
    holds refused 'a lower-case letter, then lower-case letters'
    refuses_town '{"agents":{"ada":{}}}'
    holds refused 'nuketown.domain'
}

the_option_reference_is_made_of_the_options_as_they_are() {
    cp -r "$copy" project
    PATH="$(dirname "$nix"):$PATH" NUKETOWN_NIXPKGS_LIB=$library project/tools/options-doc
    diff "$copy/docs/options.md" project/docs/options.md
}
