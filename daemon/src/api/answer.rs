//! An answer of the Messages API, put together from the events of its stream.
//!
//! Content blocks are kept as they came, those of kinds that nobody here knows too: the API wants them back unchanged (thinking
//! carries a signature). Event types, kinds of blocks and of deltas may be added at any time and are then passed over, as the
//! API's documentation on streaming and versions asks.
//!
//! # Invariants
//!
//! - An answer is whole or an error: nothing of one whose stream ended early is used.
//! - It takes a bounded amount of memory, whatever the peer sends.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{price::Usage, sse::Event};

/// The most that the blocks of one answer may hold, in bytes. The longest answers have 128,000 tokens, about half a megabyte.
pub const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// The most blocks that one answer may have.
pub const BLOCKS_MAX: usize = 512;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its content blocks, to be sent back as they are.
    pub content: Vec<Value>,
    /// The tools that it calls, in order.
    pub calls: Vec<Call>,
    /// Why it ended.
    pub stop: Stop,
    /// What it took.
    pub usage: Usage,
}

impl Answer {
    /// What it says in words, apart from thinking.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self
            .content
            .iter()
            .filter(|block| block["type"] == "text")
            .filter_map(|block| block["text"].as_str());
        texts.map(str::trim).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What the result refers to.
    pub id: String,
    /// The tool's name, which may be any text.
    pub name: String,
    /// Its arguments: a JSON object, or why there is none.
    pub input: Result<Map<String, Value>, String>,
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The model has said what it wanted to say.
    EndTurn,
    /// It waits for the results of tools.
    ToolUse,
    /// The bound on output was reached.
    MaxTokens,
    /// The API wants the conversation sent again, to continue.
    PauseTurn,
    /// The model does not want to.
    Refusal,
    /// The conversation is longer than the model can read.
    ContextFull,
    /// A reason that nobody here knows.
    Other(String),
}

/// Why a stream gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The API reports an error in the middle of the stream.
    #[error("the API reports {kind}: {message}")]
    Reported {
        /// Its type, such as `overloaded_error`.
        kind: String,
        /// What it says.
        message: String,
    },
    /// The stream is not what the API documents.
    #[error("the stream is malformed: {0}")]
    Malformed(String),
    /// The answer is larger than can be.
    #[error("the answer has more than {ANSWER_MAX} bytes or {BLOCKS_MAX} blocks")]
    TooLarge,
}

/// The state between two events.
#[derive(Debug, Default)]
pub struct Assembly {
    blocks: Vec<Block>,
    size: usize,
    started: bool,
    stop: Option<String>,
    usage: Usage,
    ended: bool,
}

#[derive(Debug)]
struct Block {
    content: Map<String, Value>,
    /// The input of a tool, as text that is JSON only when it is complete.
    input: String,
    is_whole: bool,
}

/// The data of all events. The fields that an event must have are looked for where they are needed.
#[derive(Deserialize)]
struct Data {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Started>,
    index: Option<usize>,
    content_block: Option<Map<String, Value>>,
    delta: Option<Map<String, Value>>,
    usage: Option<Tokens>,
    error: Option<Reported>,
}

#[derive(Deserialize)]
struct Started {
    usage: Tokens,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(rename = "type")]
    kind: String,
    message: String,
}

/// Counts are cumulative: a later one replaces an earlier one.
#[derive(Deserialize)]
struct Tokens {
    #[serde(rename = "input_tokens")]
    input: Option<u64>,
    #[serde(rename = "output_tokens")]
    output: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    cache_write: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    cache_read: Option<u64>,
}

impl Assembly {
    /// Takes the next event.
    ///
    /// # Errors
    ///
    /// The event reports an error, or cannot be. Nothing of the answer is of use then, but what it cost so far still counts.
    pub fn take(&mut self, event: &Event) -> Result<(), StreamError> {
        if matches!(event.name.as_str(), "ping") {
            return Ok(());
        }
        let data: Data = serde_json::from_str(&event.data).map_err(|why| {
            StreamError::Malformed(format!("the data of {:?} cannot be read: {why}", event.name))
        })?;
        if let ("error", Some(Reported { kind, message })) = (data.kind.as_str(), data.error) {
            return Err(StreamError::Reported { kind, message });
        }
        self.size += event.data.len();
        if self.size > 4 * ANSWER_MAX {
            return Err(StreamError::TooLarge);
        }
        match data.kind.as_str() {
            "message_start" => self.start(data.message),
            "content_block_start" => self.start_block(data.index, data.content_block),
            "content_block_delta" => self.extend_block(data.index, data.delta),
            "content_block_stop" => self.block(data.index).map(|block| block.is_whole = true),
            "message_delta" => self.change(data.delta, data.usage),
            "message_stop" => {
                self.ended = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What the answer took so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether the last event was there.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended
    }

    /// The answer.
    ///
    /// # Errors
    ///
    /// The stream ended before it was whole.
    pub fn finish(self) -> Result<Answer, StreamError> {
        let cut = |what: &str| StreamError::Malformed(format!("it ended before {what}"));
        if !self.ended {
            return Err(cut("its last event"));
        }
        let stop = stop(&self.stop.ok_or_else(|| cut("it said why the answer ended"))?);
        // A block that the bound on output cut off is never stopped by some versions of the API.
        if stop != Stop::MaxTokens && self.blocks.iter().any(|block| !block.is_whole) {
            return Err(cut("a block was whole"));
        }
        let mut answer = Answer { content: Vec::new(), calls: Vec::new(), stop, usage: self.usage };
        for block in self.blocks {
            block.join(&mut answer)?;
        }
        Ok(answer)
    }

    fn start(&mut self, message: Option<Started>) -> Result<(), StreamError> {
        let message = message.ok_or_else(|| missing("message_start", "message"))?;
        if std::mem::replace(&mut self.started, true) {
            return Err(StreamError::Malformed("it starts a second message".to_owned()));
        }
        self.count(&message.usage);
        Ok(())
    }

    fn start_block(
        &mut self,
        index: Option<usize>,
        content: Option<Map<String, Value>>,
    ) -> Result<(), StreamError> {
        let content = content.ok_or_else(|| missing("content_block_start", "content_block"))?;
        if index != Some(self.blocks.len()) || !self.started || self.ended {
            return Err(StreamError::Malformed(format!(
                "it starts block {index:?} after {} blocks",
                self.blocks.len()
            )));
        }
        if self.blocks.len() == BLOCKS_MAX {
            return Err(StreamError::TooLarge);
        }
        self.blocks.push(Block { content, input: String::new(), is_whole: false });
        Ok(())
    }

    fn block(&mut self, index: Option<usize>) -> Result<&mut Block, StreamError> {
        let block = index.and_then(|index| self.blocks.get_mut(index)).filter(|block| !block.is_whole);
        block.ok_or_else(|| StreamError::Malformed(format!("it changes block {index:?}, which is not open")))
    }

    fn extend_block(
        &mut self,
        index: Option<usize>,
        delta: Option<Map<String, Value>>,
    ) -> Result<(), StreamError> {
        let mut delta = delta.ok_or_else(|| missing("content_block_delta", "delta"))?;
        let field = match delta.get("type").and_then(Value::as_str) {
            Some("text_delta") => "text",
            Some("thinking_delta") => "thinking",
            Some("signature_delta") => "signature",
            Some("input_json_delta") => "partial_json",
            _ => return Ok(()),
        };
        let Some(Value::String(text)) = delta.remove(field) else {
            return Err(missing("content_block_delta", field));
        };
        let block = self.block(index)?;
        if field == "partial_json" {
            block.input.push_str(&text);
            return if block.input.len() > ANSWER_MAX { Err(StreamError::TooLarge) } else { Ok(()) };
        }
        match block.content.get_mut(field) {
            Some(Value::String(so_far)) if so_far.len() + text.len() > ANSWER_MAX => {
                return Err(StreamError::TooLarge);
            }
            Some(Value::String(so_far)) => so_far.push_str(&text),
            _ => drop(block.content.insert(field.to_owned(), Value::String(text))),
        }
        Ok(())
    }

    fn change(
        &mut self,
        delta: Option<Map<String, Value>>,
        usage: Option<Tokens>,
    ) -> Result<(), StreamError> {
        let delta = delta.ok_or_else(|| missing("message_delta", "delta"))?;
        if let Some(reason) = delta.get("stop_reason").and_then(Value::as_str) {
            self.stop = Some(reason.to_owned());
        }
        if let Some(usage) = usage {
            self.count(&usage);
        }
        Ok(())
    }

    fn count(&mut self, tokens: &Tokens) {
        let usage = &mut self.usage;
        for (count, value) in [
            (&mut usage.input, tokens.input),
            (&mut usage.output, tokens.output),
            (&mut usage.cache_write, tokens.cache_write),
            (&mut usage.cache_read, tokens.cache_read),
        ] {
            // Never less than was said before: a hostile or broken peer could hide what was spent.
            *count = (*count).max(value.unwrap_or_default());
        }
    }
}

impl Block {
    /// Adds it to `answer`, as a call too if it is one.
    fn join(mut self, answer: &mut Answer) -> Result<(), StreamError> {
        let text = |name: &str| self.content.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        match text("type").as_deref() {
            Some("tool_use") => {
                let (Some(id), Some(name)) = (text("id"), text("name")) else {
                    return Err(missing("tool_use", "id and name"));
                };
                let input = self.input(answer.stop == Stop::MaxTokens && !self.is_whole);
                // The API takes an object only, also for a call whose input was none.
                self.content.insert("input".to_owned(), Value::Object(input.clone().unwrap_or_default()));
                answer.calls.push(Call { id, name, input });
            }
            // An empty text block is refused by the API when it is sent back.
            Some("text") if text("text").is_none_or(|text| text.trim().is_empty()) => return Ok(()),
            // Thinking that was cut off has no signature, without which the API does not take it back.
            Some("thinking") if text("signature").is_none_or(|signature| signature.is_empty()) => {
                return Ok(());
            }
            Some(_) => {}
            None => return Err(missing("content_block_start", "type")),
        }
        answer.content.push(Value::Object(self.content));
        Ok(())
    }

    fn input(&self, is_cut: bool) -> Result<Map<String, Value>, String> {
        if is_cut {
            return Err("the call was cut off by the bound on output".to_owned());
        }
        if self.input.is_empty() {
            return match self.content.get("input") {
                Some(Value::Object(input)) => Ok(input.clone()),
                None | Some(Value::Null) => Ok(Map::new()),
                Some(_) => Err("the input is no JSON object".to_owned()),
            };
        }
        match serde_json::from_str(&self.input) {
            Ok(Value::Object(input)) => Ok(input),
            Ok(_) => Err("the input is no JSON object".to_owned()),
            Err(why) => Err(format!("the input is no JSON: {why}")),
        }
    }
}

fn stop(reason: &str) -> Stop {
    match reason {
        // No sequence to stop at is ever asked for, so it would be the model's own end.
        "end_turn" | "stop_sequence" => Stop::EndTurn,
        "tool_use" => Stop::ToolUse,
        "max_tokens" => Stop::MaxTokens,
        "pause_turn" => Stop::PauseTurn,
        "refusal" => Stop::Refusal,
        "model_context_window_exceeded" => Stop::ContextFull,
        other => Stop::Other(other.to_owned()),
    }
}

fn missing(event: &str, field: &str) -> StreamError {
    StreamError::Malformed(format!("{event} has no {field}"))
}

#[cfg(test)]
mod tests;
