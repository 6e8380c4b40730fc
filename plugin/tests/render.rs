//! The whole command, on real flakes with every Nix that is here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "support/command.rs"]
mod command;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use command::{Desk, Finished, finish};

const MINIMAL: &str = include_str!("../../examples/minimal/flake.nix");

fn workspace(below: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(below)
        .canonicalize()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// Copies a flake out of the repository, so that what git tracks here does not matter.
fn copied(desk: &Desk, below: &str) -> String {
    let (from, to) = (workspace(below), desk.path(Path::new(below).file_name().unwrap().to_str().unwrap()));
    fs::create_dir_all(&to).unwrap();
    fs::copy(format!("{from}/flake.nix"), to.join("flake.nix")).unwrap();
    to.to_str().unwrap().to_owned()
}

fn files(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn ok(command: &mut Command) -> Finished {
    let finished = finish(command);
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    finished
}

/// Pins a text in `snapshots/<folder>`.
fn pin(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new("../../snapshots").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.trim_end()));
}

#[test]
fn every_example_renders_as_pinned_with_every_nix() {
    for nix in Desk::nixes() {
        let desk = Desk::with(&nix);
        for example in ["minimal", "town", "gke", "eks", "k3s"] {
            let flake = copied(&desk, &format!("examples/{example}"));
            let out = desk.path(&format!("out-{example}"));
            ok(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&out));
            for (file, text) in files(&out) {
                pin("", &format!("example-{example}.{}", file.trim_end_matches(".yaml")), &text);
            }
        }
    }
}

#[test]
fn town_with_every_option_renders_its_one_cloud_agent_as_pinned() {
    for nix in Desk::nixes() {
        let desk = Desk::with(&nix);
        let flake = copied(&desk, "plugin/tests/flakes/every-option");
        let out = desk.path("out");
        let finished = ok(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&out));
        assert!(finished.stderr.contains("agents.ada.portal.enable has no effect"), "{}", finished.stderr);
        let files = files(&out);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["00-namespace.yaml", "ada.yaml"]);
        assert!(!files.values().any(|text| text.contains("nuketown-liver")), "a device has manifests");
        for (file, text) in files {
            pin("", &format!("every-option.{}", file.trim_end_matches(".yaml")), &text);
        }
    }
}

#[test]
fn bytes_are_the_same_with_every_nix_in_every_locale_and_order() {
    let reordered = r#"{ outputs = _: {
        nuketown.agents.ada.persist = [ "projects" ".config/claude" ];
        nuketown.cloud.registry = "ghcr.io/joshperry/nuketown";
        nuketown.agents.ada.role = "software";
        nuketown.cloud.enable = true;
        nuketown.domain = "6bit.com";
    }; }"#;
    let mut outputs = Vec::new();
    for nix in Desk::nixes() {
        let desk = Desk::with(&nix);
        for (name, flake) in [("minimal", MINIMAL), ("reordered", reordered)] {
            let flake = desk.flake(name, flake);
            for locale in ["C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8"] {
                outputs.push(ok(desk.command().arg(&flake).env("LC_ALL", locale).env("LANG", locale)).stdout);
            }
        }
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn formats_hold_the_same_objects() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    let yaml = ok(desk.command().arg(&flake)).stdout;
    let (file, directory) = (desk.path("all.yaml"), desk.path("dir"));
    ok(desk.command().arg(&flake).arg("--out").arg(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), yaml);
    ok(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&directory));
    let joined: String =
        files(&directory).into_values().map(|text| text.split_once('\n').unwrap().1.to_owned()).collect();
    assert_eq!(joined, yaml);
    let json = ok(desk.command().arg(&flake).args(["--format", "json"])).stdout;
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&list["kind"], list["items"].as_array().unwrap().len()),
        (&"List".into(), yaml.matches("---\n").count())
    );
}

#[test]
fn directory_is_replaced_as_a_whole_and_only_if_it_is_ours() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    let out = desk.path("out");
    let render = || finish(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&out));
    assert_eq!(render().status, 0);
    let first = files(&out);
    // An agent that is gone takes its file with it.
    fs::write(out.join("vox.yaml"), first["ada.yaml"].as_bytes()).unwrap();
    assert_eq!(render().status, 0);
    assert_eq!(files(&out), first);
    // Somebody's own file keeps the directory as it is.
    fs::write(out.join("kustomization.yaml"), "resources: [ada.yaml]\n").unwrap();
    let before = files(&out);
    let refused = render();
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("it holds kustomization.yaml"), "{}", refused.stderr);
    assert_eq!(files(&out), before);
    assert_eq!(desk.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn failure_leaves_the_output_as_it_was() {
    let desk = Desk::new();
    let good = desk.flake("good", MINIMAL);
    let broken = [
        ("throws", r#"{ outputs = _: { nuketown = throw "boom"; }; }"#, 3),
        (
            "wrong",
            r#"{ outputs = _: { nuketown = { domain = "6bit.com"; cloud.enable = true; agents.ada.uid = 0; }; }; }"#,
            1,
        ),
        ("empty", r#"{ outputs = _: { nuketown.domain = "6bit.com"; }; }"#, 1),
        ("nothing", r"{ outputs = _: { }; }", 1),
        ("string", r#"{ outputs = _: { nuketown = "town"; }; }"#, 1),
    ];
    let (directory, file) = (desk.path("dir"), desk.path("all.yaml"));
    ok(desk.command().arg(&good).args(["--format", "dir", "--out"]).arg(&directory));
    ok(desk.command().arg(&good).arg("--out").arg(&file));
    let (dir_before, file_before) = (files(&directory), fs::read_to_string(&file).unwrap());
    for (name, text, status) in broken {
        let flake = desk.flake(name, text);
        for arguments in [
            vec!["--format", "dir", "--out", directory.to_str().unwrap()],
            vec!["--out", file.to_str().unwrap()],
            vec![],
        ] {
            let finished = finish(desk.command().arg(&flake).args(arguments));
            assert_eq!(
                (finished.status, finished.stdout.as_str()),
                (status, ""),
                "{name}: {}",
                finished.stderr
            );
            assert!(finished.stderr.starts_with("error: "), "{name}: {}", finished.stderr);
        }
    }
    assert_eq!((files(&directory), fs::read_to_string(&file).unwrap()), (dir_before, file_before));
    assert_eq!(desk.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn output_place_that_cannot_be_written_is_a_usage_error() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    fs::write(desk.path("file"), "mine").unwrap();
    for (arguments, says) in [
        (["--format", "dir", "--out", desk.path("file").to_str().unwrap()], "it is not a directory"),
        (["--format", "yaml", "--out", desk.path("none/all.yaml").to_str().unwrap()], "/none does not exist"),
        (["--format", "dir", "--out", desk.path("none/dir").to_str().unwrap()], "/none does not exist"),
    ] {
        let finished = finish(desk.command().arg(&flake).args(arguments));
        assert_eq!((finished.status, finished.stdout.as_str()), (2, ""));
        assert!(finished.stderr.contains(says), "{}", finished.stderr);
    }
    assert_eq!(fs::read_to_string(desk.path("file")).unwrap(), "mine");
}

#[test]
fn empty_town_is_empty_only_where_it_is_allowed() {
    let desk = Desk::new();
    let flake = desk
        .flake("empty", r#"{ outputs = _: { nuketown = { domain = "6bit.com"; agents.liver = { }; }; }; }"#);
    assert_eq!(finish(desk.command().arg(&flake)).status, 1);
    let allowed = ok(desk.command().arg(&flake).arg("--allow-empty"));
    assert_eq!((allowed.stdout.as_str(), allowed.stderr.as_str()), ("", ""));
    let json = ok(desk.command().arg(&flake).args(["--allow-empty", "--format", "json"])).stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["items"], serde_json::json!([]));
}

#[test]
fn towns_of_hosts_are_joined_and_must_agree() {
    let desk = Desk::new();
    let hosts = |signi: &str, liver: &str| {
        format!(
            r#"{{ outputs = _: {{ nixosConfigurations = {{
              signi.config.nuketown.town = {{ domain = "6bit.com"; approver = "josh@6bit.com"; agents.ada = {signi}; }};
              liver.config.nuketown.town = {{ domain = "6bit.com"; approver = "josh@6bit.com"; agents = {liver}; }};
              other.config = {{ }};
            }}; }}; }}"#
        )
    };
    let ada = "{ cloud.enable = true; persist = [ \"projects\" ]; }";
    let joined =
        desk.flake("joined", &hosts(ada, &format!("{{ ada = {ada}; liver.daemon.enable = true; }}")));
    assert!(ok(desk.command().arg(&joined)).stdout.contains("name: nuketown-ada-projects"));
    let apart = desk.flake("apart", &hosts(ada, "{ ada.cloud.enable = true; }"));
    let refused = finish(desk.command().arg(&apart));
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    pin("messages", "hosts", &refused.stderr);
}

#[test]
fn check_shows_what_differs_from_committed_manifests() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    let (directory, file) = (desk.path("manifests"), desk.path("all.yaml"));
    ok(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&directory));
    ok(desk.command().arg(&flake).arg("--out").arg(&file));
    for committed in [&directory, &file] {
        let equal = ok(desk.command().arg("check").arg(committed).arg(&flake));
        assert_eq!(equal.stdout, "");
    }
    let text = fs::read_to_string(directory.join("ada.yaml")).unwrap();
    fs::write(directory.join("ada.yaml"), text.replace("storage: 10Gi", "storage: 9Gi")).unwrap();
    fs::write(directory.join("vox.yaml"), format!("{}---\nkind: Gone\n", nuketown::HEADER)).unwrap();
    fs::write(directory.join("kustomization.yaml"), "resources: [ada.yaml]\n").unwrap();
    fs::write(&file, "").unwrap();
    let different = finish(desk.command().arg("check").arg(&directory).arg(&flake));
    assert_eq!(different.status, 1);
    assert!(different.stderr.contains("does not hold what the town renders to"), "{}", different.stderr);
    pin("messages", "check", &different.stdout);
    assert_eq!(finish(desk.command().arg("check").arg(&file).arg(&flake)).status, 1);
    assert_eq!(finish(desk.command().arg("check").arg(desk.path("none")).arg(&flake)).status, 2);
}

#[test]
fn diff_takes_flakes_revisions_and_rendered_manifests() {
    let desk = Desk::new();
    let flake = desk.flake("town", MINIMAL);
    desk.git("town", &["init", "-q"]);
    desk.git("town", &["add", "."]);
    desk.git("town", &["commit", "-qm", "minimal"]);
    let (directory, file) = (desk.path("old"), desk.path("old.yaml"));
    ok(desk.command().arg(&flake).args(["--format", "dir", "--out"]).arg(&directory));
    ok(desk.command().arg(&flake).arg("--out").arg(&file));
    fs::write(
        desk.path("town/flake.nix"),
        MINIMAL.replace("agents.ada = {", "agents.ada = { network.egress = [ \"pypi.org:443\" ];"),
    )
    .unwrap();
    for old in ["HEAD", directory.to_str().unwrap(), file.to_str().unwrap()] {
        let diff = |arguments: &[&str]| {
            finish(desk.command().current_dir(desk.path("town")).args(["diff", old]).args(arguments))
        };
        let words = diff(&["."]);
        assert_eq!(words.status, 0, "{}", words.stderr);
        assert!(words.stdout.contains("ada") && words.stdout.contains("pypi.org:443"), "{}", words.stdout);
        assert_eq!(diff(&[".", "--exit-code"]).status, 1);
        assert_eq!(diff(&["HEAD", "--exit-code"]).status, 0);
        let json = diff(&[".", "--format", "json"]).stdout;
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
    }
    let nothing =
        finish(desk.command().current_dir(desk.path("town")).args(["diff", "HEAD", "no-such-thing"]));
    assert_eq!((nothing.status, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("no-such-thing is nothing that can be compared"), "{}", nothing.stderr);
    fs::create_dir(desk.path("empty")).unwrap();
    let empty = finish(desk.command().args(["diff"]).arg(desk.path("empty")).arg(&flake));
    assert_eq!((empty.status, empty.stdout.as_str()), (2, ""));
    assert!(empty.stderr.contains("neither a flake nor a directory of manifests"), "{}", empty.stderr);
}

#[test]
fn images_are_listed_by_agent() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    let expected = format!("ada\tghcr.io/joshperry/nuketown/nuketown-agent:{}\n", nuketown::VERSION);
    assert_eq!(ok(desk.command().args(["images", &flake])).stdout, expected);
}

#[test]
fn home_of_a_host_agent_and_of_a_pod_come_from_the_same_code() {
    let desk = Desk::new();
    let flake = copied(&desk, "plugin/tests/flakes/every-option");
    for agent in ["ada", "liver"] {
        let text = ok(desk.command().args(["home", agent, &flake])).stdout;
        pin("home", agent, &text);
    }
    let out = desk.path("liver");
    ok(desk.command().args(["home", "liver", &flake, "--out"]).arg(&out));
    let config = files(&out.join(".config/nuketown"));
    assert_eq!(config.keys().collect::<Vec<_>>(), ["daemon.toml", "identity.toml", "town.toml"]);
    let again = finish(desk.command().args(["home", "liver", &flake, "--out"]).arg(&out));
    assert_eq!(again.status, 2);
    let nobody = finish(desk.command().args(["home", "livver", &flake]));
    assert_eq!(nobody.status, 1);
    assert!(nobody.stderr.contains("did you mean `liver`?"), "{}", nobody.stderr);
}

#[test]
fn help_is_pinned_and_completions_and_manual_are_made() {
    let desk = Desk::new();
    let mut text = String::new();
    for command in [&[][..], &["diff"], &["check"], &["images"], &["home"], &["schema"], &["application"]] {
        text.push_str(&ok(desk.command().args(command).arg("--help")).stdout);
        text.push_str("\n----\n");
    }
    pin("messages", "help", &text);
    for shell in ["bash", "zsh", "fish"] {
        assert!(ok(desk.command().args(["completions", shell])).stdout.contains("allow-empty"));
    }
    let manual = ok(desk.command().arg("man")).stdout;
    assert!(manual.contains(".TH nuketown-render 1") && manual.contains("Exit status"), "{manual}");
    let of_diff = ok(desk.command().args(["man", "diff"])).stdout;
    assert!(of_diff.contains(".TH nuketown-render-diff 1") && of_diff.contains("exit\\-code"), "{of_diff}");
    assert_eq!(finish(desk.command().args(["man", "frobnicate"])).status, 2);
    let schema: serde_json::Value = serde_json::from_str(&ok(desk.command().arg("schema")).stdout).unwrap();
    assert!(schema["properties"]["agents"].is_object());
}

#[test]
fn reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let flake = desk.flake("minimal", MINIMAL);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = desk.command().arg(&flake).stdout(writer).status().unwrap();
    assert_eq!(status.code(), Some(0));
}
