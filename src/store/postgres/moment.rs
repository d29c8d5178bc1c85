//! Whole tables, as they are at one moment, while others write.

use super::connection::{Borrowed, in_time};
use super::shared::Shared;
use super::trouble::Trouble;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio_postgres::Row;

/// Rows of a page.
const PAGE: usize = 1000;

/// A transaction that sees the database as it was when it began to read.
pub(super) struct Moment {
    client: Borrowed,
    /// How long each page may take.
    time: Duration,
}

impl Shared {
    /// One that begins now. Each page of what it reads may take `time`, of the first of which the database may be sorting.
    pub(super) async fn moment(&self, time: Duration) -> Result<Moment, Trouble> {
        let client = Borrowed::of(self.pool.get().await?);
        let millis = time.as_millis();
        // Whole tables are read in the order in which they are stored: by the key each row costs a jump. And nothing goes on for long when
        // nobody waits for it any more, where the database can see that.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {millis}; SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; \
             SET LOCAL enable_mergejoin = on; SET LOCAL enable_hashagg = on; \
             SELECT set_config('client_connection_check_interval', '10s', true) \
             WHERE current_setting('client_connection_check_interval', true) IS NOT NULL"
        );
        in_time(self.options.read_timeout, client.get().batch_execute(&begin)).await?;
        Ok(Moment { client, time })
    }
}

impl Moment {
    /// All that `select` finds.
    pub(super) async fn read(&self, select: &str) -> Result<Pages<'_>, Trouble> {
        let declare = format!("DECLARE whole NO SCROLL CURSOR FOR {select}");
        in_time(self.time, self.client.get().batch_execute(&declare)).await?;
        let fetch = in_time(self.time, self.client.get().prepare(&format!("FETCH {PAGE} FROM whole"))).await?;
        let mut pages = Pages { moment: self, fetch, next: None };
        pages.ask().await;
        Ok(pages)
    }

    /// Its connection is free again.
    pub(super) async fn end(self) -> Result<(), Trouble> {
        in_time(self.time, self.client.get().batch_execute("COMMIT")).await?;
        self.client.give_back();
        Ok(())
    }
}

type Later<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Trouble>> + Send + 'a>>;

/// What is found, page by page: one is on its way while whoever has the one before works on it.
pub(super) struct Pages<'a> {
    moment: &'a Moment,
    fetch: tokio_postgres::Statement,
    next: Option<Later<'a>>,
}

impl Pages<'_> {
    /// The next page; `None` when there is no more, and then another [`Moment::read`] may begin.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>, Trouble> {
        let Some(asked) = self.next.take() else { return Ok(None) };
        let page = asked.await?;
        if page.is_empty() {
            in_time(self.moment.time, self.moment.client.get().batch_execute("CLOSE whole")).await?;
            return Ok(None);
        }
        self.ask().await;
        Ok(Some(page))
    }

    // What is asked for is sent when it is first looked at.
    async fn ask(&mut self) {
        let (moment, fetch) = (self.moment, self.fetch.clone());
        let mut asked: Later<'_> = Box::pin(async move { in_time(moment.time, moment.client.get().query(&fetch, &[])).await });
        let at_once = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
        self.next = Some(match at_once {
            Poll::Ready(page) => Box::pin(ready(page)),
            Poll::Pending => asked,
        });
    }
}
