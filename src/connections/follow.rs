//! Repositories that get another name: a connection follows its own.

use time::OffsetDateTime;

use crate::db::{self, DbError};
use crate::model::{Connection, FullName, NamedRepository};

/// Under which name a repository was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Known,
    New,
}

/// Remembers what the forge calls a connection's repository: its number, and its name, which changes when the repository is
/// renamed or transferred. Where it is fetched from changes with it, if that is its name. Returns the connection as it is then.
pub(super) async fn follow(
    tx: &mut db::Connection,
    connection: Connection,
    repository: &NamedRepository,
    now: OffsetDateTime,
) -> Result<(Connection, Name), DbError> {
    let clone_url = renamed_url(&connection.clone_url, &connection.full_name, &repository.full_name);
    db::connections::set_repository(tx, connection.id, repository, &clone_url, now).await?;
    if connection.full_name == repository.full_name {
        return Ok((connection, Name::Known));
    }
    tracing::info!(connection.id = %connection.id, "{} is called {} now", connection.full_name, repository.full_name);
    Ok((Connection { clone_url, full_name: repository.full_name.clone(), ..connection }, Name::New))
}

/// A URL whose path ends with the old name, or with that and `.git`, with the new one; any other as it is.
fn renamed_url(url: &str, old: &FullName, new: &FullName) -> String {
    let (path, suffix) = url.strip_suffix(".git").map_or((url, ""), |path| (path, ".git"));
    let Some(at) = path.len().checked_sub(old.as_str().len()) else { return url.to_owned() };
    match path.split_at_checked(at) {
        // The name stands for a whole path, or its last parts: `group/shop` is not the end of `subgroup/shop`.
        Some((base, name)) if name.eq_ignore_ascii_case(old.as_str()) && base.ends_with(['/', ':']) => {
            format!("{base}{new}{suffix}")
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_follows_if_it_ends_with_the_name() {
        let renamed = |url: &str| renamed_url(url, &"Octo/Shop".parse().unwrap(), &"acme/store".parse().unwrap());
        for (before, after) in [
            ("https://github.com/octo/shop.git", "https://github.com/acme/store.git"),
            ("https://git.example:8443/base/Octo/Shop", "https://git.example:8443/base/acme/store"),
            ("git@github.com:octo/shop.git", "git@github.com:acme/store.git"),
            ("https://mirror.example/shop.git", "https://mirror.example/shop.git"),
            ("https://git.example/xocto/shop.git", "https://git.example/xocto/shop.git"),
            ("https://git.example/octo/shop/wiki", "https://git.example/octo/shop/wiki"),
            ("ü", "ü"),
        ] {
            assert_eq!(renamed(before), after);
        }
    }
}
