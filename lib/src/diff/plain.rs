//! A diff as text for a terminal.

use std::fmt::Write as _;

use super::Diff;

/// The width of the column that names the aspects.
const COLUMN: usize = 13;

impl Diff {
    /// The diff as text: per agent a summary and a line per aspect, then what needs attention (`!`), then the town.
    ///
    /// No character of it moves the cursor or changes the direction of writing. Nothing is conveyed by colour.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if self.is_empty() {
            return "nothing changes\n".to_owned();
        }
        let (agents, town): (Vec<_>, Vec<_>) = self.sections.iter().partition(|section| section.is_agent());
        for section in agents {
            self.section(section, &mut text);
        }
        for (title, alert) in self.alerts() {
            let _ = writeln!(text, "! {title}: {alert}");
        }
        for section in town {
            self.section(section, &mut text);
        }
        text
    }

    fn section(&self, section: &super::Section, text: &mut String) {
        let _ = writeln!(text, "{}: {}", self.title(&section.subject), Self::summary(section));
        let mut last = None;
        for (aspect, line) in section.in_order() {
            let label = if last == Some(aspect) { "" } else { aspect.as_str() };
            let _ = writeln!(text, "  {label:COLUMN$}  {line}");
            last = Some(aspect);
        }
    }
}
