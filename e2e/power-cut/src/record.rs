//! What is written down before each change, in the order of the changes. The layer writes it, and `e2e` includes this
//! file to read it.
//!
//! A record is its length and its fields; all numbers are little-endian. The last one may be cut off.

/// How to undo one change, or that changes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Bytes of a file are about to be written, or its length changed.
    Data {
        /// The file.
        inode: u64,
        /// Where the bytes that were there begin.
        offset: u64,
        /// The file's length before.
        length: u64,
        /// The bytes that were there.
        bytes: Vec<u8>,
    },
    /// All changes so far of a file's bytes, or of a folder's entries, last.
    Synced {
        /// The file or folder.
        inode: u64,
    },
    /// A file or folder is about to be made.
    Made {
        /// The folder that it is in.
        folder: u64,
        /// Where.
        path: String,
    },
    /// A file is about to be removed.
    Removed {
        /// The folder that it is in.
        folder: u64,
        /// Its other name in the folder of what is saved.
        saved: u64,
        /// Where.
        path: String,
    },
    /// An empty folder is about to be removed.
    RemovedFolder {
        /// The folder that it is in.
        folder: u64,
        /// Where.
        path: String,
    },
    /// A file or folder is about to be renamed. This lasts with the entries of the folder that it comes to: no
    /// file system forgets the old name before it knows the new one.
    Renamed {
        /// The folder that it comes to.
        folder: u64,
        /// The file that is replaced, as for [`Record::Removed`]; 0 for none.
        saved: u64,
        /// Its name before.
        from: String,
        /// Its name after.
        to: String,
    },
}

impl Record {
    /// The record, with its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (tag, numbers, texts): (u8, Vec<u64>, Vec<&[u8]>) = match self {
            Self::Data { inode, offset, length, bytes } => (1, vec![*inode, *offset, *length], vec![bytes]),
            Self::Synced { inode } => (2, vec![*inode], vec![]),
            Self::Made { folder, path } => (3, vec![*folder], vec![path.as_bytes()]),
            Self::Removed { folder, saved, path } => (4, vec![*folder, *saved], vec![path.as_bytes()]),
            Self::RemovedFolder { folder, path } => (5, vec![*folder], vec![path.as_bytes()]),
            Self::Renamed { folder, saved, from, to } => {
                (6, vec![*folder, *saved], vec![from.as_bytes(), to.as_bytes()])
            }
        };
        let mut body = vec![tag];
        numbers.iter().for_each(|number| body.extend_from_slice(&number.to_le_bytes()));
        for text in texts {
            body.extend_from_slice(&length(text));
            body.extend_from_slice(text);
        }
        let mut record = length(&body).to_vec();
        record.append(&mut body);
        record
    }

    /// All whole records.
    #[must_use]
    pub fn read_all(bytes: &[u8]) -> Vec<Self> {
        let mut rest = Fields(bytes);
        std::iter::from_fn(|| {
            let body = rest.bytes()?;
            Self::decode(&mut Fields(body))
        })
        .collect()
    }

    fn decode(fields: &mut Fields) -> Option<Self> {
        let (tag, rest) = fields.0.split_first()?;
        fields.0 = rest;
        Some(match tag {
            1 => Self::Data {
                inode: fields.number()?,
                offset: fields.number()?,
                length: fields.number()?,
                bytes: fields.bytes()?.to_vec(),
            },
            2 => Self::Synced { inode: fields.number()? },
            3 => Self::Made { folder: fields.number()?, path: fields.text()? },
            4 => Self::Removed { folder: fields.number()?, saved: fields.number()?, path: fields.text()? },
            5 => Self::RemovedFolder { folder: fields.number()?, path: fields.text()? },
            6 => Self::Renamed {
                folder: fields.number()?,
                saved: fields.number()?,
                from: fields.text()?,
                to: fields.text()?,
            },
            _ => return None,
        })
    }
}

fn length(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes()
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}
