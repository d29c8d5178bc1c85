//! Judging an answer that a publisher brings by a call (contracts `dialog-flow.md` and `otp-bus.md`; decisions 6, 9, 13, 14).

use super::Facts;
use super::failures::{Failures, miss};
use super::session::{end, record};
use super::verify::is_right;
use crate::domain::aggregate::Aggregate;
use crate::domain::answer::{Answer, Verdict};
use crate::domain::budget::{BudgetRule, Standing};
use crate::domain::challenge::{Challenge, SEEN_REPLIES, Seen, State};
use crate::domain::draw::Draw;
use crate::domain::event::Act;
use crate::domain::request::Verify;
use crate::domain::snapshot::{Decision, Expect, Versioned, Write};
use crate::domain::told::Checked;

/// Judges one answer. A repeated call is answered as the first was, and changes nothing.
pub fn verify(mut facts: Facts<'_>, call: &Verify, draw: &mut Draw) -> Decision {
    if let Some(verdict) = facts.view.seen {
        return told(repeated(verdict));
    }
    let Some(Versioned { value: Aggregate::Challenge(mut it), version }) = facts.view.one.take() else { return told(Checked::Unknown) };
    if it.publisher != call.publisher || it.verifier.is_none() {
        return told(Checked::Unknown);
    }
    let facts = &facts;
    let mut failures = Failures::of(&facts.view.budgets);
    let checked = match over(&it, call) {
        None => judge(facts, call, (&mut it, &mut failures), draw),
        // It costs no attempt, and counts as a failure (decision 16).
        Some(Checked::Superseded) if is_answer(facts, call, &it) => {
            failures.count(it.own_budgets(), rule(facts, &it), draw.now);
            Checked::Superseded
        }
        Some(over) => return told(over),
    };
    remember(&mut it, call, checked);
    // The challenge, the call, and the budgets of an address and a recipient.
    let mut expects = Vec::with_capacity(4);
    expects.push(Expect::Aggregate(it.id, version));
    expects.extend(call.key.clone().map(Expect::Unseen));
    expects.extend(failures.expectations());
    let writes = [Write::Aggregate(Aggregate::Challenge(it))].into_iter().chain(failures.into_writes()).collect();
    Decision { answer: Answer::Checked(checked), writes, expects }
}

// Of one that is open.
fn judge(facts: &Facts<'_>, call: &Verify, (it, failures): (&mut Challenge, &mut Failures<'_>), draw: &mut Draw) -> Checked {
    let (keys, rule) = (it.own_budgets(), rule(facts, it));
    let until = match failures.standing(keys.iter().cloned(), rule, draw.now) {
        Standing::Free => None,
        Standing::Until(at) => Some(Some(at)),
        Standing::Locked => Some(None),
    };
    if let Some(until) = until {
        block(it, draw);
        return Checked::Blocked { until };
    }
    if is_answer(facts, call, it) {
        failures.forgive(keys);
        end(it, Act::Verified, "The recipient's answer was verified.", draw);
        return Checked::Verified;
    }
    failures.count(keys, rule, draw.now);
    match miss(it, draw) {
        0 => Checked::Failed,
        left => Checked::Wrong { left },
    }
}

fn is_answer(facts: &Facts<'_>, call: &Verify, it: &Challenge) -> bool {
    it.verifier.as_ref().is_some_and(|verifier| is_right(facts.keyring, it.id, verifier, &call.typed))
}

fn told(checked: Checked) -> Decision {
    Decision::only(Answer::Checked(checked))
}

// Why nothing counts any more: how it ended, or that its time was up when the call reached our edge (decision 9).
fn over(challenge: &Challenge, call: &Verify) -> Option<Checked> {
    match challenge.state {
        State::Open if call.received_at < challenge.expires_at => None,
        State::Open => Some(Checked::Expired),
        State::Ended { outcome, .. } => Some(match outcome {
            Act::Verified => Checked::Used,
            Act::Failed => Checked::Failed,
            Act::Superseded => Checked::Superseded,
            Act::Cancelled => Checked::Cancelled,
            _ => Checked::Expired,
        }),
    }
}

/// The publisher's rule for failures.
pub fn rule(facts: &Facts<'_>, challenge: &Challenge) -> BudgetRule {
    facts.registry.publishers.get(&challenge.publisher).map(|it| it.budget).unwrap_or_default()
}

fn block(challenge: &mut Challenge, draw: &mut Draw) {
    if !challenge.events.iter().any(|it| it.act == Act::Blocked) {
        record(challenge, Act::Blocked, "Too many failed answers: this answer was not judged.", None, draw);
    }
}

fn remember(challenge: &mut Challenge, call: &Verify, checked: Checked) {
    let verdict = match checked {
        Checked::Verified => Verdict::Verified,
        Checked::Wrong { left } => Verdict::Wrong { left },
        Checked::Failed => Verdict::Failed,
        Checked::Blocked { .. } => Verdict::Blocked,
        Checked::Superseded => Verdict::Superseded,
        // Nothing is written for these.
        Checked::Expired | Checked::Used | Checked::Cancelled | Checked::Unknown => return,
    };
    seen(challenge, Seen { provider_id: call.key.clone().unwrap_or_default(), at: call.received_at, verdict });
}

/// Adds to what a challenge remembers; the oldest goes.
pub fn seen(challenge: &mut Challenge, seen: Seen) {
    challenge.seen.push(seen);
    let over = challenge.seen.len().saturating_sub(SEEN_REPLIES);
    challenge.seen.drain(..over);
}

// What the first call was told; when a block ends is no longer known.
fn repeated(verdict: Verdict) -> Checked {
    match verdict {
        Verdict::Verified => Checked::Verified,
        Verdict::Wrong { left } => Checked::Wrong { left },
        Verdict::Failed | Verdict::Denied => Checked::Failed,
        Verdict::Superseded => Checked::Superseded,
        Verdict::Blocked => Checked::Blocked { until: None },
        Verdict::Expired => Checked::Expired,
        Verdict::Stopped => Checked::Cancelled,
        Verdict::Unread | Verdict::Helped | Verdict::Started | Verdict::NoSession => Checked::Unknown,
    }
}
