//! What is typed, against a desk with canned answers: what is asked and ordered, what is shown, and how it ends.

#[cfg(test)]
mod play;
#[cfg(test)]
#[path = "../drawings/said.rs"]
mod said;

#[cfg(test)]
mod binary;
#[cfg(test)]
mod confirming;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod following;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod parsing;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod waiting;
