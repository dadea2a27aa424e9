//! An installation of an earlier version under today's daemon: no row is lost, and all of it can still be used.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::harness::{Daemon, User, WorkTree, fixture};

/// Of `alice@example.com` in `schema-0004.tar.gz`.
const TOKEN: &str = "hoist-745e8cb9a34094bb3182144a3b8281f03339a82319551b9477fab16b77389ca5";

/// What is removed in its time, and the list of migrations.
const PASSING: [&str; 4] = ["sources", "slug_uploads", "sqlite_sequence", "_sqlx_migrations"];

/// The columns of each table.
type Schema = BTreeMap<String, Vec<String>>;

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_installation_is_upgraded_without_loss() {
    let dir = unpack("schema-0004.tar.gz");
    let database = dir.path().join("hoist.db");
    let schema = schema(&database).await;
    let before = rows(&database, &schema).await;
    assert!(before.values().map(Vec::len).sum::<usize>() > 50, "there is something to lose");

    let daemon = Daemon::start_in(dir);
    let after = rows(&database, &schema).await;
    for (table, rows) in before {
        assert_eq!(after[&table], rows, "{table}");
    }
    let alice = User { token: TOKEN.into(), key: daemon.user("alice@example.com").key };
    everything_is_told(&daemon, &alice);
    everything_goes_on(&daemon, &alice);
}

fn everything_is_told(daemon: &Daemon, alice: &User) {
    let of_shop = |args: &[&str]| daemon.client(alice, &[args, &["--app", "shop"]].concat());
    insta::assert_snapshot!(releases(daemon, alice), @"
    v1 Initial release: succeeded
    v2 Set GREETING, SECRET_KEY config vars: succeeded
    v3 Deploy a3ad8105: succeeded
    v4 Deploy 1941030f: succeeded
    v5 Deploy 020ef8f3: failed
    v6 Rollback to v3: succeeded
    v7 Unset GREETING config vars: succeeded
    ");
    assert_eq!(of_shop(&["config", "--json"]).trim(), "{\n  \"SECRET_KEY\": \"s3cret-value\"\n}");
    assert!(of_shop(&["releases:verify"]).contains("Every release is as it was appended."));
    assert!(of_shop(&["releases:output", "v5"]).contains("Release command failed with exit code 3."));
    assert!(of_shop(&["releases:info", "v4"]).contains("leaks memory"));
    assert!(of_shop(&["access"]).contains("bob@example.com"));
    assert!(of_shop(&["buildpacks"]).contains("hoist/static"));
    assert!(daemon.client(alice, &["keys"]).contains("alice@laptop"));
    assert!(daemon.client(alice, &["pipelines:info", "line"]).contains("shop-live"));
    assert_eq!(daemon.get(alice, "/apps/shop/formation/web")["quantity"], 2);
    assert_eq!(daemon.get(alice, "/apps/shop/builds").as_array().unwrap().len(), 3);
}

fn everything_goes_on(daemon: &Daemon, alice: &User) {
    daemon.client(alice, &["rollback", "v3", "--app", "shop"]);
    let tree = WorkTree::of_fixture("static-site");
    tree.commit("a push after the upgrade");
    let pushed = tree.push(daemon, alice, "shop", &["+main"]);
    assert!(pushed.ok, "{}", pushed.transcript);
    let versions: Vec<_> = daemon.releases(alice, "shop").into_iter().map(|(version, _)| version).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(daemon.client(alice, &["releases:verify", "--app", "shop"]).contains("Every release is as it was appended."));
}

fn releases(daemon: &Daemon, alice: &User) -> String {
    let releases = daemon.get(alice, "/apps/shop/releases");
    let line = |release: &serde_json::Value| {
        let text = |key: &str| release[key].as_str().unwrap().to_owned();
        format!("v{} {}: {}\n", release["version"], text("description"), text("status"))
    };
    releases.as_array().unwrap().iter().map(line).collect()
}

fn unpack(name: &str) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("hoist-test-").tempdir().unwrap();
    let archive = std::fs::File::open(fixture("installations").join(name)).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(dir.path()).unwrap();
    dir
}

async fn open(database: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(database).read_only(true)).await.unwrap()
}

async fn schema(database: &Path) -> Schema {
    let mut db = open(database).await;
    let sql = "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info (tables.name) AS columns
               WHERE tables.type = 'table'";
    let pairs: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut db).await.unwrap();
    let mut schema = Schema::new();
    for (table, column) in pairs.into_iter().filter(|(table, _)| !PASSING.contains(&table.as_str())) {
        schema.entry(table).or_default().push(column);
    }
    schema
}

/// What the tables hold in the columns of `schema`, a line for each row.
async fn rows(database: &Path, schema: &Schema) -> BTreeMap<String, Vec<String>> {
    let mut db = open(database).await;
    let mut tables = BTreeMap::new();
    for (table, columns) in schema {
        let line = columns.iter().map(|column| format!("quote (\"{column}\")")).collect::<Vec<_>>().join(" || ' ' || ");
        let sql = format!("SELECT {line} FROM \"{table}\" ORDER BY 1");
        let lines: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&mut db).await.unwrap();
        tables.insert(table.clone(), lines.into_iter().map(|(line,)| line).collect());
    }
    tables
}
