//! What a block did, for those who watch: each record is a leaf of the header's `events_root`.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::FileId;

use crate::crypto::AccountId;
use crate::rule::Rule;
use crate::types::{Balance, Epoch};

/// An event and the transaction it came from.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct EventRecord {
    /// Position in the block; none for what the block itself did.
    pub transaction: Option<u32>,
    /// What happened.
    pub event: Event,
}

/// What happened. Indices are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum Event {
    /// The block is the first of an epoch.
    #[codec(index = 0)]
    EpochStarted {
        /// The epoch.
        epoch: Epoch,
    },
    /// A transaction's call failed: the fee was kept, everything else rolled back.
    #[codec(index = 1)]
    Failed {
        /// The rule that refused it.
        rule: Rule,
    },
    /// A fee was paid.
    #[codec(index = 2)]
    FeePaid {
        /// Who paid.
        account: AccountId,
        /// Fee and tip.
        amount: Balance,
    },
    /// Balance moved.
    #[codec(index = 3)]
    Transferred {
        /// Who paid.
        from: AccountId,
        /// Who received.
        to: AccountId,
        /// How much.
        amount: Balance,
    },
    /// A provider joined.
    #[codec(index = 4)]
    ProviderRegistered {
        /// Its number.
        number: u32,
        /// Its account.
        account: AccountId,
    },
    /// A provider changed its record.
    #[codec(index = 5)]
    ProviderUpdated {
        /// Its number.
        number: u32,
    },
    /// A provider was paid for an epoch.
    #[codec(index = 6)]
    ProviderPaid {
        /// Its number.
        number: u32,
        /// How much.
        amount: Balance,
    },
    /// A file was founded.
    #[codec(index = 7)]
    Stored {
        /// The file.
        file: FileId,
        /// Who pays.
        owner: AccountId,
    },
    /// A lease began.
    #[codec(index = 8)]
    LeasePaid {
        /// The file.
        file: FileId,
        /// Who pays.
        payer: AccountId,
        /// First epoch paid for.
        from: Epoch,
        /// Exclusive.
        to: Epoch,
        /// How much went to escrow.
        price: Balance,
    },
    /// A lease ends with the epoch that is running.
    #[codec(index = 9)]
    LeaseReleased {
        /// The file.
        file: FileId,
        /// Who paid.
        payer: AccountId,
        /// How much came back from escrow.
        refund: Balance,
    },
}
