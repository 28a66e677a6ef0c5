//! The node's secrets: files of mode 0600, one for each purpose.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use runtime::crypto::{AccountId, KeyPair};
use zeroize::Zeroizing;

const OWNER_ONLY: u32 = 0o600;

/// What a secret of the keystore is for. Each is a file of its own: an account's secret text, a phrase or a 0x seed,
/// perhaps with junctions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Purpose {
    /// Votes as a validator.
    Consensus,
    /// The account of a provider: is paid, and pays its bond.
    Provider,
    /// Signs a provider's commitments; cannot spend.
    Service,
    /// Pays for the files of a gateway.
    Account,
}

impl Purpose {
    /// As the command line calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Account => "account",
        }
    }

    /// The name of its file.
    fn file_name(self) -> String {
        format!("{}.key", self.name())
    }
}

/// The accounts this node can sign for, and the folder of its keys.
#[derive(Debug)]
pub struct Keystore {
    folder: PathBuf,
    accounts: BTreeMap<AccountId, KeyPair>,
    gateway: Option<AccountId>,
}

impl Keystore {
    /// Opens the folder, without any account yet.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))
            .with_context(|| format!("restrict the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), accounts: BTreeMap::new(), gateway: None })
    }

    /// Signs for this account from now on.
    pub fn insert(&mut self, pair: KeyPair) -> AccountId {
        let account = pair.account();
        self.accounts.insert(account, pair);
        account
    }

    /// This account pays when a client names none.
    pub fn pays(&mut self, account: AccountId) {
        self.gateway = Some(account);
    }

    /// Where the key of a purpose is kept.
    pub fn path(&self, purpose: Purpose) -> PathBuf {
        self.folder.join(purpose.file_name())
    }

    /// The kept key of a purpose, if there is one.
    pub fn secret(&self, purpose: Purpose) -> anyhow::Result<Option<KeyPair>> {
        let path = self.path(purpose);
        if !path.try_exists().with_context(|| format!("read {}", path.display()))? {
            return Ok(None);
        }
        let text = read_secret_file(&path)?;
        KeyPair::from_secret_text(text.trim()).map(Some).with_context(|| path.display().to_string())
    }

    /// The kept key of a purpose.
    pub fn require(&self, purpose: Purpose) -> anyhow::Result<KeyPair> {
        let missing = || {
            let (path, purpose) = (self.path(purpose), purpose.name());
            format!(
                "there is no {}; make one: node key generate --purpose {purpose}, with this node's --chain and --base-path",
                path.display()
            )
        };
        self.secret(purpose)?.with_context(missing)
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
    parse_seed(&read_secret_file(path)?).with_context(|| path.display().to_string())
}

/// The text of a file that nobody else can read.
fn read_secret_file(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = fs::read_to_string(path).map(Zeroizing::new).with_context(|| format!("read {}", path.display()))?;
    let mode = fs::metadata(path).with_context(|| format!("read {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others; run: chmod 600 {}", path.display(), path.display());
    }
    Ok(text)
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
        match file.persist_noclobber(path).map_err(|refused| refused.error) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                bail!("it is there already, and a secret is never overwritten: move it away first")
            }
            persisted => persisted.map(drop)?,
        }
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}
