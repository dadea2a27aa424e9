//! What signed pushes were signed with.

use sqlx::Row as _;

use super::{Connection, DbError};
use crate::model::{BuildId, PushCertificate, ReleaseId};

/// Notes what the push was signed with that a build was just recorded for. To be called in that transaction.
pub async fn insert(db: &mut Connection, build: BuildId, certificate: &PushCertificate) -> Result<(), DbError> {
    sqlx::query("INSERT INTO push_certificates (build_id, fingerprint, certificate) VALUES (?, ?, ?)")
        .bind(build.to_string())
        .bind(&certificate.fingerprint)
        .bind(&certificate.text)
        .execute(db)
        .await?;
    Ok(())
}

/// What the push was signed with that made a release. Later releases of the same build have been made by somebody else.
pub async fn of_release(db: &mut Connection, release: ReleaseId) -> Result<Option<PushCertificate>, DbError> {
    let row = sqlx::query(
        "SELECT fingerprint, certificate FROM push_certificates JOIN releases ON releases.build_id = push_certificates.build_id
         WHERE releases.id = ? AND releases.version =
           (SELECT MIN (version) FROM releases AS same WHERE same.app_id = releases.app_id AND same.build_id = releases.build_id)",
    );
    let row = row.bind(release.to_string()).fetch_optional(db).await?;
    row.map(|row| Ok(PushCertificate { fingerprint: row.try_get("fingerprint")?, text: row.try_get("certificate")? })).transpose()
}
