use super::*;
use crate::db::{self, Db};
use crate::model::App;

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

async fn world() -> (tempfile::TempDir, Db, App) {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).await.unwrap();
    let mut tx = db.write().await.unwrap();
    let owner = db::accounts::insert(&mut tx, &"a@example.com".parse().unwrap(), AT).await.unwrap().id;
    let (name, stack) = ("shop".parse().unwrap(), "debian-12".parse().unwrap());
    let app = App { id: AppId::new(), name, owner, stack, created_at: AT, updated_at: AT };
    db::apps::insert(&mut tx, &app).await.unwrap();
    tx.commit().await.unwrap();
    (dir, db, app)
}

fn login(app: &App, url: &str) -> GitCredential {
    let kind = GitCredentialKind::Token { username: Some("bob".into()) };
    let (id, url) = (GitCredentialId::new(), url.parse().unwrap());
    GitCredential { id, app: app.id, by: app.owner, url, kind, created_at: AT, last_used_at: None }
}

#[tokio::test]
async fn what_is_kept_is_found_again_and_its_secret_is_not_in_the_file() {
    let (dir, db, app) = world().await;
    let credential = login(&app, "https://h/acme");
    let mut tx = db.write().await.unwrap();
    insert(&mut tx, db.cipher(), &credential, &Secret::new("tell nobody")).await.unwrap();
    set_used(&mut tx, credential.id, AT).await.unwrap();
    let again = insert(&mut tx, db.cipher(), &login(&app, "https://h/acme/"), &Secret::new("x")).await.unwrap_err();
    assert!(again.is_taken(), "{again}");
    tx.commit().await.unwrap();

    let mut reader = db.read().await.unwrap();
    assert_eq!(list_of(&mut reader, app.id).await.unwrap(), [GitCredential { last_used_at: Some(AT), ..credential.clone() }]);
    let opened = open_of(&mut reader, db.cipher(), app.id).await.unwrap();
    let (id, remote) = opened.find(&"https://h/acme/lib".parse().unwrap()).unwrap();
    assert_eq!(id, credential.id);
    let Credentials::Login { username, token } = remote.credentials else { panic!("it is a login") };
    assert_eq!((username.as_str(), token.expose()), ("bob", "tell nobody"));
    drop(reader);
    db.close().await;
    for file in dir.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"tell nobody"), "{}", file.display());
    }
}

#[tokio::test]
async fn a_secret_opens_in_its_own_row_only() {
    let (_dir, db, app) = world().await;
    let mut tx = db.write().await.unwrap();
    for (url, secret) in [("https://h/acme", "one"), ("https://h/evil", "two")] {
        insert(&mut tx, db.cipher(), &login(&app, url), &Secret::new(secret)).await.unwrap();
    }
    open_of(&mut tx, db.cipher(), app.id).await.unwrap();
    sqlx::query("UPDATE git_credentials SET secret = (SELECT secret FROM git_credentials WHERE url = 'https://h/acme')")
        .execute(&mut *tx)
        .await
        .unwrap();
    let error = open_of(&mut tx, db.cipher(), app.id).await.unwrap_err();
    assert!(error.to_string().contains("can't be opened with this key"), "{error}");
}

#[tokio::test]
async fn they_go_with_their_app() {
    let (_dir, db, app) = world().await;
    let mut tx = db.write().await.unwrap();
    insert(&mut tx, db.cipher(), &login(&app, "https://h/acme"), &Secret::new("x")).await.unwrap();
    db::apps::destroy(&mut tx, app.id, app.owner, AT).await.unwrap();
    assert_eq!(list_of(&mut tx, app.id).await.unwrap(), []);
}
