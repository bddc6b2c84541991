//! Alerts on their way: bounded in number, in attempts and at once; none lost without a word, none sent twice after it
//! arrived.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;
use proptest::prelude::*;

fn letter(n: usize) -> Letter {
    Letter { number: 0, id: n.to_string(), body: "{}".to_owned() }
}

fn posted(count: usize) -> Outbox {
    let mut outbox = Outbox::default();
    assert!((0..count).all(|n| outbox.post(letter(n), EpochMs(0))));
    outbox
}

/// Sends what is due, with numbers from `token` on; the ids of what was sent.
fn sent(outbox: &mut Outbox, now: i64, token: u32) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), token);
    let fates = outbox.send(EpochMs(now), |letter| {
        ids.push(letter.id.clone());
        next += 1;
        Ok((next - 1, 5_000))
    });
    assert!(!fates.iter().any(|fate| matches!(fate, Fate::GivenUp(_))));
    ids
}

#[test]
fn what_arrived_is_gone_and_what_failed_waits_twice_as_long_each_time() {
    let mut outbox = posted(1);
    let mut now = 0;
    for pause in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000] {
        assert_eq!(sent(&mut outbox, now, 7), ["0"]);
        assert_eq!(outbox.answered(7, Some(500), None, EpochMs(now)), Some(Fate::Later(0)));
        assert!(sent(&mut outbox, now + pause - 1, 8).is_empty(), "{pause}");
        now += pause;
    }
    assert_eq!(sent(&mut outbox, now, 7), ["0"]);
    assert_eq!(outbox.answered(7, None, None, EpochMs(now)), Some(Fate::GivenUp(letter(0))));
    assert!(outbox.is_empty());

    let mut outbox = posted(1);
    sent(&mut outbox, 0, 3);
    assert_eq!(outbox.answered(3, Some(202), None, EpochMs(1)), Some(Fate::Sent(letter(0))));
    assert_eq!((outbox.is_empty(), outbox.answered(3, Some(202), None, EpochMs(2))), (true, None));
}

/// Who says that the request is wrong will say so again; who is asked too often says when.
#[test]
fn an_answer_decides_whether_it_is_worth_another_try() {
    for (status, is_final) in
        [(400, true), (401, true), (404, true), (408, false), (429, false), (500, false), (301, false)]
    {
        let mut outbox = posted(1);
        sent(&mut outbox, 0, 1);
        let fate = outbox.answered(1, Some(status), Some(30), EpochMs(0));
        assert_eq!(fate == Some(Fate::GivenUp(letter(0))), is_final, "{status}");
        assert_eq!(outbox.is_empty(), is_final, "{status}");
        if !is_final {
            assert!(sent(&mut outbox, 29_999, 2).is_empty());
            assert_eq!(sent(&mut outbox, 30_000, 2), ["0"]);
        }
    }
    // A sink that asks for an hour is asked after a minute.
    let mut outbox = posted(1);
    sent(&mut outbox, 0, 1);
    outbox.answered(1, Some(429), Some(u32::MAX), EpochMs(0));
    assert_eq!(sent(&mut outbox, 60_000, 2), ["0"]);
}

#[test]
fn the_queue_and_what_runs_at_once_are_bounded() {
    let mut outbox = posted(QUEUE_MAX);
    assert!(!outbox.post(letter(999), EpochMs(0)));
    assert_eq!(outbox.len(), QUEUE_MAX);
    assert_eq!(sent(&mut outbox, 0, 0).len(), IN_FLIGHT_MAX);
    assert!(sent(&mut outbox, 0, 10).is_empty());
    outbox.answered(0, Some(200), None, EpochMs(0));
    assert_eq!(sent(&mut outbox, 0, 20), ["4"]);
}

#[test]
fn a_host_that_never_answers_or_never_calls_is_not_waited_for() {
    let mut outbox = posted(1);
    sent(&mut outbox, 0, 1);
    assert!(sent(&mut outbox, 9_999, 2).is_empty());
    // Its time is over: a failure as any other.
    assert_eq!(outbox.send(EpochMs(10_000), |_| panic!()), [Fate::Later(0)]);
    assert_eq!(sent(&mut outbox, 11_000, 2), ["0"]);
    assert_eq!(outbox.answered(1, Some(200), None, EpochMs(11_000)), None);

    let mut outbox = posted(6);
    assert_eq!(outbox.send(EpochMs(0), |_| Err(Failed::Now)), vec![Fate::Later(0); IN_FLIGHT_MAX]);
    assert_eq!(outbox.len(), 6);
    assert_eq!(outbox.send(EpochMs(1), |_| Err(Failed::Never)).len(), 6);
    assert!(outbox.is_empty());
}

proptest! {
    /// Whatever the host answers and whenever: each alert ends, once, after no more than eight attempts.
    #[test]
    fn each_alert_ends_once(answers in prop::collection::vec((0_u8..6, 0_i64..20_000), 1..60), count in 1_usize..12) {
        let mut outbox = posted(count);
        let (mut now, mut token) = (0, 0);
        let mut attempts = vec![0_u32; count];
        let mut ended = Vec::new();
        for step in 0..2_000 {
            let (kind, ms) = answers[step % answers.len()];
            let fates = outbox.send(EpochMs(now), |letter| {
                attempts[letter.id.parse::<usize>().unwrap()] += 1;
                token += 1;
                if kind == 5 { Err(Failed::Now) } else { Ok((token, 5_000)) }
            });
            ended.extend(fates.into_iter().filter_map(|fate| match fate {
                Fate::GivenUp(letter) => Some(letter.id),
                _ => None,
            }));
            let before: Vec<String> = outbox.0.iter().map(|queued| queued.letter.id.clone()).collect();
            let status = [Some(200), Some(503), None, Some(429), Some(404)].get(usize::from(kind)).copied();
            if let Some(status) = status.filter(|_| token > 0) {
                let _ = outbox.answered(token, status, None, EpochMs(now));
                let after: Vec<String> = outbox.0.iter().map(|queued| queued.letter.id.clone()).collect();
                ended.extend(before.into_iter().filter(|id| !after.contains(id)));
            }
            now += ms.max(1);
            if outbox.is_empty() {
                break;
            }
        }
        if answers.iter().any(|(_, ms)| *ms > 1_000) {
            prop_assert!(outbox.is_empty());
            ended.sort();
            let before = ended.len();
            ended.dedup();
            prop_assert_eq!((before, ended.len()), (count, count));
        }
        prop_assert!(attempts.iter().all(|n| *n <= ATTEMPTS_MAX));
    }
}
