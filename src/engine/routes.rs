//! Which way a message goes out: by its channel, and by what its address is.

use crate::connect::contract::Connector;
use crate::domain::contact::Channel;
use crate::domain::delivery::Delivery;
use std::sync::Arc;

/// The ways out. What has none is refused for good.
pub struct Routes {
    /// SMS.
    pub sms: Option<Arc<dyn Connector>>,
    /// Mail.
    pub mail: Option<Arc<dyn Connector>>,
    /// Push to devices: to their tokens.
    pub device: Option<Arc<dyn Connector>>,
    /// Push to browsers: to their subscriptions.
    pub browser: Option<Arc<dyn Connector>>,
    /// `AlrtTestType`: the test sink, instead of a carrier or relay.
    pub test: Arc<dyn Connector>,
}

impl Routes {
    /// All of it goes the same way.
    pub fn only(way: Arc<dyn Connector>) -> Self {
        let some = || Some(way.clone());
        Self { sms: some(), mail: some(), device: some(), browser: some(), test: way.clone() }
    }

    /// SMS go this way, and all else nowhere.
    pub fn sms(way: Arc<dyn Connector>) -> Self {
        Self { mail: None, device: None, browser: None, ..Self::only(way) }
    }

    /// The way of a delivery; `test`: nothing may leave the house.
    pub fn connector(&self, delivery: &Delivery, test: bool) -> Option<&Arc<dyn Connector>> {
        match delivery.channel {
            _ if test => Some(&self.test),
            Channel::Sms => self.sms.as_ref(),
            Channel::Mail => self.mail.as_ref(),
            Channel::Push if delivery.address.is_subscription() => self.browser.as_ref(),
            Channel::Push => self.device.as_ref(),
        }
    }
}
