//! Redis: one of the server's numbered databases and a user for each add-on. The user may select its own number only, and
//! do nothing that reaches beyond it. Database 0 is kept empty of add-ons.
//!
//! What no rule for users can separate, because Redis does not: messages (`PUBLISH` and `SUBSCRIBE` know no databases; who
//! subscribes to another's channel hears it); database 0, in which every connection begins before it selects its own; the
//! numbers in `INFO`; memory, and what is evicted when there is none left. Who can't live with that needs a server per app.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, cmd};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use url::Url;

use super::{ProviderError, Server, name_on_server, names, public_url};
use crate::model::{Addon, Secret, Service};

const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(10);
const PORT: u16 = 6379;

/// What every user may and may not, in the order in which Redis reads it. All commands but:
/// - those for administrators, and those that Redis calls dangerous because they touch the whole server;
/// - those that name another database (`SELECT`, `MOVE`, `COPY`, `SWAPDB`);
/// - functions and the list of scripts, which are the server's, not a database's;
/// - `CLIENT TRACKING`, which tells of keys in every database, and `MEMORY`, which tells of the server;
///
/// and then again some that Redis calls dangerous, but that stay within the database, or only tell what clients need.
const RULES: [&str; 26] = [
    "~*",
    "&*",
    "+@all",
    "-@admin",
    "-@dangerous",
    "-select",
    "-move",
    "-copy",
    "-swapdb",
    "-function",
    "-fcall",
    "-fcall_ro",
    "-script",
    "+script|load",
    "+script|exists",
    "-client|tracking",
    "-client|caching",
    "-memory",
    "+memory|usage",
    "+keys",
    "+flushdb",
    "+sort",
    "+sort_ro",
    "+restore",
    "+info",
    "+role",
];

#[derive(Debug)]
pub(super) struct Provider {
    client: Client,
    public_url: Url,
}

impl Provider {
    pub(super) fn open(server: &Server) -> Result<Self, String> {
        let public_url = public_url(server, &["redis", "rediss"], PORT)?;
        let client = Client::open(server.url.expose()).map_err(|error| error.to_string())?;
        Ok(Self { client, public_url })
    }

    /// The address of an add-on, with a new password.
    pub(super) fn new_url(&self, addon: &Addon, slot: u32) -> Secret {
        let mut url = self.public_url.clone();
        url.set_path(&slot.to_string());
        url.set_username(&name_on_server(addon)).expect("it has a host");
        url.set_password(Some(names::password().expose())).expect("it has a host");
        Secret::new(url)
    }

    /// The first database that is neither in `used`, nor any other user's, nor holds anything.
    pub(super) async fn free_slot(&self, used: &[u32]) -> Result<u32, ProviderError> {
        let mut server = self.connect().await?;
        self.refuse_open_server(&mut server).await?;
        let (_, databases): (String, u32) = ask(&mut server, cmd("CONFIG").arg("GET").arg("databases")).await?;
        let users: Vec<String> = ask(&mut server, cmd("ACL").arg("LIST")).await?;
        for slot in (1..databases).filter(|slot| !used.contains(slot)) {
            let rule = select_rule(slot);
            if users.iter().any(|user| user.split(' ').any(|word| word == rule)) {
                continue;
            }
            let () = ask(&mut server, cmd("SELECT").arg(slot)).await?;
            let keys: u64 = ask(&mut server, &cmd("DBSIZE")).await?;
            if keys == 0 {
                return Ok(slot);
            }
        }
        Err(ProviderError::Full { service: Service::Redis, databases })
    }

    pub(super) async fn provision(&self, addon: &Addon, password: &Secret) -> Result<(), ProviderError> {
        let name = name_on_server(addon);
        let mut server = self.connect().await?;
        self.refuse_open_server(&mut server).await?;
        // The password's digest, so that no log of commands shows the password.
        let digest = format!("#{}", hex::encode(Sha256::digest(password.expose())));
        let mut set = cmd("ACL");
        set.arg("SETUSER").arg(&name).arg("reset").arg("on").arg(digest).arg(&RULES).arg(select_rule(slot(addon)));
        let () = ask(&mut server, &set).await?;
        persist(&mut server).await?;
        end_sessions(&mut server, &name).await
    }

    pub(super) async fn deprovision(&self, addon: &Addon) -> Result<(), ProviderError> {
        let mut server = self.connect().await?;
        // Ends its connections, too. From then on nobody writes there any more.
        let _: u32 = ask(&mut server, cmd("ACL").arg("DELUSER").arg(name_on_server(addon))).await?;
        persist(&mut server).await?;
        let () = ask(&mut server, cmd("SELECT").arg(slot(addon))).await?;
        ask(&mut server, cmd("FLUSHDB").arg("ASYNC")).await
    }

    async fn connect(&self) -> Result<MultiplexedConnection, ProviderError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIME)).set_response_timeout(Some(ANSWER_TIME));
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        connected.map_err(failed)
    }

    /// A server that lets in whoever comes keeps nobody's data apart.
    async fn refuse_open_server(&self, server: &mut MultiplexedConnection) -> Result<(), ProviderError> {
        let users: Vec<String> = ask(server, cmd("ACL").arg("LIST")).await?;
        let is_open = |user: &String| {
            let words: Vec<_> = user.split(' ').collect();
            words.starts_with(&["user", "default"]) && words.contains(&"on") && words.contains(&"nopass")
        };
        if users.iter().any(is_open) {
            let why = "its user `default` needs no password, so that every app could read every other's data: set requirepass";
            return Err(ProviderError::SetUp { service: Service::Redis, why });
        }
        Ok(())
    }
}

fn slot(addon: &Addon) -> u32 {
    addon.slot.expect("every Redis add-on is recorded with one")
}

fn select_rule(slot: u32) -> String {
    format!("+select|{slot}")
}

async fn ask<T: FromRedisValue>(server: &mut MultiplexedConnection, question: &Cmd) -> Result<T, ProviderError> {
    question.query_async(server).await.map_err(failed)
}

fn failed(error: RedisError) -> ProviderError {
    let service = Service::Redis;
    if error.is_io_error() {
        ProviderError::Away { service, source: error.into() }
    } else {
        ProviderError::Refused { service, source: error.into() }
    }
}

/// Redis forgets its users when it stops, unless it is told to write them down: into the file for users if there is one,
/// else into its configuration.
async fn persist(server: &mut MultiplexedConnection) -> Result<(), ProviderError> {
    let saved: Result<(), RedisError> = cmd("ACL").arg("SAVE").query_async(server).await;
    let Err(_no_file) = saved else { return Ok(()) };
    let rewritten: Result<(), RedisError> = cmd("CONFIG").arg("REWRITE").query_async(server).await;
    let why = "it would forget its users when it stops: start it with an aclfile, or with a configuration file that it may write";
    rewritten.map_err(|_| ProviderError::SetUp { service: Service::Redis, why })
}

async fn end_sessions(server: &mut MultiplexedConnection, name: &str) -> Result<(), ProviderError> {
    let _: u32 = ask(server, cmd("CLIENT").arg("KILL").arg("USER").arg(name)).await?;
    Ok(())
}
