//! The widget's pages, as text. How they look, and what a browser makes of them, is in `tests/widget`.

#![cfg(test)]

mod pages;
mod worlds;
