use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A workspace with a secret beside it.
fn place() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("work");
    fs::create_dir_all(root.join("src")).unwrap();
    fs::write(root.join("src/a.rs"), "fn a() {}\nfn b() {}\n").unwrap();
    fs::write(dir.path().join("secret"), "s3cret").unwrap();
    (dir, root)
}

fn call(root: &Path, name: &str, input: &Value) -> Result<String, String> {
    run_file_tool(root, name, input.as_object().unwrap().clone())
}

#[test]
fn file_is_written_read_edited_and_found() {
    let (_dir, root) = place();
    assert_eq!(
        call(&root, "Write", &json!({"path": "new/deep/b.rs", "content": "let x = 1;\n"})).unwrap(),
        "made new/deep/b.rs (11 bytes)"
    );
    call(&root, "Edit", &json!({"path": "new/deep/b.rs", "old": "1", "new": "2"})).unwrap();
    assert_eq!(call(&root, "Read", &json!({"path": "new/deep/b.rs"})).unwrap(), "     1\tlet x = 2;\n");
    assert_eq!(call(&root, "Glob", &json!({"pattern": "**/*.rs"})).unwrap(), "new/deep/b.rs\nsrc/a.rs");
    assert_eq!(
        call(&root, "Grep", &json!({"pattern": "x = \\d", "glob": "*.rs"})).unwrap(),
        "new/deep/b.rs:1:let x = 2;\n"
    );
    assert_eq!(
        call(&root, "Read", &json!({"path": root.join("src/a.rs"), "offset": 2})).unwrap(),
        "     2\tfn b() {}\n"
    );
}

#[test]
fn shorter_content_leaves_nothing_of_the_longer_one() {
    let (_dir, root) = place();
    call(&root, "Write", &json!({"path": "src/a.rs", "content": "x"})).unwrap();
    assert_eq!(fs::read_to_string(root.join("src/a.rs")).unwrap(), "x");
}

#[test]
fn path_that_leaves_the_workspace_is_refused_by_every_tool() {
    let (dir, root) = place();
    let secret = dir.path().canonicalize().unwrap().join("secret");
    symlink(&secret, root.join("link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink(dir.path(), root.join("src/out")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    for path in [
        "../secret",
        "src/../../secret",
        secret.to_str().unwrap(),
        "link",
        "up/secret",
        "src/out/secret",
        "/etc/passwd",
        "magic/etc/passwd",
        "../work2/x",
        "",
    ] {
        for (tool, input) in [
            ("Read", json!({"path": path})),
            ("Write", json!({"path": path, "content": "x"})),
            ("Edit", json!({"path": path, "old": "s3cret", "new": "x"})),
            ("Grep", json!({"path": path, "pattern": "s3cret"})),
            ("Glob", json!({"path": path, "pattern": "*secret*"})),
        ] {
            let said = call(&root, tool, &input);
            assert!(!format!("{said:?}").contains("s3cret") || tool == "Grep", "{tool} {path}: {said:?}");
            assert!(
                said.is_err() || said == Ok("(no files)".to_owned()) || said == Ok("(no matches)".to_owned()),
                "{tool} {path}: {said:?}"
            );
        }
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "s3cret");
    assert!(!dir.path().join("work2").exists());
}

#[test]
fn link_that_stays_inside_is_followed() {
    let (_dir, root) = place();
    symlink("a.rs", root.join("src/same.rs")).unwrap();
    assert!(call(&root, "Read", &json!({"path": "src/same.rs"})).unwrap().contains("fn a"));
}

#[test]
fn pipe_or_device_in_the_place_of_a_file_keeps_nobody_waiting() {
    let (_dir, root) = place();
    assert!(std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
    assert!(call(&root, "Read", &json!({"path": "pipe"})).unwrap_err().contains("no regular file"));
    assert!(call(&root, "Write", &json!({"path": "pipe", "content": "x"})).is_err());
}

#[test]
fn large_and_binary_files_are_bounded_or_refused() {
    let (_dir, root) = place();
    fs::write(root.join("long"), "word ".repeat(100_000) + "\n" + &"line\n".repeat(100_000)).unwrap();
    fs::File::create(root.join("huge")).unwrap().set_len(1 << 40).unwrap();
    fs::write(root.join("binary"), [1, 0, 2]).unwrap();
    let read = call(&root, "Read", &json!({"path": "long", "limit": 1_000_000})).unwrap();
    assert!(read.len() <= RESULT_MAX && read.contains("line cut") && read.contains("not shown"));
    for path in ["huge", "binary"] {
        assert!(call(&root, "Read", &json!({"path": path})).is_err(), "{path}");
    }
    assert!(call(&root, "Grep", &json!({"pattern": "."})).unwrap().len() <= RESULT_MAX + 100);
}

#[test]
fn edit_that_fits_nowhere_or_twice_changes_nothing() {
    let (_dir, root) = place();
    for (old, why) in [("zzz", "not in"), ("fn ", "2 times"), ("", "some text")] {
        assert!(
            call(&root, "Edit", &json!({"path": "src/a.rs", "old": old, "new": "x"}))
                .unwrap_err()
                .contains(why),
            "{old:?}"
        );
    }
    assert_eq!(fs::read_to_string(root.join("src/a.rs")).unwrap(), "fn a() {}\nfn b() {}\n");
    call(&root, "Edit", &json!({"path": "src/a.rs", "old": "fn ", "new": "pub fn ", "replace_all": true}))
        .unwrap();
    assert_eq!(fs::read_to_string(root.join("src/a.rs")).unwrap(), "pub fn a() {}\npub fn b() {}\n");
}

#[test]
fn what_git_ignores_is_not_found() {
    let (_dir, root) = place();
    fs::create_dir(root.join(".git")).unwrap();
    fs::create_dir(root.join("target")).unwrap();
    fs::write(root.join(".gitignore"), "target\n").unwrap();
    fs::write(root.join("target/x.rs"), "fn a").unwrap();
    assert_eq!(call(&root, "Glob", &json!({"pattern": "**/*.rs"})).unwrap(), "src/a.rs");
}

#[test]
fn expression_that_would_explode_is_refused_or_done_in_time() {
    let (_dir, root) = place();
    fs::write(root.join("a"), "a".repeat(100_000)).unwrap();
    assert!(call(&root, "Grep", &json!({"pattern": "(a*)*b"})).is_ok());
    assert!(call(&root, "Grep", &json!({"pattern": "a{1000}{1000}{1000}"})).is_err());
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let (_dir, root) = place();
    for (input, named) in
        [(json!({}), "path"), (json!({"path": 1}), "string"), (json!({"path": "a", "mode": 7}), "mode")]
    {
        assert!(call(&root, "Read", &input).unwrap_err().contains(named), "{input}");
    }
}

#[test]
fn definitions_name_what_the_arguments_are() {
    for tool in SESSION {
        let definition = tool.definition();
        let properties = definition["input_schema"]["properties"].as_object().unwrap();
        for required in definition["input_schema"]["required"].as_array().unwrap() {
            assert!(properties.contains_key(required.as_str().unwrap()));
        }
    }
    assert!(!BOOTSTRAP.contains(&Tool::Write) && !BOOTSTRAP.contains(&Tool::Edit));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_path_and_pattern_give_text_or_an_error_and_leave_the_outside_alone(
        path in "(\\.\\./|/|[a-z]{1,2}/|\\./|link/|src){0,6}\\PC{0,6}", pattern in "[a-z*?\\[\\]{}(),^$|\\\\+.]{0,12}", name in "Read|Write|Edit|Glob|Grep"
    ) {
        let (dir, root) = place();
        symlink(dir.path(), root.join("link")).unwrap();
        let input = match name.as_str() {
            "Read" => json!({"path": path}),
            "Write" => json!({"path": path, "content": pattern}),
            "Edit" => json!({"path": path, "old": pattern, "new": "y"}),
            _ => json!({"path": path, "pattern": pattern}),
        };
        let said = call(&root, &name, &input);
        prop_assert!(said.is_err() || !said.unwrap().contains("s3cret"));
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        prop_assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "s3cret");
    }
}
