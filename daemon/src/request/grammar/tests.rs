use super::*;
use proptest::prelude::*;

fn place(projects: &[String]) -> Place<'_> {
    Place { name: "ada", crowd: false, free: false, projects }
}

fn heard(text: &str) -> Heard {
    hear(text, place(&["nuketown".to_owned(), "mynix".to_owned()]))
}

fn work_of(text: &str) -> (String, Option<String>, String) {
    match heard(text) {
        Heard::Ask(Ask::Task { project: Some(project), branch, text, mode: None }) => {
            (project.to_string(), branch.map(|branch| branch.to_string()), text)
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn request_of_the_architecture_is_understood_in_every_dress() {
    for text in [
        "ada, work on nuketown -- fix udev block device handling",
        "Ada: please work on nuketown — fix udev block device handling",
        "work on nuketown: fix udev block device handling",
        "hey ada, can you work on \"nuketown\" -- fix udev block device handling",
        "@ada work on `nuketown` – fix udev block device handling",
        "please, ada, work on nuketown -- fix udev block device handling",
        "  WORK ON nuketown\nfix udev block device handling\n",
        "work on nuketown--fix udev block device handling",
        "work on nuketown fix udev block device handling",
        "ada work in nuketown -- fix udev block device handling",
    ] {
        let expected = ("nuketown".into(), None, "fix udev block device handling".into());
        assert_eq!(work_of(text), expected, "{text:?}");
    }
}

#[test]
fn branch_stands_behind_the_project() {
    let expected = ("nuketown".into(), Some("fix/udev".into()), "go on".into());
    assert_eq!(work_of("ada, work on nuketown@fix/udev -- go on"), expected);
    assert_eq!(work_of("work on nuketown@fix/udev go on"), expected);
}

#[test]
fn text_keeps_its_lines_and_its_own_separators() {
    let (_, _, text) = work_of("work on nuketown -- run `x -- y`\n\n- a: b\n- c");
    assert_eq!(text, "run `x -- y`\n\n- a: b\n- c");
    let (project, _, text) = work_of("work on nuketown fix: the parser -- all of it");
    assert_eq!((project.as_str(), text.as_str()), ("nuketown", "fix: the parser -- all of it"));
}

#[test]
fn project_is_never_guessed() {
    for (text, answer) in [
        ("work on the udev rules", "I do not see where the project's name ends"),
        ("work on nuketwon fix it", "I know nuketown."),
        ("work on nuketown", "What is to be done in nuketown?"),
        ("work on nuketown --", "What is to be done in nuketown?"),
        ("work on", "Which project?"),
        ("work on ../etc -- x", "is no project"),
        ("work on nuketown@-d -- x", "is no branch"),
        ("work on nuketown@ -- x", "is no branch"),
    ] {
        match heard(text) {
            Heard::Unclear(said) => assert!(said.contains(answer), "{text:?}: {said}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn commands_are_understood_with_and_without_manners() {
    for (text, ask) in [
        ("status", Ask::Status {}),
        ("Status?", Ask::Status {}),
        ("ada, status please", Ask::Status {}),
        ("ada: queue!", Ask::Queue {}),
        ("cancel", Ask::Cancel { task: None }),
        ("cancel it", Ask::Cancel { task: None }),
        ("cancel 3", Ask::Cancel { task: Some(TaskId(3)) }),
        ("cancel #3.", Ask::Cancel { task: Some(TaskId(3)) }),
        ("please cancel task 3, please", Ask::Cancel { task: Some(TaskId(3)) }),
        ("log 12", Ask::Log { task: Some(TaskId(12)), follow: false }),
        ("logs", Ask::Log { task: None, follow: false }),
        ("cost", Ask::Cost {}),
        ("answer the second one", Ask::Answer { task: None, text: "the second one".into() }),
        ("answer 3: git@x:y", Ask::Answer { task: Some(TaskId(3)), text: "git@x:y".into() }),
        ("answer 3", Ask::Answer { task: None, text: "3".into() }),
        (
            "do renew the certificate",
            Ask::Task { project: None, branch: None, text: "renew the certificate".into(), mode: None },
        ),
    ] {
        assert_eq!(heard(text), Heard::Ask(ask), "{text:?}");
    }
    for text in ["help", "ada, help!", "ada", "ada?", "/help"] {
        assert!(matches!(heard(text), Heard::Help | Heard::Unclear(_)), "{text:?}: {:?}", heard(text));
    }
}

#[test]
fn what_is_no_command_is_answered_with_what_is_one() {
    for (text, answer) in [
        ("staus", "Did you mean status?"),
        ("good morning", "Say: work on PROJECT -- what to do"),
        ("status of the build", "I did not understand"),
        ("cancel everything", "\"everything\" is no task's number"),
        ("cancel -1", "is no task's number"),
        ("log 0", "is no task's number"),
    ] {
        match heard(text) {
            Heard::Unclear(said) => assert!(said.contains(answer), "{text:?}: {said}"),
            other => panic!("{text:?}: {other:?}"),
        }
    }
    assert!(matches!(heard(&"x".repeat(TEXT_MAX + 1)), Heard::Unclear(said) if said.contains("file")));
}

#[test]
fn device_takes_plain_words_as_work_on_its_machine() {
    let device = Place { free: true, ..place(&[]) };
    let text = "Is the Prosody TLS cert still valid?";
    let task =
        |text: &str| Heard::Ask(Ask::Task { project: None, branch: None, text: text.to_owned(), mode: None });
    assert_eq!(hear(text, device), task(text));
    assert_eq!(hear("status", device), Heard::Ask(Ask::Status {}));
    assert_eq!(hear("status of the print?", device), task("status of the print?"));
}

#[test]
fn in_a_crowd_only_what_begins_with_the_name_is_heard() {
    let crowd = Place { crowd: true, ..place(&[]) };
    for text in ["status", "work on x -- y", "vox, status", "adam, status", "I asked ada, status", ""] {
        assert_eq!(hear(text, crowd), Heard::Nothing, "{text:?}");
    }
    for text in ["ada, status", "ADA: status", "@ada status", "ada status"] {
        assert_eq!(hear(text, crowd), Heard::Ask(Ask::Status {}), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_heard_without_a_panic_and_never_as_a_path(text in "(ada[,:] )?(work on |cancel |answer |do )?[a-z@.:/ -]{0,30}|\\PC{0,60}") {
        for crowd in [false, true] {
            let place = Place { crowd, ..place(&[]) };
            if let Heard::Ask(Ask::Task { project: Some(project), text, .. }) = hear(&text, place) {
                prop_assert!(!project.as_str().contains('/') && !text.is_empty());
            }
        }
    }

    #[test]
    fn every_project_branch_and_text_comes_through(
        project in "[a-z0-9][a-z0-9_-]{0,20}", branch in "[a-z][a-z0-9/]{0,8}[a-z]", text in "[a-z][a-z :-]{0,30}[a-z]",
    ) {
        prop_assume!(!branch.contains("//"));
        let said = format!("ada, work on {project}@{branch} -- {text}");
        prop_assert_eq!(work_of(&said), (project, Some(branch), text));
    }
}
