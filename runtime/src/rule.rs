//! The rules by name: why a call fails or a transaction cannot be in a block.
//!
//! The names are part of the client contract (`data.rule` of error 1003) and of the events' format; indices are only
//! appended.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use thiserror::Error;

macro_rules! rules {
    ($($index:literal $name:ident $text:literal $sentence:literal;)*) => {
        /// A rule that refused something.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
        #[derive(Encode, Decode, DecodeWithMemTracking)]
        pub enum Rule {
            $(
                #[doc = $sentence]
                #[codec(index = $index)]
                #[error($sentence)]
                $name,
            )*
        }

        impl Rule {
            /// The rule's name as clients see it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// All rules, in the order of their indices.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

rules! {
    0 BadSignature "badSignature" "a signature does not hold";
    1 BadVersion "badVersion" "the layout's version is unknown";
    2 NonceTooLow "nonceTooLow" "the nonce is already used";
    3 NonceTooHigh "nonceTooHigh" "the nonce leaves a gap";
    4 Expired "expired" "the transaction has expired";
    5 CannotPayFee "cannotPayFee" "the free balance does not cover the fee";
    6 TransactionTooLarge "transactionTooLarge" "the transaction is larger than the chain allows";
    7 NotFree "notFree" "the call is not one that may go without a fee";
    8 InsufficientBalance "insufficientBalance" "the free balance is too small";
    9 BelowExistentialDeposit "belowExistentialDeposit" "an account would hold less than the existential deposit";
    10 Overflow "overflow" "an amount or a size does not fit its type";
    11 AlreadyProvider "alreadyProvider" "the account is a provider already";
    12 NotProvider "notProvider" "the account is not a provider";
    13 PeerTaken "peerTaken" "another provider serves with this peer id";
    14 BadPeerSignature "badPeerSignature" "the peer key's signature does not hold";
    15 BadAddresses "badAddresses" "there must be one to eight addresses that begin with a slash";
    16 BondTooSmall "bondTooSmall" "the bond does not cover the declared capacity";
    17 CapacityCommitted "capacityCommitted" "more is committed than would be declared";
    18 TooManyProviders "tooManyProviders" "the chain has as many providers as it takes";
    19 WrongGenesis "wrongGenesis" "the intent is for another chain";
    20 NotOwner "notOwner" "the signer is not the intent's owner";
    21 DealNonceUsed "dealNonceUsed" "the deal nonce is used";
    22 DealNonceOutOfWindow "dealNonceOutOfWindow" "the deal nonce is too far from the highest one used";
    23 UnknownProfile "unknownProfile" "the chain does not allow this code";
    24 BadManifest "badManifest" "the manifest's sizes or hashes do not follow from its length";
    25 FileTooLarge "fileTooLarge" "the file is larger than the intent or the profile allows";
    26 LeaseLength "leaseLength" "the lease must have at least one epoch and no more than the chain allows";
    27 PriceAboveMax "priceAboveMax" "the lease costs more than the intent allows";
    28 StoreTooLate "storeTooLate" "the time to store by has passed";
    29 SnapshotTooOld "snapshotTooOld" "the intent's placement is no longer valid";
    30 UnknownSnapshot "unknownSnapshot" "the intent names an epoch that has not begun";
    31 NoCapacity "noCapacity" "no provider has capacity";
    32 MissingCommitment "missingCommitment" "a piece has no commitment";
    33 SlotTwice "slotTwice" "two pieces of a segment name one slot";
    34 UnknownSlot "unknownSlot" "a slot is not one of the placement's";
    35 BadCommitment "badCommitment" "a commitment's signature does not hold for this piece, deal and provider";
    36 ProviderFull "providerFull" "a provider would commit to more than it declares";
    37 ProviderNotActive "providerNotActive" "a slot's provider no longer takes pieces";
    38 AlreadyStored "alreadyStored" "the account has a live lease on this file";
    39 HoldersEnd "holdersEnd" "the lease is longer than a holder promises";
    40 HoldersNotEmpty "holdersNotEmpty" "the file is alive and takes a lease without holders";
    41 FileVoid "fileVoid" "the file was shown to be encoded wrongly";
    42 SelfTransfer "selfTransfer" "an account cannot pay itself";
    43 BlockFull "blockFull" "the block has no room for the transaction";
    44 DeclaredTooSmall "declaredTooSmall" "a provider must offer at least one GiB";
    45 UnknownFile "unknownFile" "no file with this id is alive";
    46 NoLease "noLease" "the account has no live lease on this file";
    47 TooManyTranches "tooManyTranches" "the lease was extended as often as a lease can be";
    48 TooManyLeases "tooManyLeases" "more accounts pay for the file than are looked through for its new end";
    49 PriceChanged "priceChanged" "the lease was paid at prices that are no longer in force";
}
