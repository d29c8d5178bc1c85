//! Connections to the database: to the host that takes writes, over TLS, and each set up so that what is committed is durable.

use super::settings::{Place, Settings, TlsMode, Unusable};
use super::{secret, tls};
use crate::domain::code::Secret;
use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Config, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Error, NoTls, Socket};

/// Between two signs of life of a connection, and how many may stay unanswered.
const ALIVE: (Duration, u32) = (Duration::from_secs(5), 3);
/// How long what was sent may stay without a sign that it arrived.
const UNHEARD: Duration = Duration::from_secs(15);

/// Connections as `settings` say. Reads the files; connects when one is first asked for. The first error of a connection can be
/// told by [`super::reason`].
///
/// A connection is handed out again without a question to the server (it costs no round trip): who finds it broken asks for
/// another.
pub fn pool(settings: &Settings) -> Result<Pool, Unusable> {
    let places = settings.check()?;
    let password = settings.password_file.as_deref().map(secret::password).transpose()?;
    let configs: Vec<_> = places.iter().map(|it| config(settings, it, password.as_ref())).collect();
    let all = settings.connect_timeout() * u32::try_from(configs.len()).unwrap_or(u32::MAX);
    let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match settings.tls {
        TlsMode::Off => Manager::from_connect(Config::new(), Hosts::new(settings, configs, NoTls), recycled),
        TlsMode::Verify => Manager::from_connect(Config::new(), Hosts::new(settings, configs, tls::verifying(settings)?), recycled),
    };
    // The connection that was used last comes first: its server process has at hand what it needs for our statements, which goes cold
    // when all connections take turns.
    let builder = Pool::builder(manager).max_size(settings.pool).queue_mode(QueueMode::Lifo).runtime(Runtime::Tokio1);
    let wait = Duration::from_millis(settings.wait_timeout_millis);
    let pool = builder.wait_timeout(Some(wait)).create_timeout(Some(all)).recycle_timeout(Some(wait)).build();
    pool.map_err(|error| Unusable(format!("the pool of connections can't be made: {error}")))
}

fn config(settings: &Settings, place: &Place, password: Option<&Secret>) -> Config {
    let mut config = Config::new();
    config.host(&place.host).port(place.port).dbname(&settings.database).user(&settings.user).application_name("countersign");
    if let Some(password) = password {
        config.password(password.expose());
    }
    config.ssl_mode(if settings.tls == TlsMode::Off { SslMode::Disable } else { SslMode::Require });
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    config.keepalives_idle(ALIVE.0).keepalives_interval(ALIVE.0).keepalives_retries(ALIVE.1).tcp_user_timeout(UNHEARD);
    config
}

/// The hosts of one database.
struct Hosts<T> {
    configs: Vec<Config>,
    tls: T,
    timeout: Duration,
    /// What is said first on each connection.
    greeting: String,
    /// The host that took writes last: the first to be asked.
    writable: AtomicUsize,
}

impl<T> Hosts<T> {
    fn new(settings: &Settings, configs: Vec<Config>, tls: T) -> Self {
        Self { configs, tls, timeout: settings.connect_timeout(), greeting: greeting(settings), writable: AtomicUsize::new(0) }
    }
}

/// A role or a server that is set to weaker durability must not weaken ours; a stronger one stays. Other databases of this
/// protocol have no such setting, and then nothing is set.
fn greeting(settings: &Settings) -> String {
    let millis = settings.statement_timeout_secs * 1000;
    format!(
        "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis}; \
         SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
         SET enable_bitmapscan = off; SET enable_material = off; SET enable_hashagg = off; SET jit = off; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit', true) IN ('off', 'local', 'remote_write')"
    )
}

impl<T> Hosts<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    // The first host that takes writes. When none says why not, they are asked until the pool's own time for it is over.
    async fn any(&self) -> Result<(Client, JoinHandle<()>), Error> {
        loop {
            let first = self.writable.load(Ordering::Relaxed);
            let mut refused = None;
            for at in (0..self.configs.len()).map(|it| (first + it) % self.configs.len()) {
                match tokio::time::timeout(self.timeout, self.one(&self.configs[at])).await {
                    Ok(Ok(connected)) => {
                        self.writable.store(at, Ordering::Relaxed);
                        return Ok(connected);
                    }
                    Ok(Err(error)) => refused = Some(error),
                    Err(_) => tracing::warn!(host = at + 1, "a database host does not answer in time"),
                }
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
    }

    async fn one(&self, config: &Config) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(why = super::problem::text(&error), "a connection to the database broke");
            }
        });
        client.batch_execute(&self.greeting).await.inspect_err(|_| task.abort())?;
        Ok((client, task))
    }
}

impl<T> Connect for Hosts<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.any())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_by_nobody() {
        let place = Place { host: "db1".to_owned(), port: 5432 };
        let shown = format!("{:?}", config(&Settings::default(), &place, Some(&Secret::new("s3cret"))));
        assert!(shown.contains("db1") && !shown.contains("s3cret"), "{shown}");
    }
}
