//! Towns that NixOS configurations declare.

use serde_json::json;

use crate::world::{Nix, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    towns_of_hosts_are_collected_and_nothing_else_is_evaluated,
    a_town_of_the_flake_itself_comes_first,
    a_bad_host_is_named,
    a_flake_whose_hosts_have_no_town_names_them,
    a_host_of_any_shape_is_no_error,
    a_host_that_declares_nothing_is_passed_over,
];

fn towns_of_hosts_are_collected_and_nothing_else_is_evaluated(nix: &Nix) {
    let world = World::new(nix);
    let outputs = r#"{ nixosConfigurations = {
        web.config.nuketown.town.domain = "web.org";
        web.config.system.build.toplevel = throw "the system is evaluated";
        web.pkgs = throw "the packages are evaluated";
        "with \"quotes\"".config.nuketown.town = { domain = "quoted.org"; };
        plain.config.networking = throw "the network is evaluated";
    }; }"#;
    let flake = world.flake_with("town", "", outputs);
    let outcome = world.evaluate(&[&flake]);
    let wanted = json!({ "web": { "domain": "web.org" }, "with \"quotes\"": { "domain": "quoted.org" } });
    assert_eq!(outcome.report["hosts"], wanted, "{outcome:?}");
    assert_eq!(outcome.report["installable"], format!("path:{flake}#nixosConfigurations"));
}

fn a_town_of_the_flake_itself_comes_first(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake_with(
        "town",
        "",
        r#"{ nuketown.domain = "a"; nixosConfigurations = throw "looked at"; }"#,
    );
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "a");
}

fn a_bad_host_is_named(nix: &Nix) {
    let world = World::new(nix);
    for bad in [
        r#"config.nuketown.town.agents.ada.uid = throw "boom""#,
        r#"config = throw "boom""#,
        r#"config.nuketown = throw "boom""#,
    ] {
        let hosts = format!(
            "{{ a.config.nuketown.town.domain = \"a\"; bad.{bad}; z.config.nuketown.town.domain = \"z\"; }}"
        );
        let flake = world.flake_with("town", "", &format!("{{ nixosConfigurations = {hosts}; }}"));
        let outcome = world.evaluate(&[&flake]);
        assert!(outcome.fails("Evaluation", 3).0.starts_with("boom"), "{outcome:?}");
        assert_eq!(outcome.report["what"], format!("cannot evaluate the town of host `bad` of {flake}"));
    }
}

fn a_flake_whose_hosts_have_no_town_names_them(nix: &Nix) {
    let world = World::new(nix);
    let flake =
        world.flake_with("town", "", "{ nixosConfigurations = { b.config = { }; a.config = { }; }; }");
    let (cause, _) = world.evaluate(&[&flake]).fails("NoTown", 1);
    assert_eq!(cause, "it has no output `nuketown`, and none of its hosts (a, b) has `config.nuketown.town`");
    let flake = world.flake_with("town", "", "{ nixosConfigurations = { }; }");
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(
        outcome.fails("NoTown", 1).0,
        "it has no output `nuketown`, and its `nixosConfigurations` are empty"
    );
}

fn a_host_of_any_shape_is_no_error(nix: &Nix) {
    let world = World::new(nix);
    let hosts = r#"{ one = 1; two.config = [ ]; three.config.nuketown = "x"; four = _: { }; five.config.nuketown.town.a = 5; }"#;
    let flake = world.flake_with("town", "", &format!("{{ nixosConfigurations = {hosts}; }}"));
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(outcome.report["hosts"], json!({ "five": { "a": 5 } }), "{outcome:?}");
}

fn a_host_that_declares_nothing_is_passed_over(nix: &Nix) {
    let world = World::new(nix);
    let hosts = "{ unused.config.nuketown.town = null; web.config.nuketown.town.domain = \"web.org\"; }";
    let flake = world.flake_with("town", "", &format!("{{ nixosConfigurations = {hosts}; }}"));
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(outcome.report["hosts"], json!({ "web": { "domain": "web.org" } }), "{outcome:?}");
}
