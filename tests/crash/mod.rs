//! Crash safety: an operation is wholly there or wholly not, whatever fails and whenever. See README.md.

mod audit;
mod cases;
mod lab;
mod nics;
mod races;
mod sim;
