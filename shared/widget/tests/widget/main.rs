//! The widget's pages as text. `tests/widget` covers how a browser renders them.

#![cfg(test)]

mod pages;
mod worlds;
