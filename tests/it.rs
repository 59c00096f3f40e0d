//! The one integration binary.

mod api;
mod crash;
mod live;
