//! What must follow from a message of a handset (behaviour 7, decisions 6, 9, 16–19).

use super::{Effect, HOUR, Model, Says, Session};
use crate::bank::{NUMBERS, PUBLISHERS};
use crate::errand::{Typed, Value, Word};
use countersign::domain::answer::Verdict;
use countersign::domain::budget::BudgetKey;
use countersign::domain::event::Act;
use countersign::domain::id::PublisherId;
use countersign::domain::time::Timestamp;
use std::collections::BTreeSet;

/// Sessions that ended on a phone and are still told apart: the newest of the last hour.
const REMEMBERED: usize = 5;

impl Model {
    pub(super) fn reply(&self, word: &Word, now: Timestamp) -> Vec<Effect> {
        if let Some(first) = word.mark().and_then(|it| self.seen.get(&it)) {
            return first.iter().cloned().map(Effect::only).collect();
        }
        let reached = self.reached(word);
        if word.typed == Typed::Yes {
            let mut right = self.free(&reached, word, now);
            right.retain(|it| it.is_answered_by(&word.typed));
            if !right.is_empty() {
                return self.verified(&right, word, now);
            }
        }
        match &word.typed {
            Typed::Stop => vec![self.stopped(word, now)],
            Typed::Start | Typed::Yes => vec![self.started(word)],
            Typed::Help => vec![noted(Verdict::Helped)],
            _ if reached.is_empty() && self.late(word).is_none() => vec![noted(Verdict::NoSession)],
            Typed::Not(_) if !reached.is_empty() => vec![denied(&reached, now)],
            _ => self.judge(&reached, word, now),
        }
    }

    // Decision 17.
    fn reached(&self, word: &Word) -> Vec<&Session> {
        let sent_from = |it: &Session| word.to.as_ref().is_none_or(|to| it.sender == *to);
        let mut reached: Vec<_> =
            self.sessions.iter().filter(|it| it.hears(word.received_at) && it.writes_to(&word.from) && sent_from(it)).collect();
        reached.sort_by_key(|it| std::cmp::Reverse(it.opened));
        reached
    }

    fn is_blocked(&self, session: &Session, word: &Word, now: Timestamp) -> bool {
        session.budgets(&word.from).iter().any(|key| self.blocks(key, now))
    }

    fn free<'a>(&self, reached: &[&'a Session], word: &Word, now: Timestamp) -> Vec<&'a Session> {
        reached.iter().copied().filter(|it| !self.is_blocked(it, word, now)).collect()
    }

    fn judge(&self, reached: &[&Session], word: &Word, now: Timestamp) -> Vec<Effect> {
        let free = self.free(reached, word, now);
        if free.is_empty() && !reached.is_empty() {
            return newest(reached).map(blocked).collect();
        }
        let right: Vec<_> = free.iter().copied().filter(|it| it.is_answered_by(&word.typed)).collect();
        if !right.is_empty() {
            return self.verified(&right, word, now);
        }
        match self.late(word) {
            Some(session) => vec![self.told_late(session, word, now)],
            None => self.missed(&free, word, now),
        }
    }

    // One session only, the newest that it is right for; a success resets the row of failures, never the day's (decision 6).
    fn verified(&self, right: &[&Session], word: &Word, now: Timestamp) -> Vec<Effect> {
        let one = |it: &Session| {
            let mut effect = judged(Verdict::Verified);
            for key in it.budgets(&word.from) {
                if let Some(tally) = self.budgets.get(&key).filter(|it| it.consecutive > 0) {
                    effect.budgets.push((key, super::Tally { consecutive: 0, ..tally.clone() }));
                }
            }
            let mut session = it.clone();
            session.end(Act::Verified, now);
            effect.changed.push(session);
            effect
        };
        newest(right).map(one).collect()
    }

    // A code of ours whose session is over.
    fn late(&self, word: &Word) -> Option<&Session> {
        let ours = |it: &&Session| it.ask.two_way && it.ask.value == Value::Otp && it.is_answered_by(&word.typed);
        let over = self.sessions.iter().filter(|it| it.is_open() && it.writes_to(&word.from) && word.received_at >= it.expires);
        self.ended(word).into_iter().chain(over).find(ours)
    }

    // On the handset, in the last hour, newest first.
    fn ended(&self, word: &Word) -> Vec<&Session> {
        let since = word.begun_at.minus(HOUR);
        let at = |it: &Session| it.outcome.map(|it| it.1).filter(|at| *at >= since);
        let mut ended: Vec<_> = self.sessions.iter().filter(|it| it.writes_to(&word.from) && at(it).is_some()).collect();
        ended.sort_by_key(|it| std::cmp::Reverse((at(it), it.id)));
        ended.truncate(REMEMBERED);
        ended
    }

    // No attempt; a superseded code counts in the budget (decision 16).
    fn told_late(&self, session: &Session, word: &Word, now: Timestamp) -> Effect {
        let superseded = matches!(session.outcome, Some((Act::Superseded, _)));
        let mut effect = judged(if superseded { Verdict::Superseded } else { Verdict::Expired });
        if superseded {
            self.fail(&mut effect, session.budgets(&word.from), now);
        }
        effect
    }

    // One attempt against each session that it could be an answer to, and one failure for each budget concerned.
    fn missed(&self, free: &[&Session], word: &Word, now: Timestamp) -> Vec<Effect> {
        let tried: Vec<_> = free.iter().copied().filter(|it| it.is_tried_by(&word.typed)).collect();
        if tried.is_empty() {
            return vec![judged(Verdict::Unread)];
        }
        let told = |it: &Session| {
            let left = self.policy.attempts - (it.attempts + 1);
            let mut effect = judged(if left == 0 { Verdict::Failed } else { Verdict::Wrong { left } });
            for session in &tried {
                let mut session = Session::clone(session);
                session.miss(self.policy.attempts, now);
                effect.changed.push(session);
            }
            let keys: BTreeSet<_> = tried.iter().flat_map(|it| it.budgets(&word.from)).collect();
            self.fail(&mut effect, keys, now);
            effect
        };
        newest(&tried).map(told).collect()
    }

    fn fail(&self, effect: &mut Effect, keys: impl IntoIterator<Item = BudgetKey>, now: Timestamp) {
        for key in keys {
            let mut tally = self.budgets.get(&key).cloned().unwrap_or_default();
            tally.failures.push(now);
            tally.consecutive += 1;
            effect.budgets.push((key, tally));
        }
    }

    // Decision 19: never an attempt.
    fn stopped(&self, word: &Word, now: Timestamp) -> Effect {
        let mut effect = noted(Verdict::Stopped);
        let owners = self.owners(word);
        for it in self.sessions.iter().filter(|it| it.is_open() && it.writes_to(&word.from) && owners.contains(&it.ask.publisher)) {
            let mut session = it.clone();
            session.acts.push(Act::OptedOut);
            session.end(Act::Cancelled, now);
            effect.changed.push(session);
        }
        let new = owners.into_iter().filter(|it| !self.opt_outs.contains(&(it.clone(), word.from.clone())));
        effect.opt_outs = new.map(|it| (it, word.from.clone(), true)).collect();
        effect
    }

    fn started(&self, word: &Word) -> Effect {
        let mut effect = noted(Verdict::Started);
        let old = self.owners(word).into_iter().filter(|it| self.opt_outs.contains(&(it.clone(), word.from.clone())));
        effect.opt_outs = old.map(|it| (it, word.from.clone(), false)).collect();
        effect
    }

    // Whose number was written to; where that can't be told, those that the handset has to do with, or else all.
    fn owners(&self, word: &Word) -> BTreeSet<PublisherId> {
        if let Some(owner) = word.to.as_ref().and_then(|to| NUMBERS.iter().position(|it| *it == to.expose())) {
            return [PUBLISHERS[owner].into()].into();
        }
        let open = self.sessions.iter().filter(|it| it.is_open() && it.writes_to(&word.from));
        let known = open.chain(self.ended(word)).map(|it| it.ask.publisher.clone());
        let left = self.opt_outs.iter().filter(|it| it.1 == word.from).map(|it| it.0.clone());
        let owners: BTreeSet<_> = known.chain(left).collect();
        if owners.is_empty() { PUBLISHERS.iter().map(|it| PublisherId::from(*it)).collect() } else { owners }
    }
}

// The newest, and whichever is as new.
fn newest<'a>(sessions: &[&'a Session]) -> impl Iterator<Item = &'a Session> {
    let top = sessions.iter().map(|it| it.opened).max();
    sessions.iter().copied().filter(|it| Some(it.opened) == top).collect::<Vec<_>>().into_iter()
}

fn judged(verdict: Verdict) -> Effect {
    Effect::only(Says::Judges(verdict))
}

fn noted(verdict: Verdict) -> Effect {
    Effect { noted: true, ..judged(verdict) }
}

fn denied(reached: &[&Session], now: Timestamp) -> Effect {
    let mut effect = judged(Verdict::Denied);
    for it in reached {
        let mut session = Session::clone(it);
        session.end(Act::Failed, now);
        effect.changed.push(session);
    }
    effect
}

// Told once a session.
fn blocked(newest: &Session) -> Effect {
    let mut effect = judged(Verdict::Blocked);
    if !newest.blocked_told {
        let mut session = newest.clone();
        session.blocked_told = true;
        session.acts.push(Act::Blocked);
        effect.changed.push(session);
    }
    effect
}
