//! A request as a person reads it before the answer: plain text, Pango markup, the body of a chat message.
//!
//! # Guarantees
//!
//! - Everything that is granted is shown, whole. Nothing is cut off: what is long is wrapped, and a word that goes on in the
//!   next line ends with `↩`.
//! - Two requests that differ in what is granted never look the same; arguments stand on lines of their own.
//! - No character that moves the cursor, hides, or changes the order of others is among what is shown ([`crate::Argv::to_text`]).
//! - The markup holds the plain text and nothing else that is shown.

mod wrap;

use crate::{AbsolutePath, Answer, Payload, Request, Sudo, Variable, command, visible};
use wrap::{Line, lines};

/// The narrowest text that is made, in columns.
pub const COLUMNS_MIN: usize = 40;

/// A request, ready to be shown.
#[derive(Clone, Debug)]
pub struct Rendered {
    headline: String,
    lines: Vec<Line>,
    summary: String,
    code: String,
}

/// Renders a request for a width of so many columns, at least [`COLUMNS_MIN`].
#[must_use]
pub fn render(request: &Request, columns: usize) -> Rendered {
    let columns = columns.max(COLUMNS_MIN);
    let code = request.code().to_string();
    let mut out = fields(request);
    out.extend(notes(request));
    out.push(Field::new("code", code.clone()));
    Rendered {
        headline: headline(request),
        lines: out.iter().flat_map(|field| lines(&field.label, &field.text, columns)).collect(),
        summary: summary(request),
        code,
    }
}

impl Rendered {
    /// Who asks for what kind of thing, on one line: `ada@signi asks: sudo`.
    #[must_use]
    pub fn headline(&self) -> &str {
        &self.headline
    }

    /// Plain text for a terminal or a window: the headline, then one part per line. Ends without a line end.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut out = self.headline.clone();
        for line in &self.lines {
            out.push('\n');
            out.push_str(&line.label);
            out.push_str(&line.text);
        }
        out
    }

    /// The same text as Pango markup: the headline bold, the lines in a font of fixed width.
    #[must_use]
    pub fn markup(&self) -> String {
        let mut out = format!("<b>{}</b>", escaped(&self.headline));
        for line in &self.lines {
            out.push_str("\n<tt>");
            out.push_str(&escaped(&line.label));
            out.push_str(&escaped(&line.text));
            out.push_str("</tt>");
        }
        out
    }

    /// The body of a chat message, with what to answer. The whole request on a line, and what is told about it.
    #[must_use]
    pub fn chat(&self) -> String {
        let Self { summary, code, .. } = self;
        format!("{summary}\nReply: yes {code} or no {code}")
    }

    /// What corrects the chat message once it is decided (XEP-0308): the request, and the result instead of the question.
    ///
    /// `by` says who or what decided, as [`crate::Channel`] and [`crate::Denial`] print it.
    #[must_use]
    pub fn chat_decided(&self, result: Answer, by: &str) -> String {
        format!("{}\n{} ({})", self.summary, result.as_str(), visible::prose(by))
    }
}

/// One part of a request: what it is called and what it says.
struct Field {
    label: String,
    text: String,
}

impl Field {
    fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into() }
    }
}

fn headline(request: &Request) -> String {
    let host = request.host.as_ref().map_or(String::new(), |host| format!(" on {host}"));
    format!("{}{host} asks: {}", request.agent, request.payload.kind())
}

/// All that is granted, in the order in which a person wants to know it.
fn fields(request: &Request) -> Vec<Field> {
    let mut out = payload(&request.payload);
    if let Some(cwd) = &request.cwd {
        out.push(Field::new("in", path(cwd)));
    }
    if let Some(expires) = request.expires {
        out.push(Field::new("until", expires.to_string()));
    }
    out
}

fn payload(payload: &Payload) -> Vec<Field> {
    match payload {
        Payload::Sudo(sudo) => command_fields(sudo),
        Payload::Delegate(delegate) => vec![
            Field::new("agents", delegate.agents.to_string()),
            Field::new("task", visible::prose(delegate.task.as_str())),
        ],
        Payload::Scale(scale) => {
            vec![Field::new("from", scale.from.to_string()), Field::new("to", scale.to.to_string())]
        }
        Payload::Network(network) => {
            let reach = network.egress().iter().map(|egress| Field::new("reach", egress.to_string()));
            let duration = network.duration.map(|seconds| Field::new("for", format!("{seconds} s")));
            reach.chain(duration).collect()
        }
    }
}

/// The arguments, each on a line of its own with its number, and who runs which file.
fn command_fields(sudo: &Sudo) -> Vec<Field> {
    let mut out = vec![Field::new("run", command::word(sudo.argv.program()))];
    for (index, argument) in sudo.argv.arguments().iter().enumerate().skip(1) {
        out.push(Field::new(format!("[{index}]"), command::word(argument)));
    }
    if let Some(program) = &sudo.program {
        out.push(Field::new("file", path(program)));
    }
    out.extend(sudo.identity.map(|identity| Field::new("inode", identity.to_string())));
    out.extend(sudo.environment.variables().iter().map(|variable| Field::new("with", assignment(variable))));
    out.push(Field::new("as", sudo.user.to_string()));
    if let Some(group) = &sudo.group {
        out.push(Field::new("group", group.to_string()));
    }
    out
}

fn assignment(variable: &Variable) -> String {
    command::word(&variable.assignment())
}

fn path(path: &AbsolutePath) -> String {
    command::word(path.as_bytes())
}

/// What is easily overlooked: letters that look like others.
fn notes(request: &Request) -> Option<Field> {
    let mut foreign: Vec<char> = Vec::new();
    let shown = [Some(command_text(request)), request.cwd.as_ref().map(path)];
    for c in shown.iter().flatten().flat_map(|text| text.chars()).filter(|c| !c.is_ascii()) {
        if !foreign.contains(&c) {
            foreign.push(c);
        }
    }
    let listed =
        foreign.iter().map(|&c| format!("{c} is U+{:04X}", u32::from(c))).collect::<Vec<_>>().join(", ");
    (!foreign.is_empty()).then(|| Field::new("look", listed))
}

fn command_text(request: &Request) -> String {
    match &request.payload {
        Payload::Sudo(sudo) => {
            let program = sudo.program.as_ref().map(path).unwrap_or_default();
            let with: Vec<String> = sudo.environment.variables().iter().map(assignment).collect();
            format!("{} {program} {}", sudo.argv.to_text(), with.join(" "))
        }
        _ => String::new(),
    }
}

/// The request on one line: `ada on signi asks: sudo nixos-rebuild switch (as root, in /home/ada)`.
fn summary(request: &Request) -> String {
    let mut about: Vec<String> = Vec::new();
    let what = match &request.payload {
        Payload::Sudo(sudo) => {
            about.extend(sudo.program.as_ref().map(|program| format!("file {}", path(program))));
            about.extend(sudo.identity.map(|identity| format!("inode {identity}")));
            let with = sudo.environment.variables().iter();
            about.extend(with.map(|variable| format!("with {}", assignment(variable))));
            about.push(format!("as {}", sudo.user));
            about.extend(sudo.group.as_ref().map(|group| format!("group {group}")));
            sudo.argv.to_text()
        }
        Payload::Delegate(delegate) => {
            format!("{} for: {}", delegate.agents, visible::prose(delegate.task.as_str()))
        }
        Payload::Scale(scale) => format!("from {} to {}", scale.from, scale.to),
        Payload::Network(network) => {
            about.extend(network.duration.map(|seconds| format!("for {seconds} s")));
            network.egress().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    };
    about.extend(request.cwd.as_ref().map(|cwd| format!("in {}", path(cwd))));
    about.extend(request.expires.map(|expires| format!("until {expires}")));
    about.extend(notes(request).map(|note| format!("look: {}", note.text)));
    let about = if about.is_empty() { String::new() } else { format!("\n({})", about.join("; ")) };
    format!("{} {what}{about}", headline(request))
}

/// Text inside of Pango markup, which is a part of XML. The backslash too, because zenity reads `\n` and the like
/// (`g_strcompress`) before it reads the markup, and would undo what makes a character visible.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&quot;"),
            '\\' => out.push_str("&#92;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
