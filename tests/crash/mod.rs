//! Crash safety: an operation is wholly there or wholly not, whatever fails and whenever. See README.md.

mod audit;
mod cases;
mod cdrom;
mod lab;
mod nics;
mod numa;
mod races;
mod sim;
