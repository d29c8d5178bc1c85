use super::*;
use crate::domain::id::DeliveryId;
use crate::store::facts::{Facts, Live};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ROUTES: [Route; 3] = [[1; 16], [2; 16], [3; 16]];

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// An aggregate in one of many shapes; `None`: it left.
fn entry(id: u8, shape: u32) -> Option<Entry> {
    let bit = |n: u32| shape >> n & 1 == 1;
    let number = |n: u32, of: u32| (shape >> n) % of;
    if bit(0) && bit(1) && bit(2) {
        return None;
    }
    let delivery = |n: u8| DeliveryId(Uuid::from_bytes([16 * id + n; 16]));
    let mark = |n: u8| [16 * id + n; 16];
    let live = Live {
        listens: bit(3),
        slot: bit(4).then(|| ROUTES[number(5, 2) as usize]),
        timer: bit(7).then(|| time(number(8, 3).into())),
        due: (0..number(10, 3)).map(|n| (time((shape >> 12 & 1).into()), delivery(n as u8), number(13, 2) as u16)).collect(),
        finished: bit(14),
    };
    let is_live = !(bit(0) && bit(1));
    let facts = Facts {
        challenge: true,
        publisher: "p".into(),
        institution: if bit(15) && id == 2 { "i".into() } else { "j".into() },
        at: time(id.into()),
        ended_at: bit(16).then(|| time(number(17, 2).into())),
        sent: (0..number(18, 3)).map(|n| (ROUTES[n as usize], time(n.into()))).collect(),
        repeat: bit(20).then_some((mark(0), crate::domain::code::Tag([0; 16]))),
        seen: (0..number(21, 3)).map(|n| (mark(n as u8), Verdict::Verified)).collect(),
        deliveries: (0..1 + number(23, 2)).map(|n| delivery(n as u8)).collect(),
        live: if is_live { live } else { Live::default() },
    };
    let seqs = (0..number(24, 4)).map(|n| u64::from(id) * 10 + u64::from(n) + u64::from(bit(26))).collect();
    Some(Entry { version: 1, bytes: is_live.then(|| vec![0; 1 + id as usize].into()), facts: Arc::new(facts), seqs })
}

fn show(published: &mut Published, id: u8, entry: Option<Entry>) {
    let of = AggregateId(Uuid::from_bytes([id; 16]));
    published.show(1, entry.map_or(Shown::Moved(of), |it| Shown::Entry(of, it)));
}

proptest! {
    // What changed step by step is found as if it had always been so.
    #[test]
    fn indexes_are_those_of_what_is_there_however_it_came_to_be(changes in proptest::collection::vec((0..3_u8, any::<u32>()), 0..30)) {
        let (mut changed, mut anew, mut last) = (Published::default(), Published::default(), BTreeMap::new());
        for (id, shape) in changes {
            show(&mut changed, id, entry(id, shape));
            last.insert(id, shape);
        }
        last.into_iter().for_each(|(id, shape)| show(&mut anew, id, entry(id, shape)));
        prop_assert_eq!(changed.bytes, anew.bytes);
        prop_assert_eq!((&changed.timers, &changed.finished, &changed.graves), (&anew.timers, &anew.finished, &anew.graves));
        prop_assert_eq!((&changed.repeats, &changed.seen, &changed.deliveries), (&anew.repeats, &anew.seen, &anew.deliveries));
        for institution in ["i", "j"].map(InstitutionId::from) {
            let hot = |it: &Published| it.feeds.get(&institution).map(|it| it.hot.clone()).unwrap_or_default();
            prop_assert_eq!(hot(&changed), hot(&anew));
        }
        for route in ROUTES {
            prop_assert_eq!(changed.holder(&route), anew.holder(&route));
            prop_assert_eq!(changed.addresses.sent(&route).1, anew.addresses.sent(&route).1);
        }
        let lease = |it: &mut Published| it.outbox.lease(time(9), Duration::from_secs(1), 99);
        prop_assert_eq!(lease(&mut changed), lease(&mut anew));
    }
}
