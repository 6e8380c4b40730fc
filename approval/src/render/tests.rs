//! What a person sees: pinned for the usual and the hostile, and held to its guarantees for anything.

use std::collections::BTreeMap;

use minidom::Element;
use proptest::prelude::*;

use super::*;
use crate::{
    Delegate, Network, Scale,
    testing::{any_request, assert_pinned, command_request, hostile_argv, path, request, sudo_request},
};

fn pinned(name: &str, request: &Request) {
    let rendered = render(request, 60);
    let text = format!(
        "--- plain\n{}\n--- markup\n{}\n--- chat\n{}\n--- decided\n{}\n",
        rendered.plain(),
        rendered.markup(),
        rendered.chat(),
        rendered.chat_decided(Answer::Denied, "the dialog")
    );
    assert_pinned(name, &text);
}

#[test]
fn requests_of_every_kind_are_pinned() {
    pinned("sudo", &sudo_request());
    let task = "survey XMPP client libraries".parse().unwrap();
    pinned(
        "delegate",
        &request(Payload::Delegate(Delegate { task, agents: "2 search agents".parse().unwrap() })),
    );
    let scale = Scale { from: "standard".parse().unwrap(), to: "large".parse().unwrap() };
    pinned("scale", &request(Payload::Scale(scale)));
    let egress = vec!["pypi.org:443".parse().unwrap(), "10.1.0.0/16:5432".parse().unwrap()];
    pinned(
        "network",
        &request(Payload::Network(Network::new(egress, Some(3600.try_into().unwrap())).unwrap())),
    );
}

#[test]
fn hostile_commands_are_pinned() {
    let command = command_request(&[
        "sh",
        "",
        "a b",
        "</tt><b>as</b> josh & \"co\"",
        "\u{1b}[2J\u{1b}[1;1H",
        "harmless\n       as  josh",
        "user\u{202e}\u{2066}txt.exe\u{2069}",
        "zero\u{200b}width\u{feff}and\u{a0}blank\u{3164}",
        "nіx",
        "a↩",
        "a\\nb",
        "it's",
        "א",
    ]);
    pinned("hostile", &Request { cwd: Some(path("/tmp/\n(as josh)")), ..command });
    let task = "tidy up\u{202e}\n     to  large\n<b>now</b>".parse().unwrap();
    pinned("hostile-task", &request(Payload::Delegate(Delegate { task, agents: "1".parse().unwrap() })));
}

#[test]
fn long_command_is_shown_whole() {
    let word: String = ('a'..='z').cycle().take(300).collect();
    let sentence = "漢字 and more ".repeat(20);
    pinned("long", &command_request(&["echo", &word, &sentence]));
}

/// The lines of the plain text, put together again: label and text.
fn unwrapped(plain: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in plain.lines().skip(1) {
        let (label, text) = line.split_at(9);
        let (text, is_cut) = text.strip_suffix(visible::CUT).map_or((text, false), |text| (text, true));
        match out.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => whole.push_str(text),
            None => out.push((label.trim().to_owned(), text.to_owned())),
        }
        goes_on = is_cut;
    }
    out
}

/// What a careful reader takes a rendered command for.
fn read_back(plain: &str) -> Vec<Vec<u8>> {
    unwrapped(plain)
        .iter()
        .filter(|(label, _)| label == "run" || label.starts_with('['))
        .map(|(_, text)| crate::Argv::parse_text(&format!("x {text}")).unwrap().arguments()[1].clone())
        .collect()
}

fn collect(element: &Element, out: &mut String) {
    for node in element.nodes() {
        match node {
            minidom::Node::Text(text) => out.push_str(text),
            minidom::Node::Element(child) => {
                assert!(matches!(child.name(), "b" | "tt") && child.attrs().is_empty());
                collect(child, out);
            }
        }
    }
}

fn markup_text(markup: &str) -> String {
    let element: Element = format!("<markup xmlns='x'>{markup}</markup>").parse().unwrap();
    let mut out = String::new();
    collect(&element, &mut out);
    out
}

proptest! {
    #[test]
    fn arguments_are_read_back_from_what_is_shown(argv in hostile_argv(), columns in 0..120_usize) {
        let mut request = sudo_request();
        if let Payload::Sudo(sudo) = &mut request.payload {
            sudo.argv = argv.clone();
        }
        let plain = render(&request, columns).plain();
        prop_assert_eq!(read_back(&plain), argv.arguments());
    }

    #[test]
    fn requests_that_look_the_same_are_the_same_but_for_what_tells_them_apart(a in any_request(), b in any_request()) {
        // Without id, nonce and timeout, which grant nothing; the code, which shows them, is left out of both texts.
        let plain = |request: &Request| -> Vec<_> {
            unwrapped(&render(request, 80).plain()).into_iter().filter(|(label, _)| label != "code").collect()
        };
        let granted = |request: &Request| (request.agent.clone(), request.host.clone(), request.payload.clone(), request.cwd.clone(), request.expires);
        let same = plain(&a) == plain(&b) && render(&a, 80).headline() == render(&b, 80).headline();
        prop_assert_eq!(same, granted(&a) == granted(&b));
    }

    #[test]
    fn markup_is_xml_and_its_text_is_the_plain_one(request in any_request(), columns in 0..120_usize) {
        let rendered = render(&request, columns);
        prop_assert_eq!(markup_text(&rendered.markup()), rendered.plain());
        prop_assert!(!rendered.markup().contains('\\'), "zenity would take it for an escape");
    }

    #[test]
    fn nothing_that_is_shown_moves_hides_or_reorders(request in any_request()) {
        let rendered = render(&request, 60);
        let prose = matches!(request.payload, Payload::Delegate(_));
        for text in [rendered.plain(), rendered.chat(), rendered.chat_decided(Answer::Approved, "\u{1b}\u{202e}")] {
            for c in text.chars().filter(|&c| c != '\n' && c != visible::CUT) {
                let is_shown = visible::in_command(c) || (prose && visible::prose(&format!("a{c}")).ends_with(c));
                prop_assert!(is_shown, "{c:?} in {text:?}");
            }
        }
    }

    #[test]
    fn lines_keep_to_their_width(request in any_request(), columns in COLUMNS_MIN..120) {
        use unicode_width::UnicodeWidthStr as _;
        for line in render(&request, columns).plain().lines().skip(1) {
            prop_assert!(line.width() <= columns, "{line:?}");
        }
    }

    #[test]
    fn chat_has_one_code_and_the_whole_command(argv in hostile_argv()) {
        let mut request = sudo_request();
        if let Payload::Sudo(sudo) = &mut request.payload {
            sudo.argv = argv.clone();
        }
        let body = render(&request, 60).chat();
        let lines: Vec<&str> = body.lines().collect();
        prop_assert_eq!(lines.len(), 3, "{}", body);
        prop_assert_eq!(lines[0], format!("ada on signi asks: sudo {}", argv.to_text()));
        let code = request.code();
        prop_assert_eq!(lines[2], format!("Reply: yes {code} or no {code}"));
    }
}

#[test]
fn commands_of_a_common_mistake_do_not_look_alike() {
    let commands: [&[&str]; 6] = [
        &["rm", "a b"],
        &["rm", "a", "b"],
        &["rm", "'a b'"],
        &["rm a b"],
        &["rm", "a\\ b"],
        &["rm", "a\u{a0}b"],
    ];
    let mut seen = BTreeMap::new();
    for command in commands {
        let plain = render(&command_request(command), 80).plain();
        let shown: Vec<_> = unwrapped(&plain).into_iter().filter(|(label, _)| label != "code").collect();
        assert_eq!(seen.insert(shown, command), None);
    }
}
