//! A node that has too much to do is asked again, a bounded time.

use std::io::Write;
use std::time::{Duration, Instant};

use rpc::error::codes;
use serde_json::Value;
use tokio::time::sleep;

/// The first pause; each is twice the one before.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// After this long a node that is still overloaded is given up.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// The node's word that a later attempt may work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Overloaded(String);

/// A refusal in the node's words; [`Overloaded`] if it is one that passes.
pub(super) fn refusal(error: &Value, message: String) -> anyhow::Error {
    let passes = matches!(error["data"]["reason"].as_str(), Some("overloaded" | "syncing"));
    if passes && error["code"] == codes::TRY_AGAIN {
        return Overloaded(message).into();
    }
    anyhow::Error::msg(message)
}

/// Attempts until the node takes it, refuses it for another reason, or has been overloaded too long.
pub(super) async fn patiently<T>(what: &str, attempt: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    with_pauses(PAUSE, what, attempt).await
}

async fn with_pauses<T>(
    first: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let began = Instant::now();
    let mut pause = first;
    loop {
        let error = match attempt().await {
            Err(error) if error.is::<Overloaded>() && began.elapsed() + pause <= PATIENCE_MAX => error,
            other => return other,
        };
        let seconds = pause.as_secs_f32();
        // Whoever read the lines may have gone; the transfer goes on.
        writeln!(std::io::stderr(), "{what}: {error}; asking again in {seconds} s").ok();
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use std::cell::Cell;

    use super::{Duration, Overloaded, refusal, with_pauses};

    const PAUSE: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn an_overloaded_node_is_asked_again_and_another_refusal_is_final() {
        let overloaded = json!({ "code": 1007, "data": { "reason": "overloaded" } });
        let attempts = Cell::new(0);
        let taken = with_pauses(PAUSE, "get", async || {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 4 { Err(refusal(&overloaded, "busy".into())) } else { Ok(attempts.get()) }
        });
        assert_eq!(taken.await.unwrap_or_default(), 4);
        for refused in [json!({ "code": 1007, "data": { "reason": "unfinished" } }), json!({ "code": 1005 })] {
            attempts.set(0);
            let never = with_pauses::<()>(PAUSE, "put", async || {
                attempts.set(attempts.get() + 1);
                Err(refusal(&refused, "no".into()))
            });
            assert!(never.await.is_err_and(|error| !error.is::<Overloaded>()));
            assert_eq!(attempts.get(), 1, "{refused}");
        }
    }
}
