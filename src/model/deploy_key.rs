//! How hoist logs in to a git server over SSH, and how it knows that it is that server.

use std::str::FromStr;

use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts as Lines};
use russh::keys::{PrivateKey, PublicKey};

use super::{Invalid, Secret};

/// More than any list of one server's keys.
const MAX_BYTES: usize = 64 * 1024;

/// The keys that the large services publish, so that nobody has to look them up. Sources: GitHub's and GitLab's pages "SSH
/// key fingerprints" and "SSH known_hosts entries".
const PUBLISHED: &str = "\
github.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl
gitlab.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf
";

/// A private key, and the keys by which its server is known.
#[derive(Debug, Clone)]
pub struct DeployKey {
    private: Secret,
    pub known_hosts: KnownHosts,
}

impl DeployKey {
    /// Takes a private key as `ssh-keygen` writes it, without a passphrase.
    pub fn new(private: Secret, known_hosts: KnownHosts) -> Result<Self, Invalid> {
        let key = Self { private, known_hosts };
        let is_open = key.parse().is_ok_and(|key| !key.is_encrypted());
        let refuse = || Invalid("The deploy key is not a private key in OpenSSH's format without a passphrase.".into());
        is_open.then_some(key).ok_or_else(refuse)
    }

    /// The key, to log in with.
    #[must_use]
    pub fn private(&self) -> PrivateKey {
        self.parse().expect("it was parsed before")
    }

    fn parse(&self) -> Result<PrivateKey, russh::keys::ssh_key::Error> {
        PrivateKey::from_openssh(self.private.expose())
    }
}

/// The keys of servers, as in `~/.ssh/known_hosts` (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Names of hosts stand in it in
/// the clear. Those of github.com and gitlab.com need not be in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownHosts(Vec<(String, PublicKey)>);

impl KnownHosts {
    /// The keys that this host may show: those listed, else those published.
    #[must_use]
    pub fn keys_of(&self, host: &str, port: Option<u16>) -> Vec<PublicKey> {
        let name = match port {
            None | Some(22) => host.to_owned(),
            Some(port) => format!("[{host}]:{port}"),
        };
        let of = |list: &Self| list.0.iter().filter(|(other, _)| *other == name).map(|(_, key)| key.clone()).collect::<Vec<_>>();
        let listed = of(self);
        if listed.is_empty() { of(&PUBLISHED.parse().expect("these lines are good")) } else { listed }
    }
}

impl FromStr for KnownHosts {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX_BYTES {
            return Err(Invalid(format!("The known hosts are longer than {MAX_BYTES} bytes.")));
        }
        let mut keys = Vec::new();
        for line in Lines::new(text) {
            let line = line.map_err(|error| Invalid(format!("The known hosts can't be read: {error}.")))?;
            keys.extend(names(&line)?.into_iter().map(|name| (name, line.public_key().clone())));
        }
        Ok(Self(keys))
    }
}

fn names(line: &Entry) -> Result<Vec<String>, Invalid> {
    let refuse = |what| Err(Invalid(format!("The known hosts have a line with {what}: make them with `ssh-keyscan HOST`.")));
    match line.host_patterns() {
        _ if line.marker().is_some() => refuse("a marker"),
        HostPatterns::HashedName { .. } => refuse("a hashed name"),
        HostPatterns::Patterns(names) if names.iter().any(|name| name.contains(['*', '?', '!'])) => refuse("a pattern"),
        HostPatterns::Patterns(names) => Ok(names.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGDWFaoPSCJcO+Y4wPxQd1iSgTUQbSTUEhqdC3cZSGHn";

    #[test]
    fn published_keys_are_those_whose_fingerprints_are_published() {
        let fingerprints = |host| {
            let keys = KnownHosts::default().keys_of(host, None);
            keys.iter().map(|key| key.fingerprint(russh::keys::HashAlg::Sha256).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(fingerprints("github.com"), ["SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"]);
        assert_eq!(fingerprints("gitlab.com"), ["SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"]);
        assert!(fingerprints("example.com").is_empty());
    }

    #[test]
    fn listed_keys_come_first_and_hosts_are_told_apart() {
        let hosts: KnownHosts = format!("# mine\nh,github.com {KEY}\n[h]:2222 {KEY} a note\n").parse().unwrap();
        let count = |host, port| hosts.keys_of(host, port).len();
        assert_eq!((count("h", None), count("h", Some(22)), count("h", Some(2222)), count("h", Some(23))), (1, 1, 1, 0));
        assert_eq!(hosts.keys_of("github.com", None), hosts.keys_of("h", None));
        assert_eq!(count("gitlab.com", None), 1);
    }

    #[test]
    fn what_is_no_list_of_keys() {
        for bad in [
            "h",
            "h ssh-ed25519 x",
            &format!("*.example.com {KEY}"),
            &format!("@cert-authority h {KEY}"),
            &format!("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= {KEY}"),
        ] {
            assert!(bad.parse::<KnownHosts>().is_err(), "{bad}");
        }
        assert!("".parse::<KnownHosts>().is_ok());
    }

    #[test]
    fn only_open_private_keys() {
        let refused = DeployKey::new(Secret::new(KEY), KnownHosts::default()).unwrap_err().to_string();
        assert!(refused.contains("not a private key") && !refused.contains("AAAA"), "{refused}");
    }
}
