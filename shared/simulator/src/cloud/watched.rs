//! A value that knows whether it may have changed: whoever computes from it need not do so again while it has not.

use std::ops::{Deref, DerefMut};

/// A value, and whether anyone has had it in hand to change it.
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
    /// Whether it may have changed since this was asked.
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
