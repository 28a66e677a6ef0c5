//! Whom to ask for which column: pure, no network and no clock.

/// What is known about a column's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not asked, or to be asked again.
    Ready,
    /// Slower than others, or broke off: asked again only if nobody else is left.
    Slow,
    /// Being read.
    Active,
    /// Had no room for one more reader. Says nothing about the piece.
    Busy,
    /// Of no use: unknown, gone, or lying.
    Dead,
}

/// Why there are no `k` columns to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Short {
    /// Fewer than `k` pieces can be had at all.
    Lost,
    /// There are `k`, but some of their holders have no room now.
    Busy,
}

/// Which columns of a segment to read. Of those that are alike data columns come first, as they need no decoding.
#[derive(Clone, Debug)]
pub(super) struct DownloadPlan {
    k: usize,
    states: Vec<State>,
    /// All columns, those to ask first in front.
    order: Vec<u8>,
}

impl DownloadPlan {
    /// A plan to read any `k` of these columns; `known` says of each whether it has a holder to ask.
    pub(super) fn new(k: u8, known: impl IntoIterator<Item = bool>) -> Self {
        let states: Vec<_> = known.into_iter().map(|known| if known { State::Ready } else { State::Dead }).collect();
        let order = (0..=u8::MAX).zip(&states).map(|(column, _)| column).collect();
        Self { k: usize::from(k), states, order }
    }

    /// The same plan with the columns in this order, each of which comes once.
    pub(super) fn in_order(mut self, order: &[usize]) -> Self {
        let place = |column: &u8| order.iter().position(|wanted| *wanted == usize::from(*column));
        self.order.sort_by_key(|column| place(column).unwrap_or(order.len()));
        self
    }

    /// Columns that may still be read.
    pub(super) fn live(&self) -> usize {
        self.states.iter().filter(|state| **state != State::Dead).count()
    }

    /// Columns to start now, so that `k` are being read.
    ///
    /// # Errors
    /// There are no `k`.
    pub(super) fn start(&mut self) -> Result<Vec<u8>, Short> {
        if self.live() < self.k {
            return Err(Short::Lost);
        }
        let mut started = Vec::new();
        while self.columns(State::Active).count() < self.k {
            started.push(self.start_one().ok_or(Short::Busy)?);
        }
        Ok(started)
    }

    /// A window later, holders that had no room may have some.
    pub(super) fn next_window(&mut self) {
        self.states.iter_mut().filter(|state| **state == State::Busy).for_each(|state| *state = State::Ready);
    }

    /// One column more than are needed, because one is slow. None if there is no other.
    pub(super) fn hedge(&mut self) -> Option<u8> {
        let next = self.first(State::Ready)?;
        self.set(next, State::Active);
        Some(next)
    }

    /// Whether there is somebody to ask who was not asked yet.
    pub(super) fn has_ready(&self) -> bool {
        self.first(State::Ready).is_some()
    }

    /// A column's stream broke. It may be asked again, after others, if it had sent something since it was started, as
    /// a reader that pauses for long loses its streams; each time it comes further, so this ends.
    pub(super) fn broke(&mut self, column: u8, had_sent: bool) {
        self.set(column, if had_sent { State::Slow } else { State::Dead });
    }

    /// A column's holder, or this peer, has no room for one more reader now.
    pub(super) fn busy(&mut self, column: u8) {
        self.set(column, State::Busy);
    }

    /// A column's holder is of no use.
    pub(super) fn dead(&mut self, column: u8) {
        self.set(column, State::Dead);
    }

    /// A column was not needed, as others were faster; it is not read any more.
    pub(super) fn slow(&mut self, column: u8) {
        self.set(column, State::Slow);
    }

    fn start_one(&mut self) -> Option<u8> {
        let next = self.first(State::Ready).or_else(|| self.first(State::Slow))?;
        self.set(next, State::Active);
        Some(next)
    }

    fn first(&self, state: State) -> Option<u8> {
        self.columns(state).next()
    }

    fn columns(&self, wanted: State) -> impl Iterator<Item = u8> {
        let is_wanted = move |column: &u8| self.states.get(usize::from(*column)) == Some(&wanted);
        self.order.iter().copied().filter(is_wanted)
    }

    fn set(&mut self, column: u8, state: State) {
        if let Some(slot) = self.states.get_mut(usize::from(column)) {
            *slot = state;
        }
    }
}

#[cfg(test)]
mod tests;
