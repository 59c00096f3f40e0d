# -*- coding: utf-8 -*-
"""Quotas, limits, instance types, pools and affinity groups, by the unmodified Python SDK of version 3,
with guests that run under them. Ends with the word passed."""
from __future__ import print_function

import sys

from ovirtsdk.xml import params

from sdk3_main_job import MIB, check, refused, scenario_of, same, step, wait

CLUSTER = params.Cluster(name="Default")
GIB = 1024 * MIB


def disk(alias, size, **more):
    return params.Disk(
        alias=alias, provisioned_size=size, interface="virtio", format="cow",
        storage_domains=params.StorageDomains(storage_domain=[params.StorageDomain(name="data")]), **more)


def new_vm(api, asked, name, **more):
    api.vms.add(params.VM(
        name=name, cluster=CLUSTER, template=params.Template(name="Blank"),
        os=params.OperatingSystem(kernel=asked.kernel),
        custom_properties=params.CustomProperties(
            custom_property=[params.CustomProperty(name="accelerator", value="tcg")]), **more))
    return api.vms.get(name)


def run(api, asked):
    center = api.datacenters.get("Default")
    data = api.storagedomains.get("data")

    step("a quota")
    center.quotas.add(params.Quota(name="small", cluster_hard_limit_pct=0, storage_hard_limit_pct=0))
    quota = center.quotas.get("small")
    quota.quotastoragelimits.add(params.QuotaStorageLimit(storage_domain=data, limit=1))
    limit = quota.quotastoragelimits.list()[0]
    same("the limit", limit.limit, 1)
    vm = new_vm(api, asked, "counted", memory=64 * MIB)
    vm.disks.add(disk("small", GIB / 2, quota=params.Quota(id=quota.id)))
    wait("the disk", lambda: vm.disks.list()[0].status.state, "ok")
    same("the disk's quota", vm.disks.list()[0].quota.id, quota.id)

    step("a limit of speed, under a guest that runs")
    center.qoss.add(params.QoS(name="slow", type_="storage", max_throughput=8))
    qos = center.qoss.get("slow")
    api.diskprofiles.add(params.DiskProfile(name="slow", storage_domain=data, qos=params.QoS(id=qos.id)))
    profile = api.diskprofiles.get("slow")
    small = vm.disks.list()[0]
    small.disk_profile = params.DiskProfile(id=profile.id)
    small.update()
    vm.start()
    wait("the VM", lambda: api.vms.get("counted").status.state, "up")
    qos.max_throughput = 16
    same("the new limit", qos.update().max_throughput, 16)
    same("the profile", vm.disks.list()[0].disk_profile.id, profile.id)
    refused(409, profile.delete)

    step("an instance type")
    api.instancetypes.add(params.InstanceType(
        name="ours", memory=96 * MIB, cpu=params.CPU(topology=params.CpuTopology(sockets=2, cores=1))))
    typed = new_vm(api, asked, "typed", instance_type=params.InstanceType(name="ours"))
    same("its memory", typed.memory, 96 * MIB)
    same("its sockets", typed.cpu.topology.sockets, 2)

    step("an affinity group")
    cluster = api.clusters.get("Default")
    cluster.affinitygroups.add(params.AffinityGroup(name="apart", positive=False, enforcing=True))
    group = cluster.affinitygroups.get("apart")
    for one in [vm, typed]:
        group.vms.add(params.VM(id=one.id))
    same("its members", len(group.vms.list()), 2)
    # There is one host, and one of them runs there.
    refused(409, typed.start)
    group.delete()
    typed.start()
    wait("the VM", lambda: api.vms.get("typed").status.state, "up")

    step("a pool")
    vm.stop()
    wait("the VM", lambda: api.vms.get("counted").status.state, "down")
    api.templates.add(params.Template(name="desk", vm=vm, cluster=CLUSTER))
    wait("the template", lambda: api.templates.get("desk").status.state, "ok")
    api.vmpools.add(params.VmPool(
        name="desks", size=2, cluster=CLUSTER, template=params.Template(name="desk")))
    wait("the pool's VMs", lambda: len(api.vms.list(query="name=desks-*")), 2)
    pool = api.vmpools.get("desks")
    same("its size", pool.size, 2)
    taken = pool.allocatevm(params.Action()).vm
    wait("the VM that was taken", lambda: api.vms.get(id=taken.id).status.state, "up")
    check(api.vms.get(id=taken.id).name.startswith("desks-"), "another VM was taken")
    check("stateless" in [one.get_type() for one in api.vms.get(id=taken.id).snapshots.list()],
          "the run leaves something behind")
    pool.set_prestarted_vms(1)
    pool.update()
    wait("a VM ahead", lambda: len(api.vms.list(query="name=desks-* and status=up")), 2)
    pool.set_prestarted_vms(0)
    pool.update()

    step("everything goes")
    for one in api.vms.list():
        if one.status.state != "down":
            one.stop()
            wait(one.name, lambda: api.vms.get(id=one.id).status.state, "down")
    pool.delete()
    wait("the pool", lambda: api.vmpools.get("desks"), None)
    for one in api.vms.list():
        one.delete()
    wait("the VMs", lambda: len(api.vms.list()), 0)
    api.templates.get("desk").delete()
    api.instancetypes.get("ours").delete()
    wait("the template", lambda: api.templates.get("desk"), None)
    profile.delete()
    qos.delete()
    quota.delete()
    same("the disks", len(api.disks.list()), 0)


if __name__ == "__main__":
    sys.exit(scenario_of(__doc__, run, "--kernel"))
