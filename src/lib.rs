//! vireo: a virtualization engine for one KVM host that speaks the oVirt REST API.
//!
//! The map, from the client to the hypervisor:
//!
//! ```text
//! api      HTTP: routes, requests, replies, faults, links      -> wire, engine, ovf, host
//! wire     API documents: version 4 structs, version 3 and JSON -> model, xml
//! engine   the verbs: locks, journal, jobs, inventory, ports    -> domain, ovf, model
//! domain   model -> libvirt documents and back; pure            -> model, xml
//! ovf      machines -> OVF documents and back; pure             -> model, xml
//! model    what things are and which moves are allowed; pure
//! xml      a tree for any document; the only place that parses or escapes
//! libvirt, store, host, sim   what the engine's ports ask for
//! daemon   wires all of them; only the command itself imports it
//! cli, config, manual   the command line, the configuration, manual pages
//! orders, control       `vireo user`, through a daemon's socket or to a store without one
//! error    the one error, of all of them
//! ```
//!
//! A request walks down this list and its answer walks back up. Only `libvirt/`
//! names the `virt` crate, only `store/` names SQLite, only `api/` knows HTTP.

pub mod api;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod domain;
pub mod engine;
pub mod error;
pub mod host;
pub mod libvirt;
pub mod manual;
pub mod model;
pub mod orders;
pub mod ovf;
pub mod sim;
pub mod store;
pub mod wire;
pub mod xml;
