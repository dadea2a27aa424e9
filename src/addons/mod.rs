//! Add-ons on their servers: makes them, changes their passwords, removes them.
//!
//! `postgresql` gives each add-on a database and a role, `redis` one of the server's numbered databases and a user; `names`
//! makes names and passwords. What is said of an add-on to apps, the URL, is made up first and recorded; only then is
//! anything asked of the server, and every question may be asked again: [`crate::deploy`] does so after a crash.

mod names;
mod postgresql;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::Url;

use crate::model::{Addon, Secret, Service};

pub use names::addon_name;

/// For everything that is asked of a server at a time.
const CALL_TIME: Duration = Duration::from_secs(20);
/// For one's turn: less than a client of the API waits for its answer, together with the call.
const TURN_TIME: Duration = Duration::from_secs(25);

/// A server of the operator's.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address, user and password of whoever may make databases and users there.
    pub url: Secret,
    /// `HOST` or `HOST:PORT` that apps are told, if it is not the one in `url`.
    pub public_address: Option<String>,
}

/// The servers of this installation. Services without one are not offered.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub postgresql: Option<Server>,
    pub redis: Option<Server>,
}

/// The servers on which add-ons are made. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Addons {
    providers: Arc<[(Service, Provider)]>,
    /// One change at a time: what is found unsettled by whoever has the turn was cut off.
    turn: Arc<Semaphore>,
}

/// What the configuration says of a server can't be used. The URL, which holds a password, is not told.
#[derive(Debug, thiserror::Error)]
#[error("the address of the {} server for add-ons can't be used: {why}", .service.human_name())]
pub struct SetupError {
    service: Service,
    why: String,
}

/// Why a server did not do what it was asked. Never the user's fault.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The configuration names no server.
    #[error(
        "{service} is not offered here: this installation has no {name} server. Whoever runs it can name one as {word}_url in \
         the section [addons] of hoist.toml, or in HOIST_ADDONS_{upper}_URL.",
        service = .0.as_str(),
        name = .0.human_name(),
        word = .0.word(),
        upper = .0.word().to_ascii_uppercase()
    )]
    NotOffered(Service),
    #[error("the {} server can't be reached", .service.human_name())]
    Away { service: Service, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the {} server has refused", .service.human_name())]
    Refused { service: Service, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the {} server did not answer in time", .0.human_name())]
    Slow(Service),
    /// Whoever runs the server has to change something.
    #[error("the {} server is not set up for add-ons: {why}", .service.human_name())]
    SetUp { service: Service, why: &'static str },
    #[error("every one of the {databases} databases of the {} server is in use", .service.human_name())]
    Full { service: Service, databases: u32 },
    /// Others' changes took all the time.
    #[error("too many add-ons are being changed at once")]
    Busy,
}

/// Where an add-on that is to be made will be.
#[derive(Debug, Clone)]
pub struct Place {
    pub slot: Option<u32>,
    /// The address with a new password, as apps will be told.
    pub url: Secret,
}

#[derive(Debug)]
enum Provider {
    Postgresql(postgresql::Provider),
    Redis(redis::Provider),
}

impl Addons {
    /// Reads the servers' addresses; connects to none.
    pub fn open(settings: Settings) -> Result<Self, SetupError> {
        let mut providers = Vec::new();
        if let Some(server) = settings.postgresql {
            let provider = postgresql::Provider::open(&server).map_err(bad(Service::Postgresql))?;
            providers.push((Service::Postgresql, Provider::Postgresql(provider)));
        }
        if let Some(server) = settings.redis {
            let provider = redis::Provider::open(&server).map_err(bad(Service::Redis))?;
            providers.push((Service::Redis, Provider::Redis(provider)));
        }
        Ok(Self { providers: providers.into(), turn: Arc::new(Semaphore::new(1)) })
    }

    /// Whether add-ons of this kind can be made here.
    #[must_use]
    pub fn offers(&self, service: Service) -> bool {
        self.provider(service).is_ok()
    }

    /// Waits for one's turn to change an add-on, which lasts until the permit is dropped.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, ProviderError> {
        let permit = timeout(TURN_TIME, Arc::clone(&self.turn).acquire_owned()).await.map_err(|_| ProviderError::Busy)?;
        Ok(permit.expect("the semaphore is never closed"))
    }

    /// Finds a place for a new add-on on its server, none of the slots in use. Nothing is made yet.
    pub async fn find_place(&self, addon: &Addon, slots: &[u32]) -> Result<Place, ProviderError> {
        let service = addon.plan.0;
        match self.provider(service)? {
            Provider::Postgresql(server) => Ok(Place { slot: None, url: server.new_url(addon) }),
            Provider::Redis(server) => {
                let slot = in_time(service, server.free_slot(slots)).await?;
                Ok(Place { slot: Some(slot), url: server.new_url(addon, slot) })
            }
        }
    }

    /// Makes the add-on that this address tells of, or gives it the address's password if it is there. Whoever was
    /// connected with another password is not any more.
    pub async fn provision(&self, addon: &Addon, url: &Secret) -> Result<(), ProviderError> {
        let service = addon.plan.0;
        let password = password(url);
        match self.provider(service)? {
            Provider::Postgresql(server) => in_time(service, server.provision(addon, &password)).await,
            Provider::Redis(server) => in_time(service, server.provision(addon, &password)).await,
        }
    }

    /// Removes the add-on with all its data, as far as it is there.
    pub async fn deprovision(&self, addon: &Addon) -> Result<(), ProviderError> {
        let service = addon.plan.0;
        match self.provider(service)? {
            Provider::Postgresql(server) => in_time(service, server.deprovision(addon)).await,
            Provider::Redis(server) => in_time(service, server.deprovision(addon)).await,
        }
    }

    fn provider(&self, service: Service) -> Result<&Provider, ProviderError> {
        let found = self.providers.iter().find(|(offered, _)| *offered == service);
        found.map(|(_, provider)| provider).ok_or(ProviderError::NotOffered(service))
    }
}

/// The same address with another password.
#[must_use]
pub fn renewed(url: &Secret) -> Secret {
    let mut url = Url::parse(url.expose()).expect("hoist wrote the address");
    url.set_password(Some(names::password().expose())).expect("it has a host");
    Secret::new(url)
}

fn password(url: &Secret) -> Secret {
    let url = Url::parse(url.expose()).expect("hoist wrote the address");
    // Digits and letters: never escaped.
    Secret::new(url.password().expect("with a password"))
}

fn bad(service: Service) -> impl Fn(String) -> SetupError {
    move |why| SetupError { service, why }
}

async fn in_time<T>(service: Service, call: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
    timeout(CALL_TIME, call).await.unwrap_or(Err(ProviderError::Slow(service)))
}

/// An add-on's name on its server. Made of its id: never a user's word, and of hex digits only.
fn name_on_server(addon: &Addon) -> String {
    format!("hoist_{}", addon.id.to_string().replace('-', ""))
}

/// The beginning of what apps are told, `SCHEME://HOST:PORT`, without a user.
fn public_url(server: &Server, schemes: &[&str], port: u16) -> Result<Url, String> {
    let url = Url::parse(server.url.expose()).map_err(|error| error.to_string())?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("it must begin with {}://", schemes[0]));
    }
    let own = || Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or(port)));
    let address = server.public_address.clone().or_else(own).ok_or("it names no host, and there is no public address")?;
    let told = format!("{}://{address}", url.scheme());
    Url::parse(&told).ok().filter(Url::has_host).ok_or_else(|| format!("`{address}` is not a host and a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, public_address: Option<&str>) -> Server {
        Server { url: Secret::new(url), public_address: public_address.map(str::to_owned) }
    }

    fn told(url: &str, public_address: Option<&str>) -> Result<String, String> {
        public_url(&server(url, public_address), &["postgres", "postgresql"], 5432).map(String::from)
    }

    #[test]
    fn apps_are_told_the_servers_address_or_the_public_one() {
        assert_eq!(told("postgres://root:pw@10.0.0.1/postgres?sslmode=disable", None).unwrap(), "postgres://10.0.0.1:5432");
        assert_eq!(told("postgresql://root:pw@db:6000", None).unwrap(), "postgresql://db:6000");
        assert_eq!(told("postgres://db", Some("db.example.com:1")).unwrap(), "postgres://db.example.com:1");
        for bad in ["", "db:5432", "mysql://db", "postgres:///postgres"] {
            let why = told(bad, None).unwrap_err();
            assert!(!why.is_empty(), "{bad}");
        }
        assert!(told("postgres://db", Some("a b")).is_err());
    }

    #[test]
    fn a_bad_address_is_refused_without_its_password() {
        for settings in [
            Settings { postgresql: Some(server("mysql://root:hush@db", None)), redis: None },
            Settings { postgresql: None, redis: Some(server("postgres://:hush@db", None)) },
        ] {
            let error = Addons::open(settings).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn a_renewed_address_differs_by_its_password() {
        let old = Secret::new("redis://hoist_1:old@db:6379/3");
        let new = renewed(&old);
        assert_ne!(password(&new), password(&old));
        assert_eq!(new.expose().replace(password(&new).expose(), "old"), old.expose());
    }

    #[tokio::test]
    async fn a_service_without_a_server_is_not_offered() {
        let addons = Addons::open(Settings::default()).unwrap();
        assert!(Service::ALL.iter().all(|service| !addons.offers(*service)));
    }
}
