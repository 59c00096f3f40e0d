# -*- coding: utf-8 -*-
"""Snapshots, as scripts that back VMs up use them, by the unmodified Python SDK of version 3:
taken down and live, polled, listed, restored, deleted; and runs that leave nothing. Ends with the word passed."""
from __future__ import print_function

import argparse
import time

from ovirtsdk.api import API
from ovirtsdk.infrastructure.errors import RequestError
from ovirtsdk.xml import params

NAME = "sdk3-snapshots"


def check(true, text):
    if not true:
        raise AssertionError(text)


def wait(what, found, wanted, seconds=60):
    end = time.time() + seconds
    while found() != wanted:
        check(time.time() < end, "%s is %r, not %r" % (what, found(), wanted))
        time.sleep(0.5)


def taken(vm, description, **more):
    snapshot = vm.snapshots.add(params.Snapshot(description=description, vm=vm, **more))
    while vm.snapshots.get(id=snapshot.id).snapshot_status == "locked":
        time.sleep(0.5)
    found = vm.snapshots.list(description=description)
    check(len(found) == 1 and found[0].snapshot_status == "ok", "%s is not there" % description)
    return found[0]


def deleted(vm, snapshot):
    snapshot.delete()
    wait("the snapshot", lambda: vm.snapshots.get(id=snapshot.id), None)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--url", "--user", "--password", "--ca", "--kernel"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    api = API(url=options.url, username=options.user, password=options.password, ca_file=options.ca)
    vm = api.vms.add(params.VM(
        name=NAME, memory=32 << 20, cluster=params.Cluster(name="Default"),
        template=params.Template(name="Blank"), os=params.OperatingSystem(kernel=options.kernel),
        custom_properties=params.CustomProperties(
            custom_property=[params.CustomProperty(name="accelerator", value="tcg")])))
    vm.disks.add(params.Disk(
        provisioned_size=8 << 20, interface="virtio", format="cow", bootable=True,
        storage_domains=params.StorageDomains(storage_domain=[params.StorageDomain(name="data")])))
    wait("the disk", lambda: api.vms.get(NAME).disks.list()[0].status.state, "ok")
    check([it.type_ for it in vm.snapshots.list()] == ["active"], "the active snapshot is alone")

    first = taken(vm, "before the change")
    check(first.persist_memorystate is False, "no memory was asked for")
    check(len(first.disks.list()) == 1 and first.vm.name == NAME, "the configuration is kept")
    ovf = vm.snapshots.get(id=first.id, all_content=True).initialization.configuration
    check(ovf.type_ == "ovf" and "<Name>%s</Name>" % NAME in ovf.data, "the snapshot is there as OVF")
    check(first.disks.list()[0].image_id in ovf.data, "the OVF names the image")
    vm = api.vms.get(NAME)
    vm.description = "changed"
    vm.update()
    first.restore(params.Action())
    check(not api.vms.get(NAME).description, "the description is back")

    vm = api.vms.get(NAME)
    vm.start()
    wait("the VM", lambda: api.vms.get(NAME).status.state, "up")
    live = taken(vm, "live", persist_memorystate=False)
    try:
        live.restore()
        raise AssertionError("a running VM was restored")
    except RequestError as refusal:
        check(refusal.status == 409, "the refusal is %s" % refusal.status)
    deleted(vm, live)
    deleted(vm, vm.snapshots.get(id=first.id))
    check(api.vms.get(NAME).status.state == "up", "the guest ran on")

    kept = taken(vm, "with memory", persist_memorystate=True)
    check(kept.persist_memorystate is True, "the memory is kept")
    data = api.storagedomains.get(name="data")
    check([it.snapshot.id for it in data.disksnapshots.list()] == [kept.id], "its image is in the domain")
    vm.stop()
    wait("the VM", lambda: api.vms.get(NAME).status.state, "down")
    kept.restore(params.Action(restore_memory=True))
    vm.start()
    wait("the VM", lambda: api.vms.get(NAME).status.state, "up")
    vm.stop()
    wait("the VM", lambda: api.vms.get(NAME).status.state, "down")
    deleted(vm, kept)

    vm.start(params.Action(vm=params.VM(stateless=True)))
    wait("the VM", lambda: api.vms.get(NAME).status.state, "up")
    check([it.type_ for it in vm.snapshots.list()] == ["active", "stateless"], "the run is stateless")
    vm.stop()
    wait("the VM", lambda: api.vms.get(NAME).status.state, "down")
    check([it.type_ for it in vm.snapshots.list()] == ["active"], "it has left nothing behind")
    vm.preview_snapshot(params.Action(snapshot=params.Snapshot(id=taken(vm, "look").id)))
    vm.undo_snapshot(params.Action())
    vm.delete()
    api.disconnect()
    print("passed")


main()
