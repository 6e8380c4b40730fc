//! What stands in a window, as plain text.
//!
//! # Invariants
//!
//! - Nothing but line feeds and visible characters reaches the window, whatever was offered.

use jiff::tz::TimeZone;
use nuketown_approval::render;

use super::Shown;

/// How wide a request is written, in columns: what fits into the window in a font of fixed width.
const COLUMNS: usize = 80;

/// Lines below which a window does not shrink, and above which it scrolls: the largest fits on a screen of 768 pixels.
const LINES: (usize, usize) = (8, 22);

/// The window's title: `ada (software) on signi asks: sudo`.
pub(super) fn title(Shown { request, role, .. }: &Shown) -> String {
    let role = if role.is_empty() { String::new() } else { format!(" ({role})") };
    let host = request.host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    visible(&format!("{}{role}{host} asks: {}", request.agent, request.payload.kind()))
}

/// The window's text. `waiting` counts the requests that waited, this one included.
pub(super) fn body(shown: &Shown, waiting: usize, zone: &TimeZone) -> String {
    let until = shown.expires.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
    let of = if waiting > 1 { format!("request 1 of {waiting}, ") } else { String::new() };
    let plain = render(&shown.request, COLUMNS).plain();
    // Its headline is ours without the role.
    let (_, request) = plain.split_once('\n').unwrap_or(("", &plain));
    let request: Vec<String> = request.split('\n').map(visible).collect();
    format!("{}\n{of}no answer until {until} is a refusal\n\n{}\n", title(shown), request.join("\n"))
}

/// What is added to an open window when another request comes.
pub(super) fn also_waits(shown: &Shown) -> String {
    format!("\nNext: {}\n", title(shown))
}

/// How many lines a window should have room for.
pub(super) fn rows(text: &str) -> usize {
    text.lines().count().clamp(LINES.0, LINES.1)
}

/// A line with control characters written as `\u{…}`. The caller has made everything else visible; this is what must not
/// depend on that.
pub(super) fn visible(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if is_hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, line and paragraph separators, and the controls of UAX #9.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use nuketown_approval::{Argv, Environment, Payload, Request, Sudo};
    use proptest::prelude::*;

    fn shown(role: &str, command: &[&str]) -> Shown {
        let argv = Argv::new(command.iter().map(|argument| argument.as_bytes().to_vec()).collect()).unwrap();
        let request = Request {
            id: "a1b2c3".parse().unwrap(),
            agent: "ada".parse().unwrap(),
            payload: Payload::Sudo(Sudo {
                argv,
                program: None,
                identity: None,
                environment: Environment::default(),
                user: "root".parse().unwrap(),
                group: None,
            }),
            cwd: None,
            host: Some("signi".parse().unwrap()),
            nonce: None,
            expires: None,
            timeout: None,
        };
        Shown { request, role: role.to_owned(), expires: Timestamp::from_second(52_330).unwrap() }
    }

    #[test]
    fn text_says_who_asks_for_what_until_when_and_how_many_wait() {
        let body = body(&shown("software", &["nixos-rebuild", "switch"]), 3, &TimeZone::UTC);
        let (head, request) = body.split_once("\n\n").unwrap();
        assert_eq!(
            head,
            "ada (software) on signi asks: sudo\nrequest 1 of 3, no answer until 14:32:10 is a refusal"
        );
        let lines: Vec<&str> = request.lines().collect();
        assert_eq!(lines[..3], ["    run  nixos-rebuild", "    [1]  switch", "     as  root"]);
    }

    #[test]
    fn single_request_without_a_role_says_no_more_than_that() {
        let body = body(&shown("", &["id"]), 1, &TimeZone::UTC);
        assert!(
            body.starts_with("ada on signi asks: sudo\nno answer until 14:32:10 is a refusal\n\n"),
            "{body}"
        );
    }

    #[test]
    fn role_cannot_forge_a_line() {
        let text = body(&shown("x\nno answer approves\u{202e}", &["id"]), 1, &TimeZone::UTC);
        assert_eq!(text.lines().next(), Some("ada (x\\u{a}no answer approves\\u{202e}) on signi asks: sudo"));
    }

    proptest! {
        #[test]
        fn request_is_shown_whole_in_visible_characters(role in "(?s).{0,20}", command in prop::collection::vec("[^\0]{0,99}", 1..9)) {
            let command: Vec<&str> = std::iter::once("run").chain(command.iter().map(String::as_str)).collect();
            let shown = shown(&role, &command);
            let body = body(&shown, 1, &TimeZone::UTC);
            prop_assert!(!body.chars().any(|c| c != '\n' && is_hidden(c)));
            let (_, below) = body.split_once("\n\n").unwrap();
            let plain = render(&shown.request, COLUMNS).plain();
            prop_assert_eq!(below.trim_end_matches('\n'), plain.split_once('\n').unwrap().1);
        }

        #[test]
        fn no_line_is_wider_than_the_window(command in prop::collection::vec("[ -~]{0,200}", 0..9)) {
            let command: Vec<&str> = std::iter::once("run").chain(command.iter().map(String::as_str)).collect();
            let body = body(&shown("software", &command), 1, &TimeZone::UTC);
            prop_assert!(body.lines().all(|line| line.chars().count() <= COLUMNS));
        }
    }
}
