//! The one integration binary.

mod clients;
mod crash;
mod live;
