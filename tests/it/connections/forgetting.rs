//! Deliveries that no forge makes again are forgotten.

use hoist::db::{self, Db};
use hoist::model::Delivered;
use time::{Duration, OffsetDateTime};

use super::site::{Site, Wanted};
use crate::harness::until;

/// Far more than go in one transaction.
const OLD: usize = 1200;

async fn with_db<T>(site: &Site, work: impl AsyncFnOnce(&Db) -> T) -> T {
    let db = Db::open(site.daemon.data_dir()).await.unwrap();
    let done = work(&db).await;
    db.close().await;
    done
}

async fn known(db: &Db) -> Vec<String> {
    let sql = "SELECT delivery_id FROM deliveries_in WHERE event = 'ping'";
    let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut *db.read().await.unwrap()).await.unwrap();
    rows.into_iter().map(|(delivery,)| delivery).collect()
}

#[test]
fn a_start_forgets_what_was_told_long_ago() {
    let mut site = Site::new(&Wanted::default());
    site.daemon.kill();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(with_db(&site, async |db| {
        let app = db::apps::by_name(&mut db.read().await.unwrap(), &"shop".parse().unwrap()).await.unwrap().unwrap();
        let mut tx = db.write().await.unwrap();
        let connection = db::connections::of_app(&mut tx, app.id).await.unwrap().unwrap().id;
        let now = OffsetDateTime::now_utc();
        for number in 0..OLD {
            let at = now - Duration::days(61);
            db::deliveries_in::insert(&mut tx, connection, &format!("old {number}"), &Delivered::Ping, at).await.unwrap();
        }
        // Far older than what GitHub delivers again.
        db::deliveries_in::insert(&mut tx, connection, "kept", &Delivered::Ping, now - Duration::days(59)).await.unwrap();
        tx.commit().await.unwrap();
    }));
    site.daemon.restart();
    until(|| runtime.block_on(with_db(&site, known)) == ["kept"]);
}
