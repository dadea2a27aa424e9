//! Which kinds of manifests a client understands.

use axum::http::{HeaderMap, header};

use crate::model::ManifestType;

/// What a request's `Accept` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted(Vec<ManifestType>);

impl Accepted {
    /// Reads the headers. Who says nothing, or nothing that a registry could mean, takes what there is.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let texts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<_> = texts.flat_map(|text| text.split(',')).map(essence).collect();
        let is_any = ranges.iter().any(|range| matches!(range.as_str(), "*/*" | "application/*"));
        let named: Vec<_> = ranges.iter().filter_map(|range| range.parse().ok()).collect();
        Self(if is_any || named.is_empty() { ManifestType::ALL.to_vec() } else { named })
    }

    /// Whether the client understands this kind.
    pub(super) fn allows(&self, kind: ManifestType) -> bool {
        self.0.contains(&kind)
    }

    /// Whether it understands any index. Clients from before there were any, and the Heroku CLI, do not.
    pub(super) fn allows_index(&self) -> bool {
        self.0.iter().any(|kind| kind.is_index())
    }
}

/// A media range without its parameters.
fn essence(range: &str) -> String {
    range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_say_what_they_understand() {
        let accepted = |values: &[&str]| {
            let values = values.iter().map(|value| (header::ACCEPT, value.parse().unwrap()));
            let mut headers = HeaderMap::new();
            values.for_each(|(name, value)| {
                headers.append(name, value);
            });
            Accepted::of(&headers)
        };
        let docker = ManifestType::DockerManifest.as_str();
        for any in [&[][..], &["*/*"], &["text/html, */*;q=0.1"], &["application/json"], &[docker, "*/*"]] {
            assert!(accepted(any).allows_index() && accepted(any).allows(ManifestType::OciManifest), "{any:?}");
        }
        let only_docker = accepted(&[docker]);
        assert!(only_docker.allows(ManifestType::DockerManifest) && !only_docker.allows(ManifestType::OciManifest));
        assert!(!only_docker.allows_index());
        let both = accepted(&["application/vnd.oci.image.index.v1+json; q=0.5", docker]);
        assert!(both.allows_index() && both.allows(ManifestType::DockerManifest));
    }
}
