//! The files in a tree that git itself obeys: `.gitmodules`, which can name commands and places outside, and
//! `.gitattributes`, which must not exhaust whoever reads it.
//!
//! Rules: git's `fsck_blob` and `check_submodule_…` (fsck.c, submodule-config.c). A `.gitmodules` that cannot be
//! read passes there and mostly here.

use std::collections::BTreeSet;

use gix_config::File;
use gix_config::file::{Metadata, init};
use gix_hash::ObjectId;
use gix_object::Kind;

use super::{Offence, show};
use crate::git::index::{Error, Flaw};
use crate::git::objects::Objects;

/// Largest `.gitmodules`: some hundred times the largest there are.
const MAX_MODULES: u64 = 1024 * 1024;

/// Largest `.gitattributes` and longest line in it that git reads.
const MAX_ATTRIBUTES: u64 = 100 * 1024 * 1024;
const MAX_ATTRIBUTES_LINE: usize = 2048;

/// Bytes of all such files of one push: each is built from its own chain of deltas, which costs more than its size.
const MAX_ALL: u64 = 256 * 1024 * 1024;

/// A file that git obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::git::index) struct Special {
    pub id: ObjectId,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::git::index) enum Form {
    Modules,
    Attributes,
}

/// Reads and checks such files, whether they have just come or were here as something else before.
pub(in crate::git::index) fn check(files: &BTreeSet<Special>, objects: &mut Objects) -> Result<(), Error> {
    let (mut bytes, mut all) = (Vec::new(), 0);
    for Special { id, form } in files {
        let bad = |what| Flaw::BadObject { id: *id, what };
        // That it is there and a blob was checked with the other links.
        let bytes_there = objects.header(id)?.map_or(0, |(_, bytes)| bytes);
        let (max, too_large) = match form {
            Form::Modules => (MAX_MODULES, Offence::GitmodulesLarge),
            Form::Attributes => (MAX_ATTRIBUTES, Offence::GitattributesLarge),
        };
        if bytes_there > max {
            return Err(bad(too_large).into());
        }
        all += bytes_there;
        if all > MAX_ALL {
            return Err(Flaw::TooExpanded { limit: MAX_ALL }.into());
        }
        if objects.find(id, &mut bytes)? != Some(Kind::Blob) {
            return Err(Flaw::MissingObject { kind: Kind::Blob, id: *id }.into());
        }
        check_content(*form, &bytes).map_err(bad)?;
    }
    Ok(())
}

/// Checks what stands in such a file.
pub(in crate::git::index) fn check_content(form: Form, bytes: &[u8]) -> Result<(), Offence> {
    match form {
        Form::Modules => check_modules(bytes),
        Form::Attributes => check_attributes(bytes),
    }
}

fn check_attributes(bytes: &[u8]) -> Result<(), Offence> {
    // Behind a NUL git reads nothing.
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_long = text.split(|byte| *byte == b'\n').any(|line| line.len() >= MAX_ATTRIBUTES_LINE);
    if is_long { Err(Offence::GitattributesLineLength) } else { Ok(()) }
}

fn check_modules(bytes: &[u8]) -> Result<(), Offence> {
    let file = File::from_bytes_no_includes(bytes, Metadata::api(), init::Options::default());
    let Ok(file) = file else { return check_unreadable(bytes) };
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        if let Some(name) = section.header().subsection_name() {
            refuse(name, is_bad_name, Offence::GitmodulesName)?;
            // A key may stand there several times; which one counts depends on the reader.
            let check = |key: &str, is_bad: fn(&[u8]) -> bool, offence: fn(String) -> Offence| {
                section.values(key).iter().try_for_each(|value| refuse(value, is_bad, offence))
            };
            check("url", is_bad_url, Offence::GitmodulesUrl)?;
            check("path", is_option, Offence::GitmodulesPath)?;
            check("update", |value| value.starts_with(b"!"), Offence::GitmodulesUpdate)?;
        }
    }
    Ok(())
}

/// What cannot be read passes, as at git: old histories have such files. But not what a more patient reader could obey.
fn check_unreadable(bytes: &[u8]) -> Result<(), Offence> {
    let is_bad = |line: &[u8]| {
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else { return false };
        let key = line[..equals].trim_ascii().rsplit(|byte| matches!(byte, b' ' | b'\t' | b']')).next().unwrap_or_default();
        let value = line[equals + 1..].trim_ascii_start();
        let value = value.strip_prefix(b"\"").unwrap_or(value).trim_ascii_start();
        let is_obeyed = [&b"url"[..], b"path", b"update"].iter().any(|wanted| key.eq_ignore_ascii_case(wanted));
        is_obeyed && matches!(value.first(), Some(b'-' | b'!'))
    };
    if bytes.split(|byte| *byte == b'\n').any(is_bad) { Err(Offence::GitmodulesParse) } else { Ok(()) }
}

fn refuse(text: &[u8], is_bad: fn(&[u8]) -> bool, offence: fn(String) -> Offence) -> Result<(), Offence> {
    if is_bad(text) { Err(offence(show(text))) } else { Ok(()) }
}

/// A submodule's name becomes a path below `.git/modules`.
fn is_bad_name(name: &[u8]) -> bool {
    name.is_empty() || name.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..")
}

/// What a program could take for an option of its own.
fn is_option(text: &[u8]) -> bool {
    text.starts_with(b"-")
}

/// An URL that git's helpers could take for an option, or whose line breaks would get into what is sent to a server.
fn is_bad_url(url: &[u8]) -> bool {
    let is_relative = [&b"./"[..], b"../", b".\\", b"..\\"].iter().any(|start| url.starts_with(start));
    if is_option(url) {
        return true;
    }
    if is_relative || url.starts_with(b"git://") {
        return has_encoded_newline(url) || escapes_its_root(url);
    }
    let is_http = ["http", "https", "ftp", "ftps"].iter().any(|scheme| {
        url.strip_prefix(scheme.as_bytes()).is_some_and(|rest| rest.starts_with(b"://") || rest.starts_with(b"::"))
    });
    is_http && (has_encoded_newline(url) || !has_host(url))
}

fn has_encoded_newline(url: &[u8]) -> bool {
    percent_encoding::percent_decode(url).any(|byte| byte == b'\n')
}

/// Whether so many `../` lead out of the server's own path that what follows would be taken for a host.
fn escapes_its_root(mut url: &[u8]) -> bool {
    let mut count = 0;
    loop {
        let up = url.strip_prefix(b"../").or_else(|| url.strip_prefix(b"..\\"));
        url = match (up, url.strip_prefix(b"./").or_else(|| url.strip_prefix(b".\\"))) {
            (Some(rest), _) => {
                count += 1;
                rest
            }
            (None, Some(rest)) => rest,
            (None, None) => return count > 0 && matches!(url.first(), Some(b':' | b'/')),
        };
    }
}

/// Whether there is a host: `https:///path` has none, and neither has `https::path`, which names a helper first.
fn has_host(url: &[u8]) -> bool {
    let url = match url.windows(2).position(|pair| pair == b"::") {
        Some(at) if !url[..at].contains(&b'/') => &url[at + 2..],
        _ => url,
    };
    let Some(at) = url.windows(3).position(|three| three == b"://") else { return false };
    let authority = url[at + 3..].split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    !host.is_empty() && !host.starts_with(b":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> String {
        let found = check_modules(text.as_bytes()).err().map(|offence| offence.to_string());
        found.and_then(|found| found.split(':').next().map(str::to_owned)).unwrap_or_default()
    }

    #[test]
    fn what_modules_may_say() {
        for good in [
            "",
            "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = https://example.com/lib.git\n\tupdate = rebase\n\tbranch = .\n",
            "[submodule \"a..b\"]\n\turl = ../lib.git\n\tpath = a\n",
            "[submodule \"x\"]\n\turl = ssh://git@example.com/lib.git\n",
            "[submodule \"x\"]\n\turl = git@example.com:lib.git\n\tpath\n",
            "[submodule \"x\"]\n\turl = https://[::1]:8443/lib%20a.git\n",
            "[submodule \"x\"]\n\turl = git://example.com/lib.git\n",
            "[submodule]\n\turl = -x\n[core]\n\tpath = -x\n",
            "<<<<<<< HEAD\n[submodule \"x\"]\n\turl = ../x\n=======\n>>>>>>> topic\n",
            "[submodule",
        ] {
            assert_eq!(rule(good), "", "{good}");
        }
        for (bad, wanted) in [
            ("[submodule \"..\"]\n", "gitmodulesName"),
            ("[submodule \"a/../../b\"]\n", "gitmodulesName"),
            ("[submodule \"a\\\\..\\\\b\"]\n", "gitmodulesName"),
            ("[submodule \"\"]\n", "gitmodulesName"),
            ("[submodule \"x\"]\n\tpath = -x\n", "gitmodulesPath"),
            ("[submodule \"x\"]\n\tupdate = !sh\n", "gitmodulesUpdate"),
            ("[submodule \"x\"]\n\turl = good\n[SubModule \"x\"]\n\tURL = --upload-pack=sh\n\turl = good\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = https://example.com/%0ahost=other\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = git://example.com/%0Ax\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = ./%0a\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = ../../../:example.com/x\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = ../.././/example.com/x\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = https:///example.com/x\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = https::example.com/x\n", "gitmodulesUrl"),
            ("[submodule \"x\"]\n\turl = http::ftp://example.com/%0ax\n", "gitmodulesUrl"),
            ("<<<<<<<\n[submodule \"x\"]\n\tURL = \"-x\n", "gitmodulesParse"),
            ("[submodule \"x\"] update=!sh\n[", "gitmodulesParse"),
        ] {
            assert_eq!(rule(bad), wanted, "{bad}");
        }
    }

    #[test]
    fn how_long_a_line_of_attributes_may_be() {
        let line = "x".repeat(MAX_ATTRIBUTES_LINE - 1);
        assert_eq!(check_attributes(format!("{line}\n{line}").as_bytes()), Ok(()));
        assert_eq!(check_attributes(format!("\n{line}x\n").as_bytes()), Err(Offence::GitattributesLineLength));
        assert_eq!(check_attributes(format!("a\0{line}x\n").as_bytes()), Ok(()));
    }
}
