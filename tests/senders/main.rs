//! Mail by SendGrid's API, and push by FCM and Web Push, against HTTP servers in the same process that answer as those services do.

mod fcm;
#[path = "../http_peer/mod.rs"]
mod http_peer;
mod sendgrid;
mod webpush;

use parking_lot::Mutex;
use std::io::Write;
use std::sync::Arc;

/// What is logged at the finest level that settings allow, for as long as the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        tracing::subscriber::set_default(countersign::telemetry::subscriber("trace", move || writer.clone()).unwrap())
    }

    /// Checks that it listened, and that none of these is in what it heard.
    fn is_clean_of(&self, canaries: &[&str]) {
        tracing::info!("the log is on");
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        assert!(text.contains("the log is on"), "{text}");
        for canary in canaries {
            assert!(!text.contains(canary), "{canary} is in the log:\n{text}");
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
