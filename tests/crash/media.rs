//! Runs with media that are made for them.

use super::lab::Lab;
use super::sim::sweep;
use vireo::engine::StartOptions;
use vireo::model::*;

/// A VM whose guest is told its name and a file.
async fn told(lab: &Lab) -> VmId {
    let (vm, _) = lab.vm_with_disks("a", 1).await;
    let tell = |spec: &mut VmSpec| {
        spec.initialization =
            Some(Box::new(Initialization { host_name: Some("web1".into()), ..Default::default() }));
        let files = vec![GuestFile { name: "greeting".into(), content: Secret("hi".into()) }];
        spec.payloads = vec![Payload { kind: PayloadKind::Cdrom, volume: None, files }];
        Ok(())
    };
    lab.engine.update_vm(vm, false, tell).await.unwrap();
    vm
}

#[test]
fn start_vm_with_media() {
    sweep(
        async |lab| told(lab).await,
        async |lab, vm| lab.engine.start_vm(*vm, StartOptions::default()).await,
    );
}

#[test]
fn stop_vm_with_media() {
    sweep(
        async |lab| {
            let vm = told(lab).await;
            lab.start(vm).await;
            vm
        },
        async |lab, vm| lab.engine.stop_vm(*vm).await,
    );
}

#[test]
fn suspend_vm_with_media() {
    sweep(
        async |lab| {
            let vm = told(lab).await;
            lab.start(vm).await;
            vm
        },
        async |lab, vm| lab.engine.suspend_vm(*vm).await?.finished().await,
    );
}
