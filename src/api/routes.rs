//! Every route of the API, on one page.

use super::app::App;
use super::reply::Answer;
use super::request::Request;
use super::{
    affinity_groups, applications, bookmarks, capabilities, cdroms, clusters, data_centers, disk_moves,
    disk_snapshots, disks, domain_contents, domains, entry, events, exported, exports, graphics_consoles,
    groups, host_devices, host_nics, host_numa_nodes, host_storage, hosts, icons, instance_type_parts,
    instance_types, iso_files, jobs, mac_pools, networks, nics, nothing, numa_nodes, operating_systems,
    permissions, profiles, qoss, quotas, reported_devices, roles, scheduling_policies, snapshots, ssh_keys,
    statistics, storage_connections, storage_domains, tags, template_parts, templates, users, vm_actions,
    vm_pools, vm_sessions, vms, watchdogs,
};
use axum::http::{HeaderValue, Method};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

/// A handler: `async fn name(app: Arc<App>, request: Request) -> Answer`.
pub type Handler = fn(Arc<App>, Request) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A method at a path below the API's root.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub handler: Handler,
}

impl Route {
    /// Whether it makes something happen to what its path stands below: nothing can be read there.
    fn is_action(&self) -> bool {
        let is_read = || PAGE.iter().any(|other| other.path == self.path && other.method == Method::GET);
        self.method == Method::POST && !is_read()
    }
}

macro_rules! routes {
    ($($method:ident $path:literal => $($handler:ident)::+),+ $(,)?) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            handler: |app, request| Box::pin($($handler)::+(app, request)),
        }),+]
    };
}

/// Matching, `Allow`, links and actions all come from here: the page, and how far each of its actions is.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let progress = |action: &Route| Route {
        method: Method::GET,
        path: format!("{}/{{operation}}", action.path).leak(),
        handler: |app, request| Box::pin(vm_actions::progress(app, request)),
    };
    let page = PAGE.iter().map(|route| Route { method: route.method.clone(), ..*route });
    page.chain(PAGE.iter().filter(|route| route.is_action()).map(progress)).collect()
});

static PAGE: &[Route] = routes![
    GET "/" => entry::show,

    GET "/capabilities" => capabilities::list,
    GET "/capabilities/{level}" => capabilities::show,

    GET "/datacenters" => data_centers::list,
    GET "/datacenters/{data_center}" => data_centers::show,
    PUT "/datacenters/{data_center}" => data_centers::update,
    GET "/datacenters/{data_center}/iscsibonds" => nothing::iscsi_bonds,
    GET "/datacenters/{data_center}/qoss" => qoss::list,
    POST "/datacenters/{data_center}/qoss" => qoss::add,
    GET "/datacenters/{data_center}/qoss/{qos}" => qoss::show,
    PUT "/datacenters/{data_center}/qoss/{qos}" => qoss::update,
    DELETE "/datacenters/{data_center}/qoss/{qos}" => qoss::remove,
    GET "/datacenters/{data_center}/quotas" => quotas::list,
    POST "/datacenters/{data_center}/quotas" => quotas::add,
    GET "/datacenters/{data_center}/quotas/{quota}" => quotas::show,
    PUT "/datacenters/{data_center}/quotas/{quota}" => quotas::update,
    DELETE "/datacenters/{data_center}/quotas/{quota}" => quotas::remove,
    GET "/datacenters/{data_center}/quotas/{quota}/quotastoragelimits" => quotas::list_storage,
    POST "/datacenters/{data_center}/quotas/{quota}/quotastoragelimits" => quotas::add_storage,
    GET "/datacenters/{data_center}/quotas/{quota}/quotastoragelimits/{limit}" => quotas::show_storage,
    DELETE "/datacenters/{data_center}/quotas/{quota}/quotastoragelimits/{limit}" => quotas::remove_storage,
    GET "/datacenters/{data_center}/quotas/{quota}/quotaclusterlimits" => quotas::list_clusters,
    POST "/datacenters/{data_center}/quotas/{quota}/quotaclusterlimits" => quotas::add_cluster,
    GET "/datacenters/{data_center}/quotas/{quota}/quotaclusterlimits/{limit}" => quotas::show_cluster,
    DELETE "/datacenters/{data_center}/quotas/{quota}/quotaclusterlimits/{limit}" => quotas::remove_cluster,
    // The same by the names that the description of version 3 has.
    GET "/datacenters/{data_center}/quotas/{quota}/storagequotalimits" => quotas::list_storage,
    POST "/datacenters/{data_center}/quotas/{quota}/storagequotalimits" => quotas::add_storage,
    GET "/datacenters/{data_center}/quotas/{quota}/storagequotalimits/{limit}" => quotas::show_storage,
    DELETE "/datacenters/{data_center}/quotas/{quota}/storagequotalimits/{limit}" => quotas::remove_storage,
    GET "/datacenters/{data_center}/quotas/{quota}/clusterquotalimits" => quotas::list_clusters,
    POST "/datacenters/{data_center}/quotas/{quota}/clusterquotalimits" => quotas::add_cluster,
    GET "/datacenters/{data_center}/quotas/{quota}/clusterquotalimits/{limit}" => quotas::show_cluster,
    DELETE "/datacenters/{data_center}/quotas/{quota}/clusterquotalimits/{limit}" => quotas::remove_cluster,
    GET "/datacenters/{data_center}/clusters" => data_centers::list_clusters,
    GET "/datacenters/{data_center}/clusters/{cluster}" => data_centers::show_cluster,
    PUT "/datacenters/{data_center}/clusters/{cluster}" => clusters::update,
    GET "/datacenters/{data_center}/clusters/{cluster}/networks" => clusters::list_networks,
    POST "/datacenters/{data_center}/clusters/{cluster}/networks" => networks::attach,
    GET "/datacenters/{data_center}/clusters/{cluster}/networks/{network}" => clusters::show_network,
    PUT "/datacenters/{data_center}/clusters/{cluster}/networks/{network}" => networks::update_attached,
    DELETE "/datacenters/{data_center}/clusters/{cluster}/networks/{network}" => networks::detach,
    GET "/datacenters/{data_center}/clusters/{cluster}/permissions" => permissions::list,
    POST "/datacenters/{data_center}/clusters/{cluster}/permissions" => permissions::add,
    GET "/datacenters/{data_center}/clusters/{cluster}/permissions/{permission}" => permissions::show,
    DELETE "/datacenters/{data_center}/clusters/{cluster}/permissions/{permission}" => permissions::remove,
    GET "/datacenters/{data_center}/networks" => data_centers::list_networks,
    POST "/datacenters/{data_center}/networks" => data_centers::add_network,
    GET "/datacenters/{data_center}/networks/{network}" => data_centers::show_network,
    GET "/datacenters/{data_center}/networks/{network}/labels" => nothing::labels,
    PUT "/datacenters/{data_center}/networks/{network}" => networks::update,
    DELETE "/datacenters/{data_center}/networks/{network}" => networks::remove,
    GET "/datacenters/{data_center}/storagedomains" => data_centers::list_storage_domains,
    POST "/datacenters/{data_center}/storagedomains" => storage_domains::attach,
    GET "/datacenters/{data_center}/storagedomains/{domain}" => data_centers::show_storage_domain,
    GET "/datacenters/{data_center}/storagedomains/{domain}/disks" => storage_domains::list_disks,
    POST "/datacenters/{data_center}/storagedomains/{domain}/disks" => storage_domains::add_disk,
    GET "/datacenters/{data_center}/storagedomains/{domain}/disks/{disk}" => storage_domains::show_disk,
    DELETE "/datacenters/{data_center}/storagedomains/{domain}/disks/{disk}" => storage_domains::remove_disk,
    POST "/datacenters/{data_center}/storagedomains/{domain}/disks/{disk}/export" => exports::disk,
    DELETE "/datacenters/{data_center}/storagedomains/{domain}" => storage_domains::detach,
    POST "/datacenters/{data_center}/storagedomains/{domain}/activate" => storage_domains::activate,
    POST "/datacenters/{data_center}/storagedomains/{domain}/deactivate" => storage_domains::deactivate,

    GET "/clusters" => clusters::list,
    GET "/clusters/{cluster}" => clusters::show,
    PUT "/clusters/{cluster}" => clusters::update,
    GET "/clusters/{cluster}/affinitygroups" => affinity_groups::list,
    POST "/clusters/{cluster}/affinitygroups" => affinity_groups::add,
    GET "/clusters/{cluster}/affinitygroups/{affinity_group}" => affinity_groups::show,
    PUT "/clusters/{cluster}/affinitygroups/{affinity_group}" => affinity_groups::update,
    DELETE "/clusters/{cluster}/affinitygroups/{affinity_group}" => affinity_groups::remove,
    GET "/clusters/{cluster}/affinitygroups/{affinity_group}/vms" => affinity_groups::list_vms,
    POST "/clusters/{cluster}/affinitygroups/{affinity_group}/vms" => affinity_groups::add_vm,
    GET "/clusters/{cluster}/affinitygroups/{affinity_group}/vms/{vm}" => affinity_groups::show_vm,
    DELETE "/clusters/{cluster}/affinitygroups/{affinity_group}/vms/{vm}" => affinity_groups::remove_vm,
    GET "/clusters/{cluster}/networks" => clusters::list_networks,
    POST "/clusters/{cluster}/networks" => networks::attach,
    GET "/clusters/{cluster}/networks/{network}" => clusters::show_network,
    PUT "/clusters/{cluster}/networks/{network}" => networks::update_attached,
    DELETE "/clusters/{cluster}/networks/{network}" => networks::detach,
    GET "/clusters/{cluster}/cpuprofiles" => clusters::list_cpu_profiles,
    GET "/clusters/{cluster}/cpuprofiles/{profile}" => clusters::show_cpu_profile,

    GET "/hosts" => hosts::list,
    GET "/hosts/{host}" => hosts::show,
    GET "/hosts/{host}/devices" => host_devices::list_of_host,
    GET "/hosts/{host}/devices/{device}" => host_devices::show_of_host,
    GET "/hosts/{host}/fenceagents" => nothing::fence_agents,
    GET "/hosts/{host}/hooks" => nothing::hooks,
    GET "/hosts/{host}/katelloerrata" => nothing::errata,
    GET "/hosts/{host}/networkattachments" => nothing::network_attachments,
    GET "/hosts/{host}/nics" => host_nics::list,
    GET "/hosts/{host}/nics/{nic}" => host_nics::show,
    GET "/hosts/{host}/nics/{nic}/labels" => host_nics::list_labels,
    GET "/hosts/{host}/nics/{nic}/networkattachments" => host_nics::list_attachments,
    GET "/hosts/{host}/nics/{nic}/statistics" => host_nics::list_statistics,
    GET "/hosts/{host}/nics/{nic}/statistics/{statistic}" => host_nics::show_statistic,
    GET "/hosts/{host}/numanodes" => host_numa_nodes::list,
    GET "/hosts/{host}/numanodes/{node}" => host_numa_nodes::show,
    GET "/hosts/{host}/numanodes/{node}/statistics" => host_numa_nodes::list_statistics,
    GET "/hosts/{host}/numanodes/{node}/statistics/{statistic}" => host_numa_nodes::show_statistic,
    GET "/hosts/{host}/storageconnectionextensions" => nothing::connection_extensions,
    GET "/hosts/{host}/unmanagednetworks" => nothing::unmanaged_networks,
    GET "/hosts/{host}/storage" => host_storage::list,
    GET "/hosts/{host}/storage/{lun}" => host_storage::show,
    GET "/hosts/{host}/statistics" => hosts::list_statistics,
    GET "/hosts/{host}/statistics/{statistic}" => hosts::show_statistic,

    GET "/storagedomains" => storage_domains::list,
    POST "/storagedomains" => storage_domains::add,
    GET "/storagedomains/{domain}" => storage_domains::show,
    PUT "/storagedomains/{domain}" => storage_domains::update,
    DELETE "/storagedomains/{domain}" => storage_domains::remove,
    POST "/storagedomains/{domain}/isattached" => storage_domains::is_attached,
    GET "/storagedomains/{domain}/disks" => storage_domains::list_disks,
    POST "/storagedomains/{domain}/disks" => storage_domains::add_disk,
    GET "/storagedomains/{domain}/disks/{disk}" => storage_domains::show_disk,
    DELETE "/storagedomains/{domain}/disks/{disk}" => storage_domains::remove_disk,
    POST "/storagedomains/{domain}/disks/{disk}/move" => disk_moves::move_floating,
    POST "/storagedomains/{domain}/disks/{disk}/copy" => disk_moves::copy,
    POST "/storagedomains/{domain}/disks/{disk}/export" => exports::disk,
    GET "/storagedomains/{domain}/disksnapshots" => disk_snapshots::list,
    GET "/storagedomains/{domain}/disksnapshots/{disk_snapshot}" => disk_snapshots::show,
    DELETE "/storagedomains/{domain}/disksnapshots/{disk_snapshot}" => disk_snapshots::remove,
    GET "/storagedomains/{domain}/vms" => domain_contents::list_vms,
    GET "/storagedomains/{domain}/vms/{vm}" => domain_contents::show_vm,
    DELETE "/storagedomains/{domain}/vms/{vm}" => exported::remove_vm,
    GET "/storagedomains/{domain}/vms/{vm}/disks" => domain_contents::list_vm_disks,
    GET "/storagedomains/{domain}/vms/{vm}/disks/{disk}" => domain_contents::show_vm_disk,
    POST "/storagedomains/{domain}/vms/{vm}/register" => domain_contents::register_vm,
    POST "/storagedomains/{domain}/vms/{vm}/import" => exported::import_vm,
    GET "/storagedomains/{domain}/templates" => domain_contents::list_templates,
    GET "/storagedomains/{domain}/templates/{template}" => domain_contents::show_template,
    DELETE "/storagedomains/{domain}/templates/{template}" => exported::remove_template,
    GET "/storagedomains/{domain}/templates/{template}/disks" => domain_contents::list_template_disks,
    GET "/storagedomains/{domain}/templates/{template}/disks/{disk}" => domain_contents::show_template_disk,
    POST "/storagedomains/{domain}/templates/{template}/register" => domain_contents::register_template,
    POST "/storagedomains/{domain}/templates/{template}/import" => exported::import_template,
    GET "/storagedomains/{domain}/storageconnections" => storage_connections::list_of_domain,
    GET "/storagedomains/{domain}/storageconnections/{connection}" => storage_connections::show_of_domain,
    GET "/storagedomains/{domain}/files" => iso_files::list,
    GET "/storagedomains/{domain}/files/{file}" => iso_files::show,
    PUT "/storagedomains/{domain}/files/{file}" => iso_files::upload,
    DELETE "/storagedomains/{domain}/files/{file}" => iso_files::remove,
    GET "/storagedomains/{domain}/diskprofiles" => storage_domains::list_profiles,
    POST "/storagedomains/{domain}/diskprofiles" => storage_domains::add_profile,
    GET "/storagedomains/{domain}/diskprofiles/{profile}" => storage_domains::show_profile,
    DELETE "/storagedomains/{domain}/diskprofiles/{profile}" => storage_domains::remove_profile,

    GET "/networks" => networks::list,
    POST "/networks" => networks::add,
    GET "/networks/{network}" => networks::show,
    GET "/networks/{network}/labels" => nothing::labels,
    PUT "/networks/{network}" => networks::update,
    DELETE "/networks/{network}" => networks::remove,
    GET "/networks/{network}/vnicprofiles" => networks::list_profiles,
    POST "/networks/{network}/vnicprofiles" => networks::add_profile,
    GET "/networks/{network}/vnicprofiles/{profile}" => networks::show_profile,
    DELETE "/networks/{network}/vnicprofiles/{profile}" => networks::remove_profile,

    GET "/vnicprofiles" => profiles::list_vnic,
    POST "/vnicprofiles" => profiles::add_vnic,
    GET "/vnicprofiles/{profile}" => profiles::show_vnic,
    PUT "/vnicprofiles/{profile}" => profiles::update_vnic,
    DELETE "/vnicprofiles/{profile}" => profiles::remove_vnic,
    GET "/diskprofiles" => profiles::list_disk,
    POST "/diskprofiles" => profiles::add_disk,
    GET "/diskprofiles/{profile}" => profiles::show_disk,
    PUT "/diskprofiles/{profile}" => profiles::update_disk,
    DELETE "/diskprofiles/{profile}" => profiles::remove_disk,
    GET "/cpuprofiles" => profiles::list_cpu,
    GET "/cpuprofiles/{profile}" => profiles::show_cpu,

    GET "/macpools" => mac_pools::list,
    GET "/macpools/{pool}" => mac_pools::show,
    PUT "/macpools/{pool}" => mac_pools::update,
    GET "/schedulingpolicies" => scheduling_policies::list,
    GET "/schedulingpolicies/{policy}" => scheduling_policies::show,
    GET "/schedulingpolicies/{policy}/balances" => scheduling_policies::balances,
    GET "/schedulingpolicies/{policy}/filters" => scheduling_policies::filters,
    GET "/schedulingpolicies/{policy}/weights" => scheduling_policies::weights,
    GET "/schedulingpolicyunits" => nothing::policy_units,
    GET "/storageconnections" => storage_connections::list,
    GET "/storageconnections/{domain}" => storage_connections::show,
    GET "/icons" => icons::list,
    GET "/icons/{icon}" => icons::show,

    GET "/instancetypes" => instance_types::list,
    POST "/instancetypes" => instance_types::add,
    GET "/instancetypes/{instance_type}" => instance_types::show,
    PUT "/instancetypes/{instance_type}" => instance_types::update,
    DELETE "/instancetypes/{instance_type}" => instance_types::remove,
    GET "/instancetypes/{instance_type}/nics" => instance_type_parts::list_nics,
    POST "/instancetypes/{instance_type}/nics" => instance_type_parts::add_nic,
    GET "/instancetypes/{instance_type}/nics/{nic}" => instance_type_parts::show_nic,
    PUT "/instancetypes/{instance_type}/nics/{nic}" => instance_type_parts::update_nic,
    DELETE "/instancetypes/{instance_type}/nics/{nic}" => instance_type_parts::remove_nic,
    GET "/instancetypes/{instance_type}/watchdogs" => instance_type_parts::list_watchdogs,
    POST "/instancetypes/{instance_type}/watchdogs" => instance_type_parts::add_watchdog,
    GET "/instancetypes/{instance_type}/watchdogs/{watchdog}" => instance_type_parts::show_watchdog,
    PUT "/instancetypes/{instance_type}/watchdogs/{watchdog}" => instance_type_parts::update_watchdog,
    DELETE "/instancetypes/{instance_type}/watchdogs/{watchdog}" => instance_type_parts::remove_watchdog,
    GET "/instancetypes/{instance_type}/graphicsconsoles" => instance_type_parts::list_consoles,
    POST "/instancetypes/{instance_type}/graphicsconsoles" => instance_type_parts::create_console,
    GET "/instancetypes/{instance_type}/graphicsconsoles/{console}" => instance_type_parts::show_console,
    DELETE "/instancetypes/{instance_type}/graphicsconsoles/{console}" => instance_type_parts::delete_console,

    GET "/vmpools" => vm_pools::list,
    POST "/vmpools" => vm_pools::add,
    GET "/vmpools/{pool}" => vm_pools::show,
    PUT "/vmpools/{pool}" => vm_pools::update,
    DELETE "/vmpools/{pool}" => vm_pools::remove,
    POST "/vmpools/{pool}/allocatevm" => vm_pools::allocate,
    GET "/vmpools/{pool}/permissions" => permissions::list,
    POST "/vmpools/{pool}/permissions" => permissions::add,
    GET "/vmpools/{pool}/permissions/{permission}" => permissions::show,
    DELETE "/vmpools/{pool}/permissions/{permission}" => permissions::remove,
    GET "/externalhostproviders" => nothing::host_providers,
    GET "/openstackimageproviders" => nothing::image_providers,
    GET "/openstackvolumeproviders" => nothing::volume_providers,
    GET "/openstacknetworkproviders" => nothing::network_providers,
    GET "/katelloerrata" => nothing::errata,

    GET "/templates" => templates::list,
    POST "/templates" => templates::add,
    GET "/templates/{template}" => templates::show,
    PUT "/templates/{template}" => templates::update,
    DELETE "/templates/{template}" => templates::remove,
    GET "/templates/{template}/creation_status/{job}" => vm_actions::creation,
    GET "/templates/{template}/disks" => template_parts::list_disks,
    GET "/templates/{template}/disks/{disk}" => template_parts::show_disk,
    DELETE "/templates/{template}/disks/{disk}" => template_parts::remove_disk,
    POST "/templates/{template}/disks/{disk}/copy" => template_parts::copy_disk,
    POST "/templates/{template}/disks/{disk}/export" => exports::disk_of_template,
    POST "/templates/{template}/export" => exports::template,
    GET "/templates/{template}/nics" => template_parts::list_nics,
    POST "/templates/{template}/nics" => template_parts::add_nic,
    GET "/templates/{template}/nics/{nic}" => template_parts::show_nic,
    PUT "/templates/{template}/nics/{nic}" => template_parts::update_nic,
    DELETE "/templates/{template}/nics/{nic}" => template_parts::remove_nic,
    GET "/templates/{template}/cdroms" => template_parts::list_cdroms,
    GET "/templates/{template}/cdroms/{cdrom}" => template_parts::show_cdrom,
    GET "/templates/{template}/watchdogs" => template_parts::list_watchdogs,
    POST "/templates/{template}/watchdogs" => template_parts::add_watchdog,
    GET "/templates/{template}/watchdogs/{watchdog}" => template_parts::show_watchdog,
    PUT "/templates/{template}/watchdogs/{watchdog}" => template_parts::update_watchdog,
    DELETE "/templates/{template}/watchdogs/{watchdog}" => template_parts::remove_watchdog,
    GET "/templates/{template}/graphicsconsoles" => template_parts::list_consoles,
    POST "/templates/{template}/graphicsconsoles" => template_parts::add_console,
    GET "/templates/{template}/graphicsconsoles/{console}" => template_parts::show_console,
    DELETE "/templates/{template}/graphicsconsoles/{console}" => template_parts::remove_console,
    GET "/operatingsystems" => operating_systems::list,
    GET "/operatingsystems/{number}" => operating_systems::show,
    GET "/users" => users::list,
    POST "/users" => users::add,
    GET "/users/{user}" => users::show,
    DELETE "/users/{user}" => users::remove,

    GET "/users/{user}/roles" => roles::list_of_holder,
    GET "/users/{user}/roles/{role}" => roles::show_of_holder,
    DELETE "/users/{user}/roles/{role}" => roles::remove_of_holder,
    GET "/users/{user}/roles/{role}/permits" => roles::list_permits,
    POST "/users/{user}/roles/{role}/permits" => roles::add_permit,
    GET "/users/{user}/roles/{role}/permits/{permit}" => roles::show_permit,
    DELETE "/users/{user}/roles/{role}/permits/{permit}" => roles::remove_permit,
    GET "/users/{user}/sshpublickeys" => ssh_keys::list,
    POST "/users/{user}/sshpublickeys" => ssh_keys::add,
    GET "/users/{user}/sshpublickeys/{key}" => ssh_keys::show,
    DELETE "/users/{user}/sshpublickeys/{key}" => ssh_keys::remove,

    GET "/tags" => tags::list,
    POST "/tags" => tags::add,
    GET "/tags/{tag}" => tags::show,
    PUT "/tags/{tag}" => tags::update,
    DELETE "/tags/{tag}" => tags::remove,
    GET "/hosts/{host}/tags" => tags::list_of,
    POST "/hosts/{host}/tags" => tags::attach,
    GET "/hosts/{host}/tags/{tag}" => tags::show_of,
    DELETE "/hosts/{host}/tags/{tag}" => tags::detach,
    GET "/templates/{template}/tags" => tags::list_of,
    POST "/templates/{template}/tags" => tags::attach,
    GET "/templates/{template}/tags/{tag}" => tags::show_of,
    DELETE "/templates/{template}/tags/{tag}" => tags::detach,
    GET "/vms/{vm}/tags" => tags::list_of,
    POST "/vms/{vm}/tags" => tags::attach,
    GET "/vms/{vm}/tags/{tag}" => tags::show_of,
    DELETE "/vms/{vm}/tags/{tag}" => tags::detach,
    GET "/users/{user}/tags" => tags::list_of,
    POST "/users/{user}/tags" => tags::attach,
    GET "/users/{user}/tags/{tag}" => tags::show_of,
    DELETE "/users/{user}/tags/{tag}" => tags::detach,

    GET "/bookmarks" => bookmarks::list,
    POST "/bookmarks" => bookmarks::add,
    GET "/bookmarks/{bookmark}" => bookmarks::show,
    PUT "/bookmarks/{bookmark}" => bookmarks::update,
    DELETE "/bookmarks/{bookmark}" => bookmarks::remove,

    GET "/roles" => roles::list,
    POST "/roles" => roles::add,
    GET "/roles/{role}" => roles::show,
    PUT "/roles/{role}" => roles::update,
    DELETE "/roles/{role}" => roles::remove,
    GET "/roles/{role}/permits" => roles::list_permits,
    POST "/roles/{role}/permits" => roles::add_permit,
    GET "/roles/{role}/permits/{permit}" => roles::show_permit,
    DELETE "/roles/{role}/permits/{permit}" => roles::remove_permit,
    GET "/groups" => groups::list,
    POST "/groups" => groups::add,
    GET "/groups/{group}" => groups::show,
    DELETE "/groups/{group}" => groups::remove,
    GET "/groups/{group}/roles" => roles::list_of_holder,
    GET "/groups/{group}/roles/{role}" => roles::show_of_holder,
    DELETE "/groups/{group}/roles/{role}" => roles::remove_of_holder,
    GET "/groups/{group}/roles/{role}/permits" => roles::list_permits,
    POST "/groups/{group}/roles/{role}/permits" => roles::add_permit,
    GET "/groups/{group}/roles/{role}/permits/{permit}" => roles::show_permit,
    DELETE "/groups/{group}/roles/{role}/permits/{permit}" => roles::remove_permit,
    GET "/groups/{group}/tags" => tags::list_of,
    POST "/groups/{group}/tags" => tags::attach,
    GET "/groups/{group}/tags/{tag}" => tags::show_of,
    DELETE "/groups/{group}/tags/{tag}" => tags::detach,
    GET "/groups/{group}/permissions" => permissions::list,
    POST "/groups/{group}/permissions" => permissions::add,
    GET "/groups/{group}/permissions/{permission}" => permissions::show,
    DELETE "/groups/{group}/permissions/{permission}" => permissions::remove,
    GET "/domains" => domains::list,
    GET "/domains/{directory}" => domains::show,
    GET "/domains/{directory}/users" => domains::list_users,
    GET "/domains/{directory}/users/{user}" => domains::show_user,
    GET "/domains/{directory}/groups" => domains::list_groups,
    GET "/domains/{directory}/groups/{group}" => domains::show_group,

    GET "/datacenters/{data_center}/permissions" => permissions::list,
    POST "/datacenters/{data_center}/permissions" => permissions::add,
    GET "/datacenters/{data_center}/permissions/{permission}" => permissions::show,
    DELETE "/datacenters/{data_center}/permissions/{permission}" => permissions::remove,
    GET "/datacenters/{data_center}/quotas/{quota}/permissions" => permissions::list,
    POST "/datacenters/{data_center}/quotas/{quota}/permissions" => permissions::add,
    GET "/datacenters/{data_center}/quotas/{quota}/permissions/{permission}" => permissions::show,
    DELETE "/datacenters/{data_center}/quotas/{quota}/permissions/{permission}" => permissions::remove,
    GET "/clusters/{cluster}/permissions" => permissions::list,
    POST "/clusters/{cluster}/permissions" => permissions::add,
    GET "/clusters/{cluster}/permissions/{permission}" => permissions::show,
    DELETE "/clusters/{cluster}/permissions/{permission}" => permissions::remove,
    GET "/hosts/{host}/permissions" => permissions::list,
    POST "/hosts/{host}/permissions" => permissions::add,
    GET "/hosts/{host}/permissions/{permission}" => permissions::show,
    DELETE "/hosts/{host}/permissions/{permission}" => permissions::remove,
    GET "/storagedomains/{domain}/permissions" => permissions::list,
    POST "/storagedomains/{domain}/permissions" => permissions::add,
    GET "/storagedomains/{domain}/permissions/{permission}" => permissions::show,
    DELETE "/storagedomains/{domain}/permissions/{permission}" => permissions::remove,
    GET "/networks/{network}/permissions" => permissions::list,
    POST "/networks/{network}/permissions" => permissions::add,
    GET "/networks/{network}/permissions/{permission}" => permissions::show,
    DELETE "/networks/{network}/permissions/{permission}" => permissions::remove,
    GET "/vnicprofiles/{profile}/permissions" => permissions::list,
    POST "/vnicprofiles/{profile}/permissions" => permissions::add,
    GET "/vnicprofiles/{profile}/permissions/{permission}" => permissions::show,
    DELETE "/vnicprofiles/{profile}/permissions/{permission}" => permissions::remove,
    GET "/diskprofiles/{profile}/permissions" => permissions::list,
    POST "/diskprofiles/{profile}/permissions" => permissions::add,
    GET "/diskprofiles/{profile}/permissions/{permission}" => permissions::show,
    DELETE "/diskprofiles/{profile}/permissions/{permission}" => permissions::remove,
    GET "/cpuprofiles/{profile}/permissions" => permissions::list,
    POST "/cpuprofiles/{profile}/permissions" => permissions::add,
    GET "/cpuprofiles/{profile}/permissions/{permission}" => permissions::show,
    DELETE "/cpuprofiles/{profile}/permissions/{permission}" => permissions::remove,
    GET "/templates/{template}/permissions" => permissions::list,
    POST "/templates/{template}/permissions" => permissions::add,
    GET "/templates/{template}/permissions/{permission}" => permissions::show,
    DELETE "/templates/{template}/permissions/{permission}" => permissions::remove,
    GET "/vms/{vm}/permissions" => permissions::list,
    POST "/vms/{vm}/permissions" => permissions::add,
    GET "/vms/{vm}/permissions/{permission}" => permissions::show,
    DELETE "/vms/{vm}/permissions/{permission}" => permissions::remove,
    GET "/disks/{disk}/permissions" => permissions::list,
    POST "/disks/{disk}/permissions" => permissions::add,
    GET "/disks/{disk}/permissions/{permission}" => permissions::show,
    DELETE "/disks/{disk}/permissions/{permission}" => permissions::remove,
    GET "/storagedomains/{domain}/disks/{disk}/permissions" => permissions::list,
    POST "/storagedomains/{domain}/disks/{disk}/permissions" => permissions::add,
    GET "/storagedomains/{domain}/disks/{disk}/permissions/{permission}" => permissions::show,
    DELETE "/storagedomains/{domain}/disks/{disk}/permissions/{permission}" => permissions::remove,
    GET "/vms/{vm}/disks/{disk}/permissions" => permissions::list,
    POST "/vms/{vm}/disks/{disk}/permissions" => permissions::add,
    GET "/vms/{vm}/disks/{disk}/permissions/{permission}" => permissions::show,
    DELETE "/vms/{vm}/disks/{disk}/permissions/{permission}" => permissions::remove,
    GET "/users/{user}/permissions" => permissions::list,
    POST "/users/{user}/permissions" => permissions::add,
    GET "/users/{user}/permissions/{permission}" => permissions::show,
    DELETE "/users/{user}/permissions/{permission}" => permissions::remove,
    GET "/permissions" => permissions::list,
    POST "/permissions" => permissions::add,
    GET "/permissions/{permission}" => permissions::show,
    DELETE "/permissions/{permission}" => permissions::remove,

    GET "/events" => events::list,
    POST "/events" => events::add,
    POST "/events/undelete" => events::undelete,
    GET "/events/{event}" => events::show,
    DELETE "/events/{event}" => events::remove,

    GET "/jobs" => jobs::list,
    POST "/jobs" => jobs::add,
    GET "/jobs/{job}" => jobs::show,
    POST "/jobs/{job}/end" => jobs::end,
    POST "/jobs/{job}/clear" => jobs::clear,
    GET "/jobs/{job}/steps" => jobs::list_steps,
    POST "/jobs/{job}/steps" => jobs::add_step,
    GET "/jobs/{job}/steps/{step}" => jobs::show_step,
    POST "/jobs/{job}/steps/{step}/end" => jobs::end_step,
    GET "/jobs/{job}/steps/{step}/statistics" => jobs::list_statistics,
    GET "/jobs/{job}/steps/{step}/statistics/{statistic}" => jobs::show_statistic,

    GET "/vms" => vms::list,
    POST "/vms" => vms::add,
    GET "/vms/{vm}" => vms::show,
    // The specification prints a creation at the address of a VM.
    POST "/vms/{vm}" => vms::add,
    PUT "/vms/{vm}" => vms::update,
    DELETE "/vms/{vm}" => vms::remove,
    POST "/vms/{vm}/start" => vm_actions::start,
    POST "/vms/{vm}/stop" => vm_actions::stop,
    POST "/vms/{vm}/shutdown" => vm_actions::shutdown,
    POST "/vms/{vm}/reboot" => vm_actions::reboot,
    POST "/vms/{vm}/suspend" => vm_actions::suspend,
    POST "/vms/{vm}/clone" => vm_actions::clone,
    POST "/vms/{vm}/migrate" => vm_actions::migrate,
    POST "/vms/{vm}/cancelmigration" => vm_actions::cancel_migration,
    POST "/vms/{vm}/maintenance" => vm_actions::maintenance,
    POST "/vms/{vm}/move" => disk_moves::move_vm,
    POST "/vms/{vm}/ticket" => vm_actions::ticket,
    POST "/vms/{vm}/freezefilesystems" => vm_actions::freeze,
    POST "/vms/{vm}/thawfilesystems" => vm_actions::thaw,
    POST "/vms/{vm}/reordermacaddresses" => vm_actions::reorder_mac_addresses,
    POST "/vms/{vm}/logon" => vm_actions::logon,
    POST "/vms/{vm}/detach" => vm_actions::detach,
    GET "/vms/{vm}/creation_status/{job}" => vm_actions::creation,
    GET "/vms/{vm}/katelloerrata" => nothing::errata,
    GET "/vms/{vm}/statistics" => statistics::list_of_vm,
    GET "/vms/{vm}/statistics/{statistic}" => statistics::show_of_vm,

    POST "/vms/{vm}/preview_snapshot" => snapshots::preview,
    POST "/vms/{vm}/commit_snapshot" => snapshots::commit,
    POST "/vms/{vm}/undo_snapshot" => snapshots::undo,
    GET "/vms/{vm}/snapshots" => snapshots::list,
    POST "/vms/{vm}/snapshots" => snapshots::add,
    GET "/vms/{vm}/snapshots/{snapshot}" => snapshots::show,
    DELETE "/vms/{vm}/snapshots/{snapshot}" => snapshots::remove,
    POST "/vms/{vm}/snapshots/{snapshot}/restore" => snapshots::restore,
    GET "/vms/{vm}/snapshots/{snapshot}/creation_status/{job}" => vm_actions::creation,
    GET "/vms/{vm}/snapshots/{snapshot}/disks" => snapshots::list_disks,
    GET "/vms/{vm}/snapshots/{snapshot}/disks/{disk}" => snapshots::show_disk,
    DELETE "/vms/{vm}/snapshots/{snapshot}/disks/{disk}" => snapshots::remove_disk,
    GET "/vms/{vm}/snapshots/{snapshot}/nics" => snapshots::list_nics,
    GET "/vms/{vm}/snapshots/{snapshot}/nics/{nic}" => snapshots::show_nic,
    GET "/vms/{vm}/snapshots/{snapshot}/cdroms" => snapshots::list_cdroms,
    GET "/vms/{vm}/snapshots/{snapshot}/cdroms/{cdrom}" => snapshots::show_cdrom,

    GET "/vms/{vm}/cdroms" => cdroms::list,
    POST "/vms/{vm}/cdroms" => cdroms::add,
    GET "/vms/{vm}/cdroms/{cdrom}" => cdroms::show,
    PUT "/vms/{vm}/cdroms/{cdrom}" => cdroms::update,
    DELETE "/vms/{vm}/cdroms/{cdrom}" => cdroms::remove,

    GET "/vms/{vm}/numanodes" => numa_nodes::list,
    POST "/vms/{vm}/numanodes" => numa_nodes::add,
    GET "/vms/{vm}/numanodes/{node}" => numa_nodes::show,
    PUT "/vms/{vm}/numanodes/{node}" => numa_nodes::update,
    DELETE "/vms/{vm}/numanodes/{node}" => numa_nodes::remove,

    GET "/vms/{vm}/disks" => disks::list_of_vm,
    POST "/vms/{vm}/disks" => disks::add_to_vm,
    GET "/vms/{vm}/disks/{disk}" => disks::show_of_vm,
    POST "/vms/{vm}/disks/{disk}" => disk_moves::post_of_vm,
    POST "/vms/{vm}/export" => exports::vm,
    POST "/vms/{vm}/disks/{disk}/export" => exports::disk_of_vm,
    POST "/vms/{vm}/disks/{disk}/move" => disk_moves::move_of_vm,
    PUT "/vms/{vm}/disks/{disk}" => disks::update_of_vm,
    DELETE "/vms/{vm}/disks/{disk}" => disks::remove_of_vm,
    POST "/vms/{vm}/disks/{disk}/activate" => disks::activate,
    POST "/vms/{vm}/disks/{disk}/deactivate" => disks::deactivate,
    GET "/vms/{vm}/disks/{disk}/creation_status/{job}" => vm_actions::creation,
    GET "/vms/{vm}/disks/{disk}/statistics" => statistics::list_of_vm_disk,
    GET "/vms/{vm}/disks/{disk}/statistics/{statistic}" => statistics::show_of_vm_disk,

    GET "/vms/{vm}/nics" => nics::list,
    POST "/vms/{vm}/nics" => nics::add,
    GET "/vms/{vm}/nics/{nic}" => nics::show,
    PUT "/vms/{vm}/nics/{nic}" => nics::update,
    DELETE "/vms/{vm}/nics/{nic}" => nics::remove,
    POST "/vms/{vm}/nics/{nic}/activate" => nics::activate,
    POST "/vms/{vm}/nics/{nic}/deactivate" => nics::deactivate,
    GET "/vms/{vm}/nics/{nic}/statistics" => nics::list_statistics,
    GET "/vms/{vm}/nics/{nic}/statistics/{statistic}" => nics::show_statistic,

    GET "/vms/{vm}/nics/{nic}/reporteddevices" => reported_devices::list,
    GET "/vms/{vm}/nics/{nic}/reporteddevices/{device}" => reported_devices::show,
    GET "/vms/{vm}/reporteddevices" => reported_devices::list,
    GET "/vms/{vm}/reporteddevices/{device}" => reported_devices::show,

    GET "/vms/{vm}/applications" => applications::list,
    GET "/vms/{vm}/applications/{application}" => applications::show,
    GET "/vms/{vm}/sessions" => vm_sessions::list,
    GET "/vms/{vm}/sessions/{session}" => vm_sessions::show,

    GET "/vms/{vm}/graphicsconsoles" => graphics_consoles::list,
    POST "/vms/{vm}/graphicsconsoles" => graphics_consoles::add,
    GET "/vms/{vm}/graphicsconsoles/{console}" => graphics_consoles::show,
    DELETE "/vms/{vm}/graphicsconsoles/{console}" => graphics_consoles::remove,
    POST "/vms/{vm}/graphicsconsoles/{console}/proxyticket" => graphics_consoles::proxy_ticket,

    GET "/vms/{vm}/hostdevices" => host_devices::list,
    POST "/vms/{vm}/hostdevices" => host_devices::add,
    GET "/vms/{vm}/hostdevices/{device}" => host_devices::show,
    DELETE "/vms/{vm}/hostdevices/{device}" => host_devices::remove,

    GET "/vms/{vm}/watchdogs" => watchdogs::list,
    POST "/vms/{vm}/watchdogs" => watchdogs::add,
    GET "/vms/{vm}/watchdogs/{watchdog}" => watchdogs::show,
    PUT "/vms/{vm}/watchdogs/{watchdog}" => watchdogs::update,
    DELETE "/vms/{vm}/watchdogs/{watchdog}" => watchdogs::remove,

    GET "/disks" => disks::list,
    POST "/disks" => disks::add,
    GET "/disks/{disk}" => disks::show,
    // The specification moves a disk so: its storage domains are updated by a POST.
    POST "/disks/{disk}" => disk_moves::post_floating,
    POST "/disks/{disk}/move" => disk_moves::move_floating,
    POST "/disks/{disk}/copy" => disk_moves::copy,
    POST "/disks/{disk}/export" => exports::disk,
    DELETE "/disks/{disk}" => disks::remove,
    GET "/disks/{disk}/creation_status/{job}" => vm_actions::creation,
    GET "/disks/{disk}/statistics" => statistics::list_of_disk,
    GET "/disks/{disk}/statistics/{statistic}" => statistics::show_of_disk,
];

/// The methods of one path.
#[derive(Debug, Default)]
pub struct Place {
    routes: Vec<&'static Route>,
}

impl Place {
    /// The route of a method; a HEAD is a GET that keeps its body to itself.
    pub fn route(&self, method: &Method) -> Option<&'static Route> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.routes.iter().find(|route| route.method == *method).copied()
    }

    /// Whether a POST makes something happen to what the path stands below: nothing can be read here.
    pub fn is_action(&self) -> bool {
        self.route(&Method::POST).is_some() && self.route(&Method::GET).is_none()
    }

    /// The `Allow` header.
    pub fn allow(&self) -> HeaderValue {
        let mut methods: Vec<&str> = self.routes.iter().map(|route| route.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        HeaderValue::try_from(methods.join(", ")).expect("method names are header text")
    }
}

/// The values of a path's placeholders, by their names.
pub type Captures = Vec<(String, String)>;

/// The table, ready to be searched.
pub struct Routes {
    places: matchit::Router<Place>,
}

impl Routes {
    pub fn new(table: &'static [Route]) -> Self {
        let mut by_path: BTreeMap<&str, Place> = BTreeMap::new();
        for route in table {
            by_path.entry(route.path).or_default().routes.push(route);
        }
        let mut places = matchit::Router::new();
        for (path, place) in by_path {
            places.insert(path, place).expect("the table has no ambiguous paths");
        }
        Self { places }
    }

    /// Where the segments below the API's root lead.
    pub fn find(&self, segments: &[&str]) -> Option<(&Place, Captures)> {
        let path = format!("/{}", segments.join("/"));
        let found = self.places.at(&path).ok()?;
        let captures = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some((found.value, captures))
    }
}
