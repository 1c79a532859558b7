//! A value that records mutable access, so that a result computed from it is computed again only after such access.

use std::ops::{Deref, DerefMut};

/// A value, and whether it was accessed mutably.
#[derive(Debug, Clone)]
pub(super) struct Watched<T> {
    value: T,
    is_changed: bool,
}

impl<T: Default> Default for Watched<T> {
    fn default() -> Self {
        Self { value: T::default(), is_changed: true }
    }
}

impl<T> Watched<T> {
    /// Whether the value was accessed mutably since the last call.
    pub(super) const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.is_changed, false)
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Watched<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.is_changed = true;
        &mut self.value
    }
}
