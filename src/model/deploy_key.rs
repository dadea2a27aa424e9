//! How hoist logs in to a git server over SSH, and how it knows that it is that server.

use std::str::FromStr;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts as Lines};
use russh::keys::{Algorithm, PrivateKey, PublicKey};

use super::{Invalid, Secret};

/// More than any list of one server's keys.
const MAX_BYTES: usize = 64 * 1024;

/// The keys that the large services publish, so that nobody has to look them up. Sources: GitHub's and GitLab's pages "SSH
/// key fingerprints" and "SSH `known_hosts` entries".
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
    /// Takes a private key as `ssh-keygen` writes it, without a passphrase: ed25519, ECDSA or RSA.
    pub fn new(private: Secret, known_hosts: KnownHosts) -> Result<Self, Invalid> {
        parse(&private)?;
        Ok(Self { private, known_hosts })
    }

    /// The key, to log in with.
    #[must_use]
    pub fn private(&self) -> PrivateKey {
        parse(&self.private).expect("it was parsed before")
    }
}

/// Makes a private key that nobody else has ever had; forges show the comment beside its public half.
#[must_use]
pub fn generate_deploy_key(comment: &str) -> Secret {
    let mut key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("the kernel gives random bytes");
    key.set_comment(comment);
    Secret::new(key.to_openssh(LineEnding::LF).expect("a key that was just made can be written").as_str())
}

/// The public half of a private key, as forges take it.
pub fn public_deploy_key(private: &Secret) -> Result<String, Invalid> {
    parse(private)?.public_key().to_openssh().map_err(|error| Invalid(format!("The deploy key can't be written: {error}.")))
}

fn parse(private: &Secret) -> Result<PrivateKey, Invalid> {
    let text = private.expose();
    let key = PrivateKey::from_openssh(text);
    if key.as_ref().is_ok_and(PrivateKey::is_encrypted) || is_encrypted_pem(text) {
        return Err(Invalid(
            "The deploy key has a passphrase, and nobody is there to type it. Take it off a copy of the key (ssh-keygen -p -N '' \
             -f COPY), or have hoist make a key (hoist github:connect --new-deploy-key)."
                .into(),
        ));
    }
    let key = key.map_err(|_| {
        Invalid(
            "The deploy key is not a private key in OpenSSH's format. Give what ssh-keygen has written, not the file that ends in \
             .pub; `ssh-keygen -p -N '' -f COPY` rewrites a copy of a key that is in an older format."
                .into(),
        )
    })?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(key),
        other => Err(Invalid(format!("{other} keys are of no use here: give an ed25519, ECDSA or RSA key."))),
    }
}

/// Whether this is one of the older formats, with a passphrase (RFC 1421, 4.6.1.1; RFC 5958, 3).
fn is_encrypted_pem(text: &str) -> bool {
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// The keys of servers, as in `~/.ssh/known_hosts` (sshd(8), "`SSH_KNOWN_HOSTS` FILE FORMAT"). Names of hosts stand in it in
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

    /// What `ssh-keygen -t ed25519 -N secret` has written once.
    const ENCRYPTED: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBxXiOMUJ
YbDaDEeIrkSI9MAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAII3jlhKo5dE3JBVF
DgBtYxhN/ww8kuEUB/HUTxh+qsFsAAAAkOAmjBpBg2tp076iXBJawpdvqSwEyLmcfr5Dhg
wbWb+IDJtK6959w+q28z//zJ65TwS5wti0RX6fQaz2xUuzPiSKPmJFVhVzvMPAlS5t3LM/
7Z1kxziWNSjkjdBl0x30n6XIbCSQ8ymU3hvWH6zCT7qtNxEMRQH0dwhXwsgKk4hV/sBe+o
sYN/CwowuPQBy+lw==
-----END OPENSSH PRIVATE KEY-----
";

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
        let refused = |text: &str| DeployKey::new(Secret::new(text), KnownHosts::default()).unwrap_err().to_string();
        let public = refused(KEY);
        assert!(public.contains("not a private key") && !public.contains("AAAA"), "{public}");
        for encrypted in [
            ENCRYPTED,
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ] {
            assert!(refused(encrypted).contains("has a passphrase"), "{}", refused(encrypted));
        }
        assert!(refused("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n").contains("older format"));
    }

    #[test]
    fn a_key_that_is_made_is_new_and_has_a_public_half() {
        let (one, other) = (generate_deploy_key("hoist shop"), generate_deploy_key("hoist shop"));
        let public = public_deploy_key(&one).unwrap();
        assert!(public.starts_with("ssh-ed25519 AAAA") && public.ends_with(" hoist shop"), "{public}");
        assert_ne!(public, public_deploy_key(&other).unwrap());
        let key = DeployKey::new(one, KnownHosts::default()).unwrap();
        assert_eq!(key.private().public_key().to_openssh().unwrap(), public);
    }
}
