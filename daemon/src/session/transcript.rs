//! The conversation with a model, as it is journaled and as it is sent.

use nuketown::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many of the latest messages keep the results of their tools when old ones are left out.
const KEPT: usize = 24;
const LEFT_OUT: &str = "[left out, to keep the conversation short; run the tool again if you need it]";

/// One message, as a line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Turn {
    /// Which conversation of the task it is of.
    pub(super) part: String,
    /// Whose it is.
    pub(super) role: Role,
    /// Its content blocks, or for [`Role::Note`] what is noted.
    pub(super) content: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
    /// Nothing that is sent.
    Note,
}

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    messages: Vec<(Role, Vec<Value>)>,
    /// Messages before this one have no results of tools any more.
    kept_from: usize,
}

impl Transcript {
    /// The conversation `part` of a journal.
    pub(super) fn read(journal: &[String], part: &str) -> Result<Self, Problem> {
        let mut messages = Vec::new();
        for line in journal {
            let turn: Turn = serde_json::from_str(line).map_err(|why| {
                Problem::new(
                    "cannot take the task up again",
                    format!("its journal has a turn that cannot be read: {why}"),
                )
            })?;
            if turn.part == part && turn.role != Role::Note {
                messages.push((turn.role, turn.content));
            }
        }
        Ok(Self { messages, kept_from: 0 })
    }

    pub(super) fn push(&mut self, role: Role, content: Vec<Value>) {
        self.messages.push((role, content));
    }

    /// How many answers the model has given.
    pub(super) fn answers(&self) -> usize {
        self.messages.iter().filter(|(role, _)| *role == Role::Assistant).count()
    }

    /// The last message.
    pub(super) fn last(&self) -> Option<&(Role, Vec<Value>)> {
        self.messages.last()
    }

    /// Leaves the results of all but the latest tools out of what is sent from now on.
    ///
    /// Done seldom and for many messages at once, since it makes the cache of the API worthless.
    pub(super) fn shorten(&mut self) {
        self.kept_from = self.messages.len().saturating_sub(KEPT);
    }

    /// The messages as the API takes them, with marks up to where it is to keep them in its cache: behind the latest two messages
    /// of the user, so that each request finds what the one before has put there.
    pub(super) fn messages(&self) -> Vec<Value> {
        let users = self.messages.iter().enumerate().filter(|(_, (role, _))| *role == Role::User);
        let marked: Vec<usize> = users.map(|(at, _)| at).rev().take(2).collect();
        self.messages
            .iter()
            .enumerate()
            .map(|(at, (role, content))| {
                let mut content = content.clone();
                if at < self.kept_from {
                    content.iter_mut().for_each(empty_result);
                }
                if marked.contains(&at)
                    && let Some(Value::Object(last)) = content.last_mut()
                {
                    last.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
                }
                json!({"role": role, "content": content})
            })
            .collect()
    }
}

fn empty_result(block: &mut Value) {
    if block["type"] == "tool_result" {
        block["content"] = json!(LEFT_OUT);
    }
}

/// A message in words.
pub(super) fn words(text: &str) -> Vec<Value> {
    vec![json!({"type": "text", "text": text})]
}

/// The result of a call.
pub(super) fn result(call: &str, text: &str, is_error: bool) -> Value {
    json!({"type": "tool_result", "tool_use_id": call, "content": text, "is_error": is_error})
}

/// The ids of the calls in a message.
pub(super) fn calls(content: &[Value]) -> Vec<String> {
    let calls = content.iter().filter(|block| block["type"] == "tool_use");
    calls.filter_map(|block| Some(block["id"].as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn long() -> Transcript {
        let mut transcript = Transcript::default();
        transcript.push(Role::User, words("do it"));
        for number in 0..30 {
            transcript.push(
                Role::Assistant,
                vec![json!({"type": "tool_use", "id": number, "name": "Bash", "input": {}})],
            );
            transcript.push(Role::User, vec![result(&number.to_string(), "much text", false)]);
        }
        transcript
    }

    #[test]
    fn latest_two_messages_of_the_user_are_marked_for_the_cache() {
        let messages = long().messages();
        let marked: Vec<usize> =
            (0..messages.len()).filter(|at| messages[*at].to_string().contains("ephemeral")).collect();
        assert_eq!(marked, [58, 60]);
    }

    #[test]
    fn shortened_conversation_keeps_every_call_with_a_result() {
        let mut transcript = long();
        transcript.shorten();
        let text = Value::Array(transcript.messages()).to_string();
        assert_eq!(text.matches("tool_result").count(), 30);
        assert_eq!(text.matches("much text").count(), KEPT / 2);
    }

    #[test]
    fn journal_that_cannot_be_read_is_a_problem_and_other_parts_are_passed_over() {
        let turn = |part: &str| {
            serde_json::to_string(&Turn { part: part.to_owned(), role: Role::User, content: words("x") })
                .unwrap()
        };
        assert_eq!(Transcript::read(&[turn("work"), turn("bootstrap")], "work").unwrap().messages.len(), 1);
        assert!(Transcript::read(&["{}".to_owned()], "work").is_err());
    }

    proptest! {
        #[test]
        fn turns_are_read_back(part in "[a-z0-9-]{0,12}", text in "\\PC{0,40}") {
            let turn = Turn { part: part.clone(), role: Role::Assistant, content: words(&text) };
            let line = serde_json::to_string(&turn).unwrap();
            prop_assert_eq!(Transcript::read(&[line], &part).unwrap().last().cloned(), Some((Role::Assistant, words(&text))));
        }

        #[test]
        fn any_line_is_a_turn_or_a_problem(line in "\\PC{0,60}") {
            let _ = Transcript::read(&[line], "work");
        }
    }
}
