//! The one integration binary.

mod clients;
mod live;
