//! What must follow from a hand-over and from time (decisions 8, 9, 13–15).

use super::{Effect, Model, Says, Stands};
use countersign::domain::delivery::Outcome;
use countersign::domain::event::Act;
use countersign::domain::id::{AggregateId, DeliveryId};
use countersign::domain::time::Timestamp;

impl Model {
    /// Before the carrier said anything, only the session's time can be found to be over.
    pub(super) fn hand(&self, id: AggregateId, delivery: DeliveryId, said: Option<&Outcome>, now: Timestamp) -> Effect {
        let mut effect = Effect::only(Says::Nothing);
        let Some(said) = said else { return self.tick(id, now) };
        let Some(mut session) = self.session(id).cloned() else { return effect };
        let Some(letter) = session.letters.iter_mut().find(|it| it.id == delivery) else { return effect };
        let act = match (said, letter.stands) {
            // What a carrier took is never forgotten, whatever became of the session meanwhile.
            (Outcome::Accepted { .. }, _) => {
                letter.stands = Stands::Taken;
                Some(Act::MsgSent)
            }
            (Outcome::Refused { .. }, Stands::Waits) => {
                letter.stands = Stands::Refused;
                Some(Act::MsgUndeliverable)
            }
            (Outcome::Later { .. }, Stands::Waits) => {
                letter.tries += 1;
                None
            }
            _ => return effect,
        };
        session.acts.extend(act);
        effect.changed.push(session);
        effect
    }

    pub(super) fn tick(&self, id: AggregateId, now: Timestamp) -> Effect {
        let mut effect = Effect::only(Says::Nothing);
        if let Some(session) = self.session(id).filter(|it| it.is_open() && now >= it.expires) {
            let mut session = session.clone();
            session.end(Act::Expired, now);
            effect.changed.push(session);
        }
        effect
    }
}
