//! Bodies on their way into the spool.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use rpc::ports::{Announced, ByteStream};
use rpc::{ApiError, TryAgain};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::kept::{Kept, len};
use super::upload::Job;
use crate::spool::{Writer, disk_error};

/// Takes a body to its end. The place it returns is held until the upload is done.
pub(super) async fn receive(
    mut body: ByteStream,
    job: &Job,
    slots: &Arc<Semaphore>,
) -> Result<OwnedSemaphorePermit, ApiError> {
    let mut writer = Writer::resume(job.body.clone(), job.order.file_bytes_max).await?;
    while let Some(chunk) = body.next().await {
        writer.push(&chunk?).await?;
        job.status.send_modify(|status| status.received = writer.len());
    }
    let slot = slots.clone().try_acquire_owned();
    let slot = slot.map_err(|_| TryAgain::Overloaded("too many uploads are under way"))?;
    writer.end().await?;
    Ok(slot)
}

/// Takes a body that may begin within what is here already: what it sends again must be the same.
pub(super) async fn receive_again(mut body: ByteStream, announced: Announced, kept: &Kept) -> Result<(), ApiError> {
    let mut writer = kept.writing().await?;
    if kept.is_final() {
        // There is nothing left to compare with.
        return Err(TryAgain::Overloaded("the upload ended while this client waited for it").into());
    }
    kept.has_before(announced).await?;
    let here = kept.job.body.growth().bytes;
    let mut offset = announced.offset;
    let mut received = Ok(());
    while let Some(chunk) = body.next().await {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                received = Err(error);
                break;
            }
        };
        let known = usize::try_from(here.saturating_sub(offset)).unwrap_or(usize::MAX).min(chunk.len());
        let known = chunk.split_to(known);
        compare(kept, known.clone(), offset).await?;
        offset = offset.saturating_add(len(&known)).saturating_add(len(&chunk));
        if !chunk.is_empty() {
            kept.append(&mut writer, &chunk, false).await?;
        }
    }
    if received.is_err() {
        // What came stays, for the next attempt.
        if writer.is_some() {
            kept.append(&mut writer, &[], true).await?;
        }
        return received;
    }
    if offset < here {
        return Err(ApiError::BadParams(format!(
            "resumeKey: it names an upload of at least {here} bytes, {offset} came"
        )));
    }
    kept.end(&mut writer).await
}

async fn compare(kept: &Kept, known: Bytes, offset: u64) -> Result<(), ApiError> {
    if known.is_empty() {
        return Ok(());
    }
    let body = kept.job.body.clone();
    let same = tokio::task::spawn_blocking(move || {
        let mut here = vec![0; known.len()];
        body.read_exact_at(&mut here, offset)?;
        Ok::<_, std::io::Error>(here == known)
    });
    if same.await.map_err(ApiError::internal)?.map_err(disk_error)? {
        return Ok(());
    }
    Err(ApiError::BadParams(format!("resumeKey: it names an upload whose bytes from {offset} on are others")))
}
