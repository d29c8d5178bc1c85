//! Every record is read as it was written, and nothing else is.

use super::*;
use crate::domain::answer::Verdict;
use crate::domain::challenge::{Check, Shape, Verifier};
use crate::domain::code::{CodeKind, HashKind, Secret, Tag};
use crate::domain::contact::Channel;
use crate::domain::delivery::{Delivery, Purpose, Status};
use crate::domain::direct::{Direct, Message, TemplateRef};
use crate::domain::event::{Act, Event};
use crate::domain::id::{DeliveryId, EventId};
use crate::domain::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), 1_795_262_400_000..1_795_263_000_000_i64, Just(i64::MIN), Just(i64::MAX)].prop_map(Timestamp::from_millis)
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

// Of few, so that one value often has the same twice.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("+12025550123".to_owned()), ".*"]
}

fn tag() -> impl Strategy<Value = Tag> {
    any::<[u8; 16]>().prop_map(Tag)
}

fn act() -> impl Strategy<Value = Act> {
    prop::sample::select(Act::ALL.to_vec())
}

fn verdict() -> impl Strategy<Value = Verdict> {
    use Verdict::*;
    let plain = vec![Verified, Failed, Denied, Expired, Superseded, Unread, Stopped, Helped, Started, NoSession, Blocked];
    prop_oneof![prop::sample::select(plain), any::<u8>().prop_map(|left| Wrong { left })]
}

fn status() -> impl Strategy<Value = Status> {
    (0..5_u8, time(), option::of(".*")).prop_map(|(kind, at, provider_id)| match kind {
        0 => Status::Queued { next_at: at },
        1 => Status::Accepted { at, provider_id },
        2 => Status::Undeliverable { at },
        3 => Status::Expired { at },
        _ => Status::Cancelled { at },
    })
}

fn channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(vec![Channel::Sms, Channel::Sms, Channel::Mail, Channel::Mail, Channel::Push])
}

fn delivery() -> impl Strategy<Value = Delivery> {
    (uuid(), channel(), address(), option::of(".*"), option::of(".*"), option::of(".*"), status(), any::<u16>()).prop_map(
        |(id, channel, address, contact, sender, answer, status, tries)| Delivery {
            id: DeliveryId(id),
            channel,
            address: Address::canonical(&address),
            contact,
            sender,
            purpose: answer.map_or(Purpose::Challenge, Purpose::Answer),
            status,
            tries,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let said = prop_oneof![Just(".*"), Just("The message is accepted for sending\\.|STOP|No reply received\\.")];
    (uuid(), time(), act(), said.prop_flat_map(|it| it), option::of(uuid())).prop_map(|(id, at, act, feedback, delivery)| Event {
        id: EventId(id),
        at,
        act,
        feedback,
        delivery: delivery.map(DeliveryId),
    })
}

// Some name one of the deliveries, as all do that we write.
fn naming(mut events: Vec<Event>, deliveries: &[Delivery]) -> Vec<Event> {
    for (event, delivery) in events.iter_mut().skip(1).zip(deliveries) {
        event.delivery = Some(delivery.id);
    }
    events
}

fn verifier() -> impl Strategy<Value = Verifier> {
    let shape = prop_oneof![
        any::<u8>().prop_map(Shape::Digits),
        any::<u8>().prop_map(Shape::Alphanumeric),
        prop::sample::select(vec![Shape::Otpa, Shape::Free, Shape::OtpThen, Shape::OtpaThen])
    ];
    let prefix = option::of((prop::sample::select(vec![CodeKind::Otp, CodeKind::Otpa]), tag()));
    let kind = prop::sample::select(vec![HashKind::Sha1, HashKind::Sha256, HashKind::Sha512]);
    let check = prop_oneof![
        (tag(), any::<bool>()).prop_map(|(tag, fold)| Check::Value { tag, fold }),
        (vec(tag(), 0..5), any::<bool>()).prop_map(|(tags, fold)| Check::Any { tags, fold }),
        (prefix, tag(), kind, ".*").prop_map(|(prefix, tag, kind, salt)| Check::Hashed { prefix, tag, kind, salt: Secret::new(salt) })
    ];
    (shape, check).prop_map(|(shape, check)| Verifier { shape, check })
}

fn direct() -> impl Strategy<Value = Level> {
    let template = (".*", channel(), option::of(".*"), any::<u32>())
        .prop_map(|(name, kind, language, version)| Message::Template(TemplateRef { name, kind, language, version }));
    let message = prop_oneof![Just(Message::Text), template];
    (channel(), address(), message, option::of(".*"), option::of(".*"), option::of(".*")).prop_map(
        |(channel, address, message, locale, reference, client)| {
            Level::Direct(Direct { channel, address: Address::canonical(&address), message, locale, reference, client })
        },
    )
}

fn level() -> impl Strategy<Value = Level> {
    let native = (".*", ".*", ".*", ".*", option::of(".*"), option::of(".*"), option::of(any::<i32>()));
    prop_oneof![
        direct(),
        address().prop_map(|phone| Level::Explicit { phone: Address::canonical(&phone) }),
        native.prop_map(|(alert, version, recipient, recipient_uid, account, name, utc_offset_minutes)| Level::Native {
            alert,
            version,
            recipient,
            recipient_uid,
            account,
            name,
            utc_offset_minutes
        })
    ]
}

fn challenge() -> impl Strategy<Value = Aggregate> {
    let mode = prop::sample::select(vec![Mode::OneWay, Mode::TwoWay, Mode::OnCall]);
    let who = (uuid(), ".*", ".*", ".*", level(), mode, any::<bool>(), option::of(".*"), option::of(".*"));
    let how = (option::of((".*", tag())), time(), time(), option::of(verifier()), any::<[u8; 2]>(), option::of((act(), time())));
    let what = (option::of(vec(any::<u8>(), 0..40)), vec(delivery(), 0..3), vec(event(), 0..3), vec((".*", time(), verdict()), 0..3));
    (who, how, what).prop_map(|(who, how, what)| {
        Aggregate::Challenge(Box::new(Challenge {
            id: AggregateId(who.0),
            publisher: who.1.as_str().into(),
            institution: who.2.as_str().into(),
            product: who.3,
            level: who.4,
            mode: who.5,
            test: who.6,
            tracking_id: who.7,
            bus_correl_id: who.8,
            repeat: how.0.map(|(key, payload)| RepeatKey { key, payload }),
            opened_at: how.1,
            expires_at: how.2,
            verifier: how.3,
            attempts: how.4[0],
            attempts_allowed: how.4[1],
            state: how.5.map_or(State::Open, |(outcome, at)| State::Ended { outcome, at }),
            material: what.0.map(|it| Sealed(it.into())),
            events: naming(what.2, &what.1),
            deliveries: what.1,
            seen: what.3.into_iter().map(|(provider_id, at, verdict)| Seen { provider_id, at, verdict }).collect(),
        }))
    })
}

fn inbound() -> impl Strategy<Value = Aggregate> {
    (uuid(), ".*", ".*", address(), time(), option::of(".*"), verdict(), vec(delivery(), 0..3), vec(event(), 0..3)).prop_map(|it| {
        Aggregate::Inbound(Box::new(Inbound {
            id: AggregateId(it.0),
            publisher: it.1.as_str().into(),
            institution: it.2.as_str().into(),
            product: it.1,
            from: Address::canonical(&it.3),
            at: it.4,
            provider_id: it.5,
            verdict: it.6,
            events: naming(it.8, &it.7),
            deliveries: it.7,
        }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_aggregate_is_read_as_written_and_cut_or_longer_it_is_refused(it in prop_oneof![challenge(), inbound()], at: prop::sample::Index) {
        for form in Form::ALL {
            let mut bytes = encode_aggregate(&it, form, 0);
            let form = form.max(oldest(&it));
            prop_assert_eq!(bytes[0], form.number());
            prop_assert_eq!(decode_aggregate(&bytes, form), Ok(it.clone()));
            prop_assert_eq!(decode_aggregate(&bytes, Form::NEWEST), Ok(it.clone()), "an older form is read for good");
            prop_assert_eq!(decode_aggregate(&bytes[..at.index(bytes.len())], form), Err(Malformed.into()));
            bytes.push(0);
            prop_assert_eq!(decode_aggregate(&bytes, form), Err(Malformed.into()));
        }
    }

    #[test]
    fn a_form_beyond_what_is_read_is_told_as_such(it in challenge()) {
        let mut bytes = encode_aggregate(&it, Form::Two, 0);
        let form = Form::Two.max(oldest(&it));
        prop_assert_eq!(decode_aggregate(&bytes, Form::One), Err(Unread::Newer(form.number(), Form::One)));
        bytes[0] = Form::NEWEST.number() + 1;
        prop_assert_eq!(decode_aggregate(&bytes, Form::NEWEST), Err(Unread::Newer(bytes[0], Form::NEWEST)));
        bytes[0] = 0;
        prop_assert_eq!(decode_aggregate(&bytes, Form::NEWEST), Err(Malformed.into()));
    }

    #[test]
    fn an_older_form_has_no_words_for_what_came_later(it in challenge()) {
        let mut bytes = encode_aggregate(&it, Form::Three, 0);
        bytes[0] = Form::Two.number();
        let read = decode_aggregate(&bytes, Form::NEWEST);
        if oldest(&it) == Form::Three {
            prop_assert_ne!(read, Ok(it));
        }
    }

    #[test]
    fn a_budget_is_read_as_written(recent in vec(time(), 0..30), consecutive: u32) {
        let it = Budget { recent, consecutive };
        for form in Form::ALL {
            prop_assert_eq!(decode_budget(&encode_budget(&it, form, 0), form), Ok(it.clone()));
        }
    }

    #[test]
    fn a_recipient_is_read_as_written(
        names in (".*", ".*", ".*", ".*", option::of(".*")),
        contacts in vec((".*", any::<bool>(), ".*", any::<bool>()), 0..4),
        subscriptions in vec((option::of(".*"), ".*", any::<bool>(), option::of(any::<i32>()), vec(".*", 0..3)), 0..4),
    ) {
        let contact = |(id, sms, address, opted_in): (String, bool, String, bool)| Contact {
            id,
            channel: if sms { Channel::Sms } else { Channel::Mail },
            address: Address::canonical(&address),
            opted_in,
        };
        let it = Recipient {
            key: RecipientKey { publisher: names.0.as_str().into(), institution: names.1.as_str().into(), id: names.2 },
            uid: names.3,
            active: true,
            name: names.4,
            contacts: contacts.into_iter().map(contact).collect(),
            subscriptions: subscriptions
                .into_iter()
                .map(|(account, alert, active, utc_offset_minutes, contacts)| Subscription { account, alert, active, utc_offset_minutes, contacts })
                .collect(),
        };
        for form in Form::ALL {
            prop_assert_eq!(decode_recipient(&encode_recipient(&it, form, 0), form), Ok(it.clone()));
        }
    }

    #[test]
    fn other_bytes_are_refused_or_written_alike(mut bytes in vec(any::<u8>(), 1..300), it in prop_oneof![challenge(), inbound()], at: prop::sample::Index) {
        for form in Form::ALL {
            bytes[0] = form.number();
            crate::store::fuzzed::forms(&bytes);
            // What is nearly right gets further than what is not.
            let mut near = encode_aggregate(&it, form, 0);
            let at = 1 + at.index(near.len() - 1);
            near[at] = near[at].wrapping_add(bytes[bytes.len() - 1]);
            crate::store::fuzzed::forms(&near);
        }
    }
}
