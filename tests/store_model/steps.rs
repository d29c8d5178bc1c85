//! What may happen to a store, drawn at random: small numbers that stand for phones, challenges and recipients, so that a case
//! shrinks well and is the same for every store.

use proptest::prelude::*;

/// Challenges that a case has at most; see [`super::town`] for what each is.
pub const CHALLENGES: u8 = 8;
/// Phones.
pub const PHONES: u8 = 3;
/// Recipients; and messages that belong to no challenge.
pub const FEW: u8 = 3;
/// Provider's message ids, idempotency keys.
pub const NAMES: u8 = 5;

/// A whole case.
#[derive(Clone, Debug)]
pub struct Case {
    /// It begins shortly before midnight, so that its later half is in another day's partitions.
    pub late: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// Seconds pass.
    Wait(u8),
    /// Minutes pass: every lease is over.
    WaitLong,
    /// `dice` say what it expects, one throw an expectation; with 0 all are as they should be.
    Commit {
        acts: Vec<Act>,
        dice: u64,
    },
    /// Notes: which, and how long the value is.
    Notes(Vec<(u8, Option<u32>)>),
    Look(Look),
}

#[derive(Clone, Debug)]
pub enum Act {
    /// Opens challenge `n` with a message to each phone of `to`, due after `later` seconds.
    Open {
        n: u8,
        to: Vec<u8>,
        later: u8,
        repeat: Option<u8>,
    },
    /// Changes a challenge, if it is there.
    Change {
        n: u8,
        how: How,
    },
    Inbound {
        k: u8,
        phone: u8,
        seen: Option<u8>,
        answer: bool,
    },
    Budget {
        of: u8,
        count: u8,
    },
    OptOut {
        publisher: u8,
        phone: u8,
        stop: bool,
    },
    Recipient {
        k: u8,
        phones: Option<Vec<u8>>,
    },
}

#[derive(Clone, Debug)]
pub enum How {
    Attempt,
    Seen(u8),
    /// A delivery ends; `lost`: by a worker who lost its lease, if there is one.
    Settle {
        which: u8,
        end: u8,
        lost: bool,
    },
    /// A delivery is to be tried again after so many seconds.
    Retry {
        which: u8,
        seconds: u8,
        lost: bool,
    },
    /// An answer goes out.
    Answer(u8),
    /// An event more.
    Receipt,
    End(u8),
}

#[derive(Clone, Debug)]
pub enum Look {
    Open { n: u8, phone: u8, repeat: Option<u8> },
    Reply { phone: u8, seen: Option<u8> },
    One(u8),
    Recipient(u8),
    Budget(u8),
    Lease,
    Due,
    Feed { institution: u8, after: u8, max: u8 },
    Recipients { publisher: u8, after: Option<u8>, max: u8 },
    Note(u8),
    Notes,
}

pub fn case() -> impl Strategy<Value = Case> {
    (any::<bool>(), prop::collection::vec(step(), 30..60)).prop_map(|(late, steps)| Case { late, steps })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..4u8).prop_map(Step::Wait),
        1 => Just(Step::WaitLong),
        12 => (prop::collection::vec(act(), 1..4), prop_oneof![1 => Just(0), 2 => any::<u64>()])
            .prop_map(|(acts, dice)| Step::Commit { acts, dice }),
        1 => prop::collection::vec((0..3u8, prop::option::of(prop_oneof![3 => 0..40u32, 1 => 90_000..100_000u32])), 1..14).prop_map(Step::Notes),
        8 => look().prop_map(Step::Look),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let repeat = || prop::option::of(0..NAMES);
    prop_oneof![
        6 => (0..CHALLENGES, prop::collection::vec(0..PHONES, 0..4), prop_oneof![3 => Just(0u8), 1 => 1..9u8], repeat())
            .prop_map(|(n, to, later, repeat)| Act::Open { n, to, later, repeat }),
        8 => (0..CHALLENGES, how()).prop_map(|(n, how)| Act::Change { n, how }),
        1 => (0..FEW, 0..PHONES, prop::option::of(0..NAMES), any::<bool>())
            .prop_map(|(k, phone, seen, answer)| Act::Inbound { k, phone, seen, answer }),
        2 => (0..6u8, 0..9u8).prop_map(|(of, count)| Act::Budget { of, count }),
        2 => (0..2u8, 0..PHONES, any::<bool>()).prop_map(|(publisher, phone, stop)| Act::OptOut { publisher, phone, stop }),
        2 => (0..FEW, prop::option::weighted(0.8, prop::collection::vec(0..PHONES, 0..3))).prop_map(|(k, phones)| Act::Recipient { k, phones }),
    ]
}

fn how() -> impl Strategy<Value = How> {
    let lost = || prop::bool::weighted(0.3);
    prop_oneof![
        2 => Just(How::Attempt),
        1 => (0..NAMES).prop_map(How::Seen),
        4 => (0..3u8, 0..4u8, lost()).prop_map(|(which, end, lost)| How::Settle { which, end, lost }),
        2 => (0..3u8, 0..9u8, lost()).prop_map(|(which, seconds, lost)| How::Retry { which, seconds, lost }),
        1 => (0..PHONES).prop_map(How::Answer),
        1 => Just(How::Receipt),
        3 => (0..5u8).prop_map(How::End),
    ]
}

fn look() -> impl Strategy<Value = Look> {
    prop_oneof![
        2 => (0..CHALLENGES, 0..PHONES, prop::option::of(0..NAMES)).prop_map(|(n, phone, repeat)| Look::Open { n, phone, repeat }),
        2 => (0..PHONES, prop::option::of(0..NAMES)).prop_map(|(phone, seen)| Look::Reply { phone, seen }),
        1 => (0..CHALLENGES).prop_map(Look::One),
        1 => (0..FEW).prop_map(Look::Recipient),
        1 => (0..6u8).prop_map(Look::Budget),
        4 => Just(Look::Lease),
        2 => Just(Look::Due),
        2 => (0..2u8, 0..20u8, 1..20u8).prop_map(|(institution, after, max)| Look::Feed { institution, after, max }),
        1 => (0..2u8, prop::option::of(0..FEW), 1..4u8).prop_map(|(publisher, after, max)| Look::Recipients { publisher, after, max }),
        1 => (0..3u8).prop_map(Look::Note),
        1 => Just(Look::Notes),
    ]
}
