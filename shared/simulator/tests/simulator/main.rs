//! The simulator, seen from outside. Each other file is one suite of facts.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod cloud_rules;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod pace;
#[cfg(test)]
#[path = "../scale/page.rs"]
mod page;
