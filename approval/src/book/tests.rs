//! Many requests at once, replays, and what is bounded.

use super::*;
use crate::{
    Channel, Denial, Named, Nonce,
    stanza::Answer,
    testing::{now, sudo_request},
};

fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn terms() -> Terms {
    let approver = Approver { dialog: true, ..Approver::default() };
    Terms { approver, timeout: Duration::from_secs(120) }
}

/// The n-th request: an id and a nonce of its own.
fn nth(n: u32) -> Request {
    let mut nonce = [0; 16];
    nonce[..4].copy_from_slice(&n.to_be_bytes());
    Request { id: format!("{n:06x}").parse().unwrap(), nonce: Some(Nonce(nonce)), ..sudo_request() }
}

fn open(book: &mut Book, request: Request, at: Now) -> Result<Key, Refusal> {
    book.open(&agent("ada"), request, terms(), at)
}

fn approve(book: &mut Book, key: &Key, digest: Digest, at: Now) -> Option<Effect> {
    let named = Named::Digest(digest);
    book.on(key, Event::Answer { channel: Channel::Dialog, answer: Answer::Approved, named }, at)
}

#[test]
fn request_that_names_another_agent_is_refused() {
    let refused = Book::default().open(&agent("vox"), sudo_request(), terms(), now(0));
    assert_eq!(refused.unwrap_err(), Refusal::NotYou { claimed: agent("ada"), real: agent("vox") });
}

#[test]
fn approved_request_is_spent_once_and_remembered() {
    let mut book = Book::default();
    let request = nth(1);
    let key = open(&mut book, request.clone(), now(0)).unwrap();
    assert_eq!(approve(&mut book, &key, request.digest(), now(1)), Some(Effect::Changed));
    assert_eq!(book.spend(&key, &nth(2).digest(), now(2)).unwrap_err(), SpendError::OtherRequest);
    assert_eq!(book.spend(&key, &request.digest(), now(2)).unwrap().digest(), request.digest());
    assert_eq!(book.spend(&key, &request.digest(), now(2)).unwrap_err(), SpendError::Spent);
    let closed = book.take_closed(now(3));
    assert_eq!((closed.len(), &closed[0].state), (1, &State::Spent));
    assert_eq!(book.spend(&key, &request.digest(), now(4)).unwrap_err(), SpendError::Spent);
    assert_eq!(approve(&mut book, &key, request.digest(), now(4)), Some(Effect::AlreadyDecided));
    assert!(book.take_closed(now(5)).is_empty());
}

#[test]
fn answer_reaches_its_own_request_among_many() {
    let mut book = Book::new(Limits { open_per_agent: 1000, per_minute: 1000, ..Limits::default() });
    let requests: Vec<Request> = (0..1000).map(nth).collect();
    let mut opened = Vec::new();
    for request in requests {
        // Two of a thousand may have one code; the second one is refused and asks again.
        match open(&mut book, request.clone(), now(0)) {
            Ok(key) => opened.push((key, request)),
            Err(refused) => assert_eq!(refused, Refusal::CodeTaken(request.code())),
        }
    }
    assert!(opened.len() > 990);
    for (key, request) in opened.iter().step_by(2) {
        assert_eq!(book.by_code(request.code()), Some(key));
        assert_eq!(approve(&mut book, key, request.digest(), now(1)), Some(Effect::Changed));
    }
    for (index, (key, request)) in opened.iter().enumerate() {
        assert_eq!(book.spend(key, &request.digest(), now(2)).is_ok(), index % 2 == 0);
    }
    book.tick(now(120));
    for (index, closed) in book.take_closed(now(120)).iter().enumerate() {
        assert_eq!(closed.state, if index % 2 == 0 { State::Spent } else { State::Expired });
    }
    assert_eq!(book.iter().count(), 0);
}

#[test]
fn request_is_not_made_twice_while_it_is_remembered() {
    let mut book = Book::default();
    let key = open(&mut book, nth(1), now(0)).unwrap();
    let replayed = Refusal::Replayed(key.id.clone());
    assert_eq!(open(&mut book, nth(1), now(1)), Err(replayed.clone()));
    assert_eq!(
        open(&mut book, Request { nonce: None, ..nth(1) }, now(1)),
        Err(replayed.clone()),
        "the same id"
    );
    let other_id = Request { id: "ff".parse().unwrap(), ..nth(1) };
    assert_eq!(
        open(&mut book, other_id, now(1)),
        Err(Refusal::Replayed("ff".parse().unwrap())),
        "the same content"
    );
    book.tick(now(121));
    assert_eq!(book.take_closed(now(121)).len(), 1);
    let fresh = |n| Request { expires: None, ..nth(n) };
    let late = Request { id: key.id.clone(), ..fresh(9) };
    assert_eq!(open(&mut book, late.clone(), now(122)), Err(replayed));
    assert_eq!(open(&mut book, late, now(121 + 3600)), Ok(key));
}

#[test]
fn request_that_expired_on_its_way_is_refused() {
    let expires = sudo_request().expires.unwrap();
    assert_eq!(open(&mut Book::default(), sudo_request(), now(120)), Err(Refusal::Expired(expires)));
    assert!(open(&mut Book::default(), sudo_request(), now(119)).is_ok());
}

#[test]
fn agent_that_asks_too_often_or_for_too_much_is_refused_alone() {
    let mut book = Book::new(Limits { open_per_agent: 2, per_minute: 3, ..Limits::default() });
    let first = open(&mut book, nth(1), now(0)).unwrap();
    open(&mut book, nth(2), now(0)).unwrap();
    assert_eq!(open(&mut book, nth(3), now(0)), Err(Refusal::TooManyOpen { agent: agent("ada"), open: 2 }));
    assert_eq!(book.on(&first, Event::Cancelled, now(1)), Some(Effect::Changed));
    assert_eq!(book.take_closed(now(1))[0].state, State::Denied(Denial::Cancelled));
    let third = open(&mut book, nth(4), now(1)).unwrap();
    assert_eq!(book.on(&third, Event::Cancelled, now(2)), Some(Effect::Changed));
    let _ = book.take_closed(now(2));
    assert_eq!(open(&mut book, nth(5), now(59)), Err(Refusal::TooOften { agent: agent("ada"), asked: 3 }));
    let vox = Request { agent: agent("vox"), ..nth(6) };
    assert!(book.open(&agent("vox"), vox, terms(), now(59)).is_ok());
    assert!(open(&mut book, nth(7), now(60)).is_ok());
}

#[test]
fn book_that_is_full_refuses() {
    let mut book = Book::new(Limits { open: 1, ..Limits::default() });
    open(&mut book, nth(1), now(0)).unwrap();
    assert_eq!(open(&mut book, nth(2), now(0)), Err(Refusal::Full(1)));
    let mut book = Book::new(Limits { remembered: 1, ..Limits::default() });
    let key = open(&mut book, nth(1), now(0)).unwrap();
    assert_eq!(book.on(&key, Event::Cancelled, now(0)), Some(Effect::Changed));
    assert_eq!(book.take_closed(now(0)).len(), 1);
    assert_eq!(open(&mut book, nth(2), now(0)), Err(Refusal::Full(1)));
}

#[test]
fn everything_is_denied_when_the_agent_is_gone_or_the_broker_stops() {
    let mut book = Book::default();
    let mine = open(&mut book, nth(1), now(0)).unwrap();
    let approved = open(&mut book, nth(2), now(0)).unwrap();
    assert_eq!(approve(&mut book, &approved, nth(2).digest(), now(1)), Some(Effect::Changed));
    let vox = Request { agent: agent("vox"), ..nth(3) };
    let theirs = book.open(&agent("vox"), vox, terms(), now(0)).unwrap();
    book.disconnected(&agent("ada"), now(2));
    for key in [&mine, &approved] {
        assert_eq!(book.state(key), Some(&State::Denied(Denial::Disconnected)));
    }
    assert_eq!(book.state(&theirs), Some(&State::Open));
    book.close_all(now(3));
    assert_eq!(book.state(&theirs), Some(&State::Denied(Denial::Restarted)));
    assert_eq!(book.take_closed(now(3)).len(), 3);
    assert_eq!(Book::default().spend(&approved, &nth(2).digest(), now(4)).unwrap_err(), SpendError::Unknown);
    assert_eq!(approve(&mut Book::default(), &approved, nth(2).digest(), now(4)), None);
}

#[test]
fn deadline_of_the_book_is_the_first_of_all() {
    let mut book = Book::default();
    assert_eq!(book.next_deadline(), None);
    open(&mut book, nth(1), now(0)).unwrap();
    open(&mut book, Request { timeout: Some(10.try_into().unwrap()), ..nth(2) }, now(0)).unwrap();
    assert_eq!(book.next_deadline(), Some(now(10)));
    book.tick(now(10));
    assert_eq!(book.next_deadline(), Some(now(120)));
}
