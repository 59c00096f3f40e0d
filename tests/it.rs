//! The one integration binary.

mod api;
mod clients;
mod crash;
mod live;
mod recover;
