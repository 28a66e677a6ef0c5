//! Calls of the module `storage`: recording a file with its holders, paying for one that is there, longer, or no more.

use pieces::{FileManifest, ManifestError};

use crate::crypto::AccountId;
use crate::deals::use_deal_nonce;
use crate::event::Event;
use crate::execute::{Rejected, Run};
use crate::leases;
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{Accounts, FileStatus, Files, Tranche};
use crate::terms::{lease_price, unit_price, until_epoch};
use crate::types::{Balance, Epoch, Store, UploadIntent};

mod found;
mod holders;
mod lease;

pub(super) use lease::{extend, release};

/// What a Store pays, for how long, and until when its holders promise.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// First epoch paid for, and the first that is not.
    from: Epoch,
    to: Epoch,
    until_epoch: Epoch,
    /// Of one epoch, and of all.
    unit_price: Balance,
    price: Balance,
}

pub(super) fn store<V: StateView>(run: &mut Run<'_, V>, signer: AccountId, call: &Store) -> Result<(), Rejected> {
    let intent = &call.intent.intent;
    check_intent(run, signer, intent)?;
    check_manifest(run, intent, &call.manifest)?;
    let id = call.manifest.file_id();
    let known = run.state.read::<Files>(&id)?;
    let alive = match known.as_ref().map(|file| (file.status, file.ends > run.epoch)) {
        Some((FileStatus::Void, _)) => return Err(Rule::FileVoid.into()),
        Some((FileStatus::Alive, lives)) => lives,
        Some((FileStatus::Lost, _)) | None => false,
    };
    // Before the deal nonce: who sends a Store again after it landed is told so.
    if alive && leases::live(run, &id, &signer)?.is_some() {
        return Err(Rule::AlreadyStored.into());
    }
    let terms = terms(run, intent, &call.manifest)?;
    let mut owner = run.account(&signer)?;
    use_deal_nonce(&mut owner, intent.deal_nonce)?;
    run.check_account_signature(&signer, intent.payload(), &call.intent.signature)?;
    run.pay_into_escrow(&mut owner, terms.price)?;
    run.state.write::<Accounts>(&signer, &owner);
    match known {
        Some(_) if alive && !call.holders.is_empty() => return Err(Rule::HoldersNotEmpty.into()),
        Some(file) if alive => holders::prolong(run, &id, file, (terms.from, terms.to))?,
        known => {
            found::found(run, call, &terms, &id, known.map(|file| file.ends))?;
            run.emit(Event::Stored { file: id, owner: signer });
        }
    }
    let Terms { from, to, unit_price, price, .. } = terms;
    leases::set(run, &id, &signer, vec![Tranche { from, to, unit_price }])?;
    run.emit(Event::LeasePaid { file: id, payer: signer, from, to, price });
    Ok(())
}

fn check_intent<V: StateView>(run: &Run<'_, V>, signer: AccountId, intent: &UploadIntent) -> Result<(), Rule> {
    let placement_epochs = run.parameters.placement.placement_epochs;
    let last_epoch = intent.snapshot_epoch.saturating_add(placement_epochs);
    let rules = [
        (intent.version == UploadIntent::VERSION, Rule::BadVersion),
        (intent.genesis == run.genesis, Rule::WrongGenesis),
        (intent.owner == signer, Rule::NotOwner),
        (run.timestamp_ms <= intent.store_by_ms, Rule::StoreTooLate),
        (intent.snapshot_epoch <= run.epoch, Rule::UnknownSnapshot),
        (run.epoch <= last_epoch, Rule::SnapshotTooOld),
        ((1..=run.parameters.prices.max_lease_epochs).contains(&intent.lease_epochs), Rule::LeaseLength),
        (run.parameters.profile_of(&intent.code).is_some(), Rule::UnknownProfile),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
}

fn check_manifest<V: StateView>(run: &Run<'_, V>, intent: &UploadIntent, manifest: &FileManifest) -> Result<(), Rule> {
    let profile = run.parameters.profile_of(&intent.code).ok_or(Rule::UnknownProfile)?;
    if manifest.code != intent.code {
        return Err(Rule::BadManifest);
    }
    if manifest.size > intent.max_bytes {
        return Err(Rule::FileTooLarge);
    }
    let piece_bytes_max = run.parameters.limits.piece_bytes;
    manifest.check(piece_bytes_max, u32::from(profile.max_segments)).map_err(|error| match error {
        ManifestError::TooManySegments { .. } => Rule::FileTooLarge,
        _ => Rule::BadManifest,
    })
}

fn terms<V: StateView>(run: &Run<'_, V>, intent: &UploadIntent, manifest: &FileManifest) -> Result<Terms, Rule> {
    let prices = &run.parameters.prices;
    let piece_bytes_max = run.parameters.limits.piece_bytes;
    let (code, size) = (&manifest.code, manifest.size);
    let unit_price = unit_price(prices, code, size, piece_bytes_max).ok_or(Rule::Overflow)?;
    let price = lease_price(prices, code, size, piece_bytes_max, intent.lease_epochs).ok_or(Rule::Overflow)?;
    if price > intent.max_price {
        return Err(Rule::PriceAboveMax);
    }
    let from = run.epoch.checked_add(1).ok_or(Rule::Overflow)?;
    let to = from.checked_add(intent.lease_epochs).ok_or(Rule::Overflow)?;
    let until_epoch = until_epoch(intent, run.parameters.placement.placement_epochs).ok_or(Rule::Overflow)?;
    Ok(Terms { from, to, until_epoch, unit_price, price })
}
