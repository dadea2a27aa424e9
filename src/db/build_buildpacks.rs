//! Which buildpacks builds were made with. Append-only, like the builds.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Connection, DbError};
use crate::model::{BuildId, Invalid, UsedBuildpack};

/// Records a build's buildpacks, in order.
pub async fn insert(db: &mut Connection, build: BuildId, used: &[UsedBuildpack]) -> Result<(), DbError> {
    for (ordinal, one) in (0_i64..).zip(used) {
        sqlx::query("INSERT INTO build_buildpacks (build_id, ordinal, buildpack, version) VALUES (?, ?, ?, ?)")
            .bind(build.to_string())
            .bind(ordinal)
            .bind(one.buildpack.to_string())
            .bind(one.version.as_ref().map(ToString::to_string))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The buildpacks in a row that has them as JSON: pairs of a reference and a version.
pub(super) fn used(row: &SqliteRow) -> Result<Vec<UsedBuildpack>, DbError> {
    let bad = |why: String| DbError::Corrupt { what: "buildpacks", why };
    let json: String = row.try_get("used_buildpacks")?;
    let pairs: Vec<(String, Option<String>)> = serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?;
    pairs.into_iter().map(read).collect::<Result<_, _>>().map_err(|Invalid(why)| bad(why))
}

fn read((buildpack, version): (String, Option<String>)) -> Result<UsedBuildpack, Invalid> {
    let version = version.map(|version| version.parse()).transpose()?;
    Ok(UsedBuildpack { buildpack: buildpack.parse()?, version })
}
