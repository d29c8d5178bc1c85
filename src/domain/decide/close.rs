//! A publisher ends its challenge: it cancels it, or tells the outcome of an answer that it verified itself (decision 13).

use super::session::end;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Answer;
use crate::domain::challenge::State;
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::request::{Close, Ending};
use crate::domain::snapshot::{Decision, Expect, Versioned, View, Write};
use crate::domain::told::Closed;

/// Ends it, or tells how it had ended. No budget changes: we verified nothing.
pub fn close(view: View, wish: &Close, draw: &mut Draw) -> Decision {
    let told = |closed| Decision::only(Answer::Closed(closed));
    let Some(Versioned { value: Aggregate::Challenge(mut challenge), version }) = view.one else { return told(Closed::Unknown) };
    if challenge.publisher != wish.publisher {
        return told(Closed::Unknown);
    }
    let (outcome, feedback) = match wish.ending {
        Ending::Cancelled => (Act::Cancelled, "The publisher cancelled it."),
        Ending::Verified => (Act::Verified, "The publisher verified the answer itself."),
        Ending::Failed => (Act::Failed, "The publisher found the answer wrong."),
    };
    match challenge.state {
        State::Ended { outcome: had, .. } if had == outcome => return told(Closed::Done),
        State::Ended { outcome, .. } => return told(Closed::Ended { outcome }),
        State::Open if wish.received_at >= challenge.expires_at => return told(Closed::Ended { outcome: Act::Expired }),
        State::Open => end(&mut challenge, outcome, feedback, draw),
    }
    let expects = vec![Expect::Aggregate(challenge.id, version)];
    Decision { answer: Answer::Closed(Closed::Done), writes: vec![Write::Aggregate(Aggregate::Challenge(challenge))], expects }
}
