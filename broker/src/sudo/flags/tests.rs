//! Command lines as sudo(8) has them. That the real sudo reads them so is seen in `tests/sudo`.

use proptest::prelude::*;

use super::*;

fn read(words: &[&str]) -> Result<Line, Problem> {
    parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
}

fn run(words: &[&str]) -> Run {
    match read(words) {
        Ok(Line::Run(run)) => *run,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn command(words: &[&str]) -> Run {
    Run { command: words.iter().map(OsString::from).collect(), ..Run::default() }
}

fn variables(texts: &[&str]) -> Vec<Variable> {
    texts.iter().map(|text| Variable::new(text.as_bytes()).unwrap()).collect()
}

#[test]
fn flags_end_where_the_command_begins() {
    assert_eq!(run(&["id"]), command(&["id"]));
    assert_eq!(run(&["id", "-u", "ada", "--", "A=1"]), command(&["id", "-u", "ada", "--", "A=1"]));
    assert_eq!(run(&["--", "-u"]), command(&["-u"]));
    assert_eq!(run(&["--", "A=1", "id"]), command(&["A=1", "id"]));
    assert_eq!(run(&["-n", "--", "id", "--"]), Run { non_interactive: true, ..command(&["id", "--"]) });
    assert_eq!(run(&["id", "", "a\nb"]), command(&["id", "", "a\nb"]));
    assert_eq!(run(&["-"]), command(&["-"]));
    assert_eq!(run(&["/a=b"]), command(&["/a=b"]));
}

#[test]
fn values_stand_behind_their_flag_in_every_way() {
    let expected = Run { user: Some("josh".into()), non_interactive: true, ..command(&["id"]) };
    for words in [
        &["-n", "-u", "josh", "id"][..],
        &["-nujosh", "id"],
        &["-nu", "josh", "id"],
        &["--user=josh", "--non-interactive", "id"],
        &["--user", "josh", "--non", "id"],
        &["--us=josh", "-n", "--", "id"],
        &["-u", "root", "-u", "josh", "-n", "id"],
    ] {
        assert_eq!(run(words), expected, "{words:?}");
    }
    let equals = run(&["-u=josh", "id"]);
    assert_eq!(equals.user, Some("=josh".into()), "as getopt(3) has it");
    let dash = run(&["-u", "-n", "id"]);
    assert_eq!((dash.user, dash.non_interactive), (Some("-n".into()), false));
    let directory = run(&["-g", "adm", "-D", "/tmp", "-B", "id"]);
    assert_eq!(
        (directory.group, directory.directory, directory.bell),
        (Some("adm".into()), Some("/tmp".into()), true)
    );
}

#[test]
fn variables_stand_between_the_flags() {
    let run = run(&["A=1", "-u", "josh", "B==x y", "id", "C=3"]);
    assert_eq!(run.variables, variables(&["A=1", "B==x y"]));
    assert_eq!((run.user, run.command), (Some("josh".into()), vec!["id".into(), "C=3".into()]));
    for bad in [
        "LD_PRELOAD=/x",
        "PATH=/tmp",
        "IFS=x",
        "BASH_ENV=x",
        "PAGER=sh",
        "SUDO_UID=0",
        "=x",
        "a-b=c",
        "X=() { x",
    ] {
        assert!(read(&[bad, "id"]).is_err(), "{bad}");
    }
    assert!(read(&["A=1", "A=2", "id"]).is_err());
}

#[test]
fn environment_is_kept_by_name_only() {
    assert_eq!(run_preserved(&["--preserve-env=A,B", "id"]), ["A", "B"]);
    assert_eq!(run_preserved(&["--preserve-env=A", "--preserve-env=C", "id"]), ["A", "C"]);
    for bad in [
        &["-E", "id"][..],
        &["-nE", "id"],
        &["--preserve-env", "id"],
        &["--preserve-env=LD_PRELOAD", "id"],
        &["--preserve-env=A=1", "id"],
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

fn run_preserved(words: &[&str]) -> Vec<String> {
    run(words).preserved
}

#[test]
fn modes_without_a_command_are_told_apart() {
    assert_eq!(read(&["-h"]).unwrap(), Line::Help);
    assert_eq!(read(&["--help"]).unwrap(), Line::Help);
    assert_eq!(read(&["-V"]).unwrap(), Line::Version);
    assert_eq!(read(&["-l"]).unwrap(), Line::List);
    assert_eq!(read(&["-ll", "-n", "-u", "josh"]).unwrap(), Line::List);
    for words in [["-k"], ["-K"], ["-v"]] {
        assert_eq!(read(&words).unwrap(), Line::Credentials);
    }
    assert_eq!(run(&["-k", "id"]), command(&["id"]));
    assert_eq!(run(&["-s"]).shell, Some(Shell::Own));
    assert_eq!(run(&["-i", "id"]), Run { shell: Some(Shell::Login), ..command(&["id"]) });
}

#[test]
fn line_that_sudo_would_not_take_is_refused() {
    for bad in [
        &[][..],
        &["-n"],
        &["-u"],
        &["-u", ""],
        &["-u", "josh"],
        &["--user"],
        &["-z", "id"],
        &["--nosuch", "id"],
        &["--non-interactive=1", "id"],
        &["--st", "--nosuch"],
        &["--s", "id"],
        &["-AS", "id"],
        &["-v", "A=1"],
        &["-i", "-s"],
        &["-K", "id"],
        &["-v", "id"],
        &["-l", "-v"],
        &["-k", "-u", "josh"],
        &["--"],
        &["A=1"],
        &["-l", "id"],
        &["-h", "host", "id"],
        &["-hhost", "id"],
        &["--host=x", "id"],
        &["-U", "ada", "-l"],
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn flag_that_is_refused_is_named_with_the_reason() {
    for flag in &FLAGS {
        let Treatment::Refused(reason) = flag.treatment else { continue };
        let mut lines = vec![format!("--{}", flag.long)];
        lines.extend(flag.short.map(|short| format!("-{short}")));
        for line in lines {
            let problem = read(&[&line, "value", "id"]).unwrap_err();
            assert!(problem.what.contains(flag.long) && problem.cause == reason, "{line}: {problem}");
        }
    }
}

#[test]
fn every_flag_is_in_the_reference() {
    let reference = include_str!("../../../../docs/reference/nuketown-sudo.md");
    for flag in &FLAGS {
        let short = flag.short.map_or(String::new(), |short| format!("`-{short}`, "));
        let row = reference.lines().find(|line| line.starts_with(&format!("| {short}`--{}", flag.long)));
        let row = row.unwrap_or_else(|| panic!("--{} is missing", flag.long));
        let refused = matches!(flag.treatment, Treatment::Refused(_));
        assert_eq!(row.contains("| refused |"), refused, "{row}");
    }
}

fn word() -> impl Strategy<Value = OsString> {
    prop_oneof![
        prop::sample::select(vec![
            "-n", "-u", "-s", "-i", "-k", "--", "-", "--user", "--user=x", "-nu", "A=1", "id", "", "-E",
            "--pre", "-h"
        ])
        .prop_map(OsString::from),
        "-{0,2}[a-zA-Z=]{0,4}".prop_map(OsString::from),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(OsString::from_vec),
    ]
}

proptest! {
    #[test]
    fn no_command_line_panics_and_what_is_read_is_passed_on_unchanged(words in prop::collection::vec(word(), 0..8)) {
        if let Ok(Line::Run(run)) = parse(&words) {
            prop_assert!(words.ends_with(&run.command), "the command is the end of the line");
            prop_assert_eq!(parse(&run.to_arguments()), Ok(Line::Run(run)));
        }
    }
}
