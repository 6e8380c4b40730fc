use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(data: &Value) -> Event {
    Event { name: data["type"].as_str().unwrap_or_default().to_owned(), data: data.to_string() }
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}}})
}

fn block(index: usize, content: &Value, deltas: &[Value]) -> Vec<Value> {
    let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": content})];
    events.extend(
        deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
    );
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn end(reason: &str) -> Vec<Value> {
    vec![
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn assembled(events: &[Value]) -> Result<Answer, StreamError> {
    let mut assembly = Assembly::default();
    for data in events {
        assembly.take(&event(data))?;
    }
    assembly.finish()
}

fn tool(pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<Value> =
        pieces.iter().map(|text| json!({"type": "input_json_delta", "partial_json": text})).collect();
    let content = json!({"type": "tool_use", "id": "t1", "name": "Bash", "input": {}});
    [vec![start()], block(0, &content, &deltas), end("tool_use")].concat()
}

#[test]
fn thinking_text_and_a_call_are_put_together_as_they_must_be_sent_back() {
    let thinking = block(
        0,
        &json!({"type": "thinking", "thinking": "", "signature": ""}),
        &[
            json!({"type": "thinking_delta", "thinking": "hm"}),
            json!({"type": "signature_delta", "signature": "s1"}),
        ],
    );
    let text = block(
        1,
        &json!({"type": "text", "text": ""}),
        &[json!({"type": "text_delta", "text": "I will "}), json!({"type": "text_delta", "text": "look."})],
    );
    let call = block(
        2,
        &json!({"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}),
        &[
            json!({"type": "input_json_delta", "partial_json": ""}),
            json!({"type": "input_json_delta", "partial_json": "{\"command\": \"l"}),
            json!({"type": "input_json_delta", "partial_json": "s\"}"}),
        ],
    );
    let answer = assembled(&[vec![start()], thinking, text, call, end("tool_use")].concat()).unwrap();
    assert_eq!(
        Value::Array(answer.content.clone()),
        json!([
            {"type": "thinking", "thinking": "hm", "signature": "s1"},
            {"type": "text", "text": "I will look."},
            {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}},
        ])
    );
    assert_eq!(answer.text(), "I will look.");
    assert_eq!(answer.calls[0].input.as_ref().unwrap()["command"], "ls");
    assert_eq!(answer.stop, Stop::ToolUse);
    assert_eq!(answer.usage, Usage { input: 10, output: 7, cache_write: 0, cache_read: 5 });
}

#[test]
fn input_that_is_no_json_object_is_a_call_without_input() {
    for pieces in [["{\"command\": ", ""], ["[1]", ""], ["{}", "{}"], ["null", ""]] {
        let answer = assembled(&tool(&pieces)).unwrap();
        assert!(answer.calls[0].input.is_err(), "{pieces:?}");
        assert_eq!(answer.content[0]["input"], json!({}));
    }
}

#[test]
fn call_without_arguments_has_an_empty_object() {
    assert_eq!(assembled(&tool(&[""])).unwrap().calls[0].input, Ok(Map::new()));
}

#[test]
fn call_that_the_bound_on_output_cut_off_is_not_run() {
    let mut events = tool(&["{}"]);
    events.truncate(3);
    events.extend(end("max_tokens"));
    assert!(assembled(&events).unwrap().calls[0].input.as_ref().unwrap_err().contains("cut off"));
}

#[test]
fn stream_that_stops_anywhere_gives_no_answer() {
    let events = tool(&["{\"command\"", ": \"ls\"}"]);
    for length in 0..events.len() {
        assert!(matches!(assembled(&events[..length]), Err(StreamError::Malformed(_))), "{length}");
    }
    assert!(assembled(&events).is_ok());
}

#[test]
fn error_in_the_middle_of_a_stream_is_told_with_its_type() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert_eq!(
        assembled(&[start(), error]),
        Err(StreamError::Reported { kind: "overloaded_error".to_owned(), message: "Overloaded".to_owned() })
    );
}

#[test]
fn events_blocks_and_deltas_of_the_future_are_passed_over() {
    let mut events = vec![start(), json!({"type": "weather_report", "index": 3})];
    events.extend(block(
        0,
        &json!({"type": "hologram", "data": [1]}),
        &[json!({"type": "hologram_delta", "x": 1})],
    ));
    events.extend(end("end_turn"));
    assert_eq!(assembled(&events).unwrap().content, [json!({"type": "hologram", "data": [1]})]);
}

#[test]
fn blocks_out_of_order_are_refused() {
    let text = json!({"type": "text", "text": ""});
    for events in [
        block(0, &text, &[]),
        [vec![start()], block(1, &text, &[])].concat(),
        [vec![start()], block(0, &text, &[]), block(0, &text, &[])].concat(),
        vec![start(), start()],
        vec![
            start(),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        ],
    ] {
        assert!(assembled(&[events, end("end_turn")].concat()).is_err());
    }
}

#[test]
fn answer_of_a_hundred_megabytes_is_refused_on_the_way() {
    let mut assembly = Assembly::default();
    assembly.take(&event(&start())).unwrap();
    assembly.take(&event(&json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}))).unwrap();
    let piece = "a".repeat(1024 * 1024);
    let delta = event(
        &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}),
    );
    let taken = (0..100).take_while(|_| assembly.take(&delta).is_ok()).count();
    assert_eq!(taken, ANSWER_MAX / piece.len());
}

#[test]
fn answer_of_a_million_calls_is_refused_on_the_way() {
    let mut assembly = Assembly::default();
    assembly.take(&event(&start())).unwrap();
    let refused = (0..1_000_000).find_map(|index| {
        let content = json!({"type": "tool_use", "id": "t", "name": "Bash", "input": {}});
        block(index, &content, &[]).iter().find_map(|data| assembly.take(&event(data)).err())
    });
    assert_eq!(refused, Some(StreamError::TooLarge));
}

#[test]
fn later_count_never_hides_what_was_spent() {
    let mut assembly = Assembly::default();
    for tokens in [1000, 0] {
        let delta = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": tokens}});
        assembly.take(&event(&delta)).unwrap();
    }
    assert_eq!(assembly.usage().output, 1000);
}

proptest! {
    #[test]
    fn any_events_give_an_answer_or_an_error(
        events in proptest::collection::vec(("[a-z_]{0,20}", prop_oneof![
            "\\PC{0,80}",
            prop::sample::select(tool(&["{}"]).iter().map(ToString::to_string).collect::<Vec<_>>()),
        ]), 0..20)
    ) {
        let mut assembly = Assembly::default();
        for (name, data) in events {
            let _ = assembly.take(&Event { name, data });
        }
        let _ = assembly.finish();
    }
}
