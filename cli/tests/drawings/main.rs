//! Drawings of what the status crate's golden files say.

#[cfg(test)]
mod said;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod truths;
