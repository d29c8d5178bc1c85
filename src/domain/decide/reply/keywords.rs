//! Messages that are no answer: STOP, START, HELP, and what belongs to no session (decision 19).

use super::{Judge, answer, provider_key};
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::Verdict;
use crate::domain::decide::session::{end, record};
use crate::domain::event::{Act, Event};
use crate::domain::id::{InstitutionId, PublisherId};
use crate::domain::inbound::Inbound;
use crate::domain::publisher::Publisher;
use crate::domain::snapshot::{AddressView, Decision, Versioned, Write};

/// Messages of one handset in an hour beyond which even HELP is no longer answered: two machines are talking (decision 23).
pub const ANSWERED_AN_HOUR: u32 = 10;

impl Judge<'_> {
    // Decision 19: opt-out recorded, unsent messages cancelled, open sessions ended; never an attempt.
    pub(super) fn stop(mut self) -> Decision {
        let owners = self.owners();
        for session in self.view.open.iter().filter(|it| owners.contains(&it.value.publisher)) {
            let mut challenge = session.value.clone();
            record(&mut challenge, Act::OptedOut, "The recipient opted out.", None, self.draw);
            end(&mut challenge, Act::Cancelled, "The recipient opted out.", self.draw);
            self.touched.push(Versioned { value: challenge, version: session.version });
        }
        let new = owners.into_iter().filter(|it| !self.view.opt_outs.contains(it));
        let writes: Vec<_> = new.map(|it| Write::OptOut(it, self.sms.from.clone(), true)).collect();
        self.note(Verdict::Stopped, "STOP", writes)
    }

    pub(super) fn start(self) -> Decision {
        let owners = self.owners();
        let known = owners.into_iter().filter(|it| self.view.opt_outs.contains(it));
        let writes = known.map(|it| Write::OptOut(it, self.sms.from.clone(), false)).collect();
        self.note(Verdict::Started, "START", writes)
    }

    // The publisher that owns the number written to; where it is shared, those the handset has to do with, else all.
    fn owners(&self) -> Vec<PublisherId> {
        if let Some(owner) = self.facts.registry.owner_of(self.sms.to.as_ref()) {
            return vec![owner.id.clone()];
        }
        let known = self.view.open.iter().chain(&self.view.ended).map(|it| it.value.publisher.clone());
        let mut owners: Vec<_> = known.chain(self.view.opt_outs.iter().cloned()).collect();
        if owners.is_empty() {
            owners = self.facts.registry.publishers.keys().cloned().collect();
        }
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    // Keeps a message that no session takes: for its event, its answer, and its duplicate.
    pub(super) fn note(self, verdict: Verdict, body: &str, mut writes: Vec<Write>) -> Decision {
        let owner = self.owners().iter().find_map(|it| self.publisher(it));
        let Some((publisher, (institution, product))) = owner.and_then(|it| Some((it, place(it, self.view)?))) else {
            // Nobody to file it under; what it does to sessions and opt-outs holds all the same.
            return self.finish(verdict, writes);
        };
        // A second STOP or START changes nothing and is not confirmed again; auto-responders loop.
        let repeats = matches!(verdict, Verdict::Stopped | Verdict::Started) && writes.is_empty();
        let keyword = matches!(verdict, Verdict::Stopped | Verdict::Started | Verdict::Helped);
        let loops = self.facts.view.messages_this_hour > ANSWERED_AN_HOUR;
        let silent = repeats || loops || !keyword;
        let deliveries = if silent { Vec::new() } else { vec![answer(publisher, self.sms, verdict, self.draw)] };
        let event = Event { id: self.draw.event(), at: self.draw.now, act: Act::RecipMsg, feedback: body.to_owned(), delivery: None };
        let inbound = Inbound {
            id: self.draw.aggregate(&institution),
            publisher: publisher.id.clone(),
            institution,
            product,
            from: self.sms.from.clone(),
            at: self.sms.received_at,
            provider_id: provider_key(self.sms),
            verdict,
            deliveries,
            events: vec![event],
        };
        writes.push(Write::Aggregate(Aggregate::Inbound(Box::new(inbound))));
        self.finish(verdict, writes)
    }
}

// Institution and product that a message to a publisher is filed under: those of its newest session, else its first.
fn place(publisher: &Publisher, view: &AddressView) -> Option<(InstitutionId, String)> {
    let sessions = view.open.iter().chain(&view.ended);
    let newest = sessions.map(|it| &it.value).find(|it| it.publisher == publisher.id);
    newest
        .map(|it| (it.institution.clone(), it.product.clone()))
        .or_else(|| Some((publisher.institutions.keys().next()?.clone(), publisher.products.first().cloned().unwrap_or_default())))
}
