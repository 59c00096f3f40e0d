# -*- coding: utf-8 -*-
"""A backup, as scripts of version 3 make them, by the unmodified Python SDK: snapshot, clone of it, export
of the clone, and the way back. Ends with the word passed."""
from __future__ import print_function

import sys

from ovirtsdk.xml import params

from sdk3_main_job import MIB, check, refused, scenario_of, same, step, wait

CLUSTER = params.Cluster(name="Default")
EXPORTS = params.StorageDomain(name="backups")


def down(api, name):
    wait(name, lambda: api.vms.get(name).status.state, "down")
    return api.vms.get(name)


def attached(api, folder):
    api.storagedomains.add(params.StorageDomain(
        name="backups", type_="export", host=params.Host(name=api.hosts.list()[0].name),
        storage=params.Storage(type_="localfs", path=folder)))
    center = api.datacenters.list()[0]
    center.storagedomains.add(api.storagedomains.get("backups"))
    wait("the domain", lambda: center.storagedomains.get("backups").status.state, "active")
    return api.storagedomains.get("backups")


def run(api, asked):
    step("an export domain")
    backups = attached(api, asked.folder)
    same("its type", backups.type_, "export")
    same("its contents", backups.vms.list(), [])

    step("a VM that runs")
    api.vms.add(params.VM(
        name="web", cluster=CLUSTER, template=params.Template(name="Blank"), memory=64 * MIB,
        os=params.OperatingSystem(kernel=asked.kernel), description="shop"))
    web = down(api, "web")
    web.disks.add(params.Disk(
        alias="system", provisioned_size=8 * MIB, interface="virtio", format="cow", bootable=True,
        storage_domains=params.StorageDomains(storage_domain=[params.StorageDomain(name="data")])))
    wait("the disk", lambda: web.disks.list()[0].status.state, "ok")
    web.nics.add(params.NIC(name="nic1", network=params.Network(name="ovirtmgmt"), interface="virtio"))
    web.start()
    wait("web", lambda: api.vms.get("web").status.state, "up")
    refused(409, lambda: web.export(params.Action(storage_domain=EXPORTS)))

    step("its backup")
    web.snapshots.add(params.Snapshot(description="backup", persist_memorystate=False))
    wait("the snapshot", lambda: web.snapshots.list(description="backup")[0].snapshot_status, "ok")
    taken = web.snapshots.list(description="backup")[0]

    step("its disk as it was, on another VM")
    read = taken.disks.list()[0]
    api.vms.add(params.VM(
        name="reader", cluster=CLUSTER, template=params.Template(name="Blank"), memory=64 * MIB,
        os=params.OperatingSystem(kernel=asked.kernel)))
    reader = down(api, "reader")
    reader.disks.add(params.Disk(id=read.id, snapshot=params.Snapshot(id=taken.id), active=True))
    there = reader.disks.list()[0]
    same("its snapshot", there.snapshot.id, taken.id)
    same("it is plugged", there.active, True)
    there.deactivate()
    there.activate()
    reader.start()
    wait("reader", lambda: api.vms.get("reader").status.state, "up")
    refused(409, taken.delete)
    refused(409, there.delete)
    reader.stop()
    reader = down(api, "reader")
    there.delete(action=params.Action(detach=True))
    same("its disks", reader.disks.list(), [])
    reader.delete()

    step("a clone of it")
    api.vms.add(params.VM(
        name="web_backup", cluster=CLUSTER, snapshots=params.Snapshots(snapshot=[params.Snapshot(id=taken.id)])))
    copy = down(api, "web_backup")
    taken.delete()
    copy.export(params.Action(storage_domain=EXPORTS, exclusive=True, discard_snapshots=True))
    down(api, "web_backup").delete()
    wait("the clone's end", lambda: api.vms.get("web_backup"), None)
    same("what lies there", [vm.name for vm in backups.vms.list()], ["web_backup"])
    there = backups.vms.get("web_backup")
    same("its memory", there.memory, 64 * MIB)
    same("its disks", len(there.disks.list()), 1)
    same("web", api.vms.get("web").status.state, "up")

    step("the way back")
    here = params.Action(
        cluster=CLUSTER, storage_domain=params.StorageDomain(name="data"), async=False)
    there.import_vm(here)
    back = down(api, "web_backup")
    same("its description", back.description, "shop")
    same("its id", back.id, there.id)
    refused(409, lambda: there.import_vm(here))
    here.clone, here.vm = True, params.VM(name="web_clone")
    there.import_vm(here)
    clone = down(api, "web_clone")
    check(clone.id != back.id, "the clone is the same VM")
    macs = [vm.nics.list()[0].mac.address for vm in (web, back, clone)]
    same("addresses", len(set(macs)), 3)
    for vm in (back, clone):
        vm.start()
        wait(vm.name, lambda: api.vms.get(id=vm.id).status.state, "up")

    step("a template's")
    clone.stop()
    down(api, "web_clone")
    api.templates.add(params.Template(name="golden", vm=clone, cluster=CLUSTER))
    wait("the template", lambda: api.templates.get("golden").status.state, "ok")
    golden = api.templates.get("golden")
    golden.export(params.Action(storage_domain=EXPORTS, async=False))
    golden.delete()
    kept = backups.templates.get("golden")
    kept.import_template(params.Action(
        cluster=CLUSTER, storage_domain=params.StorageDomain(name="data"), async=False))
    same("the template", api.templates.get("golden").id, kept.id)

    step("the end")
    kept.delete()
    there.delete()
    same("what is left", [backups.vms.list(), backups.templates.list()], [[], []])


if __name__ == "__main__":
    sys.exit(scenario_of(__doc__, run, "--kernel", "--folder"))
