//! A repository can fail, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::repository::{Repository, TOWN, flake};
use crate::server::{App, Server, parameter};

/// Runs for years in constant memory.
pub(crate) const LOOP: &str = "let go = n: builtins.foldl' (a: _: a + (if n == 0 then 1 else go (n - 1))) 0 (builtins.genList (x: x) 1000); in go 9";

const DERIVATION: &str = r#"derivation { name = "x"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out" ]; }"#;

/// What a town that fails fails with, as files and as a commit: it must make no difference.
fn fails(town: &str, status: i32, said: &str) {
    for nix in Server::nixes() {
        let mut server = Server::with(&nix);
        server.variables.insert("NUKETOWN_TIMEOUT".into(), "3".into());
        server.variables.insert("NUKETOWN_MEMORY".into(), "600".into());
        let repository = Repository::of_town(town);
        let as_files = server.generate(repository.path(), &App::default());
        assert!(as_files.fails(status).contains(said), "{as_files:?}");
        let app = App { revision: repository.commit(), ..App::default() };
        let as_commit = server.generate(repository.path(), &app);
        assert!(as_commit.fails(status).contains(said), "{as_commit:?}");
        let entries = server.path("cache/nuketown-cmp/trusted/entries");
        assert_eq!(fs::read_dir(entries).unwrap().count(), 0, "a failure is kept");
    }
}

#[test]
fn evaluation_that_never_ends_is_ended_before_argo_cd_does_it() {
    fails(LOOP, 4, "evaluating the town was not done after 3 s");
}

#[test]
fn endless_list_runs_out_of_memory() {
    let endless = "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; })";
    // Which of its bounds a slow machine reaches first is not for the flake to choose.
    for nix in Server::nixes() {
        let mut server = Server::with(&nix);
        server.variables.insert("NUKETOWN_MEMORY".into(), "300".into());
        let outcome = server.generate(Repository::of_town(endless).path(), &App::default());
        assert!(outcome.fails(3).contains("needs more than the 300 MiB"), "{outcome:?}");
    }
}

#[test]
fn string_of_a_gigabyte_runs_out_of_memory_and_a_smaller_one_is_too_large() {
    let doubled = |times: u32| {
        format!(
            r#"{{ domain = builtins.foldl' (a: _: a + a) "0123456789abcdef" (builtins.genList (x: x) {times}); }}"#
        )
    };
    fails(&doubled(26), 3, "memory");
    for nix in Server::nixes() {
        let outcome = Server::with(&nix).generate(Repository::of_town(&doubled(22)).path(), &App::default());
        assert!(outcome.fails(3).contains("more than 32 MiB"), "{outcome:?}");
    }
}

#[test]
fn nothing_is_built_while_a_town_is_evaluated() {
    fails(&format!("import ({DERIVATION})"), 3, "needs a build");
    fails(&format!("builtins.readFile ({DERIVATION})"), 3, "needs a build");
}

#[test]
fn no_program_is_run() {
    fails(r#"builtins.exec [ "touch" "/tmp/x" ]"#, 3, "exec");
}

#[test]
fn nothing_is_fetched_whether_or_not_its_hash_is_known() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/x", listener.local_addr().unwrap());
    let hash = "0".repeat(52);
    for town in [
        format!("builtins.readFile (builtins.fetchurl \"{url}\")"),
        format!("builtins.readFile (builtins.fetchurl {{ url = \"{url}\"; sha256 = \"{hash}\"; }})"),
        format!("builtins.readFile (builtins.fetchTarball {{ url = \"{url}\"; sha256 = \"{hash}\"; }})"),
        format!("builtins.fetchGit \"{url}\""),
        format!("builtins.fetchGit {{ url = \"{url}\"; rev = \"{}\"; }}", "0a".repeat(20)),
        format!("(builtins.getFlake \"git+{url}?rev={}\").nuketown", "0a".repeat(20)),
        format!(
            "builtins.fetchTree {{ type = \"tarball\"; url = \"{url}.tar\"; narHash = \"sha256-{}=\"; }}",
            "A".repeat(43)
        ),
    ] {
        fails(&town, 3, "");
        assert!(listener.accept().is_err(), "it was asked for: {town}");
    }
}

#[test]
fn files_of_the_sidecar_cannot_be_read() {
    let server = Server::new();
    let secret = server.path("cache/secret");
    fs::write(&secret, "s3cret").unwrap();
    for path in
        ["/etc/passwd".to_owned(), secret.display().to_string(), format!("../../../..{}", secret.display())]
    {
        fails(&format!("{{ domain = builtins.readFile {path}; }}"), 3, "");
    }
    fails("{ domain = builtins.readFile /etc/passwd; }", 3, "forbidden");
}

#[test]
fn environment_of_the_sidecar_cannot_be_read() {
    let mut server = Server::new();
    server.variables.insert("GITHUB_TOKEN".into(), "ghp_sesame".into());
    let town = r#"throw "token: ${builtins.getEnv "GITHUB_TOKEN"}!""#;
    let outcome = server.generate(Repository::of_town(town).path(), &App::default());
    assert!(outcome.fails(3).contains("token: !"), "{outcome:?}");
}

#[test]
fn link_out_of_the_repository_is_refused_by_argo_cd_and_leads_nowhere_without_it() {
    let repository = Repository::of_town("{ domain = builtins.readFile ./out; }");
    symlink("/etc/passwd", repository.path().join("out")).unwrap();
    let revision = repository.commit();
    for nix in Server::nixes() {
        let server = Server::with(&nix);
        assert!(server.unpack(repository.path()).unwrap_err().contains("illegal filepath in symlink"));
        // As if that check had let it through: among the files, and in the commit.
        let files = Repository::of_town("{ domain = builtins.readFile ./out; }");
        for revision in ["", &revision] {
            let work = server.unpack(files.path()).unwrap();
            symlink("/etc/passwd", work.join("out")).unwrap();
            for (program, arguments) in [("cp", ["-r", "-T"]), ("chown", ["-Rh", "--reference"])] {
                let mut command = Command::new(program);
                let from = if program == "cp" { repository.path().join(".git") } else { work.clone() };
                assert!(command.args(arguments).arg(from).arg(work.join(".git")).status().unwrap().success());
            }
            let app = App { revision: revision.to_owned(), ..App::default() };
            let outcome = server.start_in("generate", work, &app).wait(Duration::from_secs(60));
            assert!(!outcome.fails(3).contains("root:"), "{outcome:?}");
        }
    }
}

#[test]
fn settings_of_the_flake_are_not_in_force() {
    let server = Server::new();
    let flake = format!(
        "{{ nixConfig = {{ allow-import-from-derivation = true; max-jobs = 1; sandbox = false; }}; outputs = _: {{ nuketown = import ({DERIVATION}); }}; }}"
    );
    let outcome = server.generate(Repository::new().with("flake.nix", &flake).path(), &App::default());
    assert!(outcome.fails(3).contains("needs a build"), "{outcome:?}");
}

#[test]
fn no_option_gives_an_agent_rights_in_the_cluster() {
    let server = Server::new();
    let smuggled = "x\\n---\\napiVersion: rbac.authorization.k8s.io/v1\\nkind: ClusterRoleBinding\\nmetadata:\\n  name: evil\\n";
    let town = TOWN.replace(
        "agents.bob = { };",
        &format!(
            "agents.bob = {{ description = \"{smuggled}\"; role = \"{smuggled}\"; daemon.repos.x.url = \"https://example.org/x\"; }};"
        ),
    );
    let objects = server.generate(Repository::of_town(&town).path(), &App::default()).objects();
    let kinds: BTreeSet<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    let known = [
        "ConfigMap",
        "Deployment",
        "LimitRange",
        "Namespace",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "ResourceQuota",
        "ServiceAccount",
    ];
    assert!(kinds.iter().all(|kind| known.contains(kind)), "{kinds:?}");
    for object in &objects {
        let namespaced = object["kind"] == "Namespace" || object["metadata"]["namespace"] == "nuketown";
        assert!(namespaced && object["metadata"]["name"] != "evil", "{object}");
    }
    let unknown = TOWN.replace("agents.bob = { };", "agents.bob = { clusterRole = \"cluster-admin\"; };");
    server.generate(Repository::of_town(&unknown).path(), &App::default()).fails(1);
}

/// Argo CD merges such a file into the Application before it asks the plugin, so that no parameter is what it was.
#[test]
fn repository_that_replaces_the_parameters_is_refused() {
    let server = Server::new();
    for (path, file) in [
        ("", ".argocd-source.yaml"),
        ("apps/town", ".argocd-source.yaml"),
        ("apps/town", ".argocd-source-town.yaml"),
        ("apps/town", ".argocd-source-argocd_town.yaml"),
    ] {
        let below = |name: &str| Path::new(path).join(name).display().to_string();
        let repository = Repository::new()
            .with(&below("flake.nix"), &flake(TOWN))
            .with(&below(file), "plugin: { parameters: [] }\n");
        let mut app = App { path, ..App::default() };
        for revision in [String::new(), repository.commit()] {
            app.revision = revision;
            let outcome = server.generate(repository.path(), &app);
            assert!(outcome.fails(2).contains("changes the Application"), "{file}: {outcome:?}");
        }
    }
    // Argo CD reads it in the Application's own directory alone.
    let elsewhere = Repository::of_town(TOWN).with("apps/.argocd-source.yaml", "");
    server.generate(elsewhere.path(), &App::default()).objects();
}

#[test]
fn pull_request_cannot_choose_where_it_is_rendered() {
    let server = Server::new();
    let town =
        TOWN.replace("cloud.enable = true;", "cloud = { enable = true; namespace = \"kube-system\"; };");
    let parameters =
        json!([parameter("preview", "string", "pr-7"), parameter("namespace", "string", "agents")]);
    let app = App { parameters, ..App::default() };
    for object in server.generate(Repository::of_town(&town).path(), &app).objects() {
        let place = if object["kind"] == "Namespace" {
            &object["metadata"]["name"]
        } else {
            &object["metadata"]["namespace"]
        };
        assert_eq!(place, "agents-pr-7");
    }
}
