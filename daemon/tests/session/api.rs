//! The client of the Messages API against the scripted server.

use std::time::Duration;

use nuketown_daemon::api::{Answer, Client, Failure, Patience, Usage};
use serde_json::json;

use crate::server::{KEY, Reply, Server, call, calls, done, events, next, text};
use crate::town::patience;

async fn ask(server: &Server, patience: Patience) -> (Result<Answer, Failure>, Usage, Vec<Duration>) {
    let client = Client::new(&server.url, KEY, patience).unwrap();
    let request = json!({"model": "m", "max_tokens": 10, "stream": true, "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                         "messages": [{"role": "user", "content": [text("hello")]}]});
    let (mut spent, mut pauses) = (Usage::default(), Vec::new());
    let answer = client.ask(&request, &mut spent, &mut |_, pause| pauses.push(pause)).await;
    (answer, spent, pauses)
}

#[tokio::test]
async fn overload_and_rate_limit_are_waited_out_and_every_attempt_is_counted() {
    let error =
        |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "later"}}).to_string();
    let overloaded = format!(
        "{}event: error\ndata: {}\n\n",
        events(&[], "end_turn").split("event: message_delta").next().unwrap(),
        error("overloaded_error")
    );
    let server = Server::start(vec![
        next(Reply::Status(529, "", error("overloaded_error"))),
        next(Reply::Status(429, "retry-after: 0.001\r\n", error("rate_limit_error"))),
        next(Reply::Raw(overloaded)),
        next(done("hi")),
    ])
    .await;
    let (answer, spent, pauses) = ask(&server, patience()).await;
    assert_eq!(answer.unwrap().text(), "hi");
    // The attempt that broke off in the middle took 100 and 1, the last one 100 and 50.
    assert_eq!((spent.input, spent.output), (200, 51));
    assert_eq!(pauses.len(), 3);
    server.finish();
}

#[tokio::test]
async fn refused_key_is_not_tried_again_and_not_shown() {
    let body =
        json!({"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}})
            .to_string();
    let server = Server::start(vec![next(Reply::Status(401, "", body))]).await;
    let (answer, ..) = ask(&server, patience()).await;
    let problem = answer.unwrap_err().problem().to_string();
    assert!(
        problem.contains("authentication_error") && problem.contains("key_file") && !problem.contains(KEY),
        "{problem}"
    );
    server.finish();
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let server = Server::start(vec![next(Reply::Status(
        307,
        "location: http://127.0.0.1:9/v1/messages\r\n",
        String::new(),
    ))])
    .await;
    assert!(matches!(ask(&server, patience()).await.0, Err(Failure::Status { status: 307, .. })));
    server.finish();
}

#[tokio::test]
async fn longer_pause_than_can_be_is_a_failure() {
    let server =
        Server::start(vec![next(Reply::Status(429, "retry-after: 86400\r\n", "busy".to_owned()))]).await;
    let (answer, _, pauses) = ask(&server, patience()).await;
    assert!(answer.unwrap_err().to_string().contains("429") && pauses.is_empty());
    server.finish();
}

#[tokio::test]
async fn stream_that_stops_in_the_middle_of_an_event_is_asked_for_again() {
    let content = vec![call("t1", "Bash", json!({"command": "ls"}))];
    let whole = events(&content, "tool_use").len();
    for length in [10, 300, whole / 2, whole - 1] {
        let server =
            Server::start(vec![next(Reply::Cut(content.clone(), length)), next(done("again"))]).await;
        let (answer, ..) = ask(&server, patience()).await;
        assert_eq!(answer.unwrap().text(), "again", "cut at {length}");
        server.finish();
    }
}

#[tokio::test]
async fn silent_stream_is_given_up_and_asked_for_again() {
    let server = Server::start(vec![next(Reply::Stall(vec![text("hm")], 200)), next(done("again"))]).await;
    let (answer, ..) = ask(&server, Patience { stall: Duration::from_millis(300), ..patience() }).await;
    assert_eq!(answer.unwrap().text(), "again");
    server.finish();
}

#[tokio::test]
async fn attempts_end_and_the_last_failure_is_told() {
    let server =
        Server::start((0..4).map(|_| next(Reply::Status(503, "", "\u{1b}[2Jdown".to_owned()))).collect())
            .await;
    let (answer, _, pauses) = ask(&server, patience()).await;
    let failure = answer.unwrap_err().to_string();
    assert!(
        failure.contains("503") && failure.contains("[2Jdown") && !failure.contains('\u{1b}'),
        "{failure}"
    );
    assert_eq!(pauses.len(), 3);
    server.finish();
}

#[tokio::test]
async fn server_that_is_not_there_is_named() {
    let client = Client::new("http://127.0.0.1:9", KEY, patience()).unwrap();
    let failure = client.ask(&json!({}), &mut Usage::default(), &mut |_, _| {}).await.unwrap_err();
    assert!(
        matches!(failure, Failure::Unreachable { .. }) && failure.to_string().contains("127.0.0.1"),
        "{failure}"
    );
}

#[tokio::test]
async fn answer_beyond_all_bounds_is_refused_and_not_asked_for_again() {
    let huge = text(&"a".repeat(12 * 1024 * 1024));
    let server = Server::start(vec![next(calls(vec![huge]))]).await;
    let (answer, ..) = ask(&server, patience()).await;
    assert!(matches!(answer, Err(Failure::Unusable { is_transient: false, .. })), "{answer:?}");
    server.finish();
}
