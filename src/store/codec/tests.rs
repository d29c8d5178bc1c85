//! One spelling of each number and each reference.

use super::*;
use crate::domain::contact::Address;
use crate::domain::time::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

proptest! {
    #[test]
    fn numbers_have_one_form(value: u64) {
        let mut out = Encoder::with_capacity(0);
        out.number(value);
        let bytes = out.finish();
        let mut read = Decoder::new(&bytes);
        prop_assert_eq!(read.number(), Ok(value));
        prop_assert_eq!(read.end(), Ok(()));
    }

    #[test]
    fn a_number_that_is_read_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut read = Decoder::new(&bytes);
        if let Ok(value) = read.number() {
            let mut out = Encoder::with_capacity(0);
            out.number(value);
            let written = out.finish();
            prop_assert_eq!(&bytes[..written.len()], &written[..]);
        }
    }

    #[test]
    fn times_are_small_beside_the_first_and_all_come_back(first: i64, others in proptest::collection::vec(any::<i64>(), 0..9), near in -100_000..100_000_i64) {
        let times: Vec<i64> = [first, first.wrapping_add(near)].into_iter().chain(others).collect();
        let mut out = Encoder::of(Form::Two, 0, 9);
        times.iter().for_each(|it| out.time(Timestamp::from_millis(*it)));
        let bytes = out.finish();
        let read = whole(&bytes, Form::Two, |from| times.iter().map(|_| from.time().map(Timestamp::millis)).collect::<Result<Vec<_>, _>>());
        prop_assert_eq!(read, Ok(times));
    }
}

// What could be written shorter is refused.
#[test]
fn a_reference_has_one_spelling() {
    let ids = [1, 2, 1].map(Uuid::from_u128);
    let known = |bytes: &[u8]| whole(&[&[2], bytes].concat(), Form::Two, |from| from.known(ids.iter().copied()));
    let literal = |id: u128| [&[0], &Uuid::from_u128(id).as_bytes()[..]].concat();
    let cases = [
        (vec![1], Ok(ids[0])),
        (vec![2], Ok(ids[1])),
        (vec![3], Err(())),
        (vec![4], Err(())),
        (literal(2), Err(())),
        (literal(9), Ok(Uuid::from_u128(9))),
    ];
    for (bytes, expected) in cases {
        assert_eq!(known(&bytes).map_err(drop), expected, "{bytes:?}");
    }
    let usual = |bytes: &[u8]| whole(&[&[2], bytes].concat(), Form::Two, |from| from.usual(&["a", "b"])).map_err(drop);
    assert_eq!(
        [usual(&[2]), usual(&[0, 1, b'c']), usual(&[0, 1, b'a']), usual(&[3])],
        [Ok("b".to_owned()), Ok("c".to_owned()), Err(()), Err(())]
    );
    let both = |bytes: &[u8]| whole(bytes, Form::Two, |from| Ok([from.address()?, from.address()?])).map_err(drop);
    let address = Address::canonical;
    assert_eq!(both(&[2, 1, b'a', 0]), Ok([address("a"), address("a")]));
    assert_eq!(both(&[2, 1, b'a', 1, 1, b'b']), Ok([address("a"), address("b")]));
    assert_eq!(both(&[2, 1, b'a', 1, 1, b'a']), Err(()));
}
