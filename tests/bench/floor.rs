//! libvirt itself: the same work by its own calls, from this process.

use crate::pairs::timed;
use std::path::Path;
use std::time::Duration;
use vireo::xml::parse;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::sys;

/// The counters that the daemon asks for.
pub const GROUPS: u32 = sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | sys::VIR_DOMAIN_STATS_BALLOON
    | sys::VIR_DOMAIN_STATS_VCPU
    | sys::VIR_DOMAIN_STATS_INTERFACE
    | sys::VIR_DOMAIN_STATS_BLOCK;
pub const LIVE_AND_CONFIG: u32 = sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_AFFECT_CONFIG;

pub struct Floor {
    pub connect: Connect,
}

impl Floor {
    pub fn open(uri: &str) -> Self {
        Self { connect: Connect::open(Some(uri)).unwrap() }
    }

    pub fn domain(&self, id: &str) -> Domain {
        self.connect.lookup_domain_by_uuid_string(id).unwrap()
    }

    /// What a list costs without an inventory.
    pub fn list(&self) -> Duration {
        timed(|| {
            for domain in self.connect.list_all_domains(0).unwrap() {
                domain.xml_desc(0).unwrap();
            }
        })
    }

    pub fn show(&self, id: &str) -> Duration {
        timed(|| drop(self.domain(id).xml_desc(0).unwrap()))
    }

    /// The counters of these domains in one call.
    pub fn statistics(&self, domains: &[Domain]) -> Duration {
        // SAFETY: the pointers are used while `domains` lives.
        let mut handles: Vec<_> = domains.iter().map(|domain| unsafe { domain.as_ptr() }).collect();
        handles.push(std::ptr::null_mut());
        timed(|| {
            let mut records = std::ptr::null_mut();
            // SAFETY: the handles live as long as `domains` and end in NULL; the list is freed once.
            unsafe {
                let count = sys::virDomainListGetStats(handles.as_mut_ptr(), GROUPS, &mut records, 0);
                assert!(count > 0);
                sys::virDomainStatsRecordListFree(records);
            }
        })
    }

    pub fn define(&self, document: &str) -> Domain {
        self.connect.define_domain_xml(document).unwrap()
    }

    pub fn version(&self) -> String {
        let number = self.connect.lib_version().unwrap();
        format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
    }
}

/// A directory pool.
pub struct Pool(StoragePool);

impl Pool {
    pub fn make(floor: &Floor, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        if let Ok(there) = floor.connect.lookup_storage_pool_by_name("bench") {
            return Self(there);
        }
        let document = format!(
            "<pool type='dir'><name>bench</name><target><path>{}</path></target></pool>",
            folder.display()
        );
        Self(floor.connect.create_storage_pool_xml(&document, 0).unwrap())
    }

    pub fn create(&self, name: &str, size: u64) -> StorageVol {
        let document = format!(
            "<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation>\
             <target><format type='qcow2'/></target></volume>"
        );
        StorageVol::create_xml(&self.0, &document, 0).unwrap()
    }
}

/// The document with another name and id; nobody's VM.
pub fn renamed(document: &str, name: &str, id: &str) -> String {
    let mut document = parse(document.as_bytes()).unwrap();
    document.ensure("name").set_content(name);
    document.remove("metadata");
    // The firmware's tables repeat the id.
    let before = document.value("uuid").unwrap();
    document.to_string().replace(&before, id)
}
