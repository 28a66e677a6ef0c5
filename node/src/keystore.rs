//! The node's secrets: files of mode 0600, and on development chains the keys that anybody can derive.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chain_spec::{ChainSpec, ChainType, dev_keys};
use runtime::crypto::{AccountId, KeyPair};
use zeroize::Zeroizing;

const OWNER_ONLY: u32 = 0o600;

/// The accounts this node can sign for, and the folder of its peer keys.
#[derive(Debug)]
pub struct Keystore {
    folder: PathBuf,
    accounts: BTreeMap<AccountId, KeyPair>,
    gateway: Option<AccountId>,
}

impl Keystore {
    /// Opens the folder; on a development chain the well-known accounts are there too, and Alice is the gateway's.
    pub fn open(folder: &Path, spec: &ChainSpec) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))
            .with_context(|| format!("restrict the folder {}", folder.display()))?;
        let mut keystore = Self { folder: folder.to_owned(), accounts: BTreeMap::new(), gateway: None };
        if spec.chain_type == ChainType::Development {
            for name in dev_keys::NAMES {
                let account = keystore.insert(dev_keys::account(name)?);
                keystore.gateway.get_or_insert(account);
            }
        }
        Ok(keystore)
    }

    fn insert(&mut self, pair: KeyPair) -> AccountId {
        let account = pair.account();
        self.accounts.insert(account, pair);
        account
    }

    /// The key of an account, if this node has it.
    pub fn account(&self, account: &AccountId) -> Option<&KeyPair> {
        self.accounts.get(account)
    }

    /// The account that pays when a client names none.
    pub const fn gateway_account(&self) -> Option<AccountId> {
        self.gateway
    }

    /// The ed25519 seed of one of this node's peers, made at first use and kept.
    pub fn peer_seed(&self, name: &str) -> anyhow::Result<Zeroizing<[u8; 32]>> {
        let path = self.folder.join(format!("{name}.key"));
        if path.try_exists().with_context(|| format!("read {}", path.display()))? {
            return read_key_file(&path);
        }
        make_seed(&path)
    }
}

/// Reads an ed25519 seed: 32 bytes of hex in a file that nobody else can read.
pub fn read_key_file(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    read_seed(path, &Zeroizing::new(text))
}

fn read_seed(path: &Path, text: &str) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mode = fs::metadata(path).with_context(|| format!("read {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others; run: chmod 600 {}", path.display(), path.display());
    }
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), seed.as_mut())
        .with_context(|| format!("{} is not 32 bytes of hex", path.display()))?;
    Ok(seed)
}

fn make_seed(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    // Under another name until it is whole: half a key would stop every later start.
    let folder = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    let text = Zeroizing::new(hex::encode(seed.as_ref()));
    let write = || -> anyhow::Result<()> {
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(OWNER_ONLY)).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))?;
    Ok(seed)
}
