//! What an environment's network may reach, as rules of `nft` inside its network namespace.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::engine::EngineError;

/// The name server that `slirp4netns` offers; it asks the host's own.
pub(super) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// How the rules begin. Refusing TCP by a reset makes a connection fail at once; other answers only slow it down.
const PREAMBLE: &str = "table inet hoist {
 chain refuse {
  meta l4proto tcp reject with tcp reset
  reject with icmpx type admin-prohibited
 }
 chain output {
  type filter hook output priority 0; policy drop;
  oifname lo accept
";

/// What nobody may reach: this host, private and link-local networks, and what is no single machine (RFC 6890).
/// The documentation networks 192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 are left out: where they exist,
/// somebody has put public services there.
const REFUSED: [&str; 11] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// The filter rules as `nft` reads them: questions to `name_servers` and what `allowed` says pass, then `own` addresses of
/// the host and [`REFUSED`] networks are refused at once, then the rest of IPv4 passes. One rule per network, since
/// networks may overlap.
pub(in crate::engine) fn rules(name_servers: &[IpAddr], allowed: &[(IpAddr, u8)], own: &[Ipv4Addr]) -> String {
    let mut rules = PREAMBLE.to_owned();
    let mut add = |rule: std::fmt::Arguments<'_>| writeln!(rules, "  {rule}").expect("strings take everything");
    let family = |address: &IpAddr| if address.is_ipv4() { "ip" } else { "ip6" };
    for server in name_servers {
        add(format_args!("{} daddr {server} udp dport 53 accept", family(server)));
        add(format_args!("{} daddr {server} tcp dport 53 accept", family(server)));
    }
    for (address, prefix) in allowed {
        add(format_args!("{} daddr {address}/{prefix} accept", family(address)));
    }
    for address in own {
        add(format_args!("ip daddr {address} goto refuse"));
    }
    for network in REFUSED {
        add(format_args!("ip daddr {network} goto refuse"));
    }
    add(format_args!("meta nfproto ipv6 goto refuse"));
    add(format_args!("meta nfproto ipv4 accept"));
    rules + " }\n}\n"
}

/// The IPv4 addresses of this host's interfaces.
pub(in crate::engine) fn own_addresses() -> Result<Vec<Ipv4Addr>, EngineError> {
    let trie = std::fs::read_to_string("/proc/net/fib_trie");
    trie.map(|trie| parse_addresses(&trie)).map_err(|error| EngineError::io("cannot find this host's own addresses", error))
}

/// The addresses in the text of `/proc/net/fib_trie`: each leaf is an address line, followed by the routes that end there.
fn parse_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow_first_and_refuse_the_hosts_own_addresses() {
        let rules = rules(&[NAME_SERVER.into()], &[("10.1.0.0".parse().unwrap(), 16)], &[Ipv4Addr::new(192, 0, 2, 2)]);
        let at = |text: &str| rules.find(text).unwrap_or_else(|| panic!("{text} is not in\n{rules}"));
        let order = [
            "policy drop",
            "oifname lo accept",
            "ip daddr 10.0.2.3 udp dport 53 accept",
            "ip daddr 10.1.0.0/16 accept",
            "ip daddr 192.0.2.2 goto refuse",
            "ip daddr 10.0.0.0/8 goto refuse",
            "ip daddr 240.0.0.0/4 goto refuse",
            "nfproto ipv6 goto refuse",
            "nfproto ipv4 accept",
        ]
        .map(at);
        assert!(order.is_sorted(), "{rules}");
        assert!(!rules.contains("192.0.2.0/24") && !rules.contains("203.0.113.0/24"), "{rules}");
    }

    #[test]
    fn own_addresses_are_the_local_leaves() {
        let trie = "Main:\n  +-- 127.0.0.0/31 1 0 0\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n        \
                    /32 host LOCAL\n     |-- 192.0.2.0\n        /24 link UNICAST\n     |-- 192.0.2.2\n        /32 host LOCAL\n     \
                    |-- 192.0.2.255\n        /32 link BROADCAST\nLocal:\n     |-- 192.0.2.2\n        /32 host LOCAL\n";
        assert_eq!(parse_addresses(trie), [Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 2)]);
    }
}
