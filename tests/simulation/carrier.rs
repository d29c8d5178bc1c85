//! A simulated carrier: late, forgetful, and sometimes silent about what it took.
//!
//! The engine has no way in for delivery receipts yet, so none are sent; what exists is simulated: accepted, refused for good, not
//! now, and not now although it was taken (a time-out after the acceptance).

use crate::chaos::errand_of;
use crate::errand::{Errand, Value};
use crate::model::Stands;
use crate::pause::Pause;
use crate::scene::Scene;
use countersign::connect::contract::{Body, Connector, Message, Soon};
use countersign::domain::contact::Address;
use countersign::domain::delivery::Outcome;
use countersign::domain::id::DeliveryId;
use countersign::domain::snapshot::Lease;
use countersign::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub struct Carrier {
    scene: Arc<Scene>,
    /// How often each message was taken.
    taken: Mutex<HashMap<DeliveryId, u32>>,
    /// What lies in the handsets, or is on its way to them.
    handsets: Mutex<Vec<Arrival>>,
}

/// A message on a handset.
#[derive(Clone)]
pub struct Arrival {
    pub phone: Address,
    pub from: Option<Address>,
    pub text: String,
    pub at: Timestamp,
}

impl Carrier {
    pub fn new(scene: Arc<Scene>) -> Arc<Self> {
        Arc::new(Self { scene, taken: Mutex::default(), handsets: Mutex::default() })
    }

    pub fn was_taken(&self, id: DeliveryId) -> bool {
        self.taken.lock().contains_key(&id)
    }

    /// What has arrived, in whichever order it did.
    pub fn arrived(&self) -> Vec<Arrival> {
        let now = self.scene.now();
        self.handsets.lock().iter().filter(|it| it.at <= now).cloned().collect()
    }

    fn take(&self, message: &Message) {
        *self.taken.lock().entry(message.id).or_default() += 1;
        let Body::Sms(text) = &message.body else { return };
        let mut dice = self.scene.dice.lock();
        // Lost, or once, or twice; soon or late, so that they overtake each other.
        for _ in 0..[1, 1, 1, 1, 1, 1, 1, 1, 0, 2][dice.below(10)] {
            let late = if dice.percent(15) { dice.between(30_000, 400_000) } else { dice.between(0, 4_000) };
            self.handsets.lock().push(Arrival {
                phone: message.to.clone(),
                from: message.from.as_deref().map(Address::canonical),
                text: text.expose().to_owned(),
                at: self.scene.now().plus(Duration::from_millis(late)),
            });
        }
    }

    // Whatever is handed over is durable, waits, and says what it must.
    fn check(&self, message: &Message, turn: u64) -> Result<(), String> {
        let state = self.scene.state();
        let Some(Errand::Hand { lease: Lease { aggregate, delivery, .. }, .. }) = state.under_way.get(&turn).map(|it| &it.errand) else {
            return Err("a message is handed over by nobody".to_owned());
        };
        if *delivery != message.id {
            return Err(format!("message {delivery} is handed over as {}", message.id));
        }
        let Some(session) = state.model.session(*aggregate) else {
            return if state.model.notes.contains(aggregate) {
                Ok(())
            } else {
                Err(format!("a message of {aggregate}, which is not durable"))
            };
        };
        let body = match &message.body {
            Body::Sms(text) => text.expose().to_owned(),
            Body::Mail { text, .. } => text.as_ref().map(|it| it.expose().to_owned()).unwrap_or_default(),
            Body::Push(push) => push.text.expose().to_owned(),
        };
        let shown = session.code.as_ref().is_some_and(|code| body.contains(code.as_str()));
        let Some(letter) = session.letters.iter().find(|it| it.id == message.id) else {
            return if shown { Err("an answer tells the code".to_owned()) } else { Ok(()) };
        };
        let since = state.under_way[&turn].since;
        let over = session.outcome.is_some_and(|it| it.1 < since);
        match () {
            () if letter.address != message.to => Err(format!("message {} goes elsewhere", message.id)),
            () if !matches!(session.ask.value, Value::Static(_)) && !shown => Err(format!("message {} does not show its code", message.id)),
            () if letter.stands == Stands::Taken => Err(format!("message {} was taken, and is handed over again", message.id)),
            () if over => Err(format!("message {} is handed over after its session ended", message.id)),
            () if message.from.as_deref().is_some_and(|it| !it.contains('@') && it != session.sender.expose()) => {
                Err(format!("message {} comes from another's number", message.id))
            }
            () => Ok(()),
        }
    }

    async fn think(&self, message: &Message) -> Outcome {
        let calm = self.scene.is_calm();
        let (slow, yields, fate) = {
            let mut dice = self.scene.dice.lock();
            let slow = (!calm && dice.percent(12)).then(|| dice.between(100, 60_000));
            (slow, dice.below(3), if calm { 0 } else { dice.weighed(&[70, 8, 10, 12]) })
        };
        for _ in 0..yields {
            Pause::default().await;
        }
        if let Some(millis) = slow {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        let later = |after| Outcome::Later { reason: "busy".to_owned(), after };
        match fate {
            0 => {
                self.take(message);
                Outcome::Accepted { provider_id: Some(format!("C-{}", message.id)) }
            }
            1 => Outcome::Refused { reason: "no such number".to_owned() },
            2 => later((yields == 0).then_some(Duration::from_secs(20))),
            _ => {
                self.take(message);
                later(None)
            }
        }
    }
}

impl Connector for Carrier {
    fn name(&self) -> &str {
        "simulated"
    }

    fn send<'a>(&'a self, message: &'a Message) -> Soon<'a, Outcome> {
        Box::pin(async move {
            let turn = self.scene.turn();
            if let Err(why) = self.check(message, turn) {
                self.scene.violated(why);
            }
            let outcome = self.think(message).await;
            self.scene.tell(|| format!("the carrier says {outcome:?}"));
            errand_of(&self.scene, turn, |it| {
                if let Errand::Hand { said, .. } = it {
                    *said = Some(outcome.clone());
                }
            });
            outcome
        })
    }
}
