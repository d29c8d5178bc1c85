//! Faults planted in a record: the judge must see each.

use super::check::check;
use super::record::{Event, Exam, Handed, Plan, Record, Seen, Session};

type Fault = fn(&mut Record);

/// Three sessions that went as they should.
fn sound() -> Record {
    let mut record = Record::default();
    for (n, plan) in [Plan::Right(1), Plan::Wrong, Plan::Silent].into_iter().enumerate() {
        let (key, package, (replies, failed)) = (format!("k{n}"), format!("package-{n}"), plan.replies());
        let session = Session {
            phone: format!("201200000{n}"),
            plan,
            answers: vec![seen(package.clone()), seen(package.clone())],
            replied: (0..replies).map(|_| seen(())).collect(),
            shown: Some((failed, replies)),
        };
        let handed = Handed { key: key.clone(), id: format!("delivery-{n}"), text: format!("code {n}") };
        record.handed.extend([seen(handed.clone()), seen(handed)]);
        for act in ["MsgAccepted", "MsgSent", plan.outcome()] {
            let seq = record.feed.len() as u64 + 1;
            record.feed.push(Event { seq, id: format!("event-{seq}"), act: act.to_owned(), package: package.clone() });
        }
        let end = record.feed.last().unwrap().clone();
        record.pushed.extend([seen(end.clone()), seen(end)]);
        record.exams.push(Exam { key: key.clone(), failed, counted: failed });
        record.sessions.insert(key, session);
    }
    record.read = record.feed.iter().cloned().map(seen).collect();
    record
}

fn seen<T>(what: T) -> Seen<T> {
    Seen { what, at: 0 }
}

fn both(record: &mut Record, change: impl Fn(&mut Vec<Event>)) {
    change(&mut record.feed);
    let mut read: Vec<Event> = record.read.iter().map(|it| it.what.clone()).collect();
    change(&mut read);
    record.read = read.into_iter().map(seen).collect();
}

/// As a store would tell it that never had them, or had them twice: with numbers of its own.
fn renumbered(feed: &mut [Event]) {
    feed.iter_mut().zip(1..).for_each(|(it, seq)| it.seq = seq);
}

fn session(record: &mut Record) -> &mut Session {
    record.sessions.get_mut("k0").unwrap()
}

#[test]
fn the_judge_sees_every_planted_fault() {
    let faults: [(&str, Fault, &str); 20] = [
        (
            "an acknowledged request is gone",
            |it| {
                both(it, |feed| {
                    feed.retain(|it| it.package != "package-0");
                    renumbered(feed);
                });
            },
            "k0: Right(1) should end as OOBVerified",
        ),
        ("a request was never answered", |it| session(it).answers.clear(), "never answered"),
        ("its retry made a second challenge", |it| session(it).answers[1].what = "package-9".into(), "several ids"),
        ("two requests have one challenge", |it| session(it).answers.iter_mut().for_each(|it| it.what = "package-1".into()), "one id"),
        (
            "a challenge that nobody was told of",
            |it| {
                both(it, |feed| {
                    let ghost = Event { seq: 10, id: "event-10".into(), act: "MsgAccepted".into(), package: "ghost".into() };
                    feed.push(ghost);
                });
            },
            "nobody was told of",
        ),
        (
            "an event is twice in the feed",
            |it| {
                both(it, |feed| {
                    feed.push(feed[0].clone());
                    renumbered(feed);
                });
            },
            "an id twice",
        ),
        (
            "an outcome is doubled",
            |it| {
                both(it, |feed| {
                    let mut again = feed[2].clone();
                    again.id = "event-10".into();
                    feed.push(again);
                    renumbered(feed);
                });
            },
            "should end as",
        ),
        (
            "an outcome is missing",
            |it| {
                both(it, |feed| {
                    feed.remove(2);
                    renumbered(feed);
                });
            },
            "should end as",
        ),
        ("the outcome is another's", |it| both(it, |feed| feed[2].act = "OOBExpired".into()), "should end as OOBVerified"),
        ("a feed number was given twice", |it| both(it, |feed| feed[4].seq = 4), "has number 4 where 5"),
        ("a feed number was left out", |it| both(it, |feed| feed.iter_mut().skip(4).for_each(|it| it.seq += 1)), "has number 6 where 5"),
        ("what a reader saw is gone", |it| drop(it.feed.pop()), "the reader has 9 events"),
        ("what a reader saw has changed", |it| it.read[3].what.id = "event-0".into(), "the reader's event 4"),
        ("a cursor passed over an event", |it| drop(it.read.remove(3)), "the reader"),
        ("a message is lost", |it| it.handed.retain(|it| it.what.key != "k0"), "its message was lost"),
        ("a message is sent again under another id", |it| it.handed[1].what.id = "delivery-9".into(), "2 different messages"),
        ("a message is sent again with another code", |it| it.handed[1].what.text = "code 9".into(), "2 different messages"),
        ("an outcome was never pushed", |it| it.pushed.retain(|it| it.what.package != "package-1"), "never pushed"),
        ("a push under an id of its own", |it| it.pushed[1].what.id = "event-0".into(), "not so in the feed"),
        ("a reply counted twice", |it| session(it).shown = Some((2, 3)), "shown are Some((2, 3))"),
    ];
    assert_eq!(check(&sound()), Vec::<String>::new(), "a sound record is sound");
    for (name, plant, expected) in faults {
        let mut record = sound();
        plant(&mut record);
        let wrong = check(&record);
        assert!(wrong.iter().any(|it| it.contains(expected)), "{name}: not seen; the judge says {wrong:?}");
    }
}

#[test]
fn the_judge_sees_what_is_counted_wrong() {
    let faults: [(&str, Fault, &str); 4] = [
        ("a reply was lost", |it| session(it).shown = Some((0, 1)), "shown are Some((0, 1))"),
        ("a reply was never acknowledged", |it| session(it).replied.truncate(1), "1 of 2 replies were acknowledged"),
        ("a failure is missing in the budget", |it| it.exams[1].counted = 4, "its budget counts 4"),
        ("a failure is twice in the budget", |it| it.exams[1].counted = 6, "its budget counts 6"),
    ];
    for (name, plant, expected) in faults {
        let mut record = sound();
        plant(&mut record);
        let wrong = check(&record);
        assert!(wrong.iter().any(|it| it.contains(expected)), "{name}: not seen; the judge says {wrong:?}");
    }
}
