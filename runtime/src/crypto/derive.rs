//! Secrets as text and derivation paths, as Substrate reads them: `PHRASE//hard/soft`, `0xSEED//hard`, `//Alice`.

use parity_scale_codec::Encode;

use super::{KeyPair, KeyTextError};

/// The phrase that every Substrate development key is derived from; anybody knows it, so it guards nothing.
pub const DEV_PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

impl KeyPair {
    /// Reads a secret: a phrase or a `0x` seed (the development phrase if absent), then junctions `//hard` or `/soft`.
    ///
    /// # Errors
    /// [`KeyTextError::Secret`] if the phrase, the seed or a junction is malformed.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyTextError> {
        let (root, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let root = if root.is_empty() { DEV_PHRASE } else { root };
        let pair = match root.strip_prefix("0x") {
            Some(digits) => {
                let mut seed = [0; 32];
                hex::decode_to_slice(digits, &mut seed)
                    .map_err(|_| KeyTextError::Secret("a seed is 32 bytes of hex"))?;
                Self::from_seed(&seed)
            }
            None => from_phrase(root)?,
        };
        derive(pair, path)
    }
}

/// The English BIP-39 phrase of 16 or 32 bytes of randomness: 12 or 24 words. It is a secret.
///
/// # Errors
/// [`KeyTextError::Secret`] if `entropy` has another length.
pub fn phrase_of_entropy(entropy: &[u8]) -> Result<String, KeyTextError> {
    let mnemonic = bip39::Mnemonic::from_entropy_in(bip39::Language::English, entropy)
        .map_err(|_| KeyTextError::Secret("a phrase is made of 16 or 32 bytes"))?;
    Ok(mnemonic.to_string())
}

fn from_phrase(phrase: &str) -> Result<KeyPair, KeyTextError> {
    let mnemonic = bip39::Mnemonic::parse_in(bip39::Language::English, phrase)
        .map_err(|_| KeyTextError::Secret("not a BIP-39 phrase in English"))?;
    // Substrate derives from the phrase's entropy, not from the BIP-39 seed.
    let (entropy, length) = mnemonic.to_entropy_array();
    let entropy = entropy.get(..length).ok_or(KeyTextError::Secret("not a BIP-39 phrase in English"))?;
    let mini = substrate_bip39::mini_secret_from_entropy(entropy, "")
        .map_err(|_| KeyTextError::Secret("the phrase has an unusual length"))?;
    Ok(KeyPair::from_seed(&mini.to_bytes()))
}

fn derive(mut pair: KeyPair, path: &str) -> Result<KeyPair, KeyTextError> {
    let mut rest = path;
    while let Some(after_slash) = rest.strip_prefix('/') {
        let (hard, body) = after_slash.strip_prefix('/').map_or((false, after_slash), |body| (true, body));
        let (junction, tail) = body.split_at(body.find('/').unwrap_or(body.len()));
        if junction.is_empty() {
            return Err(KeyTextError::Secret("a junction is empty"));
        }
        let code = chain_code(junction);
        pair = if hard { pair.derive_hard(code) } else { pair.derive_soft(code) };
        rest = tail;
    }
    Ok(pair)
}

/// A number is encoded as a u64, anything else as a string; longer than 32 bytes is hashed, as Substrate's
/// `DeriveJunction` does.
fn chain_code(junction: &str) -> [u8; 32] {
    use blake2::digest::consts::U32;
    use blake2::{Blake2b, Digest};

    let encoded = junction.parse::<u64>().map_or_else(|_| junction.encode(), |number| number.encode());
    let mut code = [0; 32];
    match code.get_mut(..encoded.len()) {
        Some(head) => head.copy_from_slice(&encoded),
        None => code = Blake2b::<U32>::digest(&encoded).into(),
    }
    code
}
