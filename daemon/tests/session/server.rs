//! A Messages API server that follows a script, and fails on a request that the script does not have in this place.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) const KEY: &str = "sk-test-0123456789";

/// One request that is expected, and what is answered.
pub(crate) struct Step {
    /// The content of the last message, without marks for the cache; nothing where anything will do.
    last: Option<Value>,
    reply: Reply,
}

pub(crate) enum Reply {
    /// A whole answer.
    Answer(Vec<Value>, &'static str),
    /// Another status, further headers, and a body.
    Status(u16, &'static str, String),
    /// So many bytes of an answer, then the connection ends.
    Cut(Vec<Value>, usize),
    /// So many bytes of an answer, then nothing more, and the connection stays.
    Stall(Vec<Value>, usize),
    /// These bytes as the stream.
    Raw(String),
}

/// A request with this last message is expected.
pub(crate) fn on(last: Value, reply: Reply) -> Step {
    Step { last: Some(last), reply }
}

/// Any request is expected.
pub(crate) fn next(reply: Reply) -> Step {
    Step { last: None, reply }
}

pub(crate) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(crate) fn call(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

/// The result of a tool that went well.
pub(crate) fn result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": false})
}

pub(crate) fn done(words: &str) -> Reply {
    Reply::Answer(vec![text(words)], "end_turn")
}

pub(crate) fn calls(calls: Vec<Value>) -> Reply {
    Reply::Answer(calls, "tool_use")
}

/// A server, on a port of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    /// Somebody waits for an answer that stalls.
    pub(crate) stalling: Arc<Notify>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    steps: VecDeque<Step>,
    /// What was wrong with a request.
    wrong: Vec<String>,
    bodies: Vec<Value>,
}

impl Server {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { steps: steps.into(), ..State::default() }));
        let stalling = Arc::new(Notify::new());
        let (shared, notify) = (Arc::clone(&state), Arc::clone(&stalling));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&notify)));
            }
        });
        Self { url, state, stalling, task }
    }

    /// Holds that all of the script was asked for, and nothing else: the bodies of the requests.
    pub(crate) fn finish(self) -> Vec<Value> {
        assert_eq!(self.state.lock().unwrap().steps.len(), 0, "requests that were expected and did not come");
        self.finish_early()
    }

    /// The same, where the rest of the script may be left.
    pub(crate) fn finish_early(self) -> Vec<Value> {
        self.task.abort();
        let state = self.state.lock().unwrap();
        assert!(state.wrong.is_empty(), "{}", state.wrong.join("\n"));
        state.bodies.clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>, stalling: Arc<Notify>) {
    let Some((head, body)) = read(&mut stream).await else { return };
    let reply = {
        let mut state = state.lock().unwrap();
        let step = state.steps.pop_front();
        state.check(&head, &body, step.as_ref());
        state.bodies.push(body);
        step.map(|step| step.reply)
    };
    let Some(reply) = reply else {
        return write(&mut stream, "HTTP/1.1 400 Extra\r\nconnection: close\r\n\r\nthe script is over").await;
    };
    let (bytes, stalls) = match reply {
        Reply::Answer(content, stop) => (events(&content, stop), false),
        Reply::Cut(content, length) => (events(&content, "tool_use")[..length].to_owned(), false),
        Reply::Stall(content, length) => (events(&content, "tool_use")[..length].to_owned(), true),
        Reply::Raw(text) => (text, false),
        Reply::Status(code, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {code} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
            );
            return write(&mut stream, &head).await;
        }
    };
    write(&mut stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        .await;
    for piece in bytes.as_bytes().chunks(if bytes.len() > 100_000 { 65_536 } else { 37 }) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
    }
    if stalls {
        stalling.notify_one();
        // Until the client leaves.
        let _ = stream.read(&mut [0; 1]).await;
    }
    let _ = stream.shutdown().await;
}

async fn write(stream: &mut TcpStream, text: &str) {
    // A client that was cancelled is gone already.
    let _ = stream.write_all(text.as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        bytes.extend_from_slice(&piece[..length]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let expected: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
        if bytes.len() >= end + 4 + expected {
            return Some((head, serde_json::from_slice(&bytes[end + 4..]).ok()?));
        }
    }
}

impl State {
    fn check(&mut self, head: &str, body: &Value, step: Option<&Step>) {
        let number = self.bodies.len() + 1;
        let mut wrong = |what: String| self.wrong.push(format!("request {number}: {what}"));
        for line in [
            "post /v1/messages http/1.1",
            &format!("x-api-key: {KEY}"),
            "anthropic-version: 2023-06-01",
            "content-type: application/json",
            "accept: text/event-stream",
        ] {
            if !head.lines().any(|found| found == line) {
                wrong(format!("no line {line:?} in {head:?}"));
            }
        }
        if body["stream"] != true
            || !body["max_tokens"].is_u64()
            || body["system"][0]["cache_control"]["type"] != "ephemeral"
        {
            wrong(format!("no streaming, bound or cache in {body}"));
        }
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        for (at, message) in messages.iter().enumerate() {
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            if message["role"] != role || message["content"].as_array().is_none_or(Vec::is_empty) {
                wrong(format!("message {at} is no message of the {role}: {message}"));
            }
        }
        match step {
            None => wrong(format!("more than the script has: {body}")),
            Some(Step { last: Some(expected), .. }) => {
                let last = without_marks(messages.last().map_or(&Value::Null, |last| &last["content"]));
                if last != *expected {
                    wrong(format!("the last message is\n{last}\nand not\n{expected}"));
                }
            }
            Some(_) => {}
        }
    }
}

/// Content without marks for the cache.
pub(crate) fn without_marks(content: &Value) -> Value {
    let mut content = content.clone();
    for block in content.as_array_mut().into_iter().flatten() {
        block.as_object_mut().unwrap().remove("cache_control");
    }
    content
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// The stream of an answer. It takes 100 tokens of input and 50 of output.
pub(crate) fn events(content: &[Value], stop: &str) -> String {
    let usage = json!({"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": null, "usage": usage});
    let mut text = event(&json!({"type": "message_start", "message": message}));
    text.push_str(&event(&json!({"type": "ping"})));
    for (index, block) in content.iter().enumerate() {
        let (empty, delta) = if block["type"] == "text" {
            (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": block["text"]}))
        } else {
            // A string is sent as it is: input that is no JSON.
            let input = block["input"].as_str().map_or_else(|| block["input"].to_string(), ToOwned::to_owned);
            let empty = json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}});
            (empty, json!({"type": "input_json_delta", "partial_json": input}))
        };
        text.push_str(&event(
            &json!({"type": "content_block_start", "index": index, "content_block": empty}),
        ));
        text.push_str(&event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
        text.push_str(&event(&json!({"type": "content_block_stop", "index": index})));
    }
    text.push_str(&event(
        &json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 50}}),
    ));
    text.push_str(&event(&json!({"type": "message_stop"})));
    text
}
