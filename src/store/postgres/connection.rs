//! One connection for one task, for no longer than it may take.

use super::shared::Shared;
use super::trouble::Trouble;
use deadpool_postgres::Object;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// What goes along with a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Shared {
    /// The rows of one statement, which is prepared once a connection.
    pub(super) async fn query(&self, text: &str, values: Values<'_>) -> Result<Vec<Row>, Trouble> {
        let work = async |client: &Object| {
            let statement = client.prepare_cached(text).await?;
            Ok(client.query(&statement, values).await?)
        };
        self.within(self.options.read_timeout, work).await
    }

    /// Does one statement; how many rows it changed.
    pub(super) async fn execute(&self, text: &str, values: Values<'_>) -> Result<u64, Trouble> {
        let work = async |client: &Object| {
            let statement = client.prepare_cached(text).await?;
            Ok(client.execute(&statement, values).await?)
        };
        self.within(self.options.read_timeout, work).await
    }

    /// Works with a connection, for no longer than `time`.
    pub(super) async fn within<T>(&self, time: Duration, work: impl AsyncFnOnce(&Object) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let client = Borrowed::of(self.pool.get().await?);
        let done = tokio::time::timeout(time, work(client.get())).await;
        let done = done.unwrap_or_else(|_| Err(Trouble::Away("it took too long".to_owned())));
        if let Err(Trouble::Away(_)) = &done {
            // Whatever it is still doing, nobody else shall wait for it; and no other connection may lead to where it led.
            self.pool.retain(|_, _| false);
        } else {
            client.give_back();
        }
        done
    }
}

/// What is asked of the database, for no longer than `time`.
pub(super) async fn in_time<T>(time: Duration, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Trouble> {
    let done = tokio::time::timeout(time, work).await;
    Ok(done.map_err(|_| Trouble::Away("it took too long".to_owned()))??)
}

/// A connection that goes back only when it is idle: one with an answer under way is nobody's, also when whoever waits for it gave up.
pub(super) struct Borrowed(Option<Object>);

impl Borrowed {
    /// One that was idle.
    pub(super) fn of(client: Object) -> Self {
        Self(Some(client))
    }

    /// It.
    pub(super) fn get(&self) -> &Object {
        self.0.as_ref().expect("it is taken out only when this is consumed")
    }

    /// Nothing is under way on it.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}
