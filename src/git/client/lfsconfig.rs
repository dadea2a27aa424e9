//! `.lfsconfig`: what a repository says of its files of Git LFS (git-lfs-config(5)).

use gix_config::File;
use gix_config::file::Metadata;

/// Reads `lfs.url`. Whatever else stands there is for people's own machines: Git LFS, too, takes from this file but a few keys,
/// as strangers write it.
pub(super) fn parse_lfsconfig(bytes: &[u8]) -> Option<String> {
    let file = File::from_bytes_no_includes(bytes, Metadata::api(), gix_config::file::init::Options::default()).ok()?;
    Some(file.string("lfs.url")?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_url_is_read() {
        let url = |text: &str| parse_lfsconfig(text.as_bytes());
        assert_eq!(url("[lfs]\n\turl = https://h/lfs\n").as_deref(), Some("https://h/lfs"));
        assert_eq!(
            url("[lfs]\n\turl = https://h/1\n\tURL = \"https://h/2\"\n").as_deref(),
            Some("https://h/2"),
            "the last counts"
        );
        for other in [
            "",
            "[lfs",
            "[lfs]\n\tpushurl = https://h/lfs\n\tstandalonetransferagent = x\n",
            "[lfs \"customtransfer.x\"]\n\tpath = /bin/sh\n[include]\n\tpath = /etc/passwd\n",
            "[lfs \"https://h\"]\n\turl = https://i\n",
        ] {
            assert_eq!(url(other), None, "{other}");
        }
        assert_eq!(parse_lfsconfig(b"\xff\0"), None);
    }
}
