//! Which addresses hoist connects to when a stranger names them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// This host, private and link-local networks, and what is no single machine (RFC 6890): what builds may not reach
/// either. The documentation networks are left out as there: where they exist, somebody has put public services there.
const REFUSED: [(Ipv4Addr, u8); 11] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The part of IPv6 that is handed out to single machines (RFC 4291, 2.4; IANA), and in it the two networks that carry
/// an IPv4 address inside: 6to4 and Teredo.
const GLOBAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const TUNNELS: [(Ipv6Addr, u8); 2] =
    [(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32)];

/// Tells whether hoist may connect there: to public addresses that are not this host's own, and to `allowed` networks.
pub(super) fn may_connect(address: IpAddr, allowed: &[(IpAddr, u8)]) -> bool {
    // `::ffff:10.0.0.1` is 10.0.0.1.
    let address = address.to_canonical();
    allowed.iter().any(|&(network, bits)| is_in(address, network, bits)) || (is_public(address) && !is_own(address))
}

fn is_public(address: IpAddr) -> bool {
    let is_in = |network: IpAddr, bits| is_in(address, network, bits);
    match address {
        IpAddr::V4(_) => !REFUSED.iter().any(|&(network, bits)| is_in(network.into(), bits)),
        IpAddr::V6(_) => is_in(GLOBAL.0.into(), GLOBAL.1) && !TUNNELS.iter().any(|&(network, bits)| is_in(network.into(), bits)),
    }
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let host_bits = 32 - u32::from(bits);
            (address.to_bits() ^ network.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let host_bits = 128 - u32::from(bits);
            (address.to_bits() ^ network.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Whether an address is one of this host's, whose services may trust their neighbours. Only to itself does a host
/// speak from the very address that it speaks to. Connecting UDP sends nothing.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let own_end = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    // No route there: nothing to refuse, the connection will fail by itself.
    own_end().is_ok_and(|own| own.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses() {
        let public = |text: &str| is_public(text.parse::<IpAddr>().unwrap().to_canonical());
        for good in ["1.1.1.1", "140.82.121.4", "203.0.113.7", "2606:4700::1111", "11.0.0.0", "172.32.0.1", "::ffff:1.1.1.1"] {
            assert!(public(good), "{good}");
        }
        for bad in [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "10.255.255.255",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
        ] {
            assert!(!public(bad), "{bad}");
        }
    }

    #[test]
    fn allowed_networks_are_reached_all_the_same() {
        let allowed = ["10.1.0.0".parse().unwrap()].map(|network| (network, 16));
        assert!(may_connect("10.1.2.3".parse().unwrap(), &allowed));
        assert!(!may_connect("10.2.0.0".parse().unwrap(), &allowed));
        assert!(may_connect("192.168.0.1".parse().unwrap(), &[("0.0.0.0".parse().unwrap(), 0)]));
    }

    #[test]
    fn this_host_is_told_from_others() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("203.0.113.7".parse().unwrap()));
    }
}
