//! Previews and commits: what goes together, and what is refused.

use ledger::{Ledger, LedgerError};
use runtime::execute::Executed;
use runtime::state::Changes;
use runtime::types::{Block, CommitCertificate, StateRoot};

use crate::support::{certificate, commit, dump, executed, ledger};

fn set(number: u8) -> Changes {
    [(vec![0x40, number], Some(vec![number]))].into()
}

#[test]
fn a_preview_writes_nothing() {
    let (folder, ledger) = ledger();
    commit(&ledger, set(1));
    let (before, head) = (dump(folder.path()), ledger.head());
    let previews: Vec<_> = (0..50).map(|number| ledger.preview(&set(number)).unwrap()).collect();
    assert_eq!(dump(folder.path()), before);
    drop(previews);
    assert_eq!(*ledger.head(), *head);
    assert_eq!(dump(folder.path()), before);
}

#[test]
fn any_of_several_previews_can_be_decided() {
    let (_folder, ledger) = ledger();
    let candidates: Vec<_> = (0..3)
        .map(|number| {
            let executed = executed(&ledger.head(), set(number));
            let preview = ledger.preview(&executed.changes).unwrap();
            (executed, preview)
        })
        .collect();
    let (executed, preview) = candidates.into_iter().nth(1).unwrap();
    let block = executed.block(preview.root);
    ledger.commit(&block, &executed, preview, &certificate(&block)).unwrap();
    assert_eq!(ledger.head().hash, block.hash());
    assert_eq!(ledger.state_get_at(&[0x40, 1], 1).unwrap(), Some(vec![1]));
    assert_eq!(ledger.state_get_at(&[0x40, 0], 1).unwrap(), None);
}

#[test]
fn a_preview_of_another_head_is_refused() {
    let (_folder, ledger) = ledger();
    let stale = ledger.preview(&set(2)).unwrap();
    commit(&ledger, set(1));
    let executed = executed(&ledger.head(), set(2));
    let block = executed.block(stale.root);
    let error = ledger.commit(&block, &executed, stale, &certificate(&block)).unwrap_err();
    assert!(matches!(error, LedgerError::OtherHead { what: "the preview", height: 1, .. }), "{error}");
}

#[test]
fn a_block_on_another_head_is_refused() {
    let (_folder, ledger) = ledger();
    let stale = executed(&ledger.head(), set(2));
    commit(&ledger, set(1));
    let preview = ledger.preview(&stale.changes).unwrap();
    let block = stale.block(preview.root);
    let error = ledger.commit(&block, &stale, preview, &certificate(&block)).unwrap_err();
    assert!(matches!(error, LedgerError::OtherHead { what: "the block", .. }), "{error}");
}

type Parts = (Block, Executed, CommitCertificate);

/// Commits with one part changed and returns why that was refused.
fn mismatch(ledger: &Ledger, change: impl Fn(&mut Parts)) -> &'static str {
    let executed = executed(&ledger.head(), set(1));
    let preview = ledger.preview(&executed.changes).unwrap();
    let block = executed.block(preview.root);
    let mut parts = (block.clone(), executed, certificate(&block));
    change(&mut parts);
    match ledger.commit(&parts.0, &parts.1, preview, &parts.2).unwrap_err() {
        LedgerError::Mismatch { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn parts_of_different_blocks_are_refused_and_nothing_is_written() {
    let (folder, ledger) = ledger();
    let before = dump(folder.path());
    let other_root = StateRoot::from_bytes([1; 32]);
    let why = [
        mismatch(&ledger, |parts| parts.0.header.height = 2),
        mismatch(&ledger, |parts| parts.0.header.state_root = other_root),
        mismatch(&ledger, |parts| parts.0.header.timestamp_ms += 1),
        mismatch(&ledger, |parts| parts.1.changes = set(2)),
        mismatch(&ledger, |parts| parts.1.changes.extend(set(2))),
        mismatch(&ledger, |parts| parts.2.height = 2),
        mismatch(&ledger, |parts| parts.2.block_hash = parts.0.header.parent),
    ];
    let expected = [
        "the header's height is not that of the preview",
        "the header's state root is not that of the preview",
        "executing it leads to another header",
        "the preview is of other changes",
        "the preview is of other changes",
        "the certificate is of another block",
        "the certificate is of another block",
    ];
    assert_eq!(why, expected);
    assert_eq!(dump(folder.path()), before);
    // None of it stands in the way of the right block.
    commit(&ledger, set(1));
}

#[test]
fn what_is_asked_above_the_head_is_none_or_refused() {
    let (_folder, ledger) = ledger();
    assert_eq!(ledger.header(1).unwrap(), None);
    assert_eq!(ledger.block(1).unwrap(), None);
    assert_eq!(ledger.events(1).unwrap(), None);
    assert_eq!(ledger.certificate(1).unwrap(), None);
    let error = ledger.state_get_at(&[0x40], 1).unwrap_err();
    assert!(matches!(error, LedgerError::UnknownHeight { height: 1, head: 0 }), "{error}");
}
