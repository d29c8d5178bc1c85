//! Time and chance, drawn before deciding, so that a decision replays from a seed.

use super::code::Candidates;
use super::id::{AggregateId, DeliveryId, EventId, InstitutionId};
use super::time::Timestamp;

/// Everything that is not in the request or the store. Ids are taken in order; there are enough for any one decision.
#[derive(Debug)]
pub struct Draw {
    /// The moment at which the decision is taken.
    pub now: Timestamp,
    /// Random bits for the id of a new challenge or message.
    pub aggregate: uuid::Uuid,
    /// Six-digit candidates, all different: more than there are open sessions on the phones concerned, so one always differs
    /// from each of theirs (decision 17).
    pub otp: Candidates,
    /// Alphanumeric candidates, all different.
    pub otpa: Candidates,
    /// Candidates of the shape that a request over REST or Kafka asks for, all different; else none.
    pub chosen: Candidates,
    /// Nonce for the one thing that a decision seals.
    pub nonce: [u8; 12],
    /// Where the ids of deliveries and events of this decision come from: random, never reused.
    pub seed: u128,
    /// How many ids were taken.
    pub taken: u64,
}

impl Draw {
    /// The id of a new challenge or message of an institution.
    pub fn aggregate(&self, institution: &InstitutionId) -> AggregateId {
        AggregateId::placed(institution, self.now, self.aggregate)
    }

    /// The next delivery id.
    pub fn delivery(&mut self) -> DeliveryId {
        DeliveryId(self.uuid())
    }

    /// The next event id.
    pub fn event(&mut self) -> EventId {
        EventId(self.uuid())
    }

    // One 128-bit random seed a decision; ids differ from it by an odd multiple, so they can't collide within a decision and
    // collide between decisions only as often as the seeds do.
    fn uuid(&mut self) -> uuid::Uuid {
        self.taken += 1;
        let step = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835_u128;
        let value = self.seed.wrapping_add(step.wrapping_mul(u128::from(self.taken)));
        uuid::Builder::from_random_bytes(value.to_be_bytes()).into_uuid()
    }
}
