//! Logs: one JSON object a line to the standard error output. Codes, addresses and secrets don't get here: their types
//! don't show themselves.

use std::fmt;
use std::panic::PanicHookInfo;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

/// Targets that would log bytes of the wire, or whole phone numbers, at their finest levels: a wish for TRACE of everything
/// does not include them.
const SILENCED: [&str; 7] = ["rlibphonenumber=info", "h2=info", "hyper=info", "hyper_util=info", "rustls=info", "lettre=info", "sled=info"];

tokio::task_local! {
    /// The correlation id of the request that is worked on.
    static REQUEST: Uuid;
}

/// Begins logging at `level` (as `[log]` has it), and logs panics from now on. Once a process; the error says what to do.
pub fn begin(level: &str) -> Result<(), String> {
    subscriber(level, std::io::stderr)?.try_init().map_err(|_| "logging has already begun".to_owned())?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Does `work` for the request with this correlation id: every line that it logs has the id, as a span `request` around it.
/// A real span would be formatted for each request; this costs something only where a line is written.
pub fn correlated<F: Future>(request: Uuid, work: F) -> impl Future<Output = F::Output> {
    REQUEST.scope(request, work)
}

/// What logs to `writer`: each event with its time, level, target and fields, and the fields of the spans around it (the
/// correlation id among them).
pub fn subscriber<W>(level: &str, writer: W) -> Result<impl Subscriber + Send + Sync + use<W>, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let format = tracing_subscriber::fmt::format().json().flatten_event(true).with_current_span(false).with_span_list(true);
    let lines = tracing_subscriber::fmt::layer().event_format(Lines(format)).fmt_fields(JsonFields::new()).with_writer(writer);
    Ok(tracing_subscriber::registry().with(filter(level)?).with(lines))
}

/// A line of JSON. Of a request that is [`correlated`], the outermost of its spans says so.
struct Lines(Format<Json>);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Ok(request) = REQUEST.try_with(|it| *it) else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        // The spans come last, where there are any. Inside a value the quotes would be escaped.
        let (head, inner) = match line.split_once(r#","spans":["#) {
            Some((head, inner)) => (head, format!(",{inner}")),
            None => (line.trim_end().strip_suffix('}').unwrap_or(&line), "]}\n".to_owned()),
        };
        write!(writer, r#"{head},"spans":[{{"correlation":"{request}","name":"request"}}{inner}"#)
    }
}

/// Reads a level: `info`, or by target `info,countersign::engine=debug`.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    let known = |part: &str| part.rsplit('=').next().is_some_and(|it| it.trim().parse::<LevelFilter>().is_ok() && !it.trim().is_empty());
    // A lone word that is no level would be taken for a target: refused, because it is a misspelt level.
    if !level.split(',').all(known) {
        return Err(right(level));
    }
    let wished = EnvFilter::builder().parse(level).map_err(|_| right(level))?;
    let silence = |filter: EnvFilter, directive: &&str| match directive.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    Ok(SILENCED.iter().fold(wished, silence))
}

fn right(level: &str) -> String {
    format!("`{level}` is no level; write error, warn, info, debug or trace, or by target: info,countersign::engine=debug")
}

/// Tells where a panic happened, and never its message: that may hold a secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "a part of the program panicked; its message is not logged");
}
