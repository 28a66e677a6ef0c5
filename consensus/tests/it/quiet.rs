//! What a validator alone logs.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consensus::{LOG_DIRECTIVES, start};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::{EnvFilter, Registry};

use crate::support::{TestChain, config, soon};

#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<Vec<String>>>);

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
            self.0.lock().unwrap().push(text.0);
        }
    }
}

/// Runs on one thread, so that the subscriber of this thread sees the engine and no other test.
async fn complaints(directives: &str) -> Vec<String> {
    let complaints = Complaints::default();
    let filter = EnvFilter::builder().parse(directives).unwrap();
    let subscriber = Registry::default().with(filter).with(complaints.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), Duration::ZERO))).await.unwrap();
    chain.reaches(5).await;
    soon(engine.stop()).await;
    let complaints = complaints.0.lock().unwrap();
    complaints.clone()
}

#[tokio::test]
async fn a_validator_alone_complains_of_nothing_with_the_directives() {
    let loud = complaints("info").await;
    assert!(loud.iter().any(|line| line.contains("NoPeersSubscribedToTopic")), "{loud:?}");
    let directives = [&["info"], LOG_DIRECTIVES].concat().join(",");
    assert_eq!(complaints(&directives).await, Vec::<String>::new());
}
