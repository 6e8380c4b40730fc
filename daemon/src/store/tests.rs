use super::*;
use crate::task::{Mode, Requester};
use jiff::Timestamp;
use proptest::prelude::*;

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn task(text: &str) -> NewTask {
    NewTask {
        requester: Requester::Xmpp { jid: "josh@town.example".parse().unwrap(), room: None },
        origin: None,
        form: Form::Text,
        project: Some("nuketown".parse().unwrap()),
        branch: None,
        text: text.to_owned(),
        mode: Mode::Headless,
    }
}

fn accept(store: &Store, text: &str) -> TaskId {
    match store.accept(&task(text), at(1)).unwrap() {
        Accepted::New(id) => id,
        Accepted::Before(id) => panic!("task {id} was there before"),
    }
}

#[test]
fn task_is_kept_as_it_was_accepted_also_by_the_next_daemon() {
    let (directory, store) = store();
    let id = accept(&store, "fix \u{1f980} udev\nall of it");
    drop(store);
    let store = Store::open(directory.path()).unwrap();
    let kept = store.task(id).unwrap();
    assert_eq!(kept.text, "fix \u{1f980} udev\nall of it");
    assert_eq!((kept.project.unwrap().as_str(), kept.state), ("nuketown", State::Accepted));
    assert_eq!(store.entry(id).unwrap().accepted, Some(at(1)));
}

#[test]
fn second_daemon_on_the_same_state_is_refused() {
    let (directory, _store) = store();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[test]
fn state_of_a_later_version_is_left_alone() {
    let (directory, store) = store();
    store.connection().pragma_update(None, "user_version", VERSION + 1).unwrap();
    drop(store);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found } if found == VERSION + 1), "{error}");
}

#[test]
fn state_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("a/b");
    let _store = Store::open(&state).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
}

#[test]
fn message_that_comes_again_is_the_same_task() {
    let (_directory, store) = store();
    let message = NewTask { origin: Some("josh@town.example/phone m1".into()), ..task("x") };
    assert_eq!(store.accept(&message, at(1)).unwrap(), Accepted::New(TaskId(1)));
    assert_eq!(store.accept(&message, at(2)).unwrap(), Accepted::Before(TaskId(1)));
    // Without an id nobody can tell, and asking twice is asking twice.
    assert_eq!(store.accept(&task("x"), at(3)).unwrap(), Accepted::New(TaskId(2)));
    assert_eq!(store.accept(&task("x"), at(3)).unwrap(), Accepted::New(TaskId(3)));
}

#[test]
fn one_that_was_begun_comes_before_those_that_wait() {
    let (_directory, store) = store();
    let (first, second) = (accept(&store, "one"), accept(&store, "two"));
    assert_eq!(store.next().unwrap().unwrap().id, first);
    assert_eq!(store.position(second).unwrap(), 2);
    store.begin(second, at(2)).unwrap();
    assert_eq!(store.next().unwrap().unwrap().id, second);
    assert_eq!((store.position(first).unwrap(), store.count_waiting().unwrap()), (1, 1));
}

#[test]
fn task_ends_once_and_leaves_one_notice() {
    let (_directory, store) = store();
    let id = accept(&store, "x");
    store.begin(id, at(2)).unwrap();
    store.end(id, &Ending::Interrupted, "it was interrupted", at(3)).unwrap();
    let again = store.end(id, &Ending::Cancelled { by: "josh".into() }, "again", at(4));
    assert!(matches!(again, Err(StoreError::Step { from: State::Interrupted, .. })), "{again:?}");
    let notice = store.next_notice().unwrap().unwrap();
    assert_eq!(notice.text, "it was interrupted");
    store.said(notice.id).unwrap();
    assert_eq!(store.next_notice().unwrap(), None);
    assert_eq!(store.entry(id).unwrap().ending, Some(Ending::Interrupted));
    assert_eq!(store.lines(Some(id), 0, 10).unwrap().len(), 1);
}

#[test]
fn notice_for_a_user_of_the_machine_stays_in_the_log() {
    let (_directory, store) = store();
    let local = NewTask { requester: Requester::Local { uid: 1000 }, ..task("x") };
    store.accept(&local, at(1)).unwrap();
    store.begin(TaskId(1), at(2)).unwrap();
    store.end(TaskId(1), &Ending::Interrupted, "gone", at(3)).unwrap();
    assert_eq!(store.next_notice().unwrap(), None);
    assert_eq!(store.lines(None, 0, 10).unwrap()[0].text, "gone");
}

#[test]
fn crashes_in_a_row_are_counted_until_an_attempt_ends() {
    let (_directory, store) = store();
    let id = accept(&store, "x");
    for attempt in 1..=2 {
        assert_eq!(store.begin(id, at(2)).unwrap(), attempt);
    }
    assert_eq!(store.crashes(id).unwrap(), 2);
    store.pause(id, at(3)).unwrap();
    assert_eq!(store.crashes(id).unwrap(), 0);
    store.begin(id, at(4)).unwrap();
    assert_eq!(store.crashes(id).unwrap(), 1);
}

#[test]
fn question_is_asked_once_and_answered_once() {
    let (_directory, store) = store();
    let id = accept(&store, "x");
    for _ in 0..2 {
        store.ask(id, "q1", "which remote?", at(2)).unwrap();
    }
    let notice = store.next_notice().unwrap().unwrap();
    assert_eq!(notice.text, "Task 1 asks: which remote?");
    store.said(notice.id).unwrap();
    assert_eq!(store.next_notice().unwrap(), None);
    store.answer(id, "q1", "the first", at(3)).unwrap();
    store.answer(id, "q1", "the second", at(4)).unwrap();
    assert_eq!(store.open_question(id).unwrap(), None);
    assert_eq!(store.questions(id).unwrap()[0].answer.as_deref(), Some("the first"));
}

#[test]
fn turns_come_back_in_their_order() {
    let (_directory, store) = store();
    let (one, two) = (accept(&store, "one"), accept(&store, "two"));
    for turn in ["a", "b"] {
        store.journal_turn(one, turn, at(1)).unwrap();
    }
    assert_eq!(store.journal_turn(two, "c", at(1)).unwrap(), 1);
    assert_eq!(store.turns(one).unwrap(), ["a", "b"]);
}

#[test]
fn costs_are_summed_by_task_and_by_day_of_utc() {
    let (_directory, store) = store();
    let id = accept(&store, "x");
    let cost = Cost { tokens_in: 1, tokens_out: 2, tokens_cache: 3, micro_dollars: 500 };
    let day = 86_400;
    for second in [day - 1, day, day + 5] {
        store.add_cost(id, cost, at(second)).unwrap();
    }
    assert_eq!(store.spent_today(at(day + 6)).unwrap().micro_dollars, 1000);
    assert_eq!(
        store.spent_on(id).unwrap(),
        Spent { tokens_in: 3, tokens_out: 6, tokens_cache: 9, micro_dollars: 1500 }
    );
    let monstrous = Cost { tokens_in: u64::MAX, ..cost };
    for _ in 0..3 {
        store.add_cost(id, monstrous, at(day)).unwrap();
    }
    assert_eq!(store.spent_ever().unwrap().tokens_in, i64::MAX);
    assert_eq!(store.history(1).unwrap()[0].micro_dollars, 3000);
}

#[test]
fn full_disk_is_an_error_and_nothing_is_half_accepted() {
    let (_directory, store) = store();
    store.fill(true);
    let error = (0..100).find_map(|_| store.accept(&task(&"x".repeat(10_000)), at(1)).err());
    assert!(error.unwrap().to_string().contains("state file failed"));
    let kept = store.history(1000).unwrap();
    assert!(kept.iter().all(|entry| entry.task.text.len() == 10_000));
    store.fill(false);
    accept(&store, "goes on");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_steps_are_tried_a_task_moves_along_its_states_alone(steps in prop::collection::vec(0usize..8, 1..20)) {
        let (_directory, store) = store();
        let id = accept(&store, "x");
        store.begin(id, at(1)).unwrap();
        let mut state = State::Bootstrapping;
        for next in steps.into_iter().map(|n| State::ALL[n]) {
            let allowed = state.may_become(next)
                || (state.is_running() && (next == state || next == State::Bootstrapping));
            prop_assert_eq!(store.set_state(id, next).is_ok(), allowed);
            if allowed {
                state = next;
            }
            prop_assert_eq!(store.task(id).unwrap().state, state);
        }
    }
}
