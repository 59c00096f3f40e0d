//! Every change of networks and their profiles.

use super::lab::Lab;
use super::sim::sweep;
use vireo::engine::NicChange;
use vireo::model::*;

fn named(name: &str) -> NetworkChange {
    NetworkChange { name: Some(name.into()), ..NetworkChange::default() }
}

async fn network(lab: &Lab) -> NetworkId {
    let (data_center, cluster) = {
        let world = lab.engine.world();
        (*world.data_centers.keys().next().unwrap(), *world.clusters.keys().next().unwrap())
    };
    let id = lab.engine.add_network(data_center, named("red")).await.unwrap();
    lab.engine.attach_network(cluster, id, ClusterNetworkChange::default()).await.unwrap();
    id
}

#[test]
fn add_network() {
    sweep(
        async |lab| *lab.engine.world().data_centers.keys().next().unwrap(),
        async |lab, data_center| lab.engine.add_network(*data_center, named("red")).await.map(drop),
    );
}

#[test]
fn update_network() {
    sweep(network, async |lab, id| {
        let change = NetworkChange { mtu: Some(9000), ..named("blue") };
        lab.engine.update_network(*id, change).await
    });
}

#[test]
fn remove_network() {
    sweep(network, async |lab, id| lab.engine.remove_network(*id).await);
}

#[test]
fn filter_and_mirror_by_profile() {
    sweep(
        async |lab| {
            let id = network(lab).await;
            let vm = lab.vm("a").await;
            for name in ["nic1", "nic2"] {
                let on =
                    NicChange { name: Some(name.into()), network: Some(Some(id)), ..NicChange::default() };
                lab.engine.add_nic(vm, on).await.unwrap();
            }
            lab.start(vm).await;
            let world = lab.engine.world();
            world.vnic_profiles.values().find(|profile| profile.network == id).unwrap().id
        },
        async |lab, profile| {
            let filter = vec![("network_filter".into(), "clean-traffic".into())];
            let change = ProfileChange { custom_properties: Some(filter), ..ProfileChange::default() };
            lab.engine.update_vnic_profile(*profile, change).await
        },
    );
}
