//! An environment's network: what it may reach, and `slirp4netns`, which carries it.
//!
//! The network namespace starts with nothing but its own loopback. The helper loads the filter rules, and only
//! then does the daemon start `slirp4netns`, which makes the interface and hands packets on as an ordinary process
//! of the host. It runs beside the environment's first commands; only those that say so wait for it. It ends when
//! its standard input does: with the environment, and also when the daemon is killed.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::EngineError;

/// The name server that `slirp4netns` offers; it asks the host's own.
pub(super) const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// How long a command waits for the network.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

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

/// The filter rules as `nft` reads them: what `allowed` says passes, then `own` addresses of the host and
/// [`REFUSED`] networks are refused at once, then the rest of IPv4 passes. One rule per network, since networks
/// may overlap.
pub(super) fn rules(allowed: &[(IpAddr, u8)], own: &[Ipv4Addr]) -> String {
    let mut rules = format!(
        "table inet hoist {{\n chain output {{\n  type filter hook output priority 0; policy drop;\n  oifname lo accept\n  \
         ip daddr {NAME_SERVER} udp dport 53 accept\n  ip daddr {NAME_SERVER} tcp dport 53 accept\n"
    );
    let mut add = |rule: std::fmt::Arguments<'_>| writeln!(rules, "  {rule}").expect("strings take everything");
    for (address, prefix) in allowed {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        add(format_args!("{family} daddr {address}/{prefix} accept"));
    }
    own.iter().for_each(|address| add(format_args!("ip daddr {address} reject with icmp type admin-prohibited")));
    REFUSED.iter().for_each(|network| add(format_args!("ip daddr {network} reject with icmp type admin-prohibited")));
    add(format_args!("meta nfproto ipv6 reject with icmpv6 type admin-prohibited"));
    add(format_args!("meta nfproto ipv4 accept"));
    rules + " }\n}\n"
}

/// The IPv4 addresses of this host's interfaces, from the text of `/proc/net/fib_trie`: each leaf is an address
/// line, followed by the routes that end there.
pub(super) fn own_addresses(fib_trie: &str) -> Vec<Ipv4Addr> {
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

#[derive(Debug, Clone)]
enum State {
    Starting,
    Ready,
    Failed(String),
}

/// One environment's network, taken down when this goes.
#[derive(Debug)]
pub(super) struct Network {
    state: watch::Receiver<State>,
    carrier: JoinHandle<()>,
}

impl Network {
    /// Connects the namespaces of the helper `pid` once that says on `filtered` that the rules are loaded.
    pub(super) fn start(slirp4netns: &Path, pid: u32, filtered: ChildStdout) -> Self {
        let (sender, state) = watch::channel(State::Starting);
        let slirp4netns = slirp4netns.to_owned();
        let carrier = tokio::spawn(async move {
            let failure = carry(&slirp4netns, pid, filtered, &sender).await;
            tracing::warn!("an environment's network is gone: {failure}");
            sender.send_replace(State::Failed(failure));
        });
        Self { state, carrier }
    }

    /// Waits until the network is up.
    pub(super) async fn ready(&self) -> Result<(), EngineError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting));
        match tokio::time::timeout(READY_TIMEOUT, settled).await.map(|settled| settled.map(|state| state.clone())) {
            Ok(Ok(State::Ready)) => Ok(()),
            Ok(Ok(State::Failed(failure))) => Err(EngineError::new(format!("the sandbox has no network: {failure}"))),
            _ => Err(EngineError::new(format!("the sandbox's network was not up within {} s", READY_TIMEOUT.as_secs()))),
        }
    }

    pub(super) async fn stop(mut self) {
        self.carrier.abort();
        // It was told to end; how it took that does not matter.
        let _ = (&mut self.carrier).await;
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

/// Runs `slirp4netns` until it ends, which it should not; says why it did.
async fn carry(program: &Path, pid: u32, filtered: ChildStdout, state: &watch::Sender<State>) -> String {
    match wait_for_filter(filtered).await {
        Ok(line) if line == FILTERED => {}
        Ok(line) => return line,
        Err(error) => return format!("no word of the filter rules: {error}"),
    }
    let mut slirp = match start_slirp(program, pid) {
        Ok(slirp) => slirp,
        Err(error) => return format!("cannot run {}: {error}", program.display()),
    };
    let mut ready = slirp.stdout.take().expect("asked for");
    let mut diagnostics = slirp.stderr.take().expect("asked for");
    let mut tail = Vec::new();
    let mut piece = [0; 1024];
    let mut is_waiting = true;
    loop {
        tokio::select! {
            byte = ready.read_u8(), if is_waiting => {
                is_waiting = false;
                if byte.is_ok() {
                    state.send_replace(State::Ready);
                }
            }
            read = diagnostics.read(&mut piece) => match read {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    tail.extend_from_slice(&piece[..length]);
                    tail.drain(..tail.len().saturating_sub(MAX_DIAGNOSTICS_BYTES));
                }
            },
        }
    }
    format!("slirp4netns ended: {}", String::from_utf8_lossy(&tail).trim())
}

/// What the helper says once the rules are loaded; anything else is why they could not be.
pub(super) const FILTERED: &str = "filtered";

/// How much of what `slirp4netns` said last is kept to explain its end.
const MAX_DIAGNOSTICS_BYTES: usize = 2048;

async fn wait_for_filter(filtered: ChildStdout) -> std::io::Result<String> {
    let mut line = String::new();
    let reader = tokio::process::ChildStdout::from_std(filtered)?;
    BufReader::new(reader.take(8 * 1024)).read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

fn start_slirp(program: &Path, pid: u32) -> std::io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the engine is where processes are started")]
    tokio::process::Command::new(program)
        .args(["--configure", "--mtu=65520", "--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"])
        .args(["--exit-fd=0", "--ready-fd=1", "--netns-type=path"])
        .arg(format!("--userns-path=/proc/{pid}/ns/user"))
        .arg(format!("/proc/{pid}/ns/net"))
        .arg("tap0")
        .env_clear()
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow_first_and_refuse_the_hosts_own_addresses() {
        let rules = rules(&[("10.1.0.0".parse().unwrap(), 16)], &[Ipv4Addr::new(192, 0, 2, 2)]);
        let at = |text: &str| rules.find(text).unwrap_or_else(|| panic!("{text} is not in\n{rules}"));
        let order = [
            "policy drop",
            "oifname lo accept",
            "ip daddr 10.0.2.3 udp dport 53 accept",
            "ip daddr 10.1.0.0/16 accept",
            "ip daddr 192.0.2.2 reject",
            "ip daddr 10.0.0.0/8 reject",
            "ip daddr 240.0.0.0/4 reject",
            "nfproto ipv6 reject",
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
        assert_eq!(own_addresses(trie), [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(192, 0, 2, 2)]);
    }
}
