//! What a validator alone logs.

use std::fmt::Debug;
use std::time::Duration;

use consensus::{LOG_DIRECTIVES, start};
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

use crate::support::{TestChain, config, soon};

/// Warnings and errors of a thread.
#[derive(Clone)]
pub struct Complaints(watch::Sender<Vec<String>>);

impl Complaints {
    /// Collects those of this thread that `directives` let through, until the guard is dropped.
    pub fn collect(directives: &str) -> (Self, DefaultGuard) {
        let complaints = Self(watch::Sender::new(Vec::new()));
        let filter = EnvFilter::builder().parse(directives).unwrap();
        let subscriber = Registry::default().with(filter).with(complaints.clone());
        (complaints, tracing::subscriber::set_default(subscriber))
    }

    /// Waits until one has all these words.
    pub async fn have(&self, words: &[&str]) {
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        let mut said = self.0.subscribe();
        soon(said.wait_for(|lines| lines.iter().any(has_all))).await.unwrap();
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Complaints {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut text = Text(event.metadata().target().to_owned());
            event.record(&mut text);
            self.0.send_modify(|lines| lines.push(text.0));
        }
    }
}

/// Runs on one thread, so that the subscriber of this thread sees the engine and no other test.
async fn complaints(directives: &str) -> Vec<String> {
    let (complaints, _guard) = Complaints::collect(directives);
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), Duration::ZERO))).await.unwrap();
    chain.reaches(5).await;
    soon(engine.stop()).await;
    complaints.0.borrow().clone()
}

#[tokio::test]
async fn a_validator_alone_complains_of_nothing_with_the_directives() {
    let loud = complaints("info").await;
    assert!(loud.iter().any(|line| line.contains("NoPeersSubscribedToTopic")), "{loud:?}");
    let directives = [&["info"], LOG_DIRECTIVES].concat().join(",");
    assert_eq!(complaints(&directives).await, Vec::<String>::new());
}
