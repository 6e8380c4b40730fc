//! What the user can call a flake.

use std::os::unix::fs::symlink;
use std::path::Path;

use nuketown_plugin::flake::commit;
use serde_json::json;

use crate::world::{Nix, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    a_directory_outside_git_is_evaluated,
    a_relative_directory_inside_a_repository_is_evaluated,
    a_directory_below_the_flake_finds_it,
    a_dirty_tree_is_evaluated_as_it_is,
    a_path_may_have_any_character,
    a_repository_without_commits_is_evaluated,
    a_linked_work_tree_is_evaluated,
    a_symbolic_link_is_followed,
    a_revision_is_evaluated_as_it_was,
    a_name_of_a_commit_is_told_from_other_words,
    references_of_nix_are_passed_on,
    an_attribute_can_be_named_in_both_ways,
    an_attribute_may_be_quoted,
    a_package_of_the_same_name_is_not_the_town,
    a_missing_attribute_names_the_flake_and_a_similar_one,
    a_path_that_is_no_flake_says_what_is_there,
    an_unknown_name_is_not_found,
    an_untracked_flake_is_explained,
    an_untracked_import_is_explained,
    an_untracked_file_is_suspected_when_the_attribute_is_missing,
    the_repository_of_a_hook_does_not_get_in_the_way,
];

fn town(domain: &str) -> String {
    format!(r#"{{ domain = "{domain}"; }}"#)
}

fn a_directory_outside_git_is_evaluated(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", r#"{ domain = "6bit.com"; agents.ada.persist = [ "a" "b" ]; }"#);
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(
        outcome.town(),
        &json!({ "domain": "6bit.com", "agents": { "ada": { "persist": ["a", "b"] } } })
    );
    assert_eq!(outcome.report["installable"], format!("path:{flake}#nuketown"));
}

fn a_relative_directory_inside_a_repository_is_evaluated(nix: &Nix) {
    let world = World::new(nix);
    world.flake("repo/deep/town", TOWN);
    world.commit("repo");
    for (here, given) in
        [("repo", "./deep/town"), ("repo", "deep/town"), ("repo/deep", "town"), ("repo/deep/town", ".")]
    {
        let outcome = world.run(world.command(&[given]).current_dir(world.path(here)));
        assert_eq!(outcome.town()["domain"], "6bit.com");
        let wanted = format!("git+file://{}?dir=deep/town#nuketown", world.path("repo").display());
        assert_eq!(outcome.report["installable"], wanted, "{given} in {here}");
    }
}

fn a_directory_below_the_flake_finds_it(nix: &Nix) {
    let world = World::new(nix);
    world.flake("repo", TOWN);
    world.write("repo/docs/readme", "");
    world.commit("repo");
    assert_eq!(
        world.run(world.command(&[""]).current_dir(world.path("repo/docs"))).town()["domain"],
        "6bit.com"
    );
}

fn a_dirty_tree_is_evaluated_as_it_is(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo", &town("committed"));
    world.commit("repo");
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "committed");
    world.flake("repo", &town("changed"));
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "changed");
}

fn a_path_may_have_any_character(nix: &Nix) {
    for name in
        ["with space", "ünï", "a#b", "a?b=c", "100%", "100%20", "q'u\"ote", "a&b;c|d", "(x)", "a+b@c=d,e:f"]
    {
        let world = World::new(nix);
        let (repo, alone) = (format!("{name}/repo {name}"), format!("{name}/alone {name}"));
        let alone = world.flake(&alone, &town("alone"));
        assert_eq!(world.evaluate(&[&alone]).town()["domain"], "alone", "{name}");

        let below = format!("{repo}/in {name}");
        let flake = world.flake(&below, &town("first"));
        world.git(&repo, &["init", "-q"]);
        world.git(&repo, &["add", "-A"]);
        assert_eq!(world.evaluate(&[&flake]).town()["domain"], "first", "{name}, without commits");
        let first = world.commit(&repo);
        assert_eq!(world.evaluate(&[&flake]).town()["domain"], "first", "{name}, clean");
        world.flake(&below, "import ./town.nix");
        world.write(&format!("{below}/town.nix"), &town("second"));
        world.git(&repo, &["add", "-A"]);
        assert_eq!(world.evaluate(&[&flake]).town()["domain"], "second", "{name}, dirty");
        world.write(&format!("{below}/town.nix"), &town("third"));
        assert_eq!(
            world.run(world.command(&["."]).current_dir(&flake)).town()["domain"],
            "third",
            "{name}, here"
        );
        assert_eq!(
            world.evaluate(&[&flake, "--revision", &first]).town()["domain"],
            "first",
            "{name}, revision"
        );
    }
}

fn a_repository_without_commits_is_evaluated(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo", TOWN);
    world.git("repo", &["init", "-q"]);
    // Nothing is added yet, so there is nothing that Nix could be limited to.
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "6bit.com");
    world.git("repo", &["add", "flake.nix"]);
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(outcome.town()["domain"], "6bit.com");
    assert_eq!(outcome.report["installable"], format!("git+file://{flake}#nuketown"));
}

fn a_linked_work_tree_is_evaluated(nix: &Nix) {
    let world = World::new(nix);
    world.flake("repo", &town("main"));
    world.commit("repo");
    world.git("repo", &["worktree", "add", "-q", "../linked"]);
    let linked = world.flake("linked", &town("linked"));
    assert_eq!(world.evaluate(&[&linked]).town()["domain"], "linked");
}

fn a_symbolic_link_is_followed(nix: &Nix) {
    let world = World::new(nix);
    world.flake("repo/town", TOWN);
    world.commit("repo");
    symlink(world.path("repo/town"), world.path("link")).unwrap();
    assert_eq!(world.evaluate(&["link"]).town()["domain"], "6bit.com");
}

fn a_revision_is_evaluated_as_it_was(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo/town", &town("old"));
    let old = world.commit("repo");
    world.git("repo", &["checkout", "-q", "-b", "feature"]);
    world.flake("repo/town", &town("new"));
    let new = world.commit("repo");
    world.git("repo", &["checkout", "-q", "trunk"]);
    for (revision, domain) in [(&old, "old"), (&new, "new")] {
        let outcome = world.evaluate(&[&flake, "--revision", revision]);
        assert_eq!(outcome.town()["domain"], domain);
        let wanted = format!("git+file://{}?rev={revision}&dir=town#nuketown", world.path("repo").display());
        assert_eq!(outcome.report["installable"], wanted);
    }
    world.flake("alone", TOWN);
    world.evaluate(&["alone", "--revision", &old]).fails("NoRepository", 2);
}

fn a_name_of_a_commit_is_told_from_other_words(nix: &Nix) {
    let world = World::new(nix);
    world.flake("repo/town", TOWN);
    let hash = world.commit("repo");
    world.git("repo", &["tag", "-a", "-m", "x", "v1"]);
    let found = |name: &str| commit(&world.path("repo/town"), name).unwrap();
    for name in ["HEAD", "trunk", "v1", &hash[..8], &hash] {
        assert_eq!(found(name).as_ref(), Some(&hash), "{name}");
    }
    for name in ["", "town", "./town", "HEAD:town", "--help", "-h", "no-such", "HEAD~1", "a b"] {
        assert_eq!(found(name), None, "{name}");
    }
    assert_eq!(commit(Path::new("/"), "HEAD").unwrap(), None);
}

fn references_of_nix_are_passed_on(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo/town", TOWN);
    let revision = world.commit("repo");
    let repo = world.path("repo");
    let repo = repo.display();
    for given in [
        format!("path:{flake}"),
        "path:./repo/town".to_owned(),
        format!("git+file://{repo}?dir=town"),
        format!("git+file://{repo}?rev={revision}&dir=town"),
        format!("./repo?dir=town&rev={revision}"),
        "./repo?dir=town".to_owned(),
    ] {
        assert_eq!(world.evaluate(&[&given]).town()["domain"], "6bit.com", "{given}");
    }
    // A registry entry, as the user can make one.
    let registry = json!({ "version": 2, "flakes": [
        { "from": { "type": "indirect", "id": "mine" }, "to": { "type": "path", "path": flake } } ] });
    world.write("home/.config/nix/registry.json", &registry.to_string());
    without_global_registry(&world);
    assert_eq!(world.evaluate(&["mine"]).town()["domain"], "6bit.com");
}

/// Replaces the registry on the network by an empty one.
fn without_global_registry(world: &World) {
    let registry = world.write("registry.json", r#"{ "version": 2, "flakes": [] }"#);
    let settings = format!(
        "extra-experimental-features = nix-command flakes\nflake-registry = {}\n",
        registry.display()
    );
    world.write("home/.config/nix/nix.conf", &settings);
}

fn an_attribute_can_be_named_in_both_ways(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", r#"{ other.town.domain = "a"; nuketown.domain = "b"; }"#);
    let with_fragment = format!("{flake}#other.town");
    for arguments in
        [&[&*with_fragment] as &[&str], &[&flake, "--attr", "other.town"], &[&flake, "--attr", ".other.town"]]
    {
        assert_eq!(world.evaluate(arguments).town()["domain"], "a");
    }
    assert_eq!(world.evaluate(&[&with_fragment, "--attr", "other.town"]).town()["domain"], "a");
    world.evaluate(&[&with_fragment, "--attr", "nuketown"]).fails("TwoAttributes", 2);
    world.evaluate(&[&flake, "--attr", ""]).fails("BadAttribute", 2);
    world.evaluate(&[&flake, "--attr", "a.\"b"]).fails("BadAttribute", 2);
}

fn an_attribute_may_be_quoted(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("town", "", r#"{ hosts."web.example.org"."a b^c#d".domain = "a"; }"#);
    let attribute = r#"hosts."web.example.org"."a b^c#d""#;
    assert_eq!(world.evaluate(&[&flake, "--attr", attribute]).town()["domain"], "a");
}

fn a_package_of_the_same_name_is_not_the_town(nix: &Nix) {
    let world = World::new(nix);
    let outputs = r#"{
        packages.x86_64-linux.nuketown = throw "a package"; packages.aarch64-linux.nuketown = throw "a package";
        legacyPackages.x86_64-linux.nuketown = throw "a package"; nuketown.domain = "town"; }"#;
    let flake = world.flake_with("town", "", outputs);
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "town");
}

fn a_missing_attribute_names_the_flake_and_a_similar_one(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    for attribute in ["nuketwon", "nuketown.domain.x"] {
        let outcome = world.evaluate(&[&flake, "--attr", attribute]);
        outcome.fails("NoAttribute", 1);
        assert_eq!(outcome.report["what"], format!("{flake} has no attribute `{attribute}`"));
    }
    let outcome = world.evaluate(&[&flake, "--attr", "nuketwon"]);
    assert_eq!(outcome.fails("NoAttribute", 1).1, "did you mean nuketown?");
}

fn a_path_that_is_no_flake_says_what_is_there(nix: &Nix) {
    let world = World::new(nix);
    let file = world.write("dir/file", "");
    let dir = world.path("dir").display().to_string();
    let missing = world.evaluate(&["dir/no/such"]);
    assert_eq!(missing.fails("NoSuchDirectory", 2).0, format!("{dir}/no/such is missing; {dir} exists"));
    let (cause, hint) = world.evaluate(&[file.to_str().unwrap()]).fails("NotADirectory", 2);
    assert_eq!(cause, format!("{dir}/file is a file"));
    assert_eq!(hint, "name the directory that holds flake.nix: dir");
    let (cause, _) = world.evaluate(&["dir"]).fails("NoFlake", 2);
    assert_eq!(cause, format!("{dir} exists, but there is no flake.nix in it"));
    world.commit("dir");
    world.write("dir/sub/x", "");
    let (cause, _) = world.evaluate(&["dir/sub"]).fails("NoFlake", 2);
    assert!(cause.ends_with(&format!("nor in any directory above it up to {dir}")), "{cause}");
}

fn an_unknown_name_is_not_found(nix: &Nix) {
    let world = World::new(nix);
    without_global_registry(&world);
    let (cause, _) = world.evaluate(&["no-such-flake"]).fails("BadReference", 2);
    let wanted = "there is no directory of that name, and in the flake registry:\n    \
        cannot find flake 'flake:no-such-flake' in the flake registries";
    assert_eq!(cause, wanted);
    world.evaluate(&["bogus:x"]).fails("BadReference", 2);
}

fn an_untracked_flake_is_explained(nix: &Nix) {
    let world = World::new(nix);
    world.write("repo/readme", "");
    world.commit("repo");
    for (below, add) in [("repo", "flake.nix"), ("repo/s b", "'s b/flake.nix'")] {
        let flake = world.flake(below, TOWN);
        let (_, hint) = world.evaluate(&[&flake]).fails("Untracked", 1);
        assert_eq!(hint, format!("git -C {} add {add}", world.path("repo").display()));
    }
}

fn an_untracked_import_is_explained(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo", "import ./parts/town.nix");
    world.commit("repo");
    let (cause, _) = world.evaluate(&[&flake]).fails("Evaluation", 3);
    assert!(cause.contains("parts"), "a file that is nowhere is named: {cause}");
    world.write("repo/parts/town.nix", TOWN);
    let (cause, hint) = world.evaluate(&[&flake]).fails("Untracked", 1);
    // Nix 2.8 notices that the directory is missing.
    let missing = if nix.is_old() { "parts" } else { "parts/town.nix" };
    assert_eq!(cause, format!("Nix sees only tracked files, and {flake}/{missing} is not one"));
    assert_eq!(hint, format!("git -C {flake} add {missing}"));
}

fn an_untracked_file_is_suspected_when_the_attribute_is_missing(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with("repo", "", "{ }");
    world.commit("repo");
    let (cause, hint) = world.evaluate(&[&flake]).fails("NoTown", 1);
    assert_eq!(cause, "it has no output `nuketown`, nor `nixosConfigurations`");
    assert!(hint.contains("--attr"), "{hint}");
    world.write("repo/town.nix", TOWN);
    let (_, hint) = world.evaluate(&[&flake, "--attr", "town"]).fails("NoAttribute", 1);
    assert!(hint.starts_with("Git does not track town.nix"), "{hint}");
    let (_, hint) = world.evaluate(&[&flake]).fails("NoTown", 1);
    assert!(hint.starts_with("Git does not track town.nix"), "{hint}");
}

fn the_repository_of_a_hook_does_not_get_in_the_way(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    world.write("other/readme", "");
    world.commit("other");
    let mut command = world.command(&[&flake]);
    command.env("GIT_DIR", world.path("other/.git")).env("GIT_INDEX_FILE", world.path("other/.git/index"));
    command.env("GIT_WORK_TREE", world.path("other"));
    assert_eq!(world.run(&mut command).town()["domain"], "6bit.com");
}
