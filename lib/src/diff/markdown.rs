//! A diff as Markdown for a pull request.

use super::Diff;

impl Diff {
    /// The diff as Markdown (`CommonMark`, GitHub's flavour too): a heading per agent and a list of what changes.
    ///
    /// Whatever comes from a manifest stands in a code span that it cannot end, so it is never markup, a link, a
    /// mention or a heading of its own.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        if self.is_empty() {
            return "Nothing changes.\n".to_owned();
        }
        let mut blocks = Vec::new();
        let alerts: Vec<String> = self
            .alerts()
            .map(|(title, alert)| format!("- **Attention** {}", code(&format!("{title}: {alert}"))))
            .collect();
        let (agents, town): (Vec<_>, Vec<_>) = self.sections.iter().partition(|section| section.is_agent());
        blocks.extend(agents.into_iter().map(|section| self.block(section)));
        if !alerts.is_empty() {
            blocks.push(alerts.join("\n"));
        }
        blocks.extend(town.into_iter().map(|section| self.block(section)));
        blocks.join("\n\n") + "\n"
    }

    fn block(&self, section: &super::Section) -> String {
        let mut lines = vec![
            format!("#### {} {}", code(&self.title(&section.subject)), code(&Self::summary(section))),
            String::new(),
        ];
        lines.extend(
            section.in_order().map(|(aspect, line)| format!("- **{}** {}", aspect.as_str(), code(line))),
        );
        lines.join("\n")
    }
}

/// A code span around one line, whatever backticks are in it (`CommonMark`, "Code spans").
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // Without the spaces, a backtick at either end would belong to the fence.
    let pad =
        if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_span_cannot_be_ended_from_inside() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("``` <b>"), "```` ``` <b> ````");
        assert_eq!(code("`"), "`` ` ``");
    }
}
