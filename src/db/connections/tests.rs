use super::*;
use crate::db::{self, Db};
use crate::model::App;

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

async fn world() -> (tempfile::TempDir, Db, App) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap();
    let mut tx = db.write().await.unwrap();
    let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), AT).await.unwrap().id;
    let app = App {
        id: AppId::new(),
        name: "shop".parse().unwrap(),
        owner,
        stack: "debian-12".parse().unwrap(),
        created_at: AT,
        updated_at: AT,
    };
    db::apps::insert(&mut tx, &app).await.unwrap();
    tx.commit().await.unwrap();
    (dir, db, app)
}

fn connection_of(app: &App) -> (Connection, ConnectionSecrets) {
    let connection = Connection {
        id: ConnectionId::new(),
        of: Connected::App(app.id),
        by: app.owner,
        provider: Provider::GitHub,
        full_name: "Octocat/Hello-World".parse().unwrap(),
        clone_url: "https://github.com/Octocat/Hello-World.git".into(),
        known_hosts: None,
        branch: Some("main".parse().unwrap()),
        auto_deploy: true,
        wait_for_ci: false,
        is_proved: false,
        created_at: AT,
        updated_at: AT,
    };
    let secrets =
        ConnectionSecrets { webhook_secret: Secret::new("hush"), token: Some(Secret::new("tell nobody")), deploy_key: None };
    (connection, secrets)
}

#[tokio::test]
async fn a_connection_is_found_by_its_repository_and_its_secrets_are_not_in_the_file() {
    let (dir, db, app) = world().await;
    let (connection, secrets) = connection_of(&app);
    let mut tx = db.write().await.unwrap();
    insert(&mut tx, db.cipher(), &connection, &secrets).await.unwrap();
    tx.commit().await.unwrap();

    let mut reader = db.read().await.unwrap();
    let named = NamedRepository { full_name: "octocat/hello-world".parse().unwrap(), id: Some(7) };
    let found = by_repository(&mut reader, Provider::GitHub, &named).await.unwrap();
    assert_eq!(found, [(connection.clone(), None)]);
    assert_eq!(by_repository(&mut reader, Provider::Gitea, &named).await.unwrap(), []);
    let read = super::secrets(&mut reader, db.cipher(), connection.id).await.unwrap().unwrap();
    assert_eq!((read.webhook_secret, read.token, read.deploy_key), (secrets.webhook_secret, secrets.token, None));
    drop(reader);
    db.close().await;
    let file = std::fs::read(dir.path().join("hoist.db")).unwrap();
    for secret in [b"hush".as_slice(), b"tell nobody"] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
}

#[tokio::test]
async fn an_app_has_one_connection_which_goes_with_it() {
    let (_dir, db, app) = world().await;
    let (connection, secrets) = connection_of(&app);
    let mut tx = db.write().await.unwrap();
    insert(&mut tx, db.cipher(), &connection, &secrets).await.unwrap();
    let (second, _) = connection_of(&app);
    assert!(insert(&mut tx, db.cipher(), &second, &secrets).await.unwrap_err().is_taken());
    let changed = Connection { branch: Some("next".parse().unwrap()), auto_deploy: false, is_proved: true, ..connection };
    update(&mut tx, db.cipher(), &changed, &secrets).await.unwrap();
    assert_eq!(of_app(&mut tx, app.id).await.unwrap(), Some(changed));
    db::apps::destroy(&mut tx, app.id, app.owner, AT).await.unwrap();
    assert_eq!(of_app(&mut tx, app.id).await.unwrap(), None);
}
