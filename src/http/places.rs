//! How many connections each address holds: no single one may take all the places.

use super::proxies::Proxies;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Counts the connections of each address (IPv6: of its /64). Trusted proxies speak for many, and are not counted.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    spared: Proxies,
}

/// A connection's place, given back when dropped.
pub(super) struct Place(Option<(Places, IpAddr)>);

impl Places {
    /// At most `most` for each address.
    pub(super) fn new(most: usize, spared: Proxies) -> Self {
        Self { taken: Arc::default(), most, spared }
    }

    /// A place for a connection of `peer`; `None` when it has as many as it may.
    pub(super) fn take(&self, peer: IpAddr) -> Option<Place> {
        if self.spared.trust(peer) {
            return Some(Place(None));
        }
        let peer = network(peer);
        let mut taken = self.taken.lock();
        let count = taken.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place(Some((self.clone(), peer))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((places, peer)) = &self.0 else { return };
        let mut taken = places.taken.lock();
        if let Some(count) = taken.get_mut(peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(peer);
            }
        }
    }
}

/// What counts as one address: one subscriber holds a whole IPv6 /64.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(it) => {
            let s = it.segments();
            IpAddr::from([s[0], s[1], s[2], s[3], 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_a_proxy_all() {
        let spared = Proxies::try_from(vec!["10.0.0.0/8".to_owned()]).unwrap();
        let places = Places::new(2, spared);
        let take = |peer: &str| places.take(peer.parse().unwrap());
        let (first, second) = (take("192.0.2.1"), take("192.0.2.1"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.1").is_none() && take("::ffff:192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some());
        drop(first);
        let again = take("192.0.2.1");
        assert!(again.is_some() && take("192.0.2.1").is_none());
        let six = [take("2001:db8::1"), take("2001:db8::2")];
        assert!(six.iter().all(Option::is_some) && take("2001:db8::3").is_none() && take("2001:db8:0:1::3").is_some());
        let proxied: Vec<_> = (0..9).map(|_| take("10.1.2.3")).collect();
        assert!(proxied.iter().all(Option::is_some));
        drop((second, again, six, proxied));
        assert!(places.taken.lock().is_empty(), "who has gone is forgotten");
    }
}
