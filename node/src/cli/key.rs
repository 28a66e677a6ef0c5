//! `node key`: make keys and see what they stand for. Nothing here needs a node, a chain or a network.
//!
//! A secret goes to standard output or into a file of mode 0600, never into a log or an error.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chain_spec::ChainSpec;
use clap::{Args, Subcommand};
use runtime::crypto::derive::phrase_of_entropy;
use runtime::crypto::{AccountId, KeyPair, PeerKey};
use serde::Serialize;
use zeroize::Zeroizing;

use super::print::{Output, line};
use crate::base_path::BasePath;
use crate::keystore::{Keystore, Purpose, parse_seed, random, write_secret};

/// Addresses carry it: Substrate's generic network.
const SS58_PREFIX: u8 = 42;
/// No key, phrase or address is longer; more is not read.
const INPUT_BYTES_MAX: u64 = 4_096;

/// What `node key` can do.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make the secret of a storage network peer: hex on standard output, its peer id on standard error.
    GenerateNodeKey {
        /// Write the secret here instead, mode 0600. A file that is there is never overwritten.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print the peer id of a peer's secret.
    InspectNodeKey {
        /// The secret, 32 bytes of hex; read from standard input if not given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Make an account: a phrase, its address and its public key.
    Generate(GenerateArgs),
    /// Print the address and the public key of an account.
    Inspect(InspectArgs),
}

/// Flags of `key generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Words of the phrase.
    #[arg(long, value_name = "12|24", default_value = "12", value_parser = ["12", "24"])]
    words: String,
    /// Write the phrase here, mode 0600, instead of printing it. A file that is there is never overwritten.
    #[arg(long, value_name = "FILE", conflicts_with = "purpose")]
    file: Option<PathBuf>,
    /// Write the phrase into a node's keystore, for this: consensus votes, provider is a provider's account, service signs
    /// its commitments, account pays for a gateway.
    #[arg(long, value_enum)]
    purpose: Option<Purpose>,
    /// Whose keystore: dev, local, or the path of a chain spec.
    #[arg(long, value_name = "dev|local|SPEC.json", requires = "purpose", default_value = "dev")]
    chain: String,
    /// Where that node keeps everything; the user's data folder if not given.
    #[arg(long, value_name = "DIR", requires = "purpose")]
    base_path: Option<PathBuf>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Flags of `key inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A phrase, a 0x seed or nothing, then junctions as //hard or /soft; or an SS58 address. Read from standard input
    /// if not given, which keeps a secret out of the list of processes.
    #[arg(value_name = "URI")]
    uri: Vec<String>,
    /// The URI is a public key, 32 bytes of hex.
    #[arg(long)]
    public: bool,
    /// Show the secret that was given.
    #[arg(long)]
    show_secret: bool,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What is shown of an account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    address: String,
    public_key: String,
    ss58_prefix: u8,
}

impl Shown<'_> {
    fn of(account: &AccountId) -> Self {
        let public_key = format!("0x{}", account.public_key());
        Self {
            phrase: None,
            file: None,
            secret: None,
            address: account.to_string(),
            public_key,
            ss58_prefix: SS58_PREFIX,
        }
    }
}

impl KeyCommand {
    /// Makes or shows the key.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::GenerateNodeKey { file } => generate_node_key(file.as_deref()),
            Self::InspectNodeKey { file } => {
                let (text, from) = read_input(file.as_deref())?;
                line(&PeerKey::of_secret(&*parse_seed(&text).context(from)?).to_string())
            }
            Self::Generate(args) => args.run(),
            Self::Inspect(args) => args.run(),
        }
    }
}

fn generate_node_key(file: Option<&Path>) -> anyhow::Result<()> {
    let seed = random::<32>()?;
    let text = Zeroizing::new(hex::encode(seed.as_ref()));
    match file {
        Some(path) => write_secret(path, &text)?,
        None => line(&text)?,
    }
    eprintln!("{}", PeerKey::of_secret(&seed));
    Ok(())
}

impl GenerateArgs {
    fn run(self) -> anyhow::Result<()> {
        // BIP-39: 128 bits are 12 words, 256 are 24.
        let phrase = match self.words.as_str() {
            "24" => phrase_of_entropy(&*random::<32>()?),
            _ => phrase_of_entropy(&*random::<16>()?),
        };
        let phrase = Zeroizing::new(phrase?);
        let account = KeyPair::from_secret_text(&phrase)?.account();
        let mut shown = Shown::of(&account);
        let file = match self.purpose {
            Some(purpose) => Some(self.keystore()?.path(purpose)),
            None => self.file,
        };
        match &file {
            Some(path) => {
                write_secret(path, &phrase)?;
                shown.file = Some(path);
            }
            None => shown.phrase = Some(&phrase),
        }
        self.output.print(&shown)
    }
}

impl GenerateArgs {
    fn keystore(&self) -> anyhow::Result<Keystore> {
        let spec = ChainSpec::load(&self.chain)?;
        Keystore::open(&BasePath::keystore_of(self.base_path.as_deref(), &spec.id)?)
    }
}

impl InspectArgs {
    fn run(self) -> anyhow::Result<()> {
        // A phrase without quotes comes as several words.
        let given = match self.uri.as_slice() {
            [] => read_input(None)?.0,
            words => Zeroizing::new(words.join(" ")),
        };
        let uri = given.trim();
        let (account, is_secret) = read_uri(uri, self.public)?;
        let mut shown = Shown::of(&account);
        shown.secret = (self.show_secret && is_secret).then_some(uri);
        self.output.print(&shown)
    }
}

/// The account that `uri` stands for, and whether that is a secret.
fn read_uri(uri: &str, public: bool) -> anyhow::Result<(AccountId, bool)> {
    if uri.is_empty() {
        bail!("nothing was given: a phrase, a 0x seed, a path such as //Alice, or an SS58 address");
    }
    if public {
        let key: runtime::crypto::PublicKey = uri.parse()?;
        return Ok((AccountId::from_bytes(*key.as_bytes()), false));
    }
    // One word without a path is an address; a phrase has many, and a seed begins with 0x.
    if !uri.contains([' ', '/']) && !uri.starts_with("0x") {
        return Ok((uri.parse()?, false));
    }
    Ok((KeyPair::from_secret_text(uri)?.account(), true))
}

/// The text of a file or of standard input, and its name for errors.
fn read_input(file: Option<&Path>) -> anyhow::Result<(Zeroizing<String>, String)> {
    let name = file.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let source: Box<dyn Read> = match file {
        Some(path) => Box::new(std::fs::File::open(path).with_context(|| format!("open {name}"))?),
        None => Box::new(std::io::stdin()),
    };
    let mut text = Zeroizing::new(String::new());
    let read = source.take(INPUT_BYTES_MAX).read_to_string(&mut text);
    read.with_context(|| format!("read {name}"))?;
    Ok((text, name))
}

#[cfg(test)]
mod tests;
