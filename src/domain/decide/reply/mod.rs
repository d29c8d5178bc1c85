//! Judging what a handset sent (contract `oobvalidate.md`, behaviour 7; decisions 6, 13, 17–19).

mod keywords;

use super::Facts;
use super::challenge::sender;
use super::failures::{Failures, miss};
use super::session::{end, record};
use super::verify::is_right;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::{Answer, Verdict};
use crate::domain::budget::Standing;
use crate::domain::challenge::{Challenge, Check, SEEN_REPLIES, Seen, State, Verifier};
use crate::domain::code::Secret;
use crate::domain::contact::Channel;
use crate::domain::delivery::{Delivery, Purpose, Status};
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::id::PublisherId;
use crate::domain::keyword::Keyword;
use crate::domain::publisher::Publisher;
use crate::domain::reply::{Candidate, Reading, read};
use crate::domain::request::Sms;
use crate::domain::snapshot::{AddressView, Decision, Expect, Versioned, Write};
use crate::domain::text;

/// Judges one message. A duplicate is answered as the first was, and changes nothing.
pub fn reply(facts: &Facts<'_>, sms: &Sms, draw: &mut Draw) -> Decision {
    if let Some(verdict) = facts.view.seen {
        return Decision::only(Answer::Replied(verdict));
    }
    let Some(view) = facts.view.addresses.first() else {
        return Decision::only(Answer::Replied(Verdict::NoSession));
    };
    let reading = read(sms.text.expose());
    let mut judge = Judge { facts, sms, view, draw, touched: Vec::new(), failures: Failures::of(&facts.view.budgets) };
    let open = judge.reachable();
    if let Some(it) = open.iter().find(|it| judge.is_static_value(it, &reading)) {
        let verdict = judge.verified(it);
        return judge.done(verdict);
    }
    match reading.keyword() {
        Some(Keyword::Stop) => judge.stop(),
        Some(Keyword::Help) => judge.note(Verdict::Helped, "HELP", Vec::new()),
        Some(Keyword::Start) => judge.start(),
        None if open.is_empty() && judge.late(&reading).is_none() => judge.note(Verdict::NoSession, "(no open session)", Vec::new()),
        None => {
            let verdict = judge.judge(&open, &reading);
            judge.done(verdict)
        }
    }
}

struct Judge<'a> {
    facts: &'a Facts<'a>,
    sms: &'a Sms,
    view: &'a AddressView,
    draw: &'a mut Draw,
    touched: Vec<Versioned<Challenge>>,
    failures: Failures<'a>,
}

impl<'a> Judge<'a> {
    // Decision 17: open at the time it reached our edge, and sent from the number that was replied to.
    fn reachable(&self) -> Vec<&'a Versioned<Challenge>> {
        let at = self.sms.received_at;
        self.view.open.iter().filter(|it| it.value.is_open_at(at) && it.value.awaits_reply() && self.was_sent_from(&it.value)).collect()
    }

    fn was_sent_from(&self, challenge: &Challenge) -> bool {
        let Some(to) = &self.sms.to else { return true };
        // Its own message: what we answered went out from whatever number was written to.
        let mine = |it: &&Delivery| it.purpose == Purpose::Challenge && it.channel == Channel::Sms && it.address == self.sms.from;
        challenge.deliveries.iter().filter(mine).any(|it| it.sender.as_deref().is_none_or(|sender| sender == to.expose()))
    }

    // Decision 19: a publisher's own value that happens to be a word such as YES is read before the keyword.
    fn is_static_value(&self, session: &Versioned<Challenge>, reading: &Reading) -> bool {
        let Some(verifier) = &session.value.verifier else { return false };
        let own = matches!(verifier.check, Check::Value { fold: true, .. } | Check::Hashed { prefix: None, .. });
        own && reading.keyword() == Some(Keyword::Start)
            && self.standing(&session.value) == Standing::Free
            && is_right(self.facts.keyring, session.value.id, verifier, reading.exact())
    }

    fn judge(&mut self, open: &[&'a Versioned<Challenge>], reading: &Reading) -> Verdict {
        if reading.denied() && !open.is_empty() {
            return self.denied(open);
        }
        let (free, blocked): (Vec<_>, Vec<_>) = open.iter().copied().partition(|it| self.standing(&it.value) == Standing::Free);
        if free.is_empty() && !blocked.is_empty() {
            return self.blocked(blocked[0]);
        }
        if let Some(right) = free.iter().find(|it| self.matches(&it.value, reading)) {
            return self.verified(right);
        }
        match self.late(reading) {
            // Beside a late code nothing else may be guessed for free.
            Some((session, typed, verdict)) if free.iter().all(|it| says_no_more(&it.value, reading, &typed)) => {
                self.told_late(session, verdict)
            }
            _ => self.missed(&free, reading),
        }
    }

    fn matches(&self, challenge: &Challenge, reading: &Reading) -> bool {
        let Some(verifier) = &challenge.verifier else { return false };
        let right = |typed| is_right(self.facts.keyring, challenge.id, verifier, typed);
        match reading.candidate(verifier.shape) {
            Candidate::One(typed) if verifier.is_ours() => right(&typed),
            // A publisher's value may look like a label, or be of several words: the whole text may be it, too.
            Candidate::One(typed) => right(&typed) || right(reading.exact()),
            Candidate::None | Candidate::Ambiguous => false,
        }
    }

    // The right code of a session that is over; only for codes that we made, because one that is over is of no use to
    // anybody, while a publisher's static value is.
    fn late(&self, reading: &Reading) -> Option<(&'a Versioned<Challenge>, Secret, Verdict)> {
        let over = self.view.open.iter().filter(|it| !it.value.is_open_at(self.sms.received_at));
        let made = |it: &&Versioned<Challenge>| it.value.awaits_reply() && it.value.verifier.as_ref().is_some_and(Verifier::is_ours);
        let session = self.view.ended.iter().chain(over).filter(made).find(|it| self.matches(&it.value, reading))?;
        let Candidate::One(typed) = reading.candidate(session.value.verifier.as_ref()?.shape) else { return None };
        let verdict = match session.value.state {
            State::Ended { outcome: Act::Superseded, .. } => Verdict::Superseded,
            _ => Verdict::Expired,
        };
        Some((session, typed, verdict))
    }

    // No attempt against any session; a superseded code counts in the budget (decision 16). The session that is over
    // remembers the message, so that its duplicate is answered alike.
    fn told_late(&mut self, session: &'a Versioned<Challenge>, verdict: Verdict) -> Verdict {
        if verdict == Verdict::Superseded {
            self.count_failure(&[session]);
        }
        self.touch(session.value.clone(), session.version);
        verdict
    }

    fn verified(&mut self, session: &Versioned<Challenge>) -> Verdict {
        let mut challenge = session.value.clone();
        self.failures.forgive(challenge.budgets(&self.sms.from));
        end(&mut challenge, Act::Verified, "The recipient verified by reply.", self.draw);
        self.touch(challenge, session.version);
        Verdict::Verified
    }

    fn missed(&mut self, free: &[&'a Versioned<Challenge>], reading: &Reading) -> Verdict {
        let tried = |it: &Challenge| it.verifier.as_ref().is_some_and(|verifier| reading.candidate(verifier.shape) != Candidate::None);
        let missed: Vec<_> = free.iter().copied().filter(|it| tried(&it.value)).collect();
        let Some(newest) = missed.first() else { return Verdict::Unread };
        let left = newest.value.attempts_allowed.saturating_sub(newest.value.attempts.saturating_add(1));
        for session in &missed {
            let mut challenge = session.value.clone();
            miss(&mut challenge, self.draw);
            self.touch(challenge, session.version);
        }
        self.count_failure(&missed);
        if left == 0 { Verdict::Failed } else { Verdict::Wrong { left } }
    }

    // One failed reply counts once a budget, however many sessions it missed (decision 6).
    fn count_failure(&mut self, sessions: &[&Versioned<Challenge>]) {
        for session in sessions {
            let rule = self.publisher(&session.value.publisher).map(|it| it.budget).unwrap_or_default();
            self.failures.count(session.value.budgets(&self.sms.from), rule, self.draw.now);
        }
    }

    fn denied(&mut self, open: &[&Versioned<Challenge>]) -> Verdict {
        for session in open {
            let mut challenge = session.value.clone();
            end(&mut challenge, Act::Failed, "The recipient answered that it was not them.", self.draw);
            self.touch(challenge, session.version);
        }
        Verdict::Denied
    }

    fn blocked(&mut self, newest: &Versioned<Challenge>) -> Verdict {
        if !newest.value.events.iter().any(|it| it.act == Act::Blocked) {
            let mut challenge = newest.value.clone();
            record(&mut challenge, Act::Blocked, "Too many failed replies: this reply was not judged.", None, self.draw);
            self.touch(challenge, newest.version);
        }
        Verdict::Blocked
    }

    // Marks the message as counted, and answers it if the publisher wants that.
    fn done(mut self, verdict: Verdict) -> Decision {
        let seen = Seen { provider_id: provider_key(self.sms).unwrap_or_default(), at: self.sms.received_at, verdict };
        let reply = self.answer_to(verdict);
        if self.touched.is_empty() {
            // Nothing was judged, but one session remembers the message, so that its duplicate is not answered anew.
            let newest = self.reachable().into_iter().next();
            self.touched.extend(newest.filter(|_| reply.is_some()).cloned());
        }
        for session in &mut self.touched {
            session.value.seen.push(seen.clone());
            let over = session.value.seen.len().saturating_sub(SEEN_REPLIES);
            session.value.seen.drain(..over);
        }
        if let (Some(reply), Some(newest)) = (reply, self.touched.first_mut()) {
            newest.value.deliveries.push(reply);
        }
        self.finish(verdict, Vec::new())
    }

    fn answer_to(&mut self, verdict: Verdict) -> Option<Delivery> {
        // In the name of a publisher whose session the message reached, never of another that happens to be newer.
        let session = self.touched.first().map(|it| &it.value).or(self.reachable().first().map(|it| &it.value))?;
        let publisher = self.facts.registry.publishers.get(&session.publisher)?;
        let answers = session.deliveries.iter().filter(|it| it.purpose != Purpose::Challenge).count();
        let wanted = publisher.answer_replies && answers < usize::from(publisher.answers_per_session);
        wanted.then(|| answer(publisher, self.sms, verdict, self.draw))
    }

    fn finish(self, verdict: Verdict, mut writes: Vec<Write>) -> Decision {
        let mut expects = vec![Expect::Address(self.view.address.clone(), self.view.version)];
        expects.extend(provider_key(self.sms).map(Expect::Unseen));
        expects.extend(self.failures.expectations());
        for session in self.touched {
            expects.push(Expect::Aggregate(session.value.id, session.version));
            writes.push(Write::Aggregate(Aggregate::Challenge(Box::new(session.value))));
        }
        writes.extend(self.failures.into_writes());
        Decision { answer: Answer::Replied(verdict), writes, expects }
    }

    fn touch(&mut self, challenge: Challenge, version: u64) {
        self.touched.push(Versioned { value: challenge, version });
    }

    fn standing(&self, challenge: &Challenge) -> Standing {
        let rule = self.publisher(&challenge.publisher).map(|it| it.budget).unwrap_or_default();
        self.failures.standing(challenge.budgets(&self.sms.from), rule, self.draw.now)
    }

    fn publisher(&self, id: &PublisherId) -> Option<&'a Publisher> {
        self.facts.registry.publishers.get(id).map(AsRef::as_ref)
    }
}

// Whether the text holds nothing for this session but, perhaps, the same code again.
fn says_no_more(challenge: &Challenge, reading: &Reading, typed: &Secret) -> bool {
    let Some(verifier) = &challenge.verifier else { return true };
    match reading.candidate(verifier.shape) {
        Candidate::None => true,
        Candidate::One(other) => other == *typed,
        Candidate::Ambiguous => false,
    }
}

/// How a provider's message id is remembered: with its gateway, since ids of two providers may be alike.
pub fn provider_key(sms: &Sms) -> Option<String> {
    sms.provider_id.as_ref().map(|id| format!("{}/{id}", sms.gateway))
}

fn answer(publisher: &Publisher, sms: &Sms, verdict: Verdict, draw: &mut Draw) -> Delivery {
    Delivery {
        id: draw.delivery(),
        channel: Channel::Sms,
        address: sms.from.clone(),
        contact: None,
        sender: sms.to.as_ref().map(|it| it.expose().to_owned()).or_else(|| sender(publisher, Channel::Sms)),
        purpose: Purpose::Answer(text::answer(verdict, &publisher.display_name, publisher.help_text.as_deref())),
        status: Status::Queued { next_at: draw.now },
        tries: 0,
    }
}
