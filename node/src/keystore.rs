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
    parse_seed(text).with_context(|| path.display().to_string())
}

/// Reads an ed25519 seed from text: 32 bytes of hex, perhaps with space around them.
pub fn parse_seed(text: &str) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let mut seed = Zeroizing::new([0; 32]);
    // The reason would show a character of the secret.
    hex::decode_to_slice(text.trim(), seed.as_mut()).map_err(|_| anyhow::anyhow!("not 32 bytes of hex"))?;
    Ok(seed)
}

fn make_seed(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let seed = random()?;
    write_secret(path, &Zeroizing::new(hex::encode(seed.as_ref())))?;
    Ok(seed)
}

/// Bytes of the system's randomness, wiped when dropped.
pub fn random<const N: usize>() -> anyhow::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut()).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(bytes)
}

/// Writes a secret into a new file that nobody else can read; one that is there is never overwritten.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // Under another name until it is whole: half a key would stop every later start.
    let write = || -> anyhow::Result<()> {
        let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(OWNER_ONLY)).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|refused| refused.error)?;
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}
