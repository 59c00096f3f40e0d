//! HTTP: routes, requests, replies, faults, links; one file per collection.
//!
//! ```text
//! server      listener, TLS, limits
//! connection  how long a client may keep us waiting
//! service     one request: who asks, which route, the handler in a task of its own, the log line
//! routes      the table; links, actions, `Allow` come from it
//! request     what a handler knows     reply, fault   what it comes back with
//! auth        sessions and credentials
//! ```
//!
//! A handler is `async fn name(app: Arc<App>, request: Request) -> Answer`. It reads the request,
//! calls one verb of the engine and shows the outcome; `?` turns the engine's errors into faults.

mod access;
mod affinity_groups;
pub mod app;
mod applications;
pub mod auth;
mod body;
mod bookmarks;
mod capabilities;
mod cdroms;
pub mod certificates;
mod clusters;
mod condensed;
mod connection;
mod console_proxy;
mod cpus;
mod credentials;
mod data_centers;
mod disk_moves;
mod disk_snapshots;
mod disks;
mod domain_contents;
mod domains;
mod entry;
mod events;
mod exported;
mod exports;
pub mod fault;
mod graphics_consoles;
mod groups;
mod host_devices;
mod host_nics;
mod host_numa_nodes;
mod host_statistics;
mod host_storage;
mod hosts;
mod icons;
mod instance_type_parts;
mod instance_types;
mod iso_files;
mod jobs;
pub mod links;
mod listed;
mod lookup;
mod mac_pools;
mod machine;
mod meters;
mod negotiate;
mod networks;
mod nics;
mod nothing;
mod numa_nodes;
mod objects;
mod operating_systems;
mod ovf;
mod pages;
pub mod path;
mod permissions;
mod profiles;
mod qoss;
mod query;
mod quotas;
mod related;
mod rendered;
pub mod reply;
mod reported_devices;
pub mod request;
mod roles;
pub mod routes;
mod rows;
mod rsdl;
mod scheduling_policies;
mod search;
pub mod server;
pub mod service;
mod sessions;
mod snapshots;
mod ssh_keys;
mod statistics;
mod storage_connections;
mod storage_domains;
mod tags;
mod template_parts;
mod templates;
mod users;
mod vm_actions;
mod vm_pools;
mod vm_sessions;
mod vms;
mod watchdogs;

#[cfg(test)]
mod tests;
