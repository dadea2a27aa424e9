//! How many connections of one address may be on their way to a login.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Enough for a team behind one address pushing at the same moment; a login takes a fraction of a second.
const PER_ADDRESS: usize = 64;

/// Counts logins under way by address.
#[derive(Default, Clone)]
pub(super) struct Logins(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A login under way; over when dropped.
pub(super) struct Login {
    logins: Logins,
    from: IpAddr,
}

impl Logins {
    /// Lets a login begin, unless its address has too many.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Login> {
        let from = network(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(from).or_default();
        if *count == PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Login { logins: self.clone(), from })
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let mut counts = self.logins.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = counts.entry(self.from) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// One IPv6 host has a whole /64 to choose its address from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_bound() {
        let logins = Logins::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held: Vec<_> = (0..PER_ADDRESS).map(|_| logins.enter(address("2001:db8::1")).unwrap()).collect();
        assert!(logins.enter(address("2001:db8::2")).is_none(), "the same /64");
        assert!(logins.enter(address("2001:db8:0:1::1")).is_some());
        assert!(logins.enter(address("127.0.0.1")).is_some());
        held.pop();
        assert!(logins.enter(address("2001:db8::1")).is_some());
        held.clear();
        assert!(logins.0.lock().unwrap().is_empty());
    }
}
