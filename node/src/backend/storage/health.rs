//! How many pieces of a file can be counted on.

use pieces::FileId;
use rpc::ApiError;
use rpc::types::{FileHealth, SegmentHealth};
use runtime::state::ReadTables;
use runtime::tables::Segments;

use super::StorageBackend;
use super::locate::{ProvidersOnce, Survivable};
use crate::errors::of_state;

impl StorageBackend {
    pub(super) fn health_of(&self, id: FileId) -> Result<FileHealth, ApiError> {
        let file = self.known_file(&id)?;
        let state = self.chain.ledger().state();
        let mut survivable = Survivable::of(&file);
        let mut providers = ProvidersOnce::of(&state);
        let mut segments = Vec::with_capacity(file.segments.into());
        for index in 0..file.segments {
            let segment = state.require::<Segments>(&(id, index)).map_err(of_state)?;
            let live = survivable.count(&mut providers, &file, &segment).map_err(of_state)?;
            let (needed, total) = (file.code.k.into(), file.code.n.into());
            segments.push(SegmentHealth { index: index.into(), live, needed, total });
        }
        Ok(FileHealth {
            segments,
            survivable_providers: survivable.providers,
            survivable_operators: survivable.operators,
            // The rules of this version know no repairs.
            repairing: false,
        })
    }
}
