//! What is committed elsewhere of the parameters is what the program says.

use std::fs;
use std::path::Path;
use std::process::Command;

use nuketown_plugin::cmp::parameters::{MARKDOWN_BEGIN, MARKDOWN_END, PARAMETERS, markdown, plugin_yaml};
use serde_json::Value;

fn cmp(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_nuketown-cmp")).args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

fn project() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn announcement_is_what_argo_cd_unmarshals() {
    let all: Vec<Value> = serde_json::from_str(&cmp(&["parameters"])).unwrap();
    assert_eq!(all.len(), PARAMETERS.len());
    for (announced, parameter) in all.iter().zip(&PARAMETERS) {
        let fields: Vec<&str> = announced.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["collectionType", "itemType", "name", "required", "title", "tooltip"]);
        assert_eq!(announced["name"], parameter.name);
        assert!(["string", "array", "map"].contains(&announced["collectionType"].as_str().unwrap()));
        assert!(parameter.tooltip.contains("Default: "), "{} does not say its default", parameter.name);
    }
}

#[test]
fn plugin_yaml_announces_the_same_and_has_no_discovery() {
    let plugin: Value = serde_saphyr::from_str(&cmp(&["plugin-yaml"])).unwrap();
    let announced: Value = serde_json::from_str(&cmp(&["parameters"])).unwrap();
    assert_eq!(plugin["spec"]["parameters"]["static"], announced);
    assert_eq!(plugin["kind"], "ConfigManagementPlugin");
    assert_eq!(plugin["spec"]["generate"]["command"], serde_json::json!(["nuketown-cmp", "generate"]));
    assert!(plugin["spec"]["discover"].is_null() && plugin["spec"]["version"].is_null());
}

#[test]
fn committed_plugin_yaml_is_the_one_that_the_program_prints() {
    assert_eq!(cmp(&["plugin-yaml"]), plugin_yaml());
    let committed = fs::read_to_string(project().join("sidecar-image/plugin.yaml")).unwrap();
    assert_eq!(
        committed,
        plugin_yaml(),
        "make it anew: nuketown-cmp plugin-yaml > sidecar-image/plugin.yaml"
    );
}

#[test]
fn table_in_the_documentation_is_the_one_that_the_program_prints() {
    assert_eq!(cmp(&["parameters", "--markdown"]), markdown());
    let page = fs::read_to_string(project().join("docs/argo-cd/README.md")).unwrap();
    let (_, below) = page.split_once(MARKDOWN_BEGIN).expect("there is no table");
    let (table, _) = below.split_once(MARKDOWN_END).expect("the table has no end");
    assert_eq!(table.trim(), markdown().trim(), "make it anew: nuketown-cmp parameters --markdown");
}

/// The texts of all messages, as they stand in the source, each on one line.
fn sources(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(sources(&path));
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().replace("\\\"", "\"");
        let mut parts = text.split("\\\n");
        let first = parts.next().unwrap().to_owned();
        let joined = parts.fold(first, |joined, part| joined + part.trim_start());
        lines.extend(joined.lines().map(str::to_owned));
    }
    lines
}

/// Whether a line of the source makes this message, where `…` stands for what is put in.
fn makes(line: &str, message: &str) -> bool {
    let mut rest = line;
    message.split('…').map(str::trim).enumerate().filter(|(_, part)| !part.is_empty()).all(|(at, part)| {
        let part = if at == 0 { format!("\"{part}") } else { part.to_owned() };
        rest.split_once(&part).is_some_and(|(_, after)| {
            rest = after;
            true
        })
    })
}

#[test]
fn every_message_in_the_documentation_is_one_that_is_printed() {
    let page = fs::read_to_string(project().join("docs/argo-cd/troubleshooting.md")).unwrap();
    let (_, ours) = page.split_once("\n## The Application\n").expect("the chapter has another name");
    let mut lines = sources(&project().join("plugin/src"));
    lines.extend(sources(&project().join("lib/src")));
    let mut messages = 0;
    for row in ours.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.split(" | ").next().unwrap().trim_start_matches("| ");
        // A message with backticks in it stands between two of them.
        let fence = if cell.contains("``") { "``" } else { "`" };
        for message in cell.split(fence).skip(1).step_by(2).map(str::trim) {
            assert!(lines.iter().any(|line| makes(line, message)), "nothing prints: {message}");
            messages += 1;
        }
    }
    assert!(messages > 20, "only {messages} were found");
}

#[test]
fn version_is_the_one_of_the_project() {
    assert_eq!(cmp(&["version"]), format!("nuketown-cmp {}\n", env!("CARGO_PKG_VERSION")));
}
