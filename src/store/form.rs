//! The forms that stored values have had. A value begins with the number of its form, inside its seal; every form is read for good.
//!
//! Nodes of two versions may share a database: then all write the newest form that every one of them reads (see
//! `postgres::node`). A store of one process writes the newest.
//!
//! To add another: a variant here; where it writes otherwise than the one before, `Encoder` and `Decoder` (see `codec`) or a form's
//! own functions ask for it with `>=`; what the older ones write never changes, and the tests go over all of them by themselves.
//! What an older form has no words for ([`rows::oldest`](super::rows::oldest)) can't be written while it is in use: such a commit
//! is refused as [`Busy`](super::contract::StoreError::Busy), until every node is of the newer version. Release it so that nodes
//! can go from any version that reads the one before: nothing else is to be done.

/// A form of stored values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Form {
    /// Times, ids and texts written out.
    One = 1,
    /// Times as what lies between them and the first, and what the same value has already not again: about two thirds of the first.
    Two = 2,
    /// The second, with words for challenges that were asked for over REST or Kafka.
    #[default]
    Three = 3,
}

impl Form {
    /// What every version reads.
    pub const OLDEST: Self = Self::One;
    /// The newest that this program reads and writes.
    pub const NEWEST: Self = Self::Three;

    /// Its number: the first byte of a value.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The form of this number; `None`: a newer program's, or none at all.
    pub const fn of(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            _ => None,
        }
    }

    /// All of them, oldest first.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];
}

/// What to tell where values of form `number` are, and the program reads forms up to `newest`.
pub(crate) fn too_new(number: u64, newest: Form) -> String {
    let newest = newest.number();
    format!("the data have values of form {number}, and this program reads forms up to {newest}: install the newer version that wrote them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_the_number_that_names_it() {
        assert_eq!(Form::ALL.map(|it| Form::of(it.number().into())), Form::ALL.map(Some));
        assert_eq!([Form::of(0), Form::of(u64::from(Form::NEWEST.number()) + 1)], [None; 2]);
        assert_eq!((Form::ALL.first(), Form::ALL.last()), (Some(&Form::OLDEST), Some(&Form::NEWEST)));
    }
}
