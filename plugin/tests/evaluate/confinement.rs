//! A flake can fail, and do nothing else.

use std::fs;
use std::io;
use std::net::TcpListener;

use serde_json::json;

use crate::world::{Nix, TOWN, World};
use crate::{Case, cases};

pub(crate) const CASES: &[Case] = cases![
    import_from_derivation_fails_and_nothing_is_built,
    settings_of_the_flake_are_not_in_force_even_if_they_were_trusted,
    settings_of_the_user_do_not_weaken_the_evaluation,
    the_rest_of_the_machine_cannot_be_read,
    the_environment_cannot_be_read,
    programs_cannot_be_run,
    a_flake_without_inputs_gets_nothing_from_the_network,
    a_fetch_without_a_hash_is_refused,
    a_missing_lock_file_is_an_error_and_is_not_written,
    an_outdated_lock_file_is_an_error_and_is_not_changed,
    a_broken_lock_file_is_an_error,
    locked_inputs_are_used,
    an_error_of_the_flake_is_shown_with_its_place,
    hostile_text_does_not_reach_the_terminal,
    a_town_that_is_no_data_is_explained,
];

const DERIVATION: &str = r#"derivation {
    name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out" ]; }"#;

fn import_from_derivation_fails_and_nothing_is_built(nix: &Nix) {
    let world = World::new(nix);
    for town in [format!("import ({DERIVATION})"), format!("builtins.readFile ({DERIVATION})")] {
        let flake = world.flake("town", &town);
        world.evaluate(&[&flake]).fails("Build", 3);
    }
    let flake = world.flake_with(
        "town",
        "",
        &format!("{{ nixosConfigurations.web.config.nuketown.town = import ({DERIVATION}); }}"),
    );
    let outcome = world.evaluate(&[&flake]);
    outcome.fails("Build", 3);
    assert_eq!(outcome.report["what"], format!("the town of host `web` of {flake} needs a build"));
    assert!(built(&world).is_empty(), "{:?}", built(&world));
}

/// What is in the store beside sources and recipes: the outputs of builds.
fn built(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path("store/nix/store")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with("-x")).collect()
}

fn settings_of_the_flake_are_not_in_force_even_if_they_were_trusted(nix: &Nix) {
    let world = World::new(nix);
    let settings = "nixConfig = { allow-import-from-derivation = true; max-jobs = 1; sandbox = false; system = \"x86_64-linux\"; };";
    let flake = world.flake_with("town", settings, &format!("{{ nuketown.x = import ({DERIVATION}); }}"));
    let trusted = json!({ "allow-import-from-derivation": { "true": true }, "max-jobs": { "1": true },
        "sandbox": { "false": true }, "system": { "x86_64-linux": true } });
    world.write("home/.local/share/nix/trusted-settings.json", &trusted.to_string());
    world.evaluate(&[&flake]).fails("Build", 3);
    assert!(built(&world).is_empty());
}

fn settings_of_the_user_do_not_weaken_the_evaluation(nix: &Nix) {
    let world = World::new(nix);
    let settings = "extra-experimental-features = nix-command flakes\naccept-flake-config = true\nallow-import-from-derivation = true\npure-eval = false\n\
        allow-unsafe-native-code-during-evaluation = true\nmax-jobs = 4\nsandbox = false\n";
    let flake_settings = "nixConfig = { allow-import-from-derivation = true; };";
    let touch = format!(r#"builtins.exec [ "touch" "{}" ]"#, world.path("touched").display());
    for (town, kind) in [
        (format!("import ({DERIVATION})"), "Build"),
        (touch, "Evaluation"),
        ("builtins.readFile /etc/passwd".to_owned(), "Evaluation"),
        ("builtins.currentSystem".to_owned(), "Evaluation"),
    ] {
        let flake = world.flake_with("town", flake_settings, &format!("{{ nuketown.x = {town}; }}"));
        world.run(world.command(&[&flake]).env("NIX_CONFIG", settings)).fails(kind, 3);
        world.write("home/.config/nix/nix.conf", settings);
        world.evaluate(&[&flake]).fails(kind, 3);
    }
    assert!(!world.path("touched").exists());
    assert!(built(&world).is_empty());
}

fn the_rest_of_the_machine_cannot_be_read(nix: &Nix) {
    let world = World::new(nix);
    let secret = world.write("secret", "s3cret");
    for town in [
        "builtins.readFile /etc/passwd".to_owned(),
        format!("builtins.readFile {}", secret.display()),
        format!("builtins.readFile \"{}\"", secret.display()),
        "builtins.readFile ../secret".to_owned(),
        "builtins.readFile (builtins.fetchTarball file:///etc/passwd)".to_owned(),
        "import <nixpkgs>".to_owned(),
    ] {
        let flake = world.flake("town", &town);
        let nix_path = format!("nixpkgs={}", world.path("").display());
        let outcome = world.run(world.command(&[&flake]).env("NIX_PATH", nix_path));
        outcome.fails("Evaluation", 3);
        assert!(!outcome.report.to_string().contains("s3cret"), "{town}");
    }
    let flake = world.flake("town", "builtins.readFile /etc/passwd");
    let (cause, hint) = world.evaluate(&[&flake]).fails("Evaluation", 3);
    assert!(cause.contains("'/etc/passwd' is forbidden") && !cause.contains("--impure"), "{cause}");
    assert!(hint.contains("inside its own directory"), "{hint}");
}

fn the_environment_cannot_be_read(nix: &Nix) {
    let world = World::new(nix);
    let flake =
        world.flake("town", r#"{ x = builtins.getEnv "HOME"; y = builtins.currentSystem or "none"; }"#);
    assert_eq!(world.evaluate(&[&flake]).town(), &json!({ "x": "", "y": "none" }));
}

fn programs_cannot_be_run(nix: &Nix) {
    let world = World::new(nix);
    let touched = world.path("touched");
    let flake = world.flake("town", &format!(r#"builtins.exec [ "touch" "{}" ]"#, touched.display()));
    let (cause, _) = world.evaluate(&[&flake]).fails("Evaluation", 3);
    assert!(cause.starts_with("attribute 'exec' missing"), "{cause}");
    // Git would start the file system monitor that a repository names.
    let flake = world.flake("repo", TOWN);
    world.commit("repo");
    world.git("repo", &["config", "core.fsmonitor", &format!("touch {}", touched.display())]);
    world.flake("repo", r#"{ domain = "dirty"; }"#);
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "dirty");
    assert!(!touched.exists());
}

fn a_flake_without_inputs_gets_nothing_from_the_network(nix: &Nix) {
    let world = World::new(nix);
    let flake =
        world.flake_with("town", "inputs.a.url = \"http://127.0.0.1:9/a.tar.gz\";", "{ nuketown = { }; }");
    let (_, hint) = world.evaluate(&[&flake]).fails_as_one_of(&["Fetch", "Lock"]);
    assert!(hint.contains("nix flake lock"), "{hint}");
    // With a hash, `--offline` alone would ask for it once.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let hash = "0".repeat(52);
    world.flake(
        "fetch",
        &format!("builtins.readFile (builtins.fetchurl {{ url = \"{url}\"; sha256 = \"{hash}\"; }})"),
    );
    world.evaluate(&["fetch"]).fails("Fetch", 3);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "something was asked for");
}

fn a_fetch_without_a_hash_is_refused(nix: &Nix) {
    let world = World::new(nix);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    for fetch in ["fetchurl", "fetchTarball", "fetchTree"] {
        let argument = if fetch == "fetchTree" {
            format!("{{ type = \"tarball\"; url = \"{url}\"; }}")
        } else {
            format!("\"{url}\"")
        };
        let flake = world.flake("town", &format!("builtins.{fetch} {argument}"));
        world.evaluate(&[&flake]).fails("Evaluation", 3);
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "something was fetched");
}

fn flake_with_input(world: &World, rest: &str) -> String {
    world.flake_with("input", "", r#"{ value = "from input"; }"#);
    let inputs = format!("inputs.a.url = \"path:{}\"; {rest}", world.path("input").display());
    world.write(
        "town/flake.nix",
        &format!("{{ {inputs} outputs = {{ a, ... }}: {{ nuketown.domain = a.value; }}; }}"),
    );
    world.path("town").display().to_string()
}

fn a_missing_lock_file_is_an_error_and_is_not_written(nix: &Nix) {
    let world = World::new(nix);
    let flake = flake_with_input(&world, "");
    let (cause, hint) = world.evaluate(&[&flake]).fails("Lock", 3);
    assert!(
        cause.contains("requires lock file changes") && hint.contains("nix flake lock"),
        "{cause} {hint}"
    );
    assert!(!world.path("town/flake.lock").exists());
}

/// A lock file as `nix flake lock` writes it for [`flake_with_input`].
fn lock(world: &World) -> String {
    let input = json!({ "type": "path", "path": world.path("input") });
    let output = std::process::Command::new(world.path("bin/nix"))
        .args(["--extra-experimental-features", "nix-command", "hash", "path", "--sri"])
        .arg(world.path("input"))
        .env("HOME", world.path("home"))
        .output()
        .unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    let locked = json!({ "type": "path", "path": world.path("input"), "narHash": hash.trim() });
    json!({ "version": 7, "root": "root", "nodes": {
        "root": { "inputs": { "a": "a" } }, "a": { "locked": locked, "original": input } } })
    .to_string()
}

fn locked_inputs_are_used(nix: &Nix) {
    let world = World::new(nix);
    let flake = flake_with_input(&world, "");
    world.write("town/flake.lock", &lock(&world));
    assert_eq!(world.evaluate(&[&flake]).town()["domain"], "from input");
}

fn an_outdated_lock_file_is_an_error_and_is_not_changed(nix: &Nix) {
    let world = World::new(nix);
    let flake = flake_with_input(&world, "inputs.b.url = \"path:/nowhere\"; inputs.b.flake = false;");
    world.flake("nowhere", TOWN);
    let text = fs::read_to_string(world.path("town/flake.nix")).unwrap();
    world.write("town/flake.nix", &text.replace("/nowhere", world.path("nowhere").to_str().unwrap()));
    let lock = lock(&world);
    world.write("town/flake.lock", &lock);
    world.evaluate(&[&flake]).fails("Lock", 3);
    assert_eq!(fs::read_to_string(world.path("town/flake.lock")).unwrap(), lock);
}

fn a_broken_lock_file_is_an_error(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", TOWN);
    for broken in ["{ broken", "[]", "{}", r#"{ "version": 99, "nodes": {}, "root": "root" }"#] {
        world.write("town/flake.lock", broken);
        let outcome = world.evaluate(&[&flake]);
        assert_eq!(outcome.status.code(), Some(3), "{broken}: {outcome:?}");
        assert_eq!(outcome.report["error"], "Lock", "{broken}: {outcome:?}");
    }
}

fn an_error_of_the_flake_is_shown_with_its_place(nix: &Nix) {
    let world = World::new(nix);
    for (town, cause) in [
        ("{ a = foo; }", "undefined variable 'foo'\n    at TOWN/flake.nix:3:35"),
        ("{ a = 1; b }", "syntax error, unexpected '}', expecting '.' or '='\n    at TOWN/flake.nix:3:40"),
        ("{ a = x: x; }", "cannot convert a function to JSON\n    at TOWN/flake.nix:3:35"),
        (r#"{ a = builtins.trace "noise" (throw "boom\nsecond"); }"#, "boom\n    second"),
        (r#"abort "stop""#, "evaluation aborted with the following error message: 'stop'"),
    ] {
        world.flake("town", town);
        world.commit("town");
        for (here, name) in [("", "town"), ("town", ".")] {
            let outcome = world.run(world.command(&[name]).current_dir(world.path(here)));
            let place = if here.is_empty() { "town/flake.nix" } else { "flake.nix" };
            let wanted = cause.replace("TOWN/flake.nix", place);
            let (cause, _) = outcome.fails("Evaluation", 3);
            assert!(cause.starts_with(&wanted), "{cause:?} is not {wanted:?}");
        }
    }
    // An error that Nix gives no place for has the one of the innermost call, where Nix tells it.
    world.flake("town", r#"{ a = throw "boom"; }"#);
    let (cause, _) = world.evaluate(&["town"]).fails("Evaluation", 3);
    let wanted = if nix.is_old() { "boom" } else { "boom\n    at town/flake.nix:3:35" };
    assert_eq!(cause, wanted);
}

fn hostile_text_does_not_reach_the_terminal(nix: &Nix) {
    let world = World::new(nix);
    let escape = char::from(0x1b);
    let hostile = format!("{escape}]0;title{}{escape}[2J{escape}[31mred\u{202e}flip\u{8}", char::from(7));
    let flake =
        world.flake("town", &format!("{{ a = builtins.trace \"{hostile}\" (throw \"{hostile}\"); }}"));
    let outcome = world.evaluate(&[&flake]);
    assert!(outcome.fails("Evaluation", 3).0.starts_with("red\\u{202e}flip\\u{8}"), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    // A megabyte of text, of lines, and of text that looks like the log.
    for town in [
        "throw (builtins.concatStringsSep \"\" (builtins.genList (x: \"0123456789abcdef\") 100000))",
        "throw (builtins.concatStringsSep \"\\n\" (builtins.genList (x: \"0123456789abcdef\") 100000))",
        r#"throw "@nix {\"action\":\"msg\",\"level\":0,\"msg\":\"error: x\",\"raw_msg\":\"flake\"}\n@nix {}""#,
    ] {
        let flake = world.flake("town", town);
        world.evaluate(&[&flake]).fails("Evaluation", 3);
    }
}

fn a_town_that_is_no_data_is_explained(nix: &Nix) {
    let world = World::new(nix);
    let flake = world.flake("town", "{ agents.ada = x: x; }");
    let outcome = world.evaluate(&[&flake]);
    assert_eq!(
        outcome.fails("Evaluation", 3).1,
        "a town is plain data: strings, numbers, lists and attribute sets"
    );
}

impl crate::world::Outcome {
    /// One of several errors, where the versions of Nix differ in what they notice first.
    #[track_caller]
    fn fails_as_one_of(&self, kinds: &[&str]) -> (String, String) {
        let kind = kinds.iter().find(|kind| self.report["error"] == **kind);
        self.fails(kind.unwrap_or(&kinds[0]), 3)
    }
}
