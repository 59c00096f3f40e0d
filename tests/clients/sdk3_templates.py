# -*- coding: utf-8 -*-
"""Templates, as scripts that roll VMs out use them, by the unmodified Python SDK of version 3: made
of a VM, listed, VMs of them thin and cloned, of a snapshot, clones, removed. Ends with the word passed."""
from __future__ import print_function

import sys

from ovirtsdk.xml import params

from sdk3_main_job import MIB, check, refused, scenario_of, same, step, wait

CLUSTER = params.Cluster(name="Default")


def new_vm(api, name, **more):
    api.vms.add(params.VM(name=name, cluster=CLUSTER, **more))
    wait(name, lambda: api.vms.get(name).status.state, "down")
    return api.vms.get(name)


def run(api, asked):
    step("a VM to make a template of")
    mother = new_vm(
        api, "mother", template=params.Template(name="Blank"), memory=64 * MIB,
        os=params.OperatingSystem(kernel=asked.kernel),
        custom_properties=params.CustomProperties(
            custom_property=[params.CustomProperty(name="accelerator", value="tcg")]))
    mother.disks.add(params.Disk(
        alias="system", provisioned_size=8 * MIB, interface="virtio", format="cow", bootable=True,
        storage_domains=params.StorageDomains(storage_domain=[params.StorageDomain(name="data")])))
    wait("the disk", lambda: mother.disks.list()[0].status.state, "ok")
    mother.nics.add(params.NIC(name="nic1", network=params.Network(name="ovirtmgmt"), interface="virtio"))

    step("the template")
    api.templates.add(params.Template(name="golden", vm=mother, cluster=CLUSTER, description="of mother"))
    wait("the template", lambda: api.templates.get("golden").status.state, "ok")
    template = api.templates.get("golden")
    same("the description", template.description, "of mother")
    same("the memory", template.memory, 64 * MIB)
    same("the disks", [disk.alias for disk in template.disks.list()], ["system"])
    same("the interfaces", [nic.name for nic in template.nics.list()], ["nic1"])
    same("the names", sorted(it.name for it in api.templates.list()), ["Blank", "golden"])
    same("a search", [it.id for it in api.templates.list(query="name=golden")], [template.id])
    template.description = "ours"
    same("the new description", template.update().description, "ours")

    step("a thin VM")
    thin = new_vm(api, "thin", template=params.Template(name="golden"))
    same("its template", thin.template.id, template.id)
    same("its memory", thin.memory, 64 * MIB)
    same("its disk", thin.disks.list()[0].format, "cow")
    check(thin.nics.list()[0].mac.address != mother.nics.list()[0].mac.address, "a MAC address is there twice")
    thin.start()
    wait("thin", lambda: api.vms.get("thin").status.state, "up")
    refused(409, template.delete)

    step("a VM with copies, in a format of its own")
    disk = params.Disk(id=template.disks.list()[0].id, format="raw")
    copied = new_vm(
        api, "copied", template=params.Template(name="golden"), disks=params.Disks(clone=True, disk=[disk]))
    same("its disk", copied.disks.list()[0].format, "raw")

    step("a VM of a snapshot, and a clone")
    mother.snapshots.add(params.Snapshot(description="now"))
    wait("the snapshot", lambda: mother.snapshots.list(description="now")[0].snapshot_status, "ok")
    snapshot = params.Snapshot(id=mother.snapshots.list(description="now")[0].id)
    was = new_vm(api, "was", snapshots=params.Snapshots(snapshot=[snapshot]))
    same("its disks", len(was.disks.list()), 1)
    api.vms.get("mother").clone(params.Action(vm=params.VM(name="twin")))
    wait("the clone", lambda: api.vms.get("twin").status.state, "down")
    same("its interfaces", [nic.name for nic in api.vms.get("twin").nics.list()], ["nic1"])

    step("what a template has")
    template = api.templates.get("golden")
    nic = template.nics.add(params.NIC(
        name="nic2", network=params.Network(name="ovirtmgmt"), interface="e1000"))
    nic.name = "second"
    same("the interface", nic.update().name, "second")
    same("the interfaces", sorted(it.name for it in template.nics.list()), ["nic1", "second"])
    nic.delete()
    dog = template.watchdogs.add(params.WatchDog(model="i6300esb", action="reset"))
    same("the watchdog", [it.action for it in template.watchdogs.list()], ["reset"])
    dog.delete()
    data = params.StorageDomain(name="data")
    refused(400, lambda: template.export(params.Action(storage_domain=data)))

    step("a VM that comes back by its OVF")
    before = api.vms.get("twin", all_content=True)
    ovf, disk, mac = before.initialization.configuration, before.disks.list()[0].id, before.nics.list()[0].mac.address
    before.delete(params.Action(vm=params.VM(disks=params.Disks(detach_only=True))))
    back = params.VM(cluster=CLUSTER, initialization=params.Initialization(
        configuration=params.Configuration(type_="ovf", data=ovf.data)))
    after = api.vms.add(back)
    same("its id and name", (after.id, after.name), (before.id, "twin"))
    same("its disk", after.disks.list()[0].id, disk)
    same("its address", after.nics.list()[0].mac.address, mac)
    refused(409, lambda: api.vms.add(back))

    step("the end")
    api.vms.get("thin").stop()
    wait("thin", lambda: api.vms.get("thin").status.state, "down")
    for name in ("thin", "copied", "was", "twin", "mother"):
        api.vms.get(name).delete()
    template.delete()
    same("the names", [it.name for it in api.templates.list()], ["Blank"])
    same("disks", api.disks.list(), [])


if __name__ == "__main__":
    sys.exit(scenario_of(__doc__, run, "--kernel"))
