//! `[network]`: what builds may reach.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// Network of builds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Private networks that builds, sources given by URL, fetches from git servers, webhooks, notifications and what asks GitHub
    /// and its kin may reach all the same, as `"10.1.0.0/16"`. Default: none.
    pub allow: Vec<Cidr>,
    /// CA bundle given to builds. Default: the host's own (`/etc/ssl/certs/ca-certificates.crt` and its likes).
    pub ca_bundle: Option<PathBuf>,
}

/// Where distributions keep the CA bundle: Debian and its kin, Fedora and its kin, Alpine, openSUSE.
const CA_BUNDLES: [&str; 4] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem"];

impl Network {
    /// The CA bundle given to builds: the one that is set, or the host's own if it has one.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<PathBuf> {
        let hosts = || CA_BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
        self.ca_bundle.clone().or_else(hosts)
    }
}

/// An address range, `ADDRESS/BITS` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cidr {
    pub address: IpAddr,
    pub bits: u8,
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not an address range such as 10.1.0.0/16");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| refuse())?;
        if bits <= most { Ok(Self { address, bits }) } else { Err(refuse()) }
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        assert_eq!("10.0.0.0/8".parse(), Ok(Cidr { address: [10, 0, 0, 0].into(), bits: 8 }));
        assert_eq!("10.0.0.1".parse::<Cidr>().unwrap().bits, 32);
        for bad in ["10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/-1", "10.0.0.0/8; drop"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
