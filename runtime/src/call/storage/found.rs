//! Founding a file: every piece of it has a holder that was drawn for it and has promised to keep it.

use std::collections::BTreeMap;

use pieces::{FileId, PieceHash, SegmentManifest};

use super::Terms;
use crate::crypto::{PublicKey, SignedMessage};
use crate::execute::{Rejected, Run};
use crate::leases;
use crate::placement::{Placement, place};
use crate::rates::{schedule_freeing, schedule_income};
use crate::rule::Rule;
use crate::slots;
use crate::state::{ReadTables, StateView};
use crate::tables::{File, FileStatus, Files, PieceHolder, Provider, ProviderStatus, Providers, Segment, Segments};
use crate::terms::{commitment_for, piece_price};
use crate::types::{Balance, Epoch, Holder, StorageCommitment, Store, Text};

/// Records the file in place of one that ended in epoch `before`, if there is one.
pub(super) fn found<V: StateView>(
    run: &mut Run<'_, V>,
    call: &Store,
    terms: &Terms,
    id: &FileId,
    before: Option<Epoch>,
) -> Result<(), Rejected> {
    let manifest = &call.manifest;
    let mut founding = Founding::new(run, call, terms);
    let deal = founding.template.deal;
    let segments = founding.hold(run, call)?;
    run.check_signatures_together(std::mem::take(&mut founding.signed), Rule::BadCommitment)?;
    let count = u16::try_from(segments.len()).map_err(|_| Rule::Overflow)?;
    for (number, (segment, holders)) in (0..count).zip(manifest.segments.iter().zip(segments)) {
        write_segment(run, (*id, number), segment, holders)?;
    }
    founding.keep_promises(run)?;
    let file = File {
        version: manifest.version,
        size: manifest.size,
        content_hash: manifest.content_hash,
        code: manifest.code,
        media_type: Text::new(manifest.media_type.as_str()).map_err(|_| Rule::BadManifest)?,
        bundle: manifest.bundle,
        deal,
        stored_height: run.height,
        status: FileStatus::Alive,
        segments: count,
        unit_price: terms.unit_price,
        ends: terms.to,
    };
    leases::set_end(run, id, before, terms.to);
    run.state.write::<Files>(id, &file);
    Ok(())
}

/// Enters a segment. The same file id has the same segments, so what is left of a dead file is written over, and keeps
/// its place in the table of slots.
fn write_segment<V: StateView>(
    run: &mut Run<'_, V>,
    key: (FileId, u16),
    manifest: &SegmentManifest,
    holders: Vec<PieceHolder>,
) -> Result<(), Rejected> {
    let table_slot = match run.state.read::<Segments>(&key)? {
        Some(before) => before.table_slot,
        None => slots::append(run, key)?,
    };
    let segment = Segment {
        len: manifest.len,
        table_slot,
        failed_claims: 0,
        lost: vec![0; holders.len().div_ceil(8)],
        holders,
        piece_hashes: manifest.piece_hashes.clone(),
    };
    run.state.write::<Segments>(&key, &segment);
    Ok(())
}

/// What one provider promises in a Store, and earns by it.
struct Promise {
    provider: Provider,
    service_key: PublicKey,
    bytes: u64,
    price: Balance,
}

/// Collects promises while holders are checked.
struct Founding<'a> {
    terms: &'a Terms,
    /// What all commitments of the Store have in common.
    template: StorageCommitment,
    promises: BTreeMap<u32, Promise>,
    signed: Vec<SignedMessage>,
}

/// A segment, and what each of its pieces takes and costs.
struct SegmentTerms<'a> {
    number: u16,
    manifest: &'a SegmentManifest,
    placement: Placement,
    piece_bytes: u32,
    piece_price: Balance,
}

impl<'a> Founding<'a> {
    fn new<V: StateView>(run: &Run<'_, V>, call: &Store, terms: &'a Terms) -> Self {
        let intent = &call.intent.intent;
        let placement_epochs = run.parameters.placement.placement_epochs;
        let template = commitment_for(intent, placement_epochs, 0, 0, PieceHash::ZERO, 0, intent.owner);
        Self { terms, template, promises: BTreeMap::new(), signed: Vec::new() }
    }

    /// The holders of all segments, each checked but for its signature.
    fn hold<V: StateView>(&mut self, run: &mut Run<'_, V>, call: &Store) -> Result<Vec<Vec<PieceHolder>>, Rejected> {
        let (code, segments) = (&call.manifest.code, &call.manifest.segments);
        let complete = call.holders.iter().all(|holders| holders.len() == usize::from(code.n));
        if segments.len() != call.holders.len() || !complete {
            return Err(Rule::MissingCommitment.into());
        }
        // It is there unless the parameter that says how long was raised of late.
        let snapshot = run.snapshot(call.intent.intent.snapshot_epoch)?.ok_or(Rule::SnapshotTooOld)?;
        let mut held = Vec::with_capacity(segments.len());
        for (number, (manifest, holders)) in (0u16..).zip(segments.iter().zip(&call.holders)) {
            let piece_bytes = code.piece_bytes(manifest.len);
            let segment = SegmentTerms {
                number,
                manifest,
                placement: place(&snapshot, &run.parameters.placement, code, &self.template.deal, number)?,
                piece_bytes: u32::try_from(piece_bytes).map_err(|_| Rule::Overflow)?,
                piece_price: piece_price(&run.parameters.prices, piece_bytes).ok_or(Rule::Overflow)?,
            };
            held.push(self.hold_segment(run, &segment, holders)?);
        }
        Ok(held)
    }

    fn hold_segment<V: StateView>(
        &mut self,
        run: &Run<'_, V>,
        segment: &SegmentTerms<'_>,
        holders: &[Holder],
    ) -> Result<Vec<PieceHolder>, Rejected> {
        let mut taken = vec![false; segment.placement.slots.len()];
        let mut held = Vec::with_capacity(holders.len());
        for (index, (holder, piece_hash)) in (0u8..=u8::MAX).zip(holders.iter().zip(&segment.manifest.piece_hashes)) {
            let at = usize::from(holder.slot);
            let slot = segment.placement.slots.get(at).ok_or(Rule::UnknownSlot)?;
            let is_taken = taken.get_mut(at).ok_or(Rule::UnknownSlot)?;
            if std::mem::replace(is_taken, true) {
                return Err(Rule::SlotTwice.into());
            }
            let promise = self.promise(run, slot.provider)?;
            promise.add(segment.piece_bytes, segment.piece_price)?;
            let (service_key, account) = (promise.service_key, promise.provider.account);
            let commitment = StorageCommitment {
                segment: segment.number,
                index,
                piece_hash: *piece_hash,
                piece_bytes: segment.piece_bytes,
                provider: account,
                ..self.template.clone()
            };
            self.signed.push(commitment.signed_message(service_key, holder.signature));
            held.push(PieceHolder { provider: slot.provider, until_epoch: self.terms.until_epoch });
        }
        Ok(held)
    }

    /// What a provider has promised so far in this Store.
    fn promise<V: StateView>(&mut self, run: &Run<'_, V>, number: u32) -> Result<&mut Promise, Rejected> {
        use std::collections::btree_map::Entry;
        match self.promises.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let provider = run.state.require::<Providers>(&number)?;
                if provider.status != ProviderStatus::Active {
                    return Err(Rule::ProviderNotActive.into());
                }
                let service_key = provider.service_key_at(run.height).ok_or(Rule::BadCommitment)?;
                Ok(entry.insert(Promise { provider, service_key, bytes: 0, price: 0 }))
            }
        }
    }

    /// Commits the providers to what they promised, and schedules what they earn.
    fn keep_promises<V: StateView>(self, run: &mut Run<'_, V>) -> Result<(), Rejected> {
        let Terms { from, to, until_epoch, .. } = *self.terms;
        for (number, Promise { mut provider, bytes, price, .. }) in self.promises {
            provider.committed = provider.committed.checked_add(bytes).ok_or(Rule::Overflow)?;
            run.state.write::<Providers>(&number, &provider);
            schedule_income(run, number, (from, to), price)?;
            schedule_freeing(run, number, until_epoch, bytes)?;
        }
        Ok(())
    }
}

impl Promise {
    /// Adds a piece.
    fn add(&mut self, piece_bytes: u32, piece_price: Balance) -> Result<(), Rule> {
        self.bytes = self.bytes.checked_add(u64::from(piece_bytes)).ok_or(Rule::Overflow)?;
        self.price = self.price.checked_add(piece_price).ok_or(Rule::Overflow)?;
        let committed = self.provider.committed.checked_add(self.bytes).ok_or(Rule::Overflow)?;
        if committed > self.provider.declared { Err(Rule::ProviderFull) } else { Ok(()) }
    }
}
