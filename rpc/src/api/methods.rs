//! The table of methods: name, parameters, result. Server and client are made from it.

use pieces::FileId;
use runtime::crypto::{AccountId, Signature};
use runtime::types::{BlockHash, Epoch, Height, Parameters, TxHash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::params::Object;
use crate::types::{
    AccountInfo, BeginUpload, BegunUpload, BlockId, BlockInfo, ByteRange, CertificateInfo, Done, Extended, FileHealth,
    FileInfo, FilesQuery, HeaderInfo, Health, Hex, LeaseOptions, LocateQuery, Located, NextIndex, Page, PeerInfo,
    PendingInfo, PrepareQuery, Prepared, ProvenValue, ProviderInfo, Quote, QuoteQuery, Receipt, Released,
    RetrievedData, SubmitOptions, Submitted, SyncState, TransactionStatus, UploadReceived, UploadStatus, ValidatorInfo,
};

/// How parameters may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[a, b]` or `{"a": .., "b": ..}`.
    Listed,
    /// `[{..}]` or `{..}`.
    Object,
}

/// A method as both sides know it.
pub trait Method: 'static {
    /// What clients call.
    const NAME: &'static str;
    /// How parameters may be written.
    const SHAPE: Shape;
    /// All parameters, in the order of their positions.
    type Params: Serialize + DeserializeOwned + Send + 'static;
    /// The result.
    type Output: Serialize + DeserializeOwned + Clone + Send + 'static;
}

macro_rules! methods {
    ($($(#[$meta:meta])* $marker:ident $name:literal $shape:ident $params:ty => $output:ty;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub enum $marker {}

            impl Method for $marker {
                const NAME: &'static str = $name;
                const SHAPE: Shape = Shape::$shape;
                type Params = $params;
                type Output = $output;
            }
        )*

        /// Every method, in the order of this table.
        pub const NAMES: &[&str] = &[$($name),*];
    };
}

methods! {
    /// Stores at most 8 MiB and answers when the recording block is final.
    StorageSubmit "storage_submit" Listed SubmitParams => Receipt;
    /// Where a file's pieces are.
    StorageLocate "storage_locate" Listed LocateParams => Located;
    /// At most 8 MiB of a file.
    StorageRetrieve "storage_retrieve" Listed RetrieveParams => RetrievedData;
    /// What is known about a file.
    StorageFile "storage_file" Listed FileParams => FileInfo;
    /// Files of an owner or a content hash, or of this gateway.
    StorageFiles "storage_files" Object FilesQuery => Page<FileInfo>;
    /// What storing would cost.
    StorageQuote "storage_quote" Object QuoteQuery => Quote;
    /// Begins an upload that comes in chunks, or finds the unfinished one of the same key.
    StorageBeginUpload "storage_beginUpload" Object BeginUpload => BegunUpload;
    /// Appends a chunk of at most 8 MiB; answered once it is synced.
    StorageUploadChunk "storage_uploadChunk" Listed ChunkParams => UploadReceived;
    /// Says that all chunks are here, and answers when the recording block is final.
    StorageFinishUpload "storage_finishUpload" Listed UploadParams => Receipt;
    /// How far an upload is.
    StorageUploadStatus "storage_uploadStatus" Listed UploadParams => UploadStatus;
    /// Uploads of this gateway.
    StorageUploads "storage_uploads" Object UploadsQuery => Page<UploadStatus>;
    /// Gives an upload up.
    StorageCancelUpload "storage_cancelUpload" Listed UploadParams => Done;
    /// How many pieces of a file can be counted on.
    StorageHealth "storage_health" Listed FileParams => FileHealth;
    /// Pays longer for a file, from the gateway's own account.
    StorageExtend "storage_extend" Listed ExtendParams => Extended;
    /// Pays no longer for a file, and gets the rest back.
    StorageRelease "storage_release" Listed FileParams => Released;
    /// A block with its transactions.
    ChainGetBlock "chain_getBlock" Listed BlockParams => BlockInfo;
    /// A header.
    ChainGetHeader "chain_getHeader" Listed BlockParams => HeaderInfo;
    /// The hash of a height, of the last final one without a height.
    ChainGetBlockHash "chain_getBlockHash" Listed HashParams => BlockHash;
    /// The hash of the last final block.
    ChainGetFinalizedHead "chain_getFinalizedHead" Listed NoParams => BlockHash;
    /// What became of a transaction.
    ChainGetTransaction "chain_getTransaction" Listed TransactionParams => TransactionStatus;
    /// The precommits that decided a height.
    ChainGetCertificate "chain_getCertificate" Listed HeightParams => CertificateInfo;
    /// A value of the state as it is stored; `null` if there is none.
    StateGet "state_get" Listed KeyParams => Option<Hex>;
    /// A value of the state with a proof, or a proof that there is none.
    StateGetProof "state_getProof" Listed ProofParams => ProvenValue;
    /// Everything the chain can set.
    StateGetParameters "state_getParameters" Listed NoParams => Parameters;
    /// Balances and nonce.
    AccountGet "account_get" Listed AddressParams => AccountInfo;
    /// Nonce of the account's next transaction.
    AccountNextIndex "account_nextIndex" Listed AddressParams => NextIndex;
    /// Makes a transaction to sign.
    AuthorPrepare "author_prepare" Object PrepareQuery => Prepared;
    /// Takes a signed transaction.
    AuthorSubmitTransaction "author_submitTransaction" Listed SubmitTransactionParams => Submitted;
    /// Transactions that wait for a block.
    AuthorPendingTransactions "author_pendingTransactions" Listed NoParams => Vec<PendingInfo>;
    /// A page of providers.
    ProviderList "provider_list" Listed CursorParams => Page<ProviderInfo>;
    /// One provider.
    ProviderGet "provider_get" Listed AddressParams => ProviderInfo;
    /// The validators of an epoch.
    ValidatorList "validator_list" Listed EpochParams => Vec<ValidatorInfo>;
    /// Peers, and whether the node is behind.
    SystemHealth "system_health" Listed NoParams => Health;
    /// Name of the program.
    SystemName "system_name" Listed NoParams => String;
    /// Version of the program.
    SystemVersion "system_version" Listed NoParams => String;
    /// Name of the chain.
    SystemChain "system_chain" Listed NoParams => String;
    /// Peer id in the storage network.
    SystemLocalPeerId "system_localPeerId" Listed NoParams => String;
    /// Multiaddresses with `/p2p`.
    SystemLocalListenAddresses "system_localListenAddresses" Listed NoParams => Vec<String>;
    /// Connected peers.
    SystemPeers "system_peers" Listed NoParams => Vec<PeerInfo>;
    /// How far syncing is.
    SystemSyncState "system_syncState" Listed NoParams => SyncState;
    /// Every method, this one with them.
    RpcMethods "rpc_methods" Listed NoParams => MethodList;
}

/// A method that is answered again and again, over a WebSocket.
pub trait Subscription: Method {
    /// The `method` of each notification.
    const NOTIFICATION: &'static str;
    /// Ends it.
    const UNSUBSCRIBE: &'static str;
}

macro_rules! subscriptions {
    ($($(#[$meta:meta])* $marker:ident $name:literal $notify:literal $end:literal $params:ty => $item:ty;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub enum $marker {}

            impl Method for $marker {
                const NAME: &'static str = $name;
                const SHAPE: Shape = Shape::Listed;
                type Params = $params;
                type Output = $item;
            }

            impl Subscription for $marker {
                const NOTIFICATION: &'static str = $notify;
                const UNSUBSCRIBE: &'static str = $end;
            }
        )*

        /// Every subscription and what ends it, in the order of this table.
        pub const SUBSCRIPTION_NAMES: &[&str] = &[$($name, $end),*];
    };
}

subscriptions! {
    /// The header of the last final block, and of every one after it.
    ChainSubscribeFinalizedHeads "chain_subscribeFinalizedHeads" "chain_finalizedHead" "chain_unsubscribeFinalizedHeads"
        NoParams => HeaderInfo;
    /// How far an upload is, until it has ended.
    StorageSubscribeUpload "storage_subscribeUpload" "storage_upload" "storage_unsubscribeUpload"
        UploadParams => UploadStatus;
}

macro_rules! parameters {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
    )*};
}

parameters! {
    /// None at all.
    NoParams {}

    /// Of [`StorageSubmit`].
    SubmitParams {
        /// Base64 with padding, at most 8 MiB decoded.
        data: String,
        /// How it is to be stored.
        options: Option<Object<SubmitOptions>>,
    }

    /// Of [`StorageLocate`].
    LocateParams {
        /// The file.
        file_id: FileId,
        /// Which part.
        options: Option<Object<LocateQuery>>,
    }

    /// Of [`StorageRetrieve`].
    RetrieveParams {
        /// The file.
        file_id: FileId,
        /// Which part; all of it without.
        range: Option<Object<ByteRange>>,
    }

    /// Of [`StorageExtend`]: how long is said in either way.
    ExtendParams {
        /// The file.
        file_id: FileId,
        /// How long.
        options: Option<Object<LeaseOptions>>,
        /// Epochs, at least one.
        lease_epochs: Option<u32>,
    }

    /// Of methods about one upload.
    UploadParams {
        /// The upload.
        upload_id: String,
    }

    /// Of methods about one file.
    FileParams {
        /// The file.
        file_id: FileId,
    }

    /// Of [`StorageUploadChunk`].
    ChunkParams {
        /// The upload.
        upload_id: String,
        /// Where the chunk begins: at the bytes received so far.
        offset: u64,
        /// Base64 with padding, at most 8 MiB decoded.
        data: String,
    }

    /// Of [`StorageUploads`].
    UploadsQuery {
        /// From the page before.
        cursor: Option<String>,
    }

    /// Of [`ChainGetBlock`] and [`ChainGetHeader`].
    BlockParams {
        /// Which block; the last final one without.
        hash_or_height: Option<BlockId>,
    }

    /// Of [`ChainGetBlockHash`].
    HashParams {
        /// Which block; the last final one without.
        height: Option<Height>,
    }

    /// Of [`ChainGetCertificate`].
    HeightParams {
        /// From 1.
        height: Height,
    }

    /// Of [`ChainGetTransaction`].
    TransactionParams {
        /// Names the transaction.
        hash: TxHash,
    }

    /// Of [`StateGet`].
    KeyParams {
        /// Table tag and fields.
        key: Hex,
    }

    /// Of [`StateGetProof`].
    ProofParams {
        /// Table tag and fields.
        key: Hex,
        /// After which block; the last final one without.
        height: Option<Height>,
        /// Height of a block that whoever checks the proof trusts; block 0 without.
        trusted: Option<Height>,
    }

    /// Of methods about one account.
    AddressParams {
        /// The account.
        address: AccountId,
    }

    /// Of [`AuthorSubmitTransaction`].
    SubmitTransactionParams {
        /// SCALE of a `Transaction` if the signature is beside it, else of a `SignedTransaction`.
        transaction: Hex,
        /// The signer's.
        signature: Option<Signature>,
    }

    /// Of [`ProviderList`].
    CursorParams {
        /// From the page before.
        cursor: Option<String>,
    }

    /// Of [`ValidatorList`].
    EpochParams {
        /// Which epoch; the current one without.
        epoch: Option<Epoch>,
    }
}

/// Of [`RpcMethods`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodList {
    /// In alphabetical order.
    pub methods: Vec<String>,
}
