# -*- coding: utf-8 -*-
"""The main job, done by the unmodified Python SDK of version 3 (Python 2.7):
a VM is created, started, gets a disk plugged while it runs, is measured, changed
and deleted. Ends with code 0, or with 1 and the first thing that was wrong."""
from __future__ import print_function

import argparse
import fnmatch
import os
import sys
import time
import traceback
import uuid

from ovirtsdk.api import API
from ovirtsdk.infrastructure.errors import RequestError
from ovirtsdk.xml import params

MIB = 1024 * 1024
NAME = "sdk3-" + uuid.uuid4().hex[:8]

VM_STATISTICS = [
    "memory.installed", "memory.used",
    "cpu.current.guest", "cpu.current.hypervisor", "cpu.current.total",
]
DISK_STATISTICS = ["data.current.read", "data.current.write"]


class Wrong(Exception):
    pass


def step(text):
    print("- " + text)
    sys.stdout.flush()


def check(true, text):
    if not true:
        raise Wrong(text)


def same(what, found, wanted):
    check(found == wanted, "%s is %r instead of %r" % (what, found, wanted))


def wait(what, found, wanted, seconds=60):
    """Asks until `found()` is `wanted`."""
    end = time.time() + seconds
    while True:
        value = found()
        if value == wanted:
            return
        check(time.time() < end, "%s is still %r after %d s, not %r" % (what, value, seconds, wanted))
        time.sleep(0.5)


def refused(status, call):
    try:
        call()
    except RequestError as error:
        same("status of a refusal", error.status, status)
        check(error.detail or error.reason, "a refusal says nothing")
        return
    raise Wrong("a wrong request was accepted")


def find(entities, name, what):
    names = [entity.get_name() for entity in entities]
    check(name in names, "no %s %r among %r" % (what, name, names))
    return entities[names.index(name)]


def read_statistics(owner, wanted, what):
    values = {}
    for statistic in owner.statistics.list():
        datum = statistic.get_values().get_value()[0].get_datum()
        check(datum is not None, "%s: statistic %s has no value" % (what, statistic.get_name()))
        check(statistic.get_unit(), "%s: statistic %s has no unit" % (what, statistic.get_name()))
        values[statistic.get_name()] = datum
    missing = [name for name in wanted if name not in values]
    check(not missing, "%s: no statistics %r" % (what, missing))
    return values


def look_around(api):
    step("product and what a VM needs")
    product = api.get_product_info()
    check(product.get_name() and product.get_vendor(), "the product has no name or vendor")
    version = product.get_version()
    print("  %s %s.%s" % (product.get_name(), version.get_major(), version.get_minor()))
    same("major version", int(version.get_major()), 3)

    find(api.clusters.list(), "Default", "cluster")
    find(api.templates.list(), "Blank", "template")
    find(api.networks.list(), "ovirtmgmt", "network")
    hosts = api.hosts.list()
    same("number of hosts", len(hosts), 1)
    same("status of the host", hosts[0].get_status().get_state(), "up")
    domains = api.storagedomains.list()
    same("type of storage domain iso", find(domains, "iso", "storage domain").get_type(), "iso")
    data = find(domains, "data", "storage domain")
    same("type of storage domain data", data.get_type(), "data")
    check(data.get_available() > 0, "storage domain data has no space")
    return data


def create_vm(api, asked):
    step("create VM " + NAME)
    system = params.OperatingSystem(
        kernel=asked.kernel,
        initrd=asked.initrd or None,
        cmdline=asked.cmdline or None,
        boot=[params.Boot(dev="hd")],
    )
    vm = api.vms.add(
        params.VM(
            name=NAME,
            description="first",
            cluster=params.Cluster(name="Default"),
            template=params.Template(name="Blank"),
            memory=256 * MIB,
            os=system,
            display=params.Display(type_="vnc"),
            console=params.Console(enabled=True),
        ),
        expect="201-created",
    )
    same("name", vm.get_name(), NAME)
    same("memory", vm.get_memory(), 256 * MIB)
    same("kernel", vm.get_os().get_kernel(), asked.kernel)
    same("display", vm.get_display().get_type(), "vnc")
    same("console", vm.get_console().get_enabled(), True)
    wait("state of the new VM", lambda: state(api, vm), "down")
    refused(400, lambda: api.vms.add(params.VM(
        name=NAME, cluster=params.Cluster(name="Default"), template=params.Template(name="Blank"))))
    return vm


def state(api, vm):
    return api.vms.get(id=vm.get_id()).get_status().get_state()


def disk_of(vm, disk):
    return vm.disks.get(id=disk.get_id())


def add_disk(vm, data, name, **kind):
    disk = vm.disks.add(
        params.Disk(
            name=name,
            provisioned_size=64 * MIB,
            storage_domains=params.StorageDomains(storage_domain=[params.StorageDomain(id=data.get_id())]),
            **kind
        ),
        expect="201-created",
    )
    wait("status of " + name, lambda: disk_of(vm, disk).get_status().get_state(), "ok")
    disk = disk_of(vm, disk)
    same("name of the disk", disk.get_name(), name)
    same("alias of the disk", disk.get_alias(), name)
    same("size of the disk", disk.get_provisioned_size(), 64 * MIB)
    same("interface of the disk", disk.get_interface(), kind["interface"])
    same("format of the disk", disk.get_format(), kind["format"])
    return disk


def find_vm(api, vm):
    step("find it by id, by name and by query")
    same("id found by name", api.vms.get(name=NAME).get_id(), vm.get_id())
    found = api.vms.list(query="name=" + NAME)
    same("ids found by query", [one.get_id() for one in found], [vm.get_id()])
    found = api.vms.list(query="name=sdk3-* sortby name asc")
    check(vm.get_id() in [one.get_id() for one in found], "a query with * does not find it")
    check(all(fnmatch.fnmatch(one.get_name(), "sdk3-*") for one in found), "a query finds others")
    same("VM of an unknown id", api.vms.get(id=str(uuid.uuid4())), None)
    same("VM of an unknown name", api.vms.get(name=NAME + "-not"), None)


def change(api, vm):
    step("change the description: the whole document goes back")
    # Attributes set on the SDK's objects are not sent; its setters are.
    vm = api.vms.get(id=vm.get_id())
    vm.set_description(u"second, with ä")
    vm.update()
    again = api.vms.get(id=vm.get_id())
    same("description", again.get_description(), u"second, with ä")
    same("memory after the update", again.get_memory(), 256 * MIB)
    same("state after the update", again.get_status().get_state(), "up")


def resize(vm, disk):
    step("resize the first disk")
    disk = disk_of(vm, disk)
    disk.set_provisioned_size(96 * MIB)
    disk.update()
    wait("size", lambda: disk_of(vm, disk).get_provisioned_size(), 96 * MIB)
    wait("status", lambda: disk_of(vm, disk).get_status().get_state(), "ok")


def run(api, asked):
    data = look_around(api)
    vm = create_vm(api, asked)

    step("add a bootable disk and start")
    first = add_disk(vm, data, NAME + "-1", interface="virtio", format="cow", bootable=True)
    same("bootable", first.get_bootable(), True)
    same("active", first.get_active(), True)
    vm.start()
    wait("state", lambda: state(api, vm), "up", 120)
    # Its guest must be there to let go of a disk, later.
    time.sleep(asked.boot_seconds)
    refused(409, vm.start)

    step("plug a second disk into the running VM")
    second = add_disk(vm, data, NAME + "-2", interface="virtio_scsi", format="raw", active=True)
    same("active", second.get_active(), True)
    same("number of disks", len(vm.disks.list()), 2)
    same("disk found by name", vm.disks.get(name=NAME + "-2").get_id(), second.get_id())

    step("statistics")
    values = read_statistics(vm, VM_STATISTICS, "VM")
    same("memory.installed", int(values["memory.installed"]), 256 * MIB)
    read_statistics(disk_of(vm, first), DISK_STATISTICS, "disk")

    find_vm(api, vm)
    change(api, vm)
    resize(vm, first)

    step("unplug the second disk, plug it again, unplug and delete it")
    disk_of(vm, second).deactivate()
    same("active", disk_of(vm, second).get_active(), False)
    disk_of(vm, second).activate()
    same("active", disk_of(vm, second).get_active(), True)
    disk_of(vm, second).deactivate()
    disk_of(vm, second).delete()
    wait("the deleted disk", lambda: disk_of(vm, second), None)
    refused(404, second.activate)

    step("stop and delete")
    refused(409, vm.delete)
    vm.stop()
    wait("state", lambda: state(api, vm), "down")
    vm.delete()
    wait("the deleted VM", lambda: api.vms.get(id=vm.get_id()), None)
    wait("its disk", lambda: api.disks.get(id=first.get_id()), None)


def clean_up(api):
    """After a failure: leaves nothing for the next run."""
    vm = api.vms.get(name=NAME)
    if vm is None:
        return
    try:
        vm.stop()
        wait("state", lambda: state(api, vm), "down")
    except RequestError:
        pass
    vm.delete()


def report(scenario, asked, clean_up=None):
    """Runs it on a connection; tells how it ended, and the exit code."""
    api = None
    try:
        step("connect to " + asked.url)
        api = API(url=asked.url, username=asked.user, password=asked.password, ca_file=asked.ca)
        scenario(api, asked)
        api.disconnect()
    except Exception as error:
        if not isinstance(error, Wrong):
            traceback.print_exc()
        print("FAILED: %s" % error, file=sys.stderr)
        if api and clean_up:
            try:
                clean_up(api)
            except Exception as trouble:
                print("and cleaning up failed: %s" % trouble, file=sys.stderr)
        return 1
    print("passed")
    return 0


def scenario_of(description, run, *more):
    """The command line of a scenario that needs nothing but where to go and these options."""
    parser = argparse.ArgumentParser(description=description)
    for name in ("--url", "--user", "--password", "--ca") + more:
        parser.add_argument(name, required=True)
    return report(run, parser.parse_args())


def main():
    environment = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=environment("VIREO_URL", "https://localhost:8443/ovirt-engine/api"))
    parser.add_argument("--user", default=environment("VIREO_USER", "admin@internal"))
    parser.add_argument("--password", default=environment("VIREO_PASSWORD"))
    parser.add_argument("--ca", default=environment("VIREO_CA"), help="needed with https")
    parser.add_argument("--kernel", default=environment("VIREO_KERNEL"), help="below the server's boot_dirs")
    parser.add_argument("--initrd", default=environment("VIREO_INITRD"))
    parser.add_argument("--cmdline", default=environment("VIREO_CMDLINE"))
    parser.add_argument("--boot-seconds", type=float, default=float(environment("VIREO_BOOT_SECONDS", "15")))
    asked = parser.parse_args()
    if not asked.password or not asked.kernel:
        parser.error("password and kernel are needed")

    return report(run, asked, clean_up)


if __name__ == "__main__":
    sys.exit(main())
