//! Real zenity dialogs on a real X server, answered by a real mouse and keyboard.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod desk;
mod desktop;

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use jiff::Timestamp;
use nuketown_approval::render;
use nuketown_broker::dialog::{Event, Look, Shown};

use desk::{Desk, key, request};
use desktop::{Part, until};

const ADA: &str = "ada (software) asks: sudo";

#[tokio::test(flavor = "multi_thread")]
async fn ticking_and_pressing_approve_approves() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    assert!(!desk.desktop.sees(Part::Approve), "Approve is grey at first");
    desk.desktop.click(Part::Tick);
    desk.desktop.click(Part::Approve);
    // The answer is for what was shown, and for nothing else.
    let digest = request("a1", "ada", &["id"]).request.digest();
    assert_eq!(desk.event().await, Event::Answer { key: key("a1", "ada"), digest, approved: true });
    desk.desktop.wait_until_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn pressing_deny_denies_ticked_or_not() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.click(Part::Deny);
    desk.expect_answer("a1", false).await;

    desk.dialogs.offer(request("a2", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.click(Part::Tick);
    desk.desktop.find(Part::Approve);
    desk.desktop.click(Part::Deny);
    desk.expect_answer("a2", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_window_denies() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.click(Part::Tick);
    desk.desktop.find(Part::Approve);
    desk.desktop.keys(&["alt+F4"]);
    desk.expect_answer("a1", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_denies() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a1", false).await;
}

/// The window took the focus from a terminal while somebody was typing there. Keys arrive in order, so the window that is denied
/// by the last one has seen all others.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_for_another_window_does_not_approve() {
    let typed: [&[&str]; 4] = [
        &["Return", "KP_Enter", "ctrl+Return", "Return"],
        &["y", "e", "s", "Return", "space", "space", "Return"],
        &["alt+a", "alt+o", "alt+y", "Return"],
        &["g", "i", "t", "space", "p", "u", "s", "h", "Return", "ctrl+d", "Up", "Return"],
    ];
    let mut desk = Desk::start();
    for (at, keys) in typed.iter().enumerate() {
        let id = format!("a{at}");
        desk.dialogs.offer(request(&id, "ada", &["id"]));
        desk.desktop.focused(ADA);
        desk.desktop.keys(keys);
        desk.desktop.keys(&["Escape"]);
        desk.expect_answer(&id, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn double_click_wherever_it_lands_does_not_approve() {
    let mut desk = Desk::start();
    for part in [Part::ApproveGrey, Part::Tick] {
        desk.dialogs.offer(request("a1", "ada", &["id"]));
        desk.desktop.focused(ADA);
        desk.desktop.double_click(part);
        desk.desktop.keys(&["Escape"]);
        desk.expect_answer("a1", false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keyboard_alone_can_approve_deliberately() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    // From the text to the tick box, to Deny, to Approve.
    desk.desktop.keys(&["Tab", "space"]);
    desk.desktop.find(Part::Approve);
    desk.desktop.keys(&["Tab", "Tab", "space"]);
    desk.expect_answer("a1", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_closes_by_itself_at_the_deadline_and_approves_nothing() {
    let mut desk = Desk::start();
    let expires = Timestamp::now() + Duration::from_secs(5);
    desk.dialogs.offer(Shown { expires, ..request("a1", "ada", &["id"]) });
    desk.desktop.focused(ADA);
    desk.desktop.wait_until_empty();
    assert!(Timestamp::now() >= expires, "it was open until its deadline");
    // Nor was there an answer: the next one is the first.
    desk.dialogs.offer(Shown { expires, ..request("late", "ada", &["late"]) });
    desk.dialogs.offer(request("a2", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a2", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_request_closes_its_window_and_leaves_the_queue() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.dialogs.offer(request("v1", "vox", &["id"]));
    desk.dialogs.offer(request("b1", "bob", &["id"]));
    desk.desktop.focused(ADA);
    desk.dialogs.withdraw(key("v1", "vox"));
    desk.dialogs.withdraw(key("a1", "ada"));
    desk.desktop.focused("bob (software) asks: sudo");
    desk.desktop.wait_for_titles(&["bob (software) asks: sudo"]);
    desk.dialogs.withdraw(key("b1", "bob"));
    desk.desktop.wait_until_empty();
    desk.dialogs.offer(request("a2", "ada", &["id"]));
    desk.desktop.focused(ADA);
    desk.desktop.keys(&["Escape"]);
    // None of the others was answered.
    desk.expect_answer("a2", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_window_is_open_at_a_time_and_says_what_else_waits() {
    let mut desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["first"]));
    desk.desktop.focused(ADA);
    desk.dialogs.offer(request("a2", "ada", &["second"]));
    desk.dialogs.offer(request("v1", "vox", &["third"]));
    let text =
        until("notes on both", || Some(desk.desktop.copied_text()).filter(|text| text.contains("vox")));
    assert!(
        text.ends_with("\n\nNext: ada (software) asks: sudo\n\nNext: vox (software) asks: sudo\n"),
        "{text}"
    );
    desk.desktop.wait_for_titles(&[ADA]);

    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a1", false).await;
    // The agents take turns.
    desk.desktop.focused("vox (software) asks: sudo");
    assert!(desk.desktop.copied_text().contains("request 1 of 2"));
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("v1", false).await;
    desk.desktop.focused(ADA);
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a2", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_command_is_shown_whole_and_adds_nothing() {
    let many: Vec<String> = (0..200).map(|at| format!("argument {at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = "0123456789".repeat(600);
    let commands: [&[&str]; 5] = [
        &["sh", "</span><b>approved</b>&amp; <a href=\"x\">Approve</a>", "%s \\n \\u{202e}"],
        &["sh", "--ok-label=Yes", "--extra-button=Approve", "--timeout=1", "--", "-", "", "", "_Approve"],
        &["rm\u{1b}[2K\u{1b}]0;title\u{7}", "\u{202e}txt.exe", "\r\n\u{200b}\u{2066}end", "a\n     as  ada"],
        &many,
        &["echo", &long],
    ];
    let mut desk = Desk::start();
    for command in commands {
        let shown = request("a1", "ada", command);
        let expected = render(&shown.request, 80).plain();
        desk.dialogs.offer(shown);
        desk.desktop.focused(ADA);
        desk.desktop.find(Part::Deny);
        let text = until("the whole text", || {
            Some(desk.desktop.copied_text())
                .filter(|text| text.trim_end().ends_with(expected.lines().last().unwrap()))
        });
        let (_, below) = text.split_once("\n\n").unwrap();
        assert_eq!(below.trim_end_matches('\n'), expected.split_once('\n').unwrap().1);
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
        assert!(!desk.desktop.sees(Part::OtherButton), "there is no button but Deny and Approve");
        assert!(desk.desktop.sees(Part::ApproveGrey) && desk.desktop.sees(Part::Tick));
        desk.desktop.keys(&["Escape"]);
        desk.expect_answer("a1", false).await;
    }
}

/// Somebody who completes words in a shell types Tab, Space, Tab, Tab, Return. All of it lands in the dialog, and for the first
/// moments it does not count.
#[tokio::test(flavor = "multi_thread")]
async fn approval_before_anybody_can_have_read_the_request_is_asked_for_again() {
    let mut desk = Desk::start_with(|settings| settings.settle = Duration::from_secs(3600));
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.dialogs.offer(request("v1", "vox", &["id"]));
    let pid = |desk: &Desk| desk.desktop.pid_of(&desk.desktop.focused(ADA));
    let first = pid(&desk);
    desk.desktop.click(Part::Tick);
    desk.desktop.click(Part::Approve);
    until("another window", || pid(&desk).filter(|pid| Some(pid) != first.as_ref()));
    desk.desktop.find(Part::ApproveGrey);
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a1", false).await;
}

/// The picture in the documentation, taken anew: `tools/screenshots` keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn dialog_has_the_look_of_its_agent_and_its_picture_is_taken() {
    let mut desk = Desk::start_plain();
    let command = [
        "nixos-rebuild",
        "switch",
        "--flake",
        ".#signi",
        "--option",
        "extra-substituters",
        "https://a https://b",
    ];
    let mut shown = request("a1b2c3", "ada", &command);
    shown.request.host = Some("signi".parse().unwrap());
    shown.expires = Timestamp::now() + Duration::from_secs(120);
    desk.dialogs.offer(shown);
    let window = desk.desktop.focused("ada (software) on signi asks: sudo");
    let look = Look::of(&"ada".parse().unwrap());
    // The text is there when what is dark on the screen has stopped to grow.
    let mut before = 0;
    until("the whole dialog", || {
        let frame = desk.desktop.count(|pixel| pixel == look.colour);
        let text = desk.desktop.count(|[r, g, b]| r == g && g == b && (1..200).contains(&r));
        let is_whole = frame > 5000 && text > 2000 && text == before;
        before = text;
        is_whole.then_some(())
    });
    let folder = std::env::var_os("NUKETOWN_PICTURES");
    let scratch = tempfile::tempdir().unwrap();
    let file = folder.map_or(scratch.path().to_owned(), PathBuf::from).join("approval-dialog.png");
    desk.desktop.picture(&window, &file);
    assert!(fs::read(&file).unwrap().starts_with(b"\x89PNG"));
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a1b2c3", false).await;
}

/// Other users see the arguments and not the environment of a process.
#[tokio::test(flavor = "multi_thread")]
async fn request_stands_in_no_argument_and_hostile_environment_is_not_handed_on() {
    let secret = "hunter2-of-the-command";
    let mut desk = Desk::start_with(|settings| {
        for (name, value) in [
            ("ZENITY_CANCEL", "80"),
            ("ZENITY_ESC", "80"),
            ("LD_PRELOAD", "/nonexistent.so"),
            ("GTK_MODULES", "nuketown-no-such-module"),
            ("NUKETOWN_SECRET", secret),
        ] {
            settings.environment.push((OsString::from(name), OsString::from(value)));
        }
    });
    desk.dialogs.offer(request("a1", "ada", &["login", secret]));
    let window = desk.desktop.focused(ADA);
    let pid = desk.desktop.pid_of(&window).unwrap();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let (arguments, environment) =
        (String::from_utf8_lossy(&arguments), String::from_utf8_lossy(&environment));
    assert!(arguments.contains("--text-info") && !arguments.contains(secret), "{arguments}");
    for name in [secret, "LD_PRELOAD", "GTK_MODULES", "ZENITY_CANCEL=80", "ZENITY_ESC=80"] {
        assert!(!environment.contains(name), "{name} in {environment}");
    }
    desk.desktop.keys(&["Escape"]);
    desk.expect_answer("a1", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_desktop_the_request_stays_open_and_it_is_said_once() {
    for (name, value, said) in
        [("DISPLAY", ":no-such-display", "cannot open display"), ("PATH", "/nonexistent", "")]
    {
        let mut desk = Desk::start_with(|settings| settings.environment.push((name.into(), value.into())));
        if name == "PATH" {
            desk = Desk::start_with(|settings| settings.zenity = PathBuf::from("/nonexistent/zenity"));
        }
        desk.dialogs.offer(request("a1", "ada", &["id"]));
        desk.dialogs.offer(request("a2", "ada", &["id"]));
        let Event::Unavailable(problem) = desk.event().await else { panic!("no dialog can be shown") };
        assert!(problem.cause.contains(said), "{problem}");
        assert!(problem.hint.as_deref().is_some_and(|hint| hint.contains("zenity")), "{problem}");
        drop(desk.dialogs);
        assert_eq!(desk.events.recv().await, None, "it was said once, and nothing was answered");
    }
}

/// Whatever ends as a successful program does is no approval.
#[tokio::test(flavor = "multi_thread")]
async fn program_that_ends_at_once_approves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("zenity");
    for script in ["#!/bin/sh\nexit 0\n", "#!/bin/sh\necho Approve\nexit 1\n", "#!/bin/sh\nkill -KILL $$\n"] {
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut desk = Desk::start_with(|settings| settings.zenity.clone_from(&program));
        desk.dialogs.offer(request("a1", "ada", &["id"]));
        assert!(matches!(desk.event().await, Event::Unavailable(_)), "{script}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_channel_closes_its_window_and_leaves_no_file() {
    let desk = Desk::start();
    desk.dialogs.offer(request("a1", "ada", &["id"]));
    desk.desktop.focused(ADA);
    let runtime = desk.desktop.home.path().join("runtime");
    assert_eq!(fs::read_dir(&runtime).unwrap().count(), 1, "the style sheet");
    drop(desk.dialogs);
    desk.desktop.wait_until_empty();
    until("empty runtime directory", || (fs::read_dir(&runtime).unwrap().count() == 0).then_some(()));
}
